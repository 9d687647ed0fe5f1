"""Where every file of an NSD root lies, and the numbers that hold for every root."""

import json
import re
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from brainalign.files import decoded, in_words

TRIALS = 750  # stimulus trials of every session
MAX_SESSIONS = 40
IMAGES = 73_000  # pictures in the stimulus file
SESSIONS_DONE = {f"subj{s:02d}": n for s, n in enumerate((40, 40, 32, 30, 40, 32, 40, 30), start=1)}
BETA_VERSIONS = ("betas_assumehrf", "betas_fithrf", "betas_fithrf_GLMdenoise_RR")
SPACES = ("func1pt8mm", "fsaverage")
HEMISPHERES = ("lh", "rh")
FSAVERAGE_VERTICES = 163_842  # of one hemisphere
FSAVERAGE5_VERTICES = 10_242  # the first ones of fsaverage
VOLUME_ONLY = ("MTL", "thalamus")  # collections whose tables lie in templates/
PER_SUBJECT = ("prf-", "floc-")  # collections that fsaverage/label does not have
UNREAD_SPACES = ("func1mm", "MNI", "nativesurface")  # of betas that NSD has and nothing here reads
COLLECTIONS = (
    *("prf-visualrois", "prf-eccrois", "floc-faces", "floc-bodies", "floc-places", "floc-words", "nsdgeneral"),
    *("streams", "HCP_MMP1", "Kastner2015", "corticalsulc", "MTL", "thalamus"),
    *("visualsulc", "fVTC", "gVTC", "hVTC", "gEVC"),  # known to the authors' code
)
OWN_IMAGES = re.compile(  # names that NSD gives to images of a subject
    r"(?:[lr]h\.)?(?:"
    r"(?:betas|meanbeta|mean|R2|R2run|HRFindex|HRFindexrun|FRACvalue|ncsnr|valid|onoffbeta)(?:_session\d\d|_split\d)?"
    r"|brainmask|meanFIRST5|aseg|hippoSfLabels|surfaceimperfections|signaldropout|(?:T1|T2|SWI|TOF)_to_\w+"
    r"|prf_(?:angle|eccentricity|exponent|gain|meanvol|R2|size)|floc_[a-z]+(?:tval|anglemetric)"
    rf"|[\w.]+-to-\w+|{'|'.join(COLLECTIONS)})\.(?:nii|nii\.gz|mgh|mgz)"
)


def known(what, name, names):
    """`name` when it is one of `names`; else an error that says what to try."""
    if name in names:
        return name
    near = get_close_matches(str(name), names, n=1) or names
    raise ValueError(f"no {what} {name!r}; try {', '.join(near)}")


def known_space(space):
    """`space` when betas of it can be read; else an error that says which can."""
    if space in UNREAD_SPACES:
        raise ValueError(f"NSD's space {space} is not supported; try {' or '.join(SPACES)}")
    return known("space", space, SPACES)


