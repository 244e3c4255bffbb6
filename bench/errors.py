"""What the benchmark refuses."""

from sonde.results import SondeError


class BenchError(SondeError):
    """A job, a subject or a result that is not as it must be."""
