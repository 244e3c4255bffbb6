"""What one call costs this process: processor seconds, wall seconds, peak memory; and how fast this machine multiplies matrices at the moment."""

import contextlib
import ctypes
import gc
import re
import resource
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from bench.subjects.trial import Stratum


def timed(run: Callable[[], Any], device: str, children: bool, afresh: bool) -> dict[str, float]:
    """Call once, with the garbage of earlier calls out of the way.

    Arguments:
        run: what is called.
        device: where it computes; on a GPU the clock waits for it, and the memory is the GPU's.
        children: count the memory of the processes that it starts, not that of this one.
        afresh: let the peak of the memory begin anew. That gives freed memory back to the system, and to get it again takes time, so it is
            not done before every call.
    """
    gc.collect()
    if afresh:
        _forget_peak(device)
    before = _peak_mb(device, children)
    result, cpu, wall = _clocked(run, device)
    peak = _peak_mb(device, children)
    del result  # lives until the peak was read
    return {"cpu_s": cpu, "wall_s": wall, "spread_s": 0.0, "peak_mb": peak, "above_mb": peak - before}


def sampled(run: Callable[[Any], Any], strata: Sequence[Stratum], device: str) -> dict[str, float]:
    """Do some cells of each stratum, and tell what all of them would cost.

    Arguments:
        run: does one cell.
        strata: the cells.
        device: where it computes.

    Returns:
        as `timed`; `spread_s` is the standard error of the seconds that count on the device.
    """
    gc.collect()
    _forget_peak(device)
    before = _peak_mb(device, children=False)
    total, variance = [0.0, 0.0], 0.0
    for cells, of in strata:
        costs = [_clocked(lambda cell=cell: run(cell), device)[1:] for cell in cells]
        total = [sum_ + of * statistics.mean(column) for sum_, column in zip(total, zip(*costs, strict=True), strict=True)]
        counting = [cost[device != "cpu"] for cost in costs]
        variance += of**2 * statistics.variance(counting) / len(cells) * (1 - len(cells) / of) if 1 < len(cells) < of else 0.0
    peak = _peak_mb(device, children=False)
    return {"cpu_s": total[0], "wall_s": total[1], "spread_s": variance**0.5, "peak_mb": peak, "above_mb": peak - before}


def _clocked(run: Callable[[], Any], device: str) -> tuple[Any, float, float]:
    """What a call returns, its processor seconds and its wall seconds."""
    _wait(device)
    cpu, wall = _cpu_s(), time.perf_counter()
    result = run()
    _wait(device)
    return result, _cpu_s() - cpu, time.perf_counter() - wall


def gflop_per_s(device: str, seconds: float = 0.5) -> float:
    """Rate of a float32 product 1024 x 768 x 3072, as GPT-2 small has it: by processor seconds, on a GPU by wall seconds."""
    import torch

    a, b = torch.randn(1024, 768, device=device), torch.randn(768, 3072, device=device)
    torch.mm(a, b)
    _wait(device)
    clock = _cpu_s if device == "cpu" else time.perf_counter
    start, times = clock(), 0
    while (spent := clock() - start) < seconds:
        for _ in range(10):
            torch.mm(a, b)
        _wait(device)
        times += 10
    return 2 * 1024 * 768 * 3072 * times / spent / 1e9


def _cpu_s() -> float:
    own, children = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    return own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime


def _wait(device: str) -> None:
    if device != "cpu":
        import torch

        torch.cuda.synchronize()


def _forget_peak(device: str) -> None:
    """Let the peak begin anew. Where Linux is not, the peak of a process is that of its whole life."""
    if device != "cpu":
        import torch

        torch.cuda.reset_peak_memory_stats()
    elif sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).malloc_trim(0)  # freed memory that the allocator keeps would hide what is allocated next
        with contextlib.suppress(OSError):
            Path("/proc/self/clear_refs").write_text("5")


def _peak_mb(device: str, children: bool) -> float:
    if device != "cpu":
        import torch

        return torch.cuda.max_memory_allocated() / 2**20
    status = Path("/proc/self/status")
    if not children and status.is_file():
        found = re.search(r"VmHWM:\s+(\d+)", status.read_text())
        if found:
            return int(found[1]) / 1024
    whose = resource.RUSAGE_CHILDREN if children else resource.RUSAGE_SELF
    return resource.getrusage(whose).ru_maxrss / (1024 if sys.platform == "linux" else 2**20)
