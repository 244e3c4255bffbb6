"""What long computations share: progress and a memory budget."""

from sonde.jobs.memory import available, rows_within
from sonde.jobs.progress import track

__all__ = ["available", "rows_within", "track"]
