"""A study file is read as it is written, and what is wrong in it is named with the nearest right name."""

from pathlib import Path

import numpy as np
import pytest

from brainalign import study
from brainalign.tables import DATA, instructions

TEXT = """
[study]
name = "t"
root = "nsd"
output = "out"
[[models]]
name = "llava-demo"
[variance]
model = "llava-demo"
"""


def load(tmp_path, text):
    path = tmp_path / "study.toml"
    path.write_text(text, encoding="utf-8")
    return study.load(path)


def test_defaults(tmp_path):
    found = load(tmp_path, TEXT)
    assert (found.root, found.output, found.store) == (tmp_path / "nsd", tmp_path / "out", tmp_path / "out/store")
    assert found.subjects == ()
    assert found.space == "func1pt8mm"
    model = found.models[0]
    assert model.instructions == tuple(key for key, value in instructions().items() if value.paper == "ten")
    assert model.poolings == ("mean_generated", "last_prompt")
    assert model.layers == ()
    assert found.variance.anchor == "IC"
    assert found.variance.pooling == "mean_generated"
    assert {0.0, 1.0} <= set(found.variance.gammas)
    assert found.variance.pairs == "anchor"


def test_the_demo_study_is_valid_and_compares_what_it_says():
    found = study.load(DATA / "study-demo.toml")
    assert found.store == DATA / "store"
    assert len(found.models[0].instructions) == 10
    assert next(model for model in found.models if model.name == "vit-demo").instructions == ("",)


def test_what_is_written_is_what_is_read(tmp_path):
    text = """
    [study]
    name = "x"
    root = "/data/nsd"
    output = "../out"
    store = "shown"
    subjects = ["subj07", "subj01"]
    space = "fsaverage"
    beta_version = "betas_fithrf"
    seed = 3
    [[models]]
    name = "llava-demo"
    instructions = ["families", "IU3"]
    poolings = "last_prompt"
    layers = [6, 0]
    [[models]]
    name = "vit-demo"
    [encoding]
    alphas = { low = 1, high = 1e4, n = 5 }
    folds = 4
    [features]
    batch_size = 7
    pixels = 227
    """
    found = load(tmp_path, text)
    assert found.root == Path("/data/nsd")
    assert found.store == tmp_path / "shown"
    assert found.subjects == ("subj07", "subj01")
    assert (found.space, found.seed) == ("fsaverage", 3)
    assert found.models[0].instructions == ("DESC", "ANA", "ATT", "REL", "IU3")
    assert found.models[0].layers == (0, 6)
    assert found.models[0].poolings == ("last_prompt",)
    assert found.models[1].poolings == ("mean_patches",)
    np.testing.assert_allclose(found.encoding.alphas, [1, 10, 100, 1000, 10000])
    assert found.encoding.folds == 4
    assert (found.features.batch_size, found.features.pixels) == (7, 227)
    assert found.variance is None


WRONG = {
    'name = "t"\n': ('nam = "t"\n', "unknown key in [study]: 'nam'; did you mean 'name'?"),
    'root = "nsd"\noutput': (
        'space = "func1mm"\nroot = "nsd"\noutput',
        "[study] space is 'func1mm', a space of NSD's that is not supported; try func1pt8mm or fsaverage",
    ),
    'root = "nsd"\n': ("", '[study] needs root = "..."'),
    'name = "llava-demo"\n': ('name = "lava-demo"\n', "no model 'lava-demo'; try llava-demo"),
    '[variance]\nmodel = "llava-demo"': (
        '[variance]\nmodel = "llava-demo"\nanchor = "IQ"',
        "unknown [variance] anchor (llava-demo): 'IQ'; did you mean",
    ),
    "[variance]": ("[varience]", "unknown section: 'varience'; did you mean 'variance'?"),
    'output = "out"\n': ('output = "out"\nsubjects = ["subj9"]\n', "unknown [study] subjects: 'subj9'; did you mean"),
    "[[models]]\n": ('[[models]]\ninstructions = ["VQ9"]\n', "llava-demo instructions: 'VQ9'; did you mean 'VQ"),
}
ADDED = {
    'pairs = "every"': "unknown [variance] pairs: 'every'",
    '[[models]]\nname = "llava-demo"': "[[models]] names llava-demo twice",
    '[[models]]\nname = "vit-demo"\ninstructions = "ten"': "vit-demo takes no instruction",
    '[[models]]\nname = "vit-demo"\npoolings = ["mean_patchs"]': "did you mean 'mean_patches'?",
    "[encoding]\nalphas = [1, -2]": "expected positive numbers or {low = 1, high = 1e6, n = 13}",
    "[encoding]\nalphas = [1, nan]": "alphas is [1, nan], expected positive numbers",
    "[encoding]\nalphas = [1, inf]": "alphas is [1, inf], expected positive numbers",
    "[encoding]\nalphas = [1, 1" + 400 * "0" + "]": "expected positive numbers",
    "[encoding]\nalphas = {low = 1, high = inf, n = 3}": "'high': inf, 'n': 3}, expected positive numbers",
    "gammas = [0, nan, 1]": "gammas is [0, nan, 1], expected shares from 0 to 1",
    "[encoding]\nalphas = {low = 1, hihg = 2}": "unknown key in [encoding] alphas: 'hihg'; did you mean 'high'?",
    "[encoding]\nalphas = {low = 0, high = 2, n = 2}": "expected positive numbers",
    '[encoding]\nalphas = "all"': "expected positive numbers",
    '[[models]]\nname = "vit-demo"\npoolings = 5': "vit-demo poolings is 5, expected a list of names",
    "[encoding]\nfolds = 1": "[encoding] folds is 1, expected a whole number of at least 2",
    '[encoding]\nsolver = "himalya"': "did you mean 'himalaya'?",
    "[features]\nbatch_size = 2.5": "[features] batch_size is 2.5, expected a whole number of at least 1",
    "[features]\npixels = -1": "[features] pixels is -1, expected a whole number of at least 0",
    "[features]\nbatchsize = 2": "did you mean 'batch_size'?",
    "[encoding]\nalphas = [10, 1, 10]": "[encoding] alphas names 10 twice",
    '[[models]]\nname = "vit-demo"\nlayers = [1, 2, 1]': "vit-demo layers names 1 twice",
    "gammas = [0, 1, 1]": "[variance] gammas names 1 twice",
    "[statistics]\ndraws = 0": "[statistics] draws is 0, expected a whole number of at least 1",
    '[[models]]\nname = "bert-base"\ntext = "llava-demo"': "text is 'llava-demo', expected \"answers:<model>\"",
    '[[models]]\nname = "bert-base"\ntext = "answers:lava-demo"': "did you mean 'llava-demo'?",
    '[[models]]\nname = "vit-demo"\n[[models]]\nname = "bert-base"\ntext = "answers:vit-demo"': "does not answer",
    '[[models]]\nname = "llava-demo-random"\ntext = "answers:llava-demo"': "cannot give mean_generated",
    '[[models]]\nname = "bert-base"\ntext = "captions.csv"': "there is no table of captions",
    '[[models]]\nname = "openflamingo-9b"': "Take idefics-9b, an open model of the same design",
    '[[models]]\nname = "bert-base"\ntext = 3': "text is 3, expected",
    '[[models]]\nname = "clip-demo"\ntext = "answers:llava-demo"\npoolings = ["pairs"]': "did you mean 'pair'?",
    '[[models]]\nname = "blip2-demo"\npoolings = "vision_cls"\n[[models]]\n'
    'name = "bert-base"\ntext = "answers:blip2-demo"': "blip2-demo has no states under an instruction here, and so no",
}


