"""The dictionaries that come with `specimen:words`, and how they were trained: `python -m sonde.dictionaries.shipped FOLDER`."""

from sonde.dictionaries.shipped.stored import shipped

__all__ = ["shipped"]
