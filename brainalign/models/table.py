"""The table of models. A row is one checkpoint; what its adapter can do is told once for the family.

Adding a model of a known family is one row here; a new family is one small file with an `Adapter`, its line in
FAMILIES and its rows. Free of torch.
"""

from dataclasses import dataclass, replace
from pathlib import Path

from brainalign.models.checkpoint import SHIPPED

CONTROLS = {  # suffix of a name: what it does
    "random": "random weights in its shape, always the same",
    "image-only": "an empty instruction",
    "instruction-only": "a uniform grey picture instead of the picture",
    "shuffled": "the instruction's words in another, fixed order",
}
PARTS = {  # of checkpoints by the kind of model, beside configuration and weights
    "multimodal": ("tokenizer", "processor"),
    "vision": ("processor",),
    "language": ("tokenizer",),
}
BYTES = {"float32": 4, "bfloat16": 2, "float16": 2, "8bit": 1.1, "4bit": 0.7}  # a parameter, see Model.memory


@dataclass(frozen=True)
class Family:
    """What all models of one adapter share.

    kind : "multimodal", "vision" or "language"
    answers : can put an answer into words
    poolings : names of its states, see `Adapter`; the usual ones first
    fixed_poolings : those that cannot depend on the instruction
    text_poolings : of a text about each picture that the model reads instead of it, none if it cannot
    pair_poolings : those that such a model has of picture and text together, and of the picture beside the text
    regions : reads features of a picture's regions, see `brainalign.models.regions`
    parts : what its checkpoints hold beside weights, see `complete.fault`; by default what the kind needs
    words_of : name of the model whose tokenizer it takes where its checkpoint has none
    """

    kind: str
    answers: bool
    poolings: tuple[str, ...]
    fixed_poolings: tuple[str, ...] = ()
    text_poolings: tuple[str, ...] = ()
    regions: bool = False
    parts: tuple[str, ...] | None = None
    words_of: str = ""
    pair_poolings: tuple[str, ...] = ()


