"""Probes of activations that are at hand: tensors in, a trained probe out."""

from sonde.probing.probes.kinds import KINDS, MLP, Examples, Kind, Logistic, Probe, Ridge, bits, kind_of
from sonde.probing.probes.linear import LinearProbe
from sonde.probing.probes.logistic import fit_logistic, logistic_path
from sonde.probing.probes.mlp import MLPProbe, fit_mlp
from sonde.probing.probes.moments import Standard
from sonde.probing.probes.ridge import fit_ridge, ridge_path

__all__ = [
    "KINDS",
    "MLP",
    "Examples",
    "Kind",
    "LinearProbe",
    "Logistic",
    "MLPProbe",
    "Probe",
    "Ridge",
    "Standard",
    "bits",
    "fit_logistic",
    "fit_mlp",
    "fit_ridge",
    "kind_of",
    "logistic_path",
    "ridge_path",
]
