"""The features of a dictionary, browsed, described and used: a database, pages, descriptions, steering and guards."""

from sonde.features.collecting import collect
from sonde.features.database import Features

__all__ = ["Features", "collect"]
