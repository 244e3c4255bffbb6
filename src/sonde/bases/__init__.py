"""Coordinates in which an activation may be read and edited: neurons, principal components, subspaces; their sparse form."""

from sonde.access import Basis
from sonde.bases.codes import Codes, codes, directions
from sonde.bases.neurons import Neurons
from sonde.bases.pca import PCA, Moments
from sonde.bases.saving import load, save
from sonde.bases.subspace import Subspace

__all__ = ["PCA", "Basis", "Codes", "Moments", "Neurons", "Subspace", "codes", "directions", "load", "save"]