@pytest.mark.parametrize("old", WRONG)
def test_a_mistake_is_named_with_what_to_write(tmp_path, old):
    new, message = WRONG[old]
    with pytest.raises(ValueError) as error:
        load(tmp_path, TEXT.replace(old, new, 1))
    assert message in str(error.value)
    assert "study.toml" in str(error.value)


@pytest.mark.parametrize("section", ADDED)
def test_a_wrong_section_is_named_with_what_to_write(tmp_path, section):
    with pytest.raises(ValueError) as error:
        load(tmp_path, TEXT + section)
    assert ADDED[section] in str(error.value)


@pytest.mark.parametrize(
    "setting",
    [
        'triples = [["IC", "VQ1"]]',
        'triples = ["IC"]',
        "unique = 1",
        "gammas = [0.5, 1]",
        "gammas = [0, 1, 2]",
        'layer = "bst"',
        'pooling = "mean_image"',
        'anchor = ""',
    ],
)
def test_wrong_settings_of_the_partition(tmp_path, setting):
    with pytest.raises(ValueError, match=r"\[variance\]"):
        load(tmp_path, TEXT + setting)


CAPTIONED = (
    TEXT
    + """
[[models]]
name = "clip-demo"
text = "captions.csv"
[[models]]
name = "bert-base"
text = "captions.csv"
[[models]]
name = "text-demo"
text = "answers:llava-demo"
instructions = ["IC"]
"""
)


def test_models_that_read_captions_take_no_instruction(tmp_path):
    (tmp_path / "captions.csv").write_text("image_id,caption\n0,A dog.\n")
    _, clip, bert, told = load(tmp_path, CAPTIONED).models
    assert clip.captions == bert.captions == str(tmp_path / "captions.csv")
    assert (clip.reads, told.reads, told.captions) == ("", "llava-demo", "")
    assert clip.instructions == bert.instructions == ("",)
    assert (clip.poolings, bert.poolings) == (("pair", "vision_mean"), ("mean_instruction",))
    assert (clip.fixed_poolings, told.fixed_poolings) == (clip.poolings, ())
    with pytest.raises(ValueError, match="bert-base reads captions and takes no instruction; leave"):
        load(tmp_path, CAPTIONED.replace('"bert-base"', '"bert-base"\ninstructions = "ten"'))
    with pytest.raises(ValueError, match="model is text-demo, which reads texts here"):
        load(tmp_path, CAPTIONED + '[live]\nmodel = "text-demo"')
    with pytest.raises(ValueError, match="text-demo does not answer in words"):
        load(tmp_path, CAPTIONED + '[[models]]\nname = "llama-7b"\ntext = "answers:text-demo"\ninstructions = "IC"')


def test_a_file_that_is_not_there_or_not_toml(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"copy data/study-demo\.toml"):
        study.load(tmp_path / "nothing.toml")
    with pytest.raises(ValueError, match="is not a TOML file"):
        load(tmp_path, "[study\n")
