"""A plot to files: figures, its data, brains in other tools' formats, or all of it in one bundle."""

import io
import json
import re
import warnings
import zipfile
from importlib import metadata
from pathlib import Path
from urllib.parse import urlencode

import numpy as np

from brainalign.figures.flatmap import palettes
from brainalign.paper import brainmap, words
from brainalign.paper.asked import PARTS
from brainalign.paper.choices import KINDS, LINKED, PAGES
from brainalign.paper.page import caption as said
from brainalign.paper.page import sheet
from brainalign.paper.sheet import FORMATS, MM

ADDRESS = "http://127.0.0.1:8501"  # of the app as `make app` starts it
WIDTHS, DPIS = (30, 400), (72, 1200)
TABLES, BRAINS = ("csv", "parquet"), ("func.gii", "label.gii", "nii.gz", "nii", "hdf")
GIFTI, VOLUMES = BRAINS[:2], BRAINS[2:4]
ENDINGS = (*FORMATS, *TABLES, "zip", *BRAINS)
TELLING = ("subject", "by", "lines", "quantity", "model", "instruction", "a", "b", "three", "part")
LONGEST = 80  # letters of a file's name before its ending
VERSIONS = ("brainalign", "matplotlib", "numpy", "pandas", "duckdb")


def link(plot, address=ADDRESS):
    """The address of the page that shows this; of a grid of instructions, which the page shows one at a time, several
    with spaces between.
    """
    named = {LINKED.get(plot.kind, {}).get(key, key): value for key, value in plot.choices.items()}
    page, view = PAGES.get(plot.kind, (plot.kind, ""))
    named |= {"view": view} if view else {}
    page = f"{address.rstrip('/')}/{page}"
    views = (
        [named | {"instruction": id} for id in named["instruction"].split(",")] if "instruction" in named else [named]
    )
    return " ".join(f"{page}?{urlencode(named | view)}".rstrip("?") for view in views)


def filename(kind, choices, format):
    """A file's name that tells what it holds: the kind, the subject and the map, in letters that any system takes."""
    named = [kind, *(choices.get(key, "") for key in _telling(kind, choices))]
    plain = (re.sub(r"[^A-Za-z0-9.]+", "-", str(part).removesuffix("_mean")).strip("-.") for part in named)
    stem = "_".join(dict.fromkeys(part for part in plain if part))[:LONGEST].rstrip("-_.")
    return f"{stem}{'_gifti.zip' if format in GIFTI else f'.{format}'}"


def _telling(kind, choices):
    """The choices that tell a figure from others of its kind."""
    quantity, by = choices.get("quantity", ""), choices.get("by", choices.get("lines", "instruction"))
    if kind == "flatmap":
        own = {"nc": (), "across": (), "unique": ("model", "instruction"), "winner": ("among", "model", "instruction")}
        own |= dict.fromkeys(PARTS, ("model", "a", "b"))
        other = ("minus_model", "minus_instruction") if choices.get("difference") == "True" else ()
        return ("subject", "quantity", *own.get(quantity, ("model", "instruction", *other)))
    known = KINDS.get(kind, (None, ()))[1]
    left_out = {"roi": {"instructions", "models"}, "model": {"model"}}.get(
        by, {"instruction"} if "by" in known else set()
    )
    return [key for key in (*TELLING, *(["roi"] if kind != "rois" else [])) if key in known and key not in left_out]


def ending(path):
    """The format that a file's name asks for."""
    name = Path(path).name.lower()
    found = next((end for end in ENDINGS if name.endswith(f".{end}")), None)
    if found is None:
        raise ValueError(f"{Path(path).name} has an ending that is not known; take .{', .'.join(ENDINGS)}")
    return found


