"""`brainalign figure`: from what was typed to files."""

import os
from pathlib import Path

from brainalign import files
from brainalign import store as stores
from brainalign.paper import choices, export, panels
from brainalign.tables import DATA

WIDTH, DPI = 180.0, 300


def command(kind, description, out, store, width, dpi, bundle, link, like, font, asked):
    """Write what was asked for; returns the paths.

    description : the TOML file of panels; asked : key -> text
    store, width, dpi, link, like, font : None where not given
    """
    export.ending(out)  # before anything is computed
    _writable(out)
    page, typed = {}, asked
    if link is not None:
        linked, found = choices.from_link(link, kind)
        if linked != kind:
            raise ValueError(f"the link leads to {linked}, not {kind}; write: brainalign figure {linked} --link ...")
        asked = found | {key: value for key, value in asked.items() if value is not None}
    if kind == "panels":
        page = _described(description, asked)
        store = store or (_place(page["store"], description) if "store" in page else None)
    elif description is not None:
        raise ValueError(f"{kind} takes no file {description}; only panels does")
    width, dpi = width or page.get("width_mm", WIDTH), dpi or page.get("dpi", DPI)
    font = font or page.get("font", "")
    with stores.open_latest(store or DATA / "store") as opened:
        plot = panels.plot(opened, page) if page else choices.plot(opened, kind, **asked)
        choices.heard(plot, typed)
        made = export.write(plot, opened, out, width, dpi, like=like, font=font)
        beside = _beside(out)
        return made + (export.write(plot, opened, beside, width, dpi, font=font) if bundle and beside != out else [])


def _place(given, description):
    if not isinstance(given, str) or not given:
        raise ValueError(f'{description}: store is {given!r}, expected a path such as "store"')
    return files.place(given, description.parent, f"{description}: store")


def _writable(out):
    """Whether there is a place for the file; the file system has the last word."""
    folder = out.absolute().parent
    if not folder.is_dir():
        raise ValueError(f"there is no folder {out.parent} to write {out.name} into")
    if out.is_dir():
        raise ValueError(f"{out} is a folder; --out names a file")
    if not os.access(out if out.exists() else folder, os.W_OK):
        raise ValueError(f"{out} cannot be written: no permission; choose another place for --out")


def _described(description, asked):
    if description is None:
        raise ValueError("panels needs a file: brainalign figure panels figure.toml --out figure.pdf")
    if given := [key for key, value in asked.items() if value is not None]:
        raise ValueError(f"panels takes its choices from {description}, not from --{given[0].replace('_', '-')}")
    return panels.read(description)


def _beside(out):
    """The bundle's name: the file's own with .zip for its ending."""
    return Path(str(out)[: -len(export.ending(out))] + "zip")
