"""The check of a root before anything long starts."""

from brainalign.nsd import check_anatomy, check_betas, check_deep, check_design, check_files, design, pictures
from brainalign.nsd.layout import FSAVERAGE_VERTICES, SESSIONS_DONE, SPACES, simulated
from brainalign.nsd.report import Inspector, counted


def check(root, deep=False, progress=None):
    """Examines an NSD root, real or simulated, and returns a `Report`; never raises for what is in the files.

    Read whole: the design, the table of pictures, the responses, brain masks, ROIs and their tables, transforms,
    validity and ncsnr volumes. Betas are read whole up to 256 MB a file, and of a larger one:
    - HDF5: all trials of 512 voxels of nsdgeneral and of 64 voxels outside the brain;
    - NIfTI and MGH: the first three frames, and the size that the file declares against the size it has.
    Both formats of a session must agree where both were read, and ncsnr must follow from the sampled HDF5 betas
    (for surfaces: from files read whole). Of the pictures, 32 of each subject are read. Any other image in the
    subjects' folders must be as long as its header says, and have the volume's shape.

    Volumes are brought to one orientation by their affines; one that lies elsewhere than the subject's brain mask is a
    fault. Files that are not NSD's own are not looked at.

    deep : then reads every byte (`check_deep`), which tells progress(done, total, name) in megabytes
    Ctrl-C ends the check, and what was found until then is reported.
    """
    inspector, subjects = Inspector(root), []
    try:
        subjects = inspector.run(inspector.layout.root, _root) or []
    except KeyboardInterrupt:
        inspector.stopped = "stopped before every file was looked at"
    if deep and not inspector.stopped:
        inspector.run(inspector.layout.root, check_deep.everything, [s["name"] for s in subjects], progress)
    return inspector.report(subjects)


def _root(inspector):
    """Everything below a root, step by step; returns the subjects' summaries."""
    layout, run = inspector.layout, inspector.run
    if not layout.root.is_dir():
        found = "a file" if layout.root.exists() else "nothing there"
        inspector.fault(layout.root, found, "the folder that holds nsddata and nsddata_betas", "give the root's path")
        return []
    run(layout.manifest, _manifest)
    if inspector.faults:
        inspector.warn("nothing else was checked, as the manifest says which sizes to expect")
        return []
    plan = run(layout.design, check_design.design)
    present = {name: layout.sessions(name) for name in SESSIONS_DONE if layout.sessions(name)}
    run(layout.stimulus_table, check_design.stimulus_table, plan, present)
    run(layout.stimuli, check_design.stimuli, plan, present)
    run(layout.root, _subjects, present)
    inspector.common = pictures.common(plan, present)
    atlases = run(layout.labels("fsaverage"), check_anatomy.fsaverage, present) or {}
    summaries = [run(layout.subject(name), _subject, name, present[name], plan, atlases) for name in present]
    if inspector.tables_missing:
        missing = sorted(inspector.tables_missing)
        text = f"{counted(len(missing), 'label table')} missing, such as {missing[0]}"
        inspector.warn(f"{text}; NSD's own names of the labels are used")
    return [summary for summary in summaries if summary]


def _manifest(inspector):
    """Loads SIMULATED.json where there is one."""
    layout = inspector.layout
    inspector.simulated = layout.manifest.exists()
    inspector.manifest = inspector.read(lambda path: simulated(path.parent), layout.manifest) or {}
    vertices = inspector.manifest.get("fsaverage_vertices", FSAVERAGE_VERTICES)
    if not isinstance(vertices, int) or vertices < 1:
        inspector.fault(layout.manifest, f"fsaverage_vertices is {vertices!r}", "a number of vertices")
    inspector.vertices = vertices


def _subjects(inspector, present):
    """Subjects without betas, and a root without subjects."""
    layout = inspector.layout
    for name in SESSIONS_DONE:
        folder, unread = layout.root / "nsddata_betas/ppdata" / name, ", ".join(layout.unread(name))
        if unread and present:
            inspector.warn(f"{name}: betas of {unread} cannot be read; {' and '.join(SPACES)} can")
        elif unread:
            todo = f"download nsddata_betas/ppdata/{name}/{SPACES[0]} and nsddata/ppdata/{name}/{SPACES[0]}"
            inspector.fault(folder, f"betas of {unread} only, which is not supported", " or ".join(SPACES), todo)
        elif name in present:
            continue
        elif name in inspector.manifest.get("subjects", ()):
            expected = "files such as func1pt8mm/betas_fithrf_GLMdenoise_RR/betas_session01.hdf5"
            inspector.fault(folder, "no betas of any session", expected)
        elif folder.exists() or layout.subject(name).exists():
            inspector.warn(f"{name}: no betas, so it cannot be loaded")
    if not present and not any(map(layout.unread, SESSIONS_DONE)):
        folder = layout.root / "nsddata_betas/ppdata"
        inspector.fault(
            folder, "no betas of any subject", "subj01/func1pt8mm/... as on NSD's server", "give NSD's root"
        )


def _subject(inspector, subject, sessions, plan, atlases):
    """All files of one subject; returns its summary."""
    layout = inspector.layout
    inspector.run(layout.responses(subject), check_design.responses, subject, sessions, plan)
    pairs = layout.present(subject)
    spaces = list(dict.fromkeys(space for space, _ in pairs))
    cortex = (
        inspector.run(layout.func(subject), check_anatomy.volume, subject, sessions)
        if "func1pt8mm" in spaces
        else None
    )
    n_native = inspector.run(layout.subject(subject) / "transforms", check_anatomy.transforms, subject, cortex)
    atlases = atlases if "fsaverage" in spaces else None
    labels = inspector.run(layout.labels(subject), check_anatomy.native, subject, n_native, atlases)
    for space, version in pairs:
        step = check_betas.volume if space == "func1pt8mm" else check_betas.surface
        inspector.run(layout.betas(subject, space, version), step, subject, version, cortex, plan)
    inspector.run(layout.subject(subject), check_files.other_images, subject, cortex)
    inspector.run(layout.root, check_files.planted_truth, subject)
    _orientations(inspector, subject)
    coco = inspector.read_once(lambda path: design.coco_ids(layout.root), layout.stimulus_table)
    return {
        "name": subject,
        "sessions": sessions,
        "spaces": spaces,
        "betas": {space: [v for s, v in pairs if s == space] for space in spaces},
        "rois": cortex.rois if cortex else labels or {},
        **pictures.summary(plan, subject, sessions, coco),
    }


def _orientations(inspector, subject):
    """Warns of a subject's volumes that are stored in another order than NSD's, or do not say where they lie."""
    turned = {here.path: here.turned for here in inspector.grids if here.turned}
    unplaced = list(dict.fromkeys(here.path for here in inspector.grids if here.stored is None))
    inspector.grids.clear()
    if turned:
        path, order = next(iter(turned.items()))
        many = counted(len(turned), "volume")
        text = f"{subject}: {many} stored in another order than NSD's RAS, such as {path} ({order})"
        inspector.warn(f"{text}; turned by the affine when read, which other tools may not do")
    if unplaced:
        text = f"{subject}: {counted(len(unplaced), 'volume')} without a place (sform and qform 0)"
        inspector.warn(f"{text}, such as {unplaced[0]}; taken to be in NSD's order on the brain mask's grid")
