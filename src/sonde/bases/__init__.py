"""Coordinates in which an activation may be read and edited: neurons, principal components, subspaces."""

from sonde.access import Basis
from sonde.bases.neurons import Neurons
from sonde.bases.pca import PCA, Moments
from sonde.bases.saving import load, save
from sonde.bases.subspace import Subspace

__all__ = ["PCA", "Basis", "Moments", "Neurons", "Subspace", "load", "save"]
