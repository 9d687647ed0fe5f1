"""The table of models: rows that hold together, names of controls, suggestions, and what is present here."""

import inspect
from importlib import import_module

import pytest

from brainalign import models
from brainalign.models import table

ROWS = [*models.MODELS.values(), table.ENDPOINT]


@pytest.mark.parametrize("adapter", list(table.FAMILIES))
def test_a_family_is_told_as_its_adapter_says(adapter):
    family, (module, _, cls) = table.FAMILIES[adapter], adapter.partition(":")
    cls = getattr(import_module(f"brainalign.models.{module}"), cls)
    assert (family.poolings, family.fixed_poolings) == (tuple(cls.poolings), tuple(cls.fixed_poolings))
    assert family.answers == cls.answers
    assert cls.uses_instruction == (family.poolings != family.fixed_poolings)
    assert family.text_poolings == getattr(cls, "text_poolings", ())
    assert set(family.fixed_poolings) <= set(family.poolings)
    assert inspect.getdoc(cls)
    assert adapter in {row.adapter for row in ROWS}, "a family without a model"


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_rows_are_complete(row):
    assert row.base == "" or not models.find(row.base).control
    assert row.licence
    assert row.note
    assert row.parameters > 0 or not row.checkpoint
    assert row.size or not isinstance(row.checkpoint, str) or not row.checkpoint
    assert row.memory("float32") == 2 * row.memory("bfloat16") >= row.memory("8bit") >= row.memory("4bit")


def test_unknown_names_get_the_nearest():
    for wrong, near in (("llava-1.5-7B", "llava-1.5-7b"), ("llava-demo-shufled", "llava-demo-shuffled")):
        with pytest.raises(ValueError, match=f"no model '{wrong}'; try {near}, or see `brainalign models`"):
            models.find(wrong)


def test_controls_are_derived_from_any_row():
    shuffled = models.find("llava-1.5-7b-shuffled")
    assert (shuffled.control, shuffled.of, shuffled.tuned) == ("shuffled", "llava-1.5-7b", True)
    assert shuffled.poolings == models.find("llava-1.5-7b").poolings
    assert not models.find("vit-demo-random").tuned
    blind = models.find("llava-demo-instruction-only")
    assert not set(blind.poolings) & set(models.find("llava-demo").fixed_poolings)
    mute = models.find("llava-demo-image-only")
    assert not mute.uses_instruction
    assert "mean_instruction" not in mute.poolings
    assert mute.fixed_poolings == mute.poolings


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("vit-demo-shuffled", "its controls are random"),
        ("llava-demo-random-shuffled", "it has no control"),
        ("llava-demo-shuffled-random", "no model"),
    ],
)
def test_controls_that_make_no_sense_are_refused(name, said):
    with pytest.raises(ValueError, match=said):
        models.find(name)


def test_identities_tell_controls_apart():
    names = ("llava-demo", *(f"llava-demo-{control}" for control in models.CONTROLS))
    assert len({str(models.identity(name)) for name in names}) == 5
    plain = models.identity("llava-demo")
    assert models.identity("llava-demo-shuffled") == plain | {"control": "shuffled"}
    assert models.identity("llava-demo-random") == {
        "checkpoint": "random weights as data/models/llava-demo",
        "revision": models.identity("llava-demo-random")["revision"],
        "dtype": "float32",
    }
