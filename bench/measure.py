"""One job, by all its subjects, in turns: whatever the machine does meanwhile hits them alike.

Each subject is set up, its numbers are compared with the plain ones, and only then it is timed. The figure of a row is the median of its repeats,
the interval the least and the greatest of them, widened by the error of the
sample where only a sample of a job is done; the peak of the memory is that of the first.
"""

import contextlib
import os
import platform
import statistics
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.errors import BenchError
from bench.jobs import SUBJECTS, Job
from bench.workers import Worker, worker

AGREES = 3e-5  # another order of summation costs some 1e-6 here; the cells of a sweep lie 1e-4 to 1e-1 apart
SPREADS = 1.96  # standard errors on both sides of what a sample tells


@dataclass
class _Taken:
    """What was taken down about one subject."""

    worker: Worker
    facts: dict[str, Any]
    difference: float | None = None
    costs: list[dict[str, float]] = field(default_factory=list)
    loads: list[float] = field(default_factory=list)


def measure(job: Job, repeats: int, device: str = "cpu") -> dict[str, Any]:
    """The result of a job, as bench/result.schema.json describes it.

    Arguments:
        job: what is done.
        repeats: how often each subject does it.
        device: "cpu", or "cuda" for wall seconds on a GPU.

    Raises:
        BenchError: sonde or the plain subject fails; peers that fail are named as missing.
    """
    missing: dict[str, str] = {}
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        taken = _set_up(job, device, stack, missing)
        for subject in list(taken):
            with _missing(subject, taken, missing):
                _compare(job, taken[subject], taken[job.truth].worker if job.truth else None, folder / "truth.safetensors")
        rates = []
        for turn in range(repeats):
            order = list(taken) if turn % 2 == 0 else list(taken)[::-1]
            for subject in order:
                with _missing(subject, taken, missing):
                    taken[subject].costs.append(taken[subject].worker.ask(do="run", afresh=turn == 0))
                    taken[subject].loads.append(os.getloadavg()[0])
            if job.flops:
                rates.append(taken["plain"].worker.ask(do="rate")["gflop_per_s"])
    rows = [_row(subject, one, "cpu_s" if device == "cpu" else "wall_s") for subject, one in taken.items()]
    rate = statistics.median(rates) if rates else None
    return {
        "job": job.id,
        "machine": machine(device),
        "rows": rows,
        "floor": _floor(job, rows, rate),
        "gflop": round(job.flops / 1e9, 1) if job.flops else None,
        "gflop_per_s": None if rate is None else round(rate, 1),
        "missing": missing,
    }


def machine(device: str) -> str:
    """The machine and what runs on it, in one line."""
    name = platform.processor() or platform.machine()
    with contextlib.suppress(OSError, StopIteration):
        name = next(line.partition(":")[2].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name"))
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    threads = "one thread" if device == "cpu" else f"on {device}"
    return f"{name}, {os.cpu_count()} cores, {memory:.0f} GiB, {platform.system()}; Python {platform.python_version()}, {threads}"


def _set_up(job: Job, device: str, stack: contextlib.ExitStack, missing: dict[str, str]) -> dict[str, _Taken]:
    """Every subject's worker with the job set up, all at the same time."""
    started: dict[str, Worker] = {}
    for subject in job.subjects:
        with _missing(subject, started, missing):
            started[subject] = stack.enter_context(worker(subject))
            started[subject].send(do="set up", function=job.function, device=device, distribution=SUBJECTS[subject][1])
    taken: dict[str, _Taken] = {}
    for subject, one in list(started.items()):
        with _missing(subject, taken, missing):
            taken[subject] = _Taken(one, one.receive())
    return taken


@contextlib.contextmanager
def _missing(subject: str, among: dict[str, Any], missing: dict[str, str]) -> Any:
    """A peer that fails is left out and named; sonde or plain must not fail."""
    try:
        yield
    except BenchError as error:
        if subject.startswith(("sonde", "plain")):
            raise
        print(error, file=sys.stderr)
        missing[subject] = str(error)
        among.pop(subject, None)


def _compare(job: Job, one: _Taken, truth: Worker | None, file: Path) -> None:
    """Hold a subject's numbers against the plain ones; where a job has none, do it once to warm up."""
    if truth is None:
        one.worker.ask(do="run", afresh=False)
        return
    if not file.is_file():
        truth.ask(do="answer", file=str(file))
    one.difference = one.worker.ask(do="compare", file=str(file))["difference"]
    if not one.difference <= AGREES:
        raise BenchError(f"{one.worker.subject}: its numbers differ from the plain ones by {one.difference:.2g}, so its speed means nothing")


def _row(subject: str, one: _Taken, clock: str) -> dict[str, Any]:
    times = one.facts["times"]
    values = [costs[clock] * times for costs in one.costs]
    spread = max(costs["spread_s"] for costs in one.costs) * SPREADS
    median = {name: statistics.median(costs[name] for costs in one.costs) for name in ("cpu_s", "wall_s")}
    return {
        "subject": subject,
        "version": one.facts["version"],
        "value": _digits(statistics.median(values)),
        "unit": "CPU s" if clock == "cpu_s" else "wall s",
        "interval": [_digits(min(values) - spread), _digits(max(values) + spread)],
        "cpu_s": _digits(median["cpu_s"] * times),
        "wall_s": _digits(median["wall_s"] * times),
        "peak_mb": round(one.costs[0]["peak_mb"], 1),
        "above_mb": round(one.costs[0]["above_mb"], 1),
        **({"extra_mb": round(one.costs[0]["peak_mb"] - one.facts["resident_mb"], 1)} if "resident_mb" in one.facts else {}),
        **({"score": one.facts["score"]} if "score" in one.facts else {}),
        "repeats": len(values),
        "load": round(statistics.median(one.loads), 2),
        "difference": one.difference,
        "note": one.facts["note"],
    }


def _digits(value: float) -> float:
    return float(f"{value:.4g}")


def _floor(job: Job, rows: list[dict[str, Any]], rate: float | None) -> float | None:
    if rate is not None:
        return _digits(job.flops / 1e9 / rate)
    return next((row["value"] for row in rows if row["subject"] == job.floor_of), None)
