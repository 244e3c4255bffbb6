"""Templates of the user's own: a YAML or a Python file with slots, frames, the rule of the answer and what a counterfactual changes."""

from sonde.tasks.own.loading import load_own, read_template
from sonde.tasks.own.starter import starters, write_starter
from sonde.tasks.own.template import SlotTemplate

__all__ = ["SlotTemplate", "load_own", "read_template", "starters", "write_starter"]
