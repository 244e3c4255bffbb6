"""Reading and writing a model's internals: the handle, the places, the edits, and the engine behind them."""

from sonde.access.architectures import Architecture, SiteSpec
from sonde.access.edits import Add, Apply, Edit, Mean, Patch, Scale, Set, Zero
from sonde.access.forward import Metric
from sonde.access.model import Model
from sonde.access.proof import Identity
from sonde.access.run import Gradients, Plan, Run, Sweep
from sonde.access.sites import Site
from sonde.access.table import Sites
from sonde.access.tokens import Tokenizer

__all__ = [
    "Add",
    "Apply",
    "Architecture",
    "Edit",
    "Gradients",
    "Identity",
    "Mean",
    "Metric",
    "Model",
    "Patch",
    "Plan",
    "Run",
    "Scale",
    "Set",
    "Site",
    "SiteSpec",
    "Sites",
    "Sweep",
    "Tokenizer",
    "Zero",
]
