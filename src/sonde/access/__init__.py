"""Reading and writing a model's internals: the handle, the places, the edits, and the engine behind them."""

from sonde.access.architectures import Architecture, SiteSpec
from sonde.access.basis import Basis
from sonde.access.edges import Graph, Part
from sonde.access.edits import (
    Add,
    Apply,
    Clamp,
    Detach,
    Edit,
    GradRule,
    Mean,
    Noise,
    Patch,
    PerRow,
    Project,
    Scale,
    Set,
    Swap,
    Zero,
    load_edits,
    pack_edits,
    save_edits,
    unpack_edits,
)
from sonde.access.forward import Metric
from sonde.access.likelihood import log_likelihoods
from sonde.access.model import Model
from sonde.access.proof import Identity
from sonde.access.run import Gradients, Plan, Run, Sweep
from sonde.access.sites import Site, Span
from sonde.access.table import Sites
from sonde.access.tokens import Tokenizer

__all__ = [
    "Add",
    "Apply",
    "Architecture",
    "Basis",
    "Clamp",
    "Detach",
    "Edit",
    "GradRule",
    "Gradients",
    "Graph",
    "Identity",
    "Mean",
    "Metric",
    "Model",
    "Noise",
    "Part",
    "Patch",
    "PerRow",
    "Plan",
    "Project",
    "Run",
    "Scale",
    "Set",
    "Site",
    "SiteSpec",
    "Sites",
    "Span",
    "Swap",
    "Sweep",
    "Tokenizer",
    "Zero",
    "load_edits",
    "log_likelihoods",
    "pack_edits",
    "save_edits",
    "unpack_edits",
]
