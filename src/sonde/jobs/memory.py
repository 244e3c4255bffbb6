"""How much fits into memory: what a batch may take, decided before it is taken."""

from pathlib import Path

from sonde.results import SondeError

SHARE = 0.5  # of what is free: the other half is left to what the forward itself allocates, and to other programs
ASSUMED = 4 * 2**30  # where the system does not tell
CGROUPS = (
    ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current"),
    ("/sys/fs/cgroup/memory/memory.limit_in_bytes", "/sys/fs/cgroup/memory/memory.usage_in_bytes"),
)


def available() -> int:
    """The bytes of main memory that can be taken now, within the machine's and the container's limits."""
    free = [ASSUMED]
    meminfo = Path("/proc/meminfo")
    if meminfo.is_file():
        # counts the file cache, which is given up on demand
        fields = dict(line.split(":") for line in meminfo.read_text().splitlines())
        free = [int(fields["MemAvailable"].split()[0]) * 1024]
    for limit, used in CGROUPS:
        if Path(limit).is_file() and (text := Path(limit).read_text().strip()) != "max":
            free.append(max(0, int(text) - int(Path(used).read_text())))
    return min(free)


def rows_within(bytes_per_row: int, budget: int | None = None) -> int:
    """How many rows a batch may have.

    Arguments:
        bytes_per_row: what one row takes at the fullest moment.
        budget: bytes that the batch may take; half of the available memory if not given.

    Raises:
        SondeError: where not even one row fits.

    >>> rows_within(bytes_per_row=1_000, budget=10_500)
    10
    """
    budget = int(available() * SHARE) if budget is None else budget
    rows = budget // bytes_per_row
    if rows < 1:
        raise SondeError(f"one row takes {_size(bytes_per_row)} and only {_size(budget)} may be used; use shorter inputs, read less, or free memory")
    return rows


def _size(count: int) -> str:
    """
    >>> _size(3_200_000)
    '3.2 MB'
    """
    for unit, scale in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if count >= scale:
            return f"{count / scale:.1f} {unit}"
    return f"{count} bytes"
