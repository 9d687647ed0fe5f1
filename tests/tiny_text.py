"""A word tokenizer for tiny checkpoints: the demo's vocabulary with the special tokens that a family needs."""

from brainalign.demo import language


def tokenizer(extra=(), around=None, **names):
    """The demo's tokenizer with more special tokens.

    extra : their texts, in the order of their ids after the demo's vocabulary
    around : (first, last) special tokens that every text is put between, as BERT's are
    names : special tokens by name, such as eos_token="</s>"
    """
    from tokenizers.processors import TemplateProcessing

    made = language.tokenizer()
    made.add_special_tokens({"extra_special_tokens": list(extra)})
    made.add_special_tokens(names)
    if around:
        first, last = around
        ids = [(token, made.convert_tokens_to_ids(token)) for token in around]
        made.backend_tokenizer.post_processor = TemplateProcessing(single=f"{first} $A {last}", special_tokens=ids)
    return made


def liven(net, scale=4.0, skip=()):
    """Scale the matrices of a network with random weights up, so that what it sees changes what it says."""
    import torch

    with torch.no_grad():
        for name, weight in net.named_parameters():
            if weight.ndim == 2 and not any(part in name for part in skip):
                weight *= scale
    return net
