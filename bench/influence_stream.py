"""Does a search of a long training set take memory that does not grow with it, and time that grows no faster?

    python -m bench.influence_stream [--sizes N ...] [--json FILE]

The 50 sequences that bear most on each of 10 queries, of as many short sequences as are asked for, by EK-FAC; each size in a process of its own. The
sequences are made when they are asked for, so that the training set itself takes no memory.
"""

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from bench.environments import ROOT
from bench.errors import BenchError
from bench.measure import machine
from bench.table import RESULTS
from bench.table import write as write_page

SIZES = (25_000, 50_000, 100_000)
QUERIES, STRONGEST, POSITIONS, WIDTH, FITTED = 10, 50, 16, 64, 512


class Sequences:
    """Random sequences that are made when they are asked for.

    Arguments:
        n: how many.
        first: the number of the first one.
    """

    def __init__(self, n: int, first: int = 0) -> None:
        self.n, self.first = n, first

    def __len__(self) -> int:
        return self.n

    def __getitem__(self, index: int) -> tuple[Any]:
        import torch

        from bench.subjects.ekfac import VOCAB

        if not 0 <= index < self.n:
            raise IndexError(index)
        return (torch.randint(VOCAB, (POSITIONS,), generator=torch.Generator().manual_seed(self.first + index)),)


def searched(n: int) -> dict[str, float]:
    """What a search of n sequences costs.

    Arguments:
        n: how many.
    """
    from dataclasses import replace

    from bench.subjects import ekfac as e
    from bench.subjects.costs import timed
    from bench.subjects.sonde_ekfac import Foretelling
    from sonde.influence import fit

    net = e.network(WIDTH, layers=2)
    known = fit(net, Sequences(FITTED), Foretelling(), modules="blocks").curvature
    bare = fit(net, Sequences(n), Foretelling(), "identity", modules="blocks")
    given = replace(known, fingerprint=bare.subject.examples.fingerprint)
    influence = fit(net, Sequences(n), Foretelling(), modules="blocks", fitted=given)
    cost = timed(lambda: influence.top(Sequences(QUERIES, first=10**9), k=STRONGEST), "cpu", children=False, afresh=True)
    return {"sequences": n, **cost}


def main(arguments: list[str] | None = None) -> None:
    """Measure, keep and print."""
    parser = argparse.ArgumentParser(prog="python -m bench.influence_stream", description="Searches training sets of several sizes.")
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES, metavar="N", help="sequences (default: %(default)s)")
    parser.add_argument("--one", type=int, metavar="N", help=argparse.SUPPRESS)
    parser.add_argument("--json", type=Path, metavar="FILE", default=RESULTS / "influence-stream.json", help="where the figures are kept")
    chosen = parser.parse_args(arguments)
    if chosen.one:
        print(json.dumps(searched(chosen.one)))
        return
    found = []
    for n in chosen.sizes:
        done = subprocess.run(
            [sys.executable, "-m", "bench.influence_stream", "--one", str(n)], cwd=ROOT, capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise BenchError(f"{n} sequences: {(done.stderr.strip() or 'no word of why').splitlines()[-1]}")
        found.append({**json.loads(done.stdout.splitlines()[-1]), "load": os.getloadavg()[0]})
        print(f"{n:,} sequences: {found[-1]['cpu_s']:.1f} CPU s, {found[-1]['peak_mb']:.0f} MB ({found[-1]['above_mb']:+.0f})", flush=True)
    chosen.json.write_text(
        json.dumps({"job": "influence-stream", "machine": machine("cpu"), "rows": sorted(found, key=lambda row: row["sequences"])}, indent=1) + "\n",
        encoding="utf-8",
    )
    if chosen.json.parent == RESULTS:
        write_page()


if __name__ == "__main__":
    main()
