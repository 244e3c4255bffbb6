"""What to write at a site, and on the way back how gradients go through it."""

from sonde.access.edits.backward import Backward, Detach, GradRule
from sonde.access.edits.base import Edit, Place, PlacedEdit, SiteEdit
from sonde.access.edits.constants import Add, Apply, Mean, Scale, Set, Zero
from sonde.access.edits.coordinates import Clamp, Project
from sonde.access.edits.noise import Noise
from sonde.access.edits.rows import PerRow
from sonde.access.edits.runs import FromRun, Patch, Swap
from sonde.access.edits.saving import load_edits, pack_edits, save_edits, unpack_edits

__all__ = [
    "Add",
    "Apply",
    "Backward",
    "Clamp",
    "Detach",
    "Edit",
    "FromRun",
    "GradRule",
    "Mean",
    "Noise",
    "Patch",
    "PerRow",
    "Place",
    "PlacedEdit",
    "Project",
    "Scale",
    "Set",
    "SiteEdit",
    "Swap",
    "Zero",
    "load_edits",
    "pack_edits",
    "save_edits",
    "unpack_edits",
]
