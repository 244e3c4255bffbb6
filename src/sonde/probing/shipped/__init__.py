"""The probes that come with `specimen:words`, and how they were trained: `python -m sonde.probing.shipped FOLDER`."""

from sonde.probing.shipped.stored import MODEL, WEIGHTS, ShippedProbes, shipped

__all__ = ["MODEL", "WEIGHTS", "ShippedProbes", "shipped"]
