"""sonde explains neural networks written in PyTorch, and proves each explanation.

`import sonde` stays light: nothing below is imported before it is used, so neither the import nor `sonde --help` pays for torch.
"""

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

# public name -> the module that holds it
_HOMES = {
    "load": "sonde.loading",
    "explain": "sonde.report",
    "Model": "sonde.access",
    "Run": "sonde.access",
    "Site": "sonde.access",
    "Edit": "sonde.access",
    "Zero": "sonde.access",
    "Set": "sonde.access",
    "Mean": "sonde.access",
    "Patch": "sonde.access",
    "Add": "sonde.access",
    "Scale": "sonde.access",
    "Apply": "sonde.access",
    "Swap": "sonde.access",
    "Project": "sonde.access",
    "Clamp": "sonde.access",
    "Noise": "sonde.access",
    "Detach": "sonde.access",
    "GradRule": "sonde.access",
    "PerRow": "sonde.access",
    "Span": "sonde.access",
    "Basis": "sonde.access",
    "Interventional": "sonde.access.removal",
    "Observational": "sonde.access.removal",
    "SondeError": "sonde.results",
    "Verdict": "sonde.results",
}
_PACKAGES = (
    "access",
    "attribution",
    "bases",
    "behaviour",
    "circuits",
    "dictionaries",
    "evidence",
    "features",
    "influence",
    "jobs",
    "lens",
    "nn",
    "patching",
    "probing",
    "report",
    "results",
    "specimens",
    "superposition",
    "tasks",
    "views",
    "vision",
    "weights",
)

__all__ = ["__version__", *_HOMES, *_PACKAGES]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        value = getattr(import_module(_HOMES[name]), name)
    elif name in _PACKAGES:
        value = import_module(f"sonde.{name}")
    else:
        raise AttributeError(f"module 'sonde' has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
