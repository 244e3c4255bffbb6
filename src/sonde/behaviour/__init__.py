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

__all__ = [
    "Audit",
    "Calibration",
    "Credit",
    "Encoder",
    "GroupGap",
    "GroupMetrics",
    "Profiles",
    "SuiteResult",
    "Surprisal",
    "Table",
    "audit",
    "calibration",
    "credit",
    "group_metrics",
    "in_table",
    "pictures",
    "read_table",
    "reliability",
    "suites",
    "surprisal",
    "texts",
    "train_classifier",
]