@dataclass(frozen=True)
class Layout:
    """The paths below one root; `subject` is "subj01" .. "subj08", `hemisphere` "lh", "rh" or "" for both."""

    root: Path

    def __post_init__(self):
        object.__setattr__(self, "root", Path(self.root))

    @property
    def manifest(self):
        return self.root / "SIMULATED.json"

    @property
    def design(self):
        return self.root / "nsddata/experiments/nsd/nsd_expdesign.mat"

    @property
    def stimulus_table(self):
        return self.root / "nsddata/experiments/nsd/nsd_stim_info_merged.csv"

    @property
    def stimuli(self):
        return self.root / "nsddata_stimuli/stimuli/nsd/nsd_stimuli.hdf5"

    def subject(self, subject):
        return self.root / "nsddata/ppdata" / subject

    def responses(self, subject):
        return self.subject(subject) / "behav/responses.tsv"

    def func(self, subject):
        return self.subject(subject) / "func1pt8mm"

    def brainmask(self, subject):
        """The image that says where a subject's functional volume lies; all others must lie there too."""
        return self.func(subject) / "brainmask.nii.gz"

    def valid(self, subject, session):
        return self.func(subject) / f"valid_session{session:02d}.nii.gz"

    def roi(self, subject, collection, hemisphere=""):
        prefix = f"{hemisphere}." if hemisphere else ""
        return self.func(subject) / "roi" / f"{prefix}{collection}.nii.gz"

    def transform(self, subject, hemisphere, name):
        return self.subject(subject) / "transforms" / f"{hemisphere}.{name}.mgz"

    def labels(self, subject):
        return self.root / "nsddata/freesurfer" / subject / "label"

    def surface_roi(self, subject, collection, hemisphere):
        """Labels on a subject's own surface, or on fsaverage where `subject` is "fsaverage"."""
        return self.labels(subject) / f"{hemisphere}.{collection}.mgz"

    def table(self, subject, collection):
        """The label table of a collection: the subject's own where there is one, else fsaverage's."""
        if collection in VOLUME_ONLY:
            return self.root / f"nsddata/templates/{collection}.ctab"
        own = self.labels(subject) / f"{collection}.mgz.ctab"
        shared = self.labels("fsaverage") / f"{collection}.mgz.ctab"
        return own if own.exists() or collection.startswith(PER_SUBJECT) else shared

    def betas(self, subject, space, version):
        return self.root / "nsddata_betas/ppdata" / subject / space / version

    def ncsnr(self, subject, space, version, hemisphere=""):
        name = f"{hemisphere}.ncsnr.mgh" if hemisphere else "ncsnr.nii.gz"
        return self.betas(subject, space, version) / name

    def beta_files(self, subject, space, version):
        """{session: {"hdf5", "nii" or "lh", "rh": path}}, ascending; a session lists the files that exist."""
        pattern = re.compile(r"(?:(lh|rh)\.)?betas_session(\d\d)\.(hdf5|nii|nii\.gz|mgh)")
        kinds = HEMISPHERES if space == "fsaverage" else ("hdf5", "nii")
        sessions = {}
        for path in sorted(self.betas(subject, space, version).glob("*betas_session*")):
            match = pattern.fullmatch(path.name)
            kind = match and (match[1] or match[3].removesuffix(".gz"))
            if kind in kinds:
                sessions.setdefault(int(match[2]), {})[kind] = path
        return dict(sorted(sessions.items()))

    def present(self, subject):
        """The (space, beta version) pairs of which a subject has any session."""
        pairs = [(space, version) for space in SPACES for version in BETA_VERSIONS]
        return [pair for pair in pairs if self.beta_files(subject, *pair)]

    def unread(self, subject):
        """The spaces of which a subject has betas that nothing here reads."""
        folder = self.root / "nsddata_betas/ppdata" / subject
        found = {space: folder.glob(f"{space}/*/*betas_session*") for space in UNREAD_SPACES}
        return [space for space, paths in found.items() if any(not path.name.startswith(".") for path in paths)]

    def sessions(self, subject):
        """Session numbers of a subject in any space, ascending."""
        return sorted({n for pair in self.present(subject) for n in self.beta_files(subject, *pair)})

    @property
    def fsaverage_vertices(self):
        """Vertices of one fsaverage hemisphere; a simulated root may declare fewer."""
        return int((simulated(self.root) or {}).get("fsaverage_vertices", FSAVERAGE_VERTICES))


def subjects(root):
    """Names of the subjects whose betas are there, in any space."""
    layout = Layout(root)
    return [name for name in SESSIONS_DONE if layout.present(name)]


def simulated(root):
    """What SIMULATED.json says of a simulated root; None for a real one."""
    path = Layout(root).manifest
    if not path.exists():
        return None
    try:
        if not path.is_file():
            raise ValueError("it is no file")
        manifest = json.loads(decoded(path.read_bytes(), path))
    except (OSError, ValueError) as error:
        raise ValueError(
            f"{path} cannot be read as JSON ({in_words(error)}); write the simulated root again"
        ) from None
    if not isinstance(manifest, dict):
        raise ValueError(f"{path} holds a {type(manifest).__name__}, expected an object; write the root again")
    return manifest
