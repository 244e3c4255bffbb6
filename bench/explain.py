"""What `sonde explain` costs on the shipped specimen, from a cold start: wall time, processor time and peak memory of the whole command.

python -m bench.explain [REPEATS]
"""

import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

PROMPTS = ("When Mary and John went to the shop, John gave a book to", "The keys on the cabinet")


def main(repeats: int = 3) -> None:
    """Print the medians over some runs of each prompt, and the machine's load."""
    for prompt in PROMPTS:
        walls, processors = [], []
        for _ in range(repeats):
            before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
            with tempfile.TemporaryDirectory() as folder:
                out = str(Path(folder) / "report.html")
                subprocess.run([sys.executable, "-m", "sonde", "explain", prompt, "--out", out], check=True, stdout=subprocess.DEVNULL)
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            walls.append(time.perf_counter() - started)
            processors.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
        peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024
        print(f"{prompt!r}: {statistics.median(walls):.1f} s, {statistics.median(processors):.1f} s of processor, {peak} MB at most, {repeats} runs")
    print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")


if __name__ == "__main__":
    main(*(int(argument) for argument in sys.argv[1:]))