ANSWERED = ("mean_generated", "last_prompt", "mean_instruction", "mean_image", "mean_prompt")  # of the language model
BEFORE = ("vision_mean", "vision_cls", "connector_mean")  # of the vision tower and the connector
QWEN = Family(
    "multimodal", True, (*ANSWERED, "vision_mean", "connector_mean"), ("mean_image", "vision_mean", "connector_mean")
)
INSTRUCTBLIP = Family(
    "multimodal",
    True,
    (*ANSWERED, *BEFORE, "vision_all", "connector_all"),
    ("vision_mean", "vision_cls", "vision_all"),
    parts=(*PARTS["multimodal"], "qformer_tokenizer"),
)
FAMILIES = {
    "llava:Llava": Family("multimodal", True, (*ANSWERED, *BEFORE), ("mean_image", *BEFORE)),
    "llava:LlavaAuthors": Family("multimodal", True, (*ANSWERED, *BEFORE), ("mean_image", *BEFORE)),
    "llava:LlavaNext": Family("multimodal", True, (*ANSWERED, *BEFORE), ("mean_image", *BEFORE)),
    "blip:Blip2": Family("multimodal", True, (*ANSWERED, *BEFORE), ("mean_image", *BEFORE)),
    "blip:Blip2T5": Family("multimodal", True, (*ANSWERED, *BEFORE), BEFORE),
    "blip:InstructBlip": INSTRUCTBLIP,
    "blip:InstructBlipT5": INSTRUCTBLIP,
    "minigpt4:Minigpt4": Family("multimodal", True, (*ANSWERED, *BEFORE), ("mean_image", *BEFORE)),
    "minigpt4:Minigpt4Llama2": Family("multimodal", True, (*ANSWERED, *BEFORE), ("mean_image", *BEFORE)),
    "vit:Vit": Family("vision", False, ("mean_patches", "cls"), ("mean_patches", "cls")),
    "vit:VitBackbone": Family("vision", False, ("mean_patches", "cls"), ("mean_patches", "cls")),
    "clip:Clip": Family(
        "multimodal",
        False,
        ("vision_mean", "vision_cls", "joint"),
        ("vision_mean", "vision_cls", "joint"),
        text_poolings=("mean_instruction", "cls", "joint"),
        pair_poolings=("pair", "vision_mean", "vision_cls"),
    ),
    "language:Bert": Family("language", False, ("mean_instruction", "cls"), text_poolings=("mean_instruction", "cls")),
    "language:Decoder": Family(
        "language", True, ("mean_instruction", "last_prompt"), text_poolings=("mean_instruction", "last_prompt")
    ),
    "language:Vicuna": Family(
        "language", True, ("mean_instruction", "last_prompt"), text_poolings=("mean_instruction", "last_prompt")
    ),
    "pixels:Pixels": Family("vision", False, ("pixels",), ("pixels",)),
    "endpoint:Endpoint": Family("multimodal", True, ()),
    "idefics:Idefics": Family("multimodal", True, (*ANSWERED, *BEFORE), ("mean_image", *BEFORE)),
    "idefics:IdeficsAuthors": Family(
        "multimodal", True, ("mean_generated", "last_prompt", "mean_image", "mean_prompt", *BEFORE), BEFORE
    ),
    "owl:Owl": Family("multimodal", True, (*ANSWERED, *BEFORE), ("mean_image", *BEFORE)),
    "qwen:Qwen": QWEN,
    "qwen:Qwen3": QWEN,
    "bridgetower:BridgeTower": Family(
        "multimodal",
        False,
        ("mean_image", "mean_instruction", "cls", "vision_mean", "vision_cls"),
        ("vision_mean", "vision_cls"),
    ),
    "lxmert:Lxmert": Family(
        "multimodal",
        False,
        ("mean_image", "mean_instruction", "cls", "vision_mean"),
        ("vision_mean",),
        regions=True,
        parts=("tokenizer",),
    ),
    "visualbert:VisualBert": Family(
        "multimodal",
        False,
        ("mean_image", "mean_instruction", "cls"),
        regions=True,
        parts=(),
        words_of="bert-base",
    ),
}


OUTSIDE = Family("multimodal", True, ())  # of a model that has no adapter here


@dataclass(frozen=True)
class Model:
    """One row of the table.

    adapter : "module:Class" within `brainalign.models`, a key of FAMILIES; "" if none loads it
    checkpoint : a hub id ("owner/name"), or the path of a folder that comes with the repository
    tuned : trained to follow instructions
    base : name of the matched model without that training, "" if there is none here
    parameters : how many
    licence : of the weights; gated : the hub wants its terms accepted
    dtype : in which the weights are held unless `load` is told otherwise
    size : of what is downloaded; composed : from several published files, see `brainalign.models.compose`
    control : "", or what is done to the model `of` (a key of CONTROLS)
    prompt : "authors" if the model `of` is asked as the code of the paper's authors asks it, else as its publishers do
    outside : why no adapter loads it, and what to do; "" for all others
    method : raised when the same files are asked or stopped in another way, so that features are made again
    """

    name: str
    adapter: str
    checkpoint: str | Path
    tuned: bool = False
    base: str = ""
    parameters: int = 0
    licence: str = "BSD-3-Clause"
    gated: bool = False
    dtype: str = "float32"
    size: str = ""
    composed: bool = False
    note: str = ""
    control: str = ""
    of: str = ""
    outside: str = ""
    prompt: str = ""
    method: int = 0

    @property
    def family(self):
        return OUTSIDE if self.outside else FAMILIES[self.adapter]

    @property
    def kind(self):
        return self.family.kind

    @property
    def parts(self):
        """What its checkpoint holds beside configuration and weights, see `complete.fault`."""
        if not self.adapter:
            return ()
        parts = PARTS[self.kind] if self.family.parts is None else self.family.parts
        return (*parts, "tokenizer_config.json") if self.answers else parts

    @property
    def answers(self):
        return self.family.answers

    @property
    def text_poolings(self):
        return self.family.text_poolings

    @property
    def reading_poolings(self):
        """Names of its states where it reads a text about each picture."""
        return (*self.family.pair_poolings, *self.family.text_poolings)

    @property
    def poolings(self):
        """Names of its states: without the instruction's tokens where there is none, without the fixed ones of a
        picture that is none."""
        left_out = {"image-only": ("mean_instruction",), "instruction-only": self.family.fixed_poolings}
        return tuple(p for p in self.family.poolings if p not in left_out.get(self.control, ()))

    @property
    def fixed_poolings(self):
        """Those of them that cannot depend on the instruction."""
        return tuple(p for p in self.poolings if p in self.family.fixed_poolings or self.control == "image-only")

    @property
    def random(self):
        return self.control == "random"

    @property
    def uses_instruction(self):
        """Whether its states can depend on an instruction."""
        return set(self.poolings) != set(self.fixed_poolings)

    def memory(self, dtype=None):
        """Bytes that the weights take: about, for 8 and 4 bit, which leave a tenth of a model in 16 bit."""
        return round(self.parameters * BYTES[dtype or self.dtype])


