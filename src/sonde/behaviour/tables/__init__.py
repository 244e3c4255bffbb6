"""Tables of people and things: columns of several kinds, how a network reads them, the files of the field, and a small classifier of them."""

from sonde.behaviour.tables.classifier import train_classifier
from sonde.behaviour.tables.encoder import Encoder
from sonde.behaviour.tables.formats import TABLE_FORMATS
from sonde.behaviour.tables.reading import read_table
from sonde.behaviour.tables.table import Table

__all__ = ["TABLE_FORMATS", "Encoder", "Table", "read_table", "train_classifier"]
