"""Files of examples in the formats in which circuit tasks are published, made tasks for any tokenizer."""

from sonde.tasks.readers.reading import FORMATS, read
from sonde.tasks.readers.source import Format

__all__ = ["FORMATS", "Format", "read"]
