"""Structural probes: is the tree of a sentence in the distances between the states of its words?"""

from sonde.probing.structure.parsed import Parsed, parse, read_trees
from sonde.probing.structure.probe import StructuralConfig
from sonde.probing.structure.results import StructuralProbes
from sonde.probing.structure.shown import Shown
from sonde.probing.structure.structural import structural_probe, structural_probe_states

__all__ = ["Parsed", "Shown", "StructuralConfig", "StructuralProbes", "parse", "read_trees", "structural_probe", "structural_probe_states"]
