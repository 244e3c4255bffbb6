"""One pass over a model that finds, for every coordinate of a basis, where it is active and what goes with it."""

from sonde.features.collecting.collect import collect

__all__ = ["collect"]
