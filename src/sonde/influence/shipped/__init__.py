"""What of the language specimens' training bears on questions of theirs, and how that was found: `python -m sonde.influence.shipped NAME FOLDER`."""

from sonde.influence.shipped.stored import WEIGHTS, ShippedInfluence, shipped

__all__ = ["WEIGHTS", "ShippedInfluence", "shipped"]
