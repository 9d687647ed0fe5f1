"""The table of models for a reader: what each is, and what is on this machine."""

from textwrap import wrap

from brainalign.models import CONTROLS, checkpoint, here, missing, table

WIDTH = 100
DTYPES = ("float32", "bfloat16", "8bit", "4bit")
HEADINGS = {
    "present": "On this machine",
    "incomplete": "Incomplete on this machine",
    "not downloaded": "Not on this machine; the line below a model downloads it",
    "outside": "Not for this program; the lines below a model say why",
}


def listing():
    """Every model as a dictionary; `todo` says what to do if its files are not here, "" if they are."""
    return [_entry(model) for model in here().values()]


def _entry(model):
    fault = missing(model.name)
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
    widths = [max(len(entry[key]) for entry in entries) for key in ("name", "base")]
    lines = []
    for state, heading in HEADINGS.items():
        rows = [entry for entry in entries if entry["state"] == state]
        if rows:
            lines += [heading, _line(widths, "name", "kind", "tuned", "base", "weights", "memory", "licence")]
            lines += [line for entry in rows for line in (_row(widths, entry), *_todo(entry))]
            lines.append("")
    if any(entry["state"] == "not downloaded" for entry in entries):
        lines.append("Downloads are found under $BRAINALIGN_MODELS: export BRAINALIGN_MODELS=~/models")
    lines.append("Controls are names too:")
    lines += [f"  <name>-{control:17} {what}" for control, what in CONTROLS.items()]
    return "\n".join(lines)


def _row(widths, entry):
    weights = memory = "-"
    if entry["parameters"]:
        weights = _short(entry["parameters"], ((1e9, "B"), (1e6, "M")))
        memory = _short(entry["memory"][entry["dtype"]], ((1e9, "GB"), (1e6, "MB")))
    tuned = "yes" if entry["tuned"] else "-"
    return _line(widths, entry["name"], entry["kind"], tuned, entry["base"] or "-", weights, memory, entry["licence"])


def _todo(entry):
    if entry["state"] in ("incomplete", "outside"):
        return wrap(entry["todo"], WIDTH, initial_indent="    ", subsequent_indent="    ", break_on_hyphens=False)
    terms = [f"    # accept its terms first: https://huggingface.co/{entry['checkpoint']}, then: hf auth login"]
    return [*(terms if entry["gated"] else []), *([f"    {entry['command']}"] if entry["command"] else [])]


def _line(widths, name, kind, tuned, base, weights, memory, licence):
    name, base = name.ljust(widths[0]), base.ljust(widths[1])
    return f"  {name}  {kind:10} {tuned:5} {base} {weights:>7} {memory:>7}  {licence}"


def _short(number, units):
    """Two or three digits and a unit: 7063427072 -> "7.1 B"."""
    size, unit = next((u for u in units if number >= u[0]), units[-1])
    value = number / size
    return f"{value:.1f} {unit}" if value < 10 else f"{value:.0f} {unit}"
