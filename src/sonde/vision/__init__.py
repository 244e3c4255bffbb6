"""Looking inside vision models: what a unit looks for, sought by ascent and read into pictures; each beside the control that must fail."""

from sonde.vision.dream import dream
from sonde.vision.normalisation import Normalisation
from sonde.vision.objectives import (
    Alignment,
    Channel,
    Class,
    Direction,
    Diversity,
    Layer,
    Neuron,
    Objective,
    Smoothness,
    Sum,
    spectrum,
)
from sonde.vision.parameters import CPPN, Fourier, Pixels, Shared
from sonde.vision.render import show
from sonde.vision.results import Dream, Visualisation
from sonde.vision.setting import Setting
from sonde.vision.transforms import Crop, Jitter, Pad, Rotate, Scale, standard

__all__ = [
    "CPPN",
    "Alignment",
    "Channel",
    "Class",
    "Crop",
    "Direction",
    "Diversity",
    "Dream",
    "Fourier",
    "Jitter",
    "Layer",
    "Neuron",
    "Normalisation",
    "Objective",
    "Pad",
    "Pixels",
    "Rotate",
    "Scale",
    "Setting",
    "Shared",
    "Smoothness",
    "Sum",
    "Visualisation",
    "dream",
    "show",
    "spectrum",
    "standard",
]
