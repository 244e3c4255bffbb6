"""Behaviour: what a model does, on which phenomena, and where it fails."""

from sonde.behaviour.audit import Audit, Credit, Profiles, audit, credit, in_table, pictures, texts
from sonde.behaviour.surprisal import Surprisal, surprisal
from sonde.behaviour.tables import Encoder, Table, read_table, train_classifier

__all__ = [
    "Audit",
    "Credit",
    "Encoder",
    "Profiles",
    "Surprisal",
    "Table",
    "audit",
    "credit",
    "in_table",
    "pictures",
    "read_table",
    "surprisal",
    "texts",
    "train_classifier",
]
