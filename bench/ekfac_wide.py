"""How many operations does EK-FAC take in a block as wide as GPT-2 small?

    python -m bench.ekfac_wide [--json FILE]

Counted by PyTorch for one sequence of 128 tokens, the model's own pass included; nothing is timed, so the machine does not matter.
"""

import argparse
import json
import subprocess
from pathlib import Path

from bench.environments import ROOT, interpreter
from bench.errors import BenchError
from bench.table import RESULTS
from bench.table import write as write_page

FEWER = {"eigenvalues": 4.0, "self-influence": 8.0}  # times, what is claimed


def main(arguments: list[str] | None = None) -> None:
    """Count, keep and print."""
    parser = argparse.ArgumentParser(prog="python -m bench.ekfac_wide", description="Counts the operations of EK-FAC, by library.")
    parser.add_argument("--json", type=Path, metavar="FILE", default=RESULTS / "ekfac-wide.json", help="where the figures are kept")
    chosen = parser.parse_args(arguments)
    found = {subject: counted(subject) for subject in ("sonde", "kronfluence")}
    chosen.json.write_text(json.dumps({"job": "ekfac-wide", "gflop": found, "fewer": FEWER}, indent=1) + "\n", encoding="utf-8")
    for stage, times in FEWER.items():
        ours, theirs = found["sonde"][stage], found["kronfluence"][stage]
        print(f"{stage}: {ours:.1f} GFLOP, kronfluence {theirs:.1f}: {theirs / ours:.2f} x, where {times:g} x is claimed")
    if chosen.json.parent == RESULTS:
        write_page()


def counted(subject: str) -> dict[str, float]:
    """GFLOP of each stage for one sequence.

    Arguments:
        subject: whose.
    """
    command = [interpreter(subject), "-m", "bench.subjects.ekfac_wide", subject]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise BenchError(f"{subject} fails: {(done.stderr.strip() or 'no word of why').splitlines()[-1]}")
    found: dict[str, float] = json.loads(done.stdout)
    return found


if __name__ == "__main__":
    main()