def write(plot, store, out, width=180.0, dpi=300, address=ADDRESS, like=None, font=""):
    """Write a file whose ending says what it holds; returns the paths written.

    GIFTI is two files a map, .label.gii where it shows classes, whichever of the two endings was given; a volume of
    classes has their names and colours in a .tsv beside it, and significance is a file of its own.
    width : mm; dpi : of rasters; address : where the app is, for the link; like : a NIfTI of the subject for .nii.gz
    font : of figures, as `fonts.chain` takes it
    """
    out, format = Path(out), ending(out)
    if format in GIFTI + VOLUMES:
        stem = out.name[: -len(format) - 1]
        found = _gifti(plot, store) if format in GIFTI else _volumes(plot, store, format, like)
        files = {out.with_name(f"{stem}.{tail}"): data for tail, data in found.items()}
    else:
        files = {out: render(plot, store, format, width, dpi, address, like, font)}
    for path, data in files.items():
        try:
            path.write_bytes(data)
        except OSError as error:
            raise ValueError(f"{path} cannot be written ({error.strerror}); choose another place for --out") from None
    return list(files)


def render(plot, store, format, width=180.0, dpi=300, address=ADDRESS, like=None, font=""):
    """One file as bytes, in any of ENDINGS; of GIFTI a zip of both hemispheres, of a volume what the map shows."""
    if format in FORMATS:
        return _figure(plot, store, format, width, dpi, address, font)[0]
    if format in TABLES:
        return _table(plot, store, format, address)
    if format == "zip":
        return _zip(bundle(plot, store, width, dpi, address, font))
    if format in GIFTI:
        stem = filename(plot.kind, plot.choices, "").rstrip(".")
        return _zip({f"{stem}.{tail}": data for tail, data in _gifti(plot, store).items()})
    if format in VOLUMES:
        return _volumes(plot, store, format, like)[format]
    maps = _maps(plot)
    limits = palettes.limits_of([one.picture for one in maps.values()])
    return brainmap.pycortex(maps, limits, _short(plot, store), origin(plot, store, address))


def _figure(plot, store, format, width, dpi, address, font):
    """(bytes, what is said of letters that no font has)."""
    for what, value, (low, high) in (("width", width, WIDTHS), ("dpi", dpi, DPIS)):
        if not low <= value <= high:
            raise ValueError(f"{what} is {value:g}; expected {low} to {high}" + " mm" * (what == "width"))
    (page, lacking), file = sheet(plot, width, dpi, store.simulated, font, format == "svg"), io.BytesIO()
    if page.width * page.height * (dpi * MM) ** 2 > 2e8:
        raise ValueError(f"{width:g} x {page.height:.0f} mm at {dpi} dpi is over 200 million pixels; take fewer dpi")
    page.save(file, format, file_about(plot, store, address, width, lacking))
    if lacking:
        warnings.warn(lacking, stacklevel=4)
    return file.getvalue(), lacking


def file_about(plot, store, address=ADDRESS, width=180.0, lacking=""):
    """title, description, link and keywords that go into a figure's metadata."""
    info = store.info()
    made = f"store {info.get('version', '')} of study {info.get('study_name', '')}; query: {_one_line(plot.query)}"
    return {
        "title": f"BrainAlign {plot.kind}",
        "description": words.simulated(store) + said(plot, width, lacking),
        "link": link(plot, address),
        "keywords": made,
    }


def _one_line(query):
    return " ".join(query.split())


def origin(plot, store, address=ADDRESS):
    """Where numbers come from, for files that carry no caption: simulated, version, link and query."""
    version = store.info().get("version", "")
    found = {"simulated": store.simulated, "version": version, "link": link(plot, address), "query": plot.query}
    return found | ({"q_family": plot.family} if plot.family else {})


def _table(plot, store, format, address):
    """Data as CSV, with a column that names the tests' family and one that says where they are simulated; as Parquet
    with these and their origin as metadata."""
    if plot.panels:
        raise ValueError("the panels have tables of their own; write a .zip, which holds them all")
    if format == "csv":
        data = plot.data.assign(q_family=plot.family) if plot.family else plot.data
        data = data.assign(simulated=True) if store.simulated else data
        return data.to_csv(index=False).encode()
    import pyarrow
    from pyarrow import parquet

    table, file = pyarrow.Table.from_pandas(plot.data, preserve_index=False), io.BytesIO()
    told = {
        key: str(value).lower() if key == "simulated" else value for key, value in origin(plot, store, address).items()
    }
    parquet.write_table(table.replace_schema_metadata(table.schema.metadata | told), file)
    return file.getvalue()


