"""What do dashboards of features cost, in seconds and in bytes?

    python -m bench.dashboards [--repeats N] [--json FILE]

sonde collects all 2,048 latents of a dictionary; SAEDashboard makes the pages of 100 of them; both over the same 102,400 tokens, on models of the
same shape, in one thread, taking turns. Processor seconds, the median of the repeats. The claims: sonde takes no longer for all than the peer for
its 100, and keeps 2 kB for each latent beside the text.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median
from typing import Any

from bench.environments import ROOT, interpreter
from bench.errors import BenchError
from bench.table import RESULTS

PEER = "sae-dashboard"
BYTES = 2000


def main(arguments: list[str] | None = None) -> int:
    """Measure, keep and print; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m bench.dashboards", description="Measures dashboards of features.")
    parser.add_argument("--repeats", type=int, default=3, metavar="N", help="how often each does it (default: %(default)s)")
    parser.add_argument("--json", type=Path, metavar="FILE", default=RESULTS / "dashboards.json", help="where the figures are kept")
    chosen = parser.parse_args(arguments)
    runs: dict[str, list[dict[str, Any]]] = {"sonde": [], PEER: []}
    for _ in range(chosen.repeats):
        for subject, done in runs.items():
            done.append(_measured(subject))
    rows = [_row(subject, kind, done) for subject, done in runs.items() for kind in done[0] if kind != "peak_mb"]
    by_kind = {row["kind"]: row for row in rows}
    claims = {
        "all 2,048 latents in the peer's time for 100": by_kind["examples"]["cpu_s"] <= by_kind["html"]["cpu_s"],
        f"{BYTES} bytes for each latent": by_kind["examples"]["bytes_of_latent"] <= BYTES,
    }
    chosen.json.write_text(
        json.dumps({"job": "dashboards", "repeats": chosen.repeats, "rows": rows, "claims": claims}, indent=1) + "\n", encoding="utf-8"
    )
    for row in rows:
        size = f", {row['bytes_of_latent']:,.0f} bytes for each of {row['latents']:,} latents" if row["latents"] else ""
        spread = f"({row['least']:.1f} to {row['greatest']:.1f})"
        print(f"{row['subject']:14} {row['kind']:9} {row['cpu_s']:6.1f} CPU s {spread}, {row['peak_mb']:,.0f} MB{size}")
    for claim, holds in claims.items():
        print(f"{'holds' if holds else 'FAILS'}: {claim}")
    return 0 if all(claims.values()) else 1


def _row(subject: str, kind: str, done: list[dict[str, Any]]) -> dict[str, Any]:
    seconds, one = [run[kind]["cpu_s"] for run in done], done[0][kind]
    return {
        "subject": subject, "kind": kind, "cpu_s": median(seconds), "least": min(seconds), "greatest": max(seconds),
        "wall_s": median(run[kind]["wall_s"] for run in done), "peak_mb": max(run["peak_mb"] for run in done),
        "latents": one.get("latents", 0), "bytes_of_latent": one.get("bytes_of_latent", 0.0), "bytes_of_text": one.get("bytes_of_text", 0),
    }  # fmt: skip


def _measured(subject: str) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        command = [interpreter(subject), "-m", "bench.subjects.dashboards", subject, folder]
        settings = {**os.environ, "OMP_NUM_THREADS": "1", "WANDB_MODE": "disabled", "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT)])}
        done = subprocess.run(command, cwd=ROOT, env=settings, capture_output=True, text=True, check=False)
    if done.returncode:
        raise BenchError(f"{subject} makes no dashboards: {(done.stderr.strip() or 'no word of why').splitlines()[-1]}")
    found: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return found


if __name__ == "__main__":
    sys.exit(main())
