"""BrainAlign: which instructions make a multimodal language model see a picture as the brain does?

The names below are what a script or a notebook needs; each is imported when it is first used.
"""

from importlib import import_module

_HOMES = {
    "Features": "types",
    "Scores": "types",
    "Subject": "types",
    "check": "nsd",
    "load_model": "models:load",
    "load_study": "study:load",
    "load_subject": "nsd",
    "open_store": "store:open_latest",
    "publish": "jobs",
    "run": "jobs",
}
__all__ = sorted(_HOMES)


def __getattr__(name):
    if name not in _HOMES:
        raise AttributeError(f"module 'brainalign' has no attribute {name!r}; it has {', '.join(__all__)}")
    module, _, attribute = _HOMES[name].partition(":")
    return getattr(import_module(f"brainalign.{module}"), attribute or name)


def __dir__():
    return [*globals(), *__all__]
