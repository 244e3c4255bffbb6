"""The exact effects of all 32,491 edges, once in full: what the job exact-edges estimates from a sample.

    python -m bench.exact_edges [--json bench/results/exact_edges.json]

Block by block, one thread; interrupted, it goes on with the first block that is not in the file. Takes half an hour or so.
"""

import argparse
import json
import sys
from pathlib import Path

import torch

from bench.measure import machine
from bench.subjects import edges as e
from bench.subjects import workload as w
from bench.subjects.costs import timed
from bench.subjects.sonde_edges import prepared
from bench.table import RESULTS
from sonde.jobs import track


def main() -> None:
    """Do the blocks that are not done, and add up what they cost."""
    parser = argparse.ArgumentParser(prog="python -m bench.exact_edges", description=__doc__.splitlines()[0])
    parser.add_argument("--json", type=Path, default=RESULTS / "exact_edges.json", help="where the seconds of each block are kept")
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    blocks = json.loads(chosen.json.read_text(encoding="utf-8"))["blocks"] if chosen.json.is_file() else []
    rewiring = prepared("cpu", e.EXACT_PAIRS)()
    for layer in track(range(len(blocks), w.LAYERS + 1), "blocks", shown=sys.stderr.isatty()):
        wanted = torch.zeros_like(rewiring.graph.real)
        wanted[tuple(zip(*e.into(layer), strict=True))] = True
        costs = timed(lambda wanted=wanted: rewiring.effects(wanted), "cpu", children=False, afresh=True)
        blocks.append({"edges": int(wanted.sum()), "cpu_s": round(costs["cpu_s"], 2), "above_mb": round(costs["above_mb"], 1)})
        content = {"job": "exact_edges", "machine": machine("cpu"), "cpu_s": round(sum(one["cpu_s"] for one in blocks), 1), "blocks": blocks}
        chosen.json.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    print(f"{sum(one['edges'] for one in blocks):,} edges in {sum(one['cpu_s'] for one in blocks):.0f} CPU s")


if __name__ == "__main__":
    main()