def _short(plot, store):
    about = "; ".join(filter(None, (plot.about.partition(". ")[0], plot.family)))
    return f"{words.simulated(store)}{about}; store {store.info().get('version', '')}"


def _maps(plot):
    """name -> Map: "map" where there is one, else what stands above each."""
    if not plot.maps:
        raise ValueError("formats of brains hold maps: ask for a flatmap")
    if len(plot.maps) == 1:
        return {"map": plot.maps[0]}
    return {one.title.replace(", ", "_"): one for one in plot.maps}


def _gifti(plot, store):
    """{"lh.func.gii": bytes ...}, with the map's name before it where there are several."""
    files = {}
    for name, one in _maps(plot).items():
        prefix = "" if name == "map" else f"{name}."
        found = brainmap.gifti(one, _short(plot, store))
        files |= {f"{prefix}{tail}": data for tail, data in found.items()}
    return files


def _volumes(plot, store, format, like):
    """{"nii.gz": bytes ...} as `brainmap.nifti` gives them, packed where the format says so."""
    maps = _maps(plot)
    if len(maps) > 1:
        raise ValueError("a volume holds one map: ask for one subject and one instruction")
    one = maps["map"]
    space, units = store.info().get("space", ""), store.units(one.subject)
    found = brainmap.nifti(one, units, space, like, _short(plot, store))
    packed = _gzip if format == "nii.gz" else bytes
    return {
        re.sub("nii$", format, tail): packed(data) if tail.endswith("nii") else data for tail, data in found.items()
    }


def _gzip(data):
    import gzip

    return gzip.compress(data, mtime=0)


# --- Bundles ---


def bundle(plot, store, width=180.0, dpi=300, address=ADDRESS, font=""):
    """{name: bytes}: the figure in three formats, its data, where they come from, and a caption to start from."""
    made = {format: _figure(plot, store, format, width, dpi, address, font) for format in FORMATS}
    files = {f"{plot.kind}.{format}": data for format, (data, _) in made.items()}
    for letter, part in (plot.panels or {"": plot}).items():
        name = f"data_{letter}" if letter else "data"
        files |= {f"{name}.{format}": _table(part, store, format, address) for format in TABLES}
    files["caption.txt"] = caption(plot, store, width, made["pdf"][1]).encode()
    files["query.sql"] = _script(plot, store).encode()
    files["about.json"] = json.dumps(about(plot, store, width, dpi, address), indent=2, default=_plain).encode()
    return files


def _script(plot, store):
    """The query with a word on how to run it."""
    told = f"-- store {store.info().get('version', '')}; gives the data drawn: duckdb {store.path.name} < query.sql"
    return f"{told}\n{plot.query.rstrip().removesuffix(';')};\n"


def caption(plot, store, width=180.0, lacking=""):
    """A draft: what is seen, n, and how it was computed; lacking : as `page.caption` takes it."""
    return f"{words.simulated(store)}{said(plot, width, lacking)}\n"


def about(plot, store, width, dpi, address=ADDRESS):
    """Where a figure comes from: enough to make it again."""
    info = store.info()
    parts = plot.panels or {"": plot}
    return {
        "figure": {"kind": plot.kind, "width_mm": width, "dpi": dpi},
        "simulated": store.simulated,
        "store": {key: info.get(key, "") for key in ("version", "created", "study_name", "space", "solver", "min_nc")},
        "panels": [
            {
                "panel": letter,
                "kind": part.kind,
                "choices": part.choices,
                "link": link(part, address),
                "query": part.query,
            }
            for letter, part in parts.items()
        ],
        "instructions": {id: one.text for id, one in store.catalogue.instructions.items()},
        "subjects": store.subjects().to_dict("records"),
        "versions": {name: _version(name) for name in VERSIONS},
    }


def _version(name):
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "unknown"


def _plain(value):
    return value.item() if isinstance(value, np.generic) else str(value)


def _zip(files):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(zipfile.ZipInfo(name), data, zipfile.ZIP_DEFLATED)
    return file.getvalue()
