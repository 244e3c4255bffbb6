"""Looking inside vision models: what a unit looks for, sought by ascent and looked up in many pictures; each beside the control that must fail."""

from sonde.vision.ablated import UnitEffect, unit_effect
from sonde.vision.between import weights_between
from sonde.vision.cases import UnionCase, UnionCases, union_cases
from sonde.vision.dream import dream
from sonde.vision.example_results import DatasetExamples, Drawn
from sonde.vision.examples import dataset_examples
from sonde.vision.factors import WeightFactors, factorised
from sonde.vision.families import Families, families, families_by_weights
from sonde.vision.feeding import Feeding, feeding
from sonde.vision.fields import Field, receptive_field
from sonde.vision.invariance import Invariance, invariance
from sonde.vision.match_results import MatchCourse, UnitMatches
from sonde.vision.matched_weights import WeightMatch, match_weights
from sonde.vision.matching import match_course, match_units
from sonde.vision.measures import cka, debiased_cka, mutual_neighbours, procrustes, pwcca, rsa, svcca
from sonde.vision.motifs import Equivariance, equivariance, equivariance_of
from sonde.vision.normalisation import Normalisation
from sonde.vision.objectives import (
    Alignment,
    Channel,
    Class,
    Direction,
    Diversity,
    Evenness,
    Layer,
    Nearness,
    Neuron,
    Objective,
    Rectified,
    Smoothness,
    Sum,
    spectrum,
)
from sonde.vision.orientations import Agreement, Orientations, agreement, orientations
from sonde.vision.pages import Atlas, UnitPage, atlas, unit_page
from sonde.vision.parameters import CPPN, Fourier, Pixels, Shared
from sonde.vision.polysemanticity import Polysemanticity, polysemanticity
from sonde.vision.preferences import Preference, preference
from sonde.vision.recurrence import Recurrence, kinds_of, recurrence
from sonde.vision.render import show
from sonde.vision.results import Dream, Visualisation
from sonde.vision.setting import Setting
from sonde.vision.similarity import similarity
from sonde.vision.similarity_results import Similarity
from sonde.vision.slices import LayerWeights, layer_weights, slices
from sonde.vision.stimuli import Stimuli, bars, colours, curves, gratings
from sonde.vision.transforms import Crop, Jitter, Pad, Rotate, Scale, standard
from sonde.vision.tuning import Tuning, tuning
from sonde.vision.union_search import UnionCircuit
from sonde.vision.unions import UnionCircuits, union_circuits
from sonde.vision.weight_results import Partner, UnitWeights

__all__ = [
    "CPPN",
    "Agreement",
    "Alignment",
    "Atlas",
    "Channel",
    "Class",
    "Crop",
    "DatasetExamples",
    "Direction",
    "Diversity",
    "Drawn",
    "Dream",
    "Evenness",
    "Feeding",
    "Equivariance",
    "Families",
    "Field",
    "Fourier",
    "Invariance",
    "Jitter",
    "Layer",
    "MatchCourse",
    "LayerWeights",
    "Nearness",
    "Neuron",
    "Normalisation",
    "Objective",
    "Orientations",
    "Pad",
    "Partner",
    "Pixels",
    "Polysemanticity",
    "Preference",
    "Rectified",
    "Recurrence",
    "Rotate",
    "Scale",
    "Setting",
    "Shared",
    "Similarity",
    "Smoothness",
    "Sum",
    "UnitMatches",
    "UnitWeights",
    "UnitEffect",
    "UnitPage",
    "Visualisation",
    "WeightMatch",
    "WeightFactors",
    "atlas",
    "bars",
    "cka",
    "colours",
    "curves",
    "dataset_examples",
    "debiased_cka",
    "gratings",
    "kinds_of",
    "match_course",
    "match_units",
    "match_weights",
    "mutual_neighbours",
    "procrustes",
    "pwcca",
    "recurrence",
    "rsa",
    "similarity",
    "svcca",
    "tuning",
    "Stimuli",
    "Tuning",
    "UnionCase",
    "UnionCases",
    "UnionCircuit",
    "UnionCircuits",
    "agreement",
    "orientations",
    "polysemanticity",
    "preference",
    "dream",
    "factorised",
    "feeding",
    "equivariance",
    "equivariance_of",
    "families",
    "families_by_weights",
    "layer_weights",
    "receptive_field",
    "show",
    "slices",
    "spectrum",
    "standard",
    "weights_between",
    "invariance",
    "union_cases",
    "union_circuits",
    "unit_effect",
    "unit_page",
]
