"""The table of models for a reader: what each is, and what is on this machine."""

from textwrap import wrap

from brainalign.models import CONTROLS, checkpoint, here, missing, published, rehearse, table

WIDTH = 100
DTYPES = ("float32", "bfloat16", "8bit", "4bit")
HEADINGS = {
    "present": "On this machine",
    "incomplete": "Incomplete on this machine",
    "not downloaded": "Not on this machine; the lines below a model download it",
    "outside": "Not for this program; the lines below a model say why",
}


def listing():
    """Every model as a dictionary; `todo` says what to do if it cannot be loaded here, "" if it can.

    Where the files of a model that does not ship are here, its weights' names are compared too, which imports torch:
    about 5 seconds for all, and less than one a model.
    """
    return [_entry(model) for model in here().values()]


def _fault(model):
    """What keeps a model from loading; those that ship are loaded by the tests, so that their files are enough."""
    fault, place = missing(model.name), checkpoint.source(model)
    ships = isinstance(place, str) or place.parent == checkpoint.SHIPPED
    return fault if fault or ships else rehearse(model.name)


def _entry(model):
    fault, known = _fault(model), published.of(model)
    fetched = bool(model.size)
    return {
        "name": model.name,
        "kind": model.kind,
        "tuned": model.tuned,
        "base": model.base,
        "control": model.control,
        "prompt": model.prompt,
        "answers": model.answers,
        "poolings": list(model.poolings),
        "fixed_poolings": list(model.fixed_poolings),
        "text_poolings": list(model.text_poolings),
        "pair_poolings": list(model.family.pair_poolings),
        "parameters": model.parameters,
        "memory": {dtype: model.memory(dtype) for dtype in (DTYPES if model.answers else DTYPES[:2])},
        "dtype": model.dtype,
        "licence": model.licence,
        "gated": model.gated,
        "checkpoint": table.shown(model.checkpoint),
        "controls": [f"{model.name}-{control}" for control in table.controls(model)],
        "note": model.note,
        "verified": {
            "against": published.CHECKS[known.checked],
            "short": known.checked,
            "found": known.found,
            "real_weights": published.real_weights(model),
        },
        "format": known.format if fetched and not model.composed else "",
        "size": published.size(model) if fetched else "",
        "parts": known.parts,
        "state": _state(model, fault),
        "todo": model.outside or fault.removeprefix(f"{model.name}: "),
        "command": checkpoint.command(model) if fault and not model.outside else "",
    }


def _state(model, fault):
    if model.outside:
        return "outside"
    state = checkpoint.state(model)
    return "incomplete" if fault and state == "present" else state


def as_text(entries):
    """The table in at most 100 columns, by what is on this machine."""
    asked = [entry for entry in entries if entry["prompt"]]  # other prompts for models that have rows
    entries = [entry for entry in entries if not entry["prompt"]]
    widths = [max(len(entry[key]) for entry in entries) for key in ("name", "base")]
    lines = []
    for state, heading in HEADINGS.items():
        rows = [entry for entry in entries if entry["state"] == state]
        if rows:
            lines += [
                heading,
                _line(widths, "name", "kind", "tuned", "base", "weights", "memory", "tested", "licence"),
            ]
            lines += [line for entry in rows for line in (_row(widths, entry), *_todo(entry))]
            lines.append("")
    if any(entry["state"] == "not downloaded" for entry in entries):
        lines.append("Downloads are found under $BRAINALIGN_MODELS: export BRAINALIGN_MODELS=~/models")
    lines += _legend()
    lines.append("Controls are names too:")
    lines += [f"  <name>-{control:17} {what}" for control, what in CONTROLS.items()]
    lines.append("So are models that are asked as the code of the paper's authors asks them, on the same files:")
    lines += [f"  {entry['name']:30} {entry['note'].rpartition(': ')[2]}" for entry in asked]
    lines.append("What states each model has (poolings), of pictures and of texts: brainalign models --json")
    return "\n".join(lines)


def _legend():
    """What the column `tested` means."""
    lines = [
        "tested: against what a row was checked; `brainalign models --verify NAME` checks one with its real weights"
    ]
    for short, what in published.CHECKS.items():
        lines += wrap(what, WIDTH, initial_indent=f"  {short or '-':8}", subsequent_indent=" " * 10)
    return [*wrap(lines[0], WIDTH), *lines[1:]]


def _row(widths, entry):
    weights = memory = "-"
    if entry["parameters"]:
        weights = _short(entry["parameters"], ((1e9, "B"), (1e6, "M")))
        memory = _short(entry["memory"][entry["dtype"]], ((1e9, "GB"), (1e6, "MB")))
    tuned = "yes" if entry["tuned"] else "-"
    known = entry["verified"]["short"] or "-"
    cells = entry["name"], entry["kind"], tuned, entry["base"] or "-", weights, memory, known, entry["licence"]
    return _line(widths, *cells)


def _todo(entry):
    if entry["state"] in ("incomplete", "outside"):
        return wrap(entry["todo"], WIDTH, initial_indent="    ", subsequent_indent="    ", break_on_hyphens=False)
    terms = [f"    # accept its terms first: https://huggingface.co/{entry['checkpoint']}, then: hf auth login"]
    size = [f"    # {entry['size']}"] if entry["command"] and entry["size"] else []
    parts = wrap(entry["parts"], WIDTH - 6, break_on_hyphens=False) if entry["command"] else []
    size += [f"    # {line}" for line in parts]
    return [*(terms if entry["gated"] else []), *size, *(_shell(entry["command"]) if entry["command"] else [])]


def _shell(command):
    """A command in lines that a shell takes as one."""
    first, mark, patterns = command.partition(" --include")
    return [f"    {first} \\", f"     {mark}{patterns}"] if mark else [f"    {first}"]


def _line(widths, name, kind, tuned, base, weights, memory, tested, licence):
    name, base = name.ljust(widths[0]), base.ljust(widths[1])
    return f"  {name} {kind:10} {tuned:5} {base} {weights:>7} {memory:>7} {tested:6} {licence}"


def _short(number, units):
    """Two or three digits and a unit: 7063427072 -> "7.1 B"."""
    size, unit = next((u for u in units if number >= u[0]), units[-1])
    value = number / size
    return f"{value:.1f} {unit}" if value < 10 else f"{value:.0f} {unit}"
