"""Shortcuts: cues that go with a class in the data and have nothing to do with it, found and sized."""

from sonde.behaviour.shortcuts.clever import CleverHans, clever_hans
from sonde.behaviour.shortcuts.clusters import MapClusters, cluster_maps
from sonde.behaviour.shortcuts.cues import Cue, column, patch, word
from sonde.behaviour.shortcuts.scan import PatchScan, scan_patches
from sonde.behaviour.shortcuts.sizing import CueEffect, CueShare, Shortcuts, shortcuts

__all__ = [
    "CleverHans",
    "Cue",
    "CueEffect",
    "CueShare",
    "MapClusters",
    "PatchScan",
    "Shortcuts",
    "clever_hans",
    "cluster_maps",
    "column",
    "patch",
    "scan_patches",
    "shortcuts",
    "word",
]
