"""The command line's first answer."""

from bench.subjects.processes import command
from bench.subjects.sonde import light
from bench.subjects.trial import Trial


def imports(device: str) -> Trial:
    """`sonde --help`; refused where that imports torch."""
    light("sonde.cli")
    return command("-m", "sonde", "--help")