def shown(checkpoint):
    """A checkpoint for a reader: the hub id, or the folder within the repository."""
    return f"data/models/{checkpoint.name}" if isinstance(checkpoint, Path) else checkpoint


def controlled(model, control):
    """The row of a control of a model."""
    usable = controls(model)
    if control not in usable:
        said = f"its controls are {', '.join(usable)}" if usable else "it has no control"
        raise ValueError(f"{model.name} cannot be had as {model.name}-{control}; {said}")
    tuned = model.tuned and control != "random"
    note = f"control: {model.name} with {CONTROLS[control]}"
    name = f"{model.name}-{control}"
    return replace(model, name=name, tuned=tuned, base="", note=note, control=control, of=model.name)


def controls(model):
    """Which controls a model can have: the others need both a picture and an instruction, or weights."""
    if model.control or not model.checkpoint or model.outside:
        return ()
    if not model.uses_instruction:
        return ("random",)
    return ("random", "shuffled") if model.kind == "language" else tuple(CONTROLS)


_ROWS = (
    Model(
        "llava-1.5-7b",
        "llava:Llava",
        "llava-hf/llava-1.5-7b-hf",
        tuned=True,
        base="vicuna-7b",
        parameters=7_063_427_072,
        licence="Llama 2",
        dtype="bfloat16",
        size="14 GB",
        note="LLaVA 1.5: CLIP ViT-L/14 at 336 pixels, a projector, Vicuna 7B",
    ),
    Model(
        "llava-1.5-13b",
        "llava:Llava",
        "llava-hf/llava-1.5-13b-hf",
        tuned=True,
        base="vicuna-13b",
        parameters=13_351_494_656,
        licence="Llama 2",
        dtype="bfloat16",
        size="27 GB",
        note="LLaVA 1.5 with Vicuna 13B",
    ),
    Model(
        "llava-next-mistral-7b",
        "llava:LlavaNext",
        "llava-hf/llava-v1.6-mistral-7b-hf",
        tuned=True,
        parameters=7_566_747_648,
        licence="Apache 2.0",
        dtype="bfloat16",
        size="15 GB",
        note="LLaVA-NeXT (1.6): up to four more tiles of a picture, Mistral 7B",
    ),
    Model(
        "llava-next-vicuna-7b",
        "llava:LlavaNext",
        "llava-hf/llava-v1.6-vicuna-7b-hf",
        tuned=True,
        parameters=7_063_427_072,
        licence="Llama 2",
        dtype="bfloat16",
        size="14 GB",
        note="LLaVA-NeXT (1.6) with Vicuna 7B, as LLaVA 1.5 has",
        method=1,
    ),
    Model(
        "blip2-opt-2.7b",
        "blip:Blip2",
        "Salesforce/blip2-opt-2.7b",
        parameters=3_744_679_936,
        licence="MIT",
        dtype="bfloat16",
        size="15 GB",
        note="BLIP-2: EVA ViT-g/14, a Q-Former of 32 queries, OPT 2.7B; trained on captions",
    ),
    Model(
        "blip2-flan-t5-xl",
        "blip:Blip2T5",
        "Salesforce/blip2-flan-t5-xl",
        parameters=3_942_446_592,
        licence="MIT",
        dtype="bfloat16",
        size="16 GB",
        note="BLIP-2 with Flan-T5 XL, which follows written instructions; no instruction about pictures was trained",
    ),
    Model(
        "instructblip-vicuna-7b",
        "blip:InstructBlip",
        "Salesforce/instructblip-vicuna-7b",
        tuned=True,
        parameters=7_913_209_856,
        licence="LLaMA, research",
        dtype="bfloat16",
        size="32 GB",
        note="InstructBLIP: EVA ViT-g/14, a Q-Former that reads the instruction, Vicuna 7B",
        method=1,
    ),
    Model(
        "instructblip-vicuna-13b",
        "blip:InstructBlip",
        "Salesforce/instructblip-vicuna-13b",
        tuned=True,
        parameters=14_191_448_064,
        licence="LLaMA, research",
        dtype="bfloat16",
        size="57 GB",
        note="InstructBLIP with Vicuna 13B",
    ),
    Model(
        "instructblip-flan-t5-xl",
        "blip:InstructBlipT5",
        "Salesforce/instructblip-flan-t5-xl",
        tuned=True,
        base="blip2-flan-t5-xl",
        parameters=4_022_968_320,
        licence="MIT",
        dtype="bfloat16",
        size="16 GB",
        note="InstructBLIP with Flan-T5 XL: all but the training is as in blip2-flan-t5-xl",
    ),
    Model(
        "minigpt4-vicuna-7b",
        "minigpt4:Minigpt4",
        "Vision-CAIR/MiniGPT-4",
        tuned=True,
        parameters=7_832_679_936,
        licence="LLaMA, research",
        dtype="bfloat16",
        size="16 GB",
        composed=True,
        note="MiniGPT-4: EVA ViT-g/14 and Q-Former of BLIP-2, a matrix, Vicuna 7B v0",
    ),
    Model(
        "minigpt4-llama2-7b",
        "minigpt4:Minigpt4Llama2",
        "Vision-CAIR/MiniGPT-4",
        tuned=True,
        parameters=7_747_440_640,
        licence="Llama 2",
        dtype="bfloat16",
        size="16 GB",
        composed=True,
        note="MiniGPT-4 with Llama-2 chat 7B and without the Q-Former",
    ),
    Model(
        "llava-demo",
        "llava:Llava",
        SHIPPED / "llava-demo",
        tuned=True,
        parameters=7_947_776,
        note="a small LLaVA trained on the demo's scenes and instructions",
    ),
    Model(
        "instructblip-demo",
        "blip:InstructBlip",
        SHIPPED / "instructblip-demo",
        tuned=True,
        base="blip2-demo",
        parameters=1_594_560,
        note="a small InstructBLIP trained on the demo's scenes and instructions",
    ),
    Model(
        "blip2-demo",
        "blip:Blip2",
        SHIPPED / "blip2-demo",
        parameters=1_470_336,
        note="instructblip-demo's matched BLIP-2: the same scenes and updates, with captions alone",
    ),
    Model(
        "clip-demo",
        "clip:Clip",
        SHIPPED / "clip-demo",
        parameters=814_721,
        note="a small CLIP trained on the demo's scenes and their captions",
    ),
    Model(
        "text-demo",
        "language:Decoder",
        SHIPPED / "text-demo",
        parameters=550_272,
        note="a small LLaMA trained on the demo's questions and answers, each a text by itself; it sees no picture",
    ),
    Model(
        "vicuna-7b",
        "language:Vicuna",
        "lmsys/vicuna-7b-v1.5",
        tuned=True,
        base="llama-2-7b",
        parameters=6_738_415_616,
        licence="Llama 2",
        dtype="bfloat16",
        size="13 GB",
        note="Vicuna 7B v1.5, the language model of LLaVA 1.5: LLaMA 2 trained to follow instructions in words",
    ),
    Model(
        "vicuna-13b",
        "language:Vicuna",
        "lmsys/vicuna-13b-v1.5",
        tuned=True,
        parameters=13_015_864_320,
        licence="Llama 2",
        dtype="bfloat16",
        size="26 GB",
        note="Vicuna 13B v1.5",
    ),
    Model(
        "llama-2-7b",
        "language:Decoder",
        "meta-llama/Llama-2-7b-hf",
        parameters=6_738_415_616,
        licence="Llama 2",
        gated=True,
        dtype="bfloat16",
        size="13 GB",
        note="LLaMA 2 7B, text only",
    ),
    Model(
        "llama-7b",
        "language:Decoder",
        "huggyllama/llama-7b",
        parameters=6_738_415_616,
        licence="LLaMA, research",
        dtype="bfloat16",
        size="13 GB",
        note="LLaMA 7B, text only",
    ),
    Model(
        "bert-base",
        "language:Bert",
        "google-bert/bert-base-uncased",
        parameters=109_482_240,
        licence="Apache 2.0",
        size="440 MB",
        note="BERT base, uncased, text only",
    ),
    Model(
        "clip-vit-l14",
        "clip:Clip",
        "openai/clip-vit-large-patch14",
        parameters=427_616_513,
        licence="MIT",
        size="1.7 GB",
        note="CLIP ViT-L/14 at 224 pixels: an image tower and a text tower that meet in one embedding",
    ),
    Model(
        "clip-vit-l14-336",
        "clip:Clip",
        "openai/clip-vit-large-patch14-336",
        parameters=427_944_193,
        licence="MIT",
        size="1.7 GB",
        note="CLIP ViT-L/14 at 336 pixels, whose image tower is LLaVA 1.5's",
    ),
    Model(
        "vit-h",
        "vit:VitBackbone",
        "google/vit-huge-patch14-224-in21k",
        parameters=630_764_800,
        licence="Apache 2.0",
        size="2.5 GB",
        note="ViT-H/14 trained on ImageNet-21k",
    ),
    Model(
        "pixels",
        "pixels:Pixels",
        "",
        licence="none",
        note="control: the picture's own colours on coarse grids, without any model",
    ),
    Model(
        "vit-demo",
        "vit:Vit",
        SHIPPED / "vit-demo",
        parameters=1_274_062,
        note="a small ViT that classifies what is in the demo's scenes; it sees no instruction",
    ),
    Model(
        "idefics-9b-instruct",
        "idefics:Idefics",
        "HuggingFaceM4/idefics-9b-instruct",
        tuned=True,
        base="idefics-9b",
        parameters=8_929_687_824,
        licence="LLaMA, research",
        dtype="bfloat16",
        size="18 GB",
        note="IDEFICS: cross-attention from LLaMA 7B to a perceiver on CLIP ViT-H/14, tuned on instructions",
    ),
    Model(
        "idefics-9b",
        "idefics:Idefics",
        "HuggingFaceM4/idefics-9b",
        parameters=8_929_687_824,
        licence="LLaMA, research",
        dtype="bfloat16",
        size="18 GB",
        note="IDEFICS before it was tuned on instructions",
        method=1,
    ),
    Model(
        "openflamingo-9b",
        "",
        "openflamingo/OpenFlamingo-9B-vitl-mpt7b",
        licence="MIT",
        dtype="bfloat16",
        note="OpenFlamingo: cross-attention from MPT 7B to a perceiver on CLIP ViT-L/14",
        outside="transformers has no class for it; only its publishers' package open_flamingo loads it, which demands "
        "torch 2.0.1 and runs code that comes with the language model's files. Take idefics-9b, an open model of the "
        "same design, or run that package in an environment of its own",
    ),
    Model(
        "mplug-owl-7b",
        "owl:Owl",
        "MAGAer13/mplug-owl-llama-7b",
        tuned=True,
        base="mplug-owl-7b-pt",
        parameters=7_146_692_608,
        licence="Apache 2.0",
        dtype="bfloat16",
        size="14 GB",
        note="mPLUG-Owl: CLIP ViT-L/14, an abstractor of 64 queries, LLaMA 7B",
    ),
    Model(
        "mplug-owl-7b-pt",
        "owl:Owl",
        "MAGAer13/mplug-owl-llama-7b-pt",
        parameters=7_146_692_608,
        licence="Apache 2.0",
        dtype="bfloat16",
        size="14 GB",
        note="mPLUG-Owl before it was tuned on instructions",
    ),
    Model(
        "qwen2.5-vl-7b",
        "qwen:Qwen",
        "Qwen/Qwen2.5-VL-7B-Instruct",
        tuned=True,
        parameters=8_292_166_656,
        licence="Apache 2.0",
        dtype="bfloat16",
        size="17 GB",
        note="Qwen2.5-VL: a tower for pictures of any shape, Qwen2.5 7B",
    ),
    Model(
        "qwen2.5-vl-3b",
        "qwen:Qwen",
        "Qwen/Qwen2.5-VL-3B-Instruct",
        tuned=True,
        parameters=3_754_622_976,
        licence="Qwen Research",
        dtype="bfloat16",
        size="8 GB",
        note="Qwen2.5-VL with Qwen2.5 3B",
    ),
    Model(
        "qwen3-vl-8b",
        "qwen:Qwen3",
        "Qwen/Qwen3-VL-8B-Instruct",
        tuned=True,
        parameters=8_767_123_696,
        licence="Apache 2.0",
        dtype="bfloat16",
        size="18 GB",
        note="Qwen3-VL: its tower's features enter several layers of Qwen3 8B",
    ),
    Model(
        "bridgetower-base",
        "bridgetower:BridgeTower",
        "BridgeTower/bridgetower-base",
        parameters=326_347_008,
        licence="MIT",
        size="1.3 GB",
        note="BridgeTower: image and text towers, bridged to six cross-modal layers",
    ),
    Model(
        "lxmert-base",
        "lxmert:Lxmert",
        "unc-nlp/lxmert-base-uncased",
        parameters=207_936_768,
        licence="Apache 2.0",
        size="0.9 GB",
        note="LXMERT: language, region and cross-modal layers, on region features from files or a ResNet-101 grid",
    ),
    Model(
        "visualbert-vqa",
        "visualbert:VisualBert",
        "uclanlp/visualbert-vqa-coco-pre",
        parameters=111_450_624,
        licence="Apache 2.0",
        size="0.5 GB",
        note="VisualBERT: words and regions in one BERT, on region features from files or a ResNet-101 grid",
    ),
)
ENDPOINT = Model(
    "endpoint",
    "endpoint:Endpoint",
    "",
    licence="the server's",
    note="a model behind an OpenAI-compatible server; it answers on the live page and has no states",
)  # in no list but that of the models of this machine, and only where its address is set


def by_name(rows):
    """Models by name; a name that two rows have is an error."""
    names = [row.name for row in rows]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ValueError(f"the table of models has {', '.join(twice)} more than once; each row needs its own name")
    return {row.name: row for row in rows}


def _authors():
    """The rows of models that the paper's authors asked in another way than their publishers."""
    asked = {
        "llava-1.5-7b": ("llava:LlavaAuthors", "a line break before ASSISTANT"),
        "llava-1.5-13b": ("llava:LlavaAuthors", "a line break before ASSISTANT"),
        "idefics-9b-instruct": ("idefics:IdeficsAuthors", "the instruction before the picture"),
    }
    for row in _ROWS:
        if row.name in asked:
            adapter, how = asked[row.name]
            note = f"{row.name} with the prompt of the paper authors' code: {how}"
            yield replace(row, name=f"{row.name}-authors", adapter=adapter, of=row.name, prompt="authors", note=note)


MODELS = by_name([*_ROWS, *_authors()])
MODELS["llava-demo-random"] = controlled(MODELS["llava-demo"], "random")  # the demo's results hold it
