"""Dictionaries in the files that the field uses: read from six programs, written for SAELens."""

from sonde.dictionaries.formats.format import Format
from sonde.dictionaries.formats.reading import FORMATS, parts, read
from sonde.dictionaries.formats.writing import WRITERS, write

__all__ = ["FORMATS", "WRITERS", "Format", "parts", "read", "write"]
