"""What a model encodes, and whether it uses it: probes, removal of concepts, subspaces."""

from sonde.probing.amnesic import amnesic
from sonde.probing.amnesic_results import Amnesic, AmnesicCase
from sonde.probing.commonest import accuracy_of, commonest, known_without
from sonde.probing.data import Sentence, Word, parallel, sentences, table, treebank, words
from sonde.probing.description_length import DescriptionLength, description_length, description_length_of
from sonde.probing.division import divide
from sonde.probing.erasure import Eraser, LeaceSums, OracleEraser, erase, oracle_leace, random_erasers, scrub
from sonde.probing.judging import Judged
from sonde.probing.labelled import Labelled, shared_texts
from sonde.probing.pipeline import Pipeline, pipeline, pipeline_of
from sonde.probing.probes import MLP, LinearProbe, Logistic, MLPProbe, Ridge, Standard, fit_logistic, fit_mlp, fit_ridge
from sonde.probing.property_table import property_table
from sonde.probing.property_table_results import PropertyTable
from sonde.probing.rank_curve import rank_curve
from sonde.probing.rank_results import RankCurve
from sonde.probing.reading import read_states, read_together
from sonde.probing.removal import remove
from sonde.probing.removal_results import Removal
from sonde.probing.selectivity import Selectivity, selectivity, selectivity_of
from sonde.probing.shipped import ShippedProbes, shipped
from sonde.probing.states import States
from sonde.probing.structure import Parsed, Shown, StructuralConfig, StructuralProbes, parse, read_trees, structural_probe, structural_probe_states
from sonde.probing.subspaces import (
    Alignment,
    IllusionTest,
    Line,
    Pairs,
    SearchConfig,
    Swaps,
    das,
    difference_in_means,
    illusion,
    probe_direction,
    readers_of,
    span_of,
)
from sonde.probing.sweep import sweep, sweep_states
from sonde.probing.sweep_results import ProbeSweep
from sonde.probing.tagging import token_labels
from sonde.probing.transfer import Transfer, transfer, transfer_of

__all__ = [
    "Alignment",
    "Amnesic",
    "AmnesicCase",
    "DescriptionLength",
    "Eraser",
    "IllusionTest",
    "Judged",
    "Labelled",
    "LeaceSums",
    "Line",
    "LinearProbe",
    "Logistic",
    "MLP",
    "MLPProbe",
    "OracleEraser",
    "Pairs",
    "Parsed",
    "Pipeline",
    "ProbeSweep",
    "PropertyTable",
    "RankCurve",
    "Removal",
    "Ridge",
    "SearchConfig",
    "Selectivity",
    "Sentence",
    "ShippedProbes",
    "Shown",
    "Standard",
    "States",
    "StructuralConfig",
    "StructuralProbes",
    "Swaps",
    "Transfer",
    "Word",
    "accuracy_of",
    "amnesic",
    "commonest",
    "das",
    "description_length",
    "description_length_of",
    "difference_in_means",
    "divide",
    "erase",
    "fit_logistic",
    "fit_mlp",
    "fit_ridge",
    "illusion",
    "known_without",
    "oracle_leace",
    "parallel",
    "parse",
    "pipeline",
    "pipeline_of",
    "probe_direction",
    "random_erasers",
    "property_table",
    "rank_curve",
    "read_states",
    "read_together",
    "read_trees",
    "readers_of",
    "remove",
    "scrub",
    "selectivity",
    "selectivity_of",
    "sentences",
    "shared_texts",
    "shipped",
    "span_of",
    "structural_probe",
    "structural_probe_states",
    "sweep",
    "sweep_states",
    "table",
    "token_labels",
    "transfer",
    "transfer_of",
    "treebank",
    "words",
]
