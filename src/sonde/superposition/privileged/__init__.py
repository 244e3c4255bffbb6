"""Privileged bases: are the coordinates of a space special?"""

from sonde.superposition.privileged.basis import privileged_basis, privileged_basis_of
from sonde.superposition.privileged.functional import turned_function
from sonde.superposition.privileged.measures import MEASURES
from sonde.superposition.privileged.results import PrivilegedBasis

__all__ = ["MEASURES", "PrivilegedBasis", "privileged_basis", "privileged_basis_of", "turned_function"]
