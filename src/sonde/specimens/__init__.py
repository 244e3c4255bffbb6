"""Small models with known truth, shipped inside the package: they work offline."""

from sonde.specimens.registry import card, names, path, train

__all__ = ["card", "names", "path", "train"]
