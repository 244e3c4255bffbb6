"""Behaviour: what a model does, on which phenomena, and where it fails."""

from sonde.behaviour import shifts, suites
from sonde.behaviour.audit import Audit, Credit, Profiles, audit, credit, in_table, pictures, texts
from sonde.behaviour.calibration import Calibration, calibration, reliability
from sonde.behaviour.groups import GroupGap, GroupMetrics, group_metrics
from sonde.behaviour.shift import Moved, Shift, shift
from sonde.behaviour.shortcuts import (
    CleverHans,
    Cue,
    CueEffect,
    CueShare,
    MapClusters,
    PatchScan,
    Shortcuts,
    clever_hans,
    cluster_maps,
    column,
    patch,
    scan_patches,
    shortcuts,
    word,
)
from sonde.behaviour.suites import SuiteResult
from sonde.behaviour.surprisal import Surprisal, surprisal
from sonde.behaviour.tables import Encoder, Table, read_table, train_classifier
from sonde.behaviour.winogender import Coreference, coreference, read_schemas

__all__ = [
    "Audit",
    "Calibration",
    "Coreference",
    "CleverHans",
    "Credit",
    "Cue",
    "CueEffect",
    "CueShare",
    "Encoder",
    "GroupGap",
    "GroupMetrics",
    "MapClusters",
    "Moved",
    "PatchScan",
    "Profiles",
    "Shift",
    "Shortcuts",
    "SuiteResult",
    "Surprisal",
    "Table",
    "audit",
    "calibration",
    "coreference",
    "clever_hans",
    "cluster_maps",
    "column",
    "credit",
    "group_metrics",
    "in_table",
    "patch",
    "pictures",
    "read_schemas",
    "read_table",
    "reliability",
    "scan_patches",
    "shift",
    "shifts",
    "shortcuts",
    "suites",
    "surprisal",
    "texts",
    "train_classifier",
    "word",
]
