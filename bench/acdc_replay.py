"""Are the decisions of the fast search those of the plain one, at full size?

    python -m bench.acdc_replay [--decisions N] [--folder FOLDER] [--json FILE]

`sonde.circuits.acdc` searches the benchmark's GPT-2 small once, 32,491 edges. Then some decisions, drawn at random, half of them among the edges
that had any effect, are made again by hand: two whole forwards each, before and after the edge goes, open at every edge, with none of the shortcuts.
Decisions are written down in the folder, so that an interrupted search goes on.
"""

import argparse
import json
import random
import sys
import time
from pathlib import Path
from typing import Any

import torch

import sonde
from bench.subjects import edges as e
from bench.subjects import workload as w
from bench.subjects.by_hand import ByHand
from bench.table import RESULTS
from sonde.circuits import Acdc, acdc
from sonde.jobs import track
from sonde.tasks import Task
from sonde.tasks.pair import Pair


def main(arguments: list[str] | None = None) -> None:
    """Search, replay, keep and print."""
    parser = argparse.ArgumentParser(prog="python -m bench.acdc_replay", description="Replays decisions of a search over GPT-2 small by hand.")
    parser.add_argument("--decisions", type=int, default=300, help="how many are replayed (default: %(default)s)")
    parser.add_argument("--threshold", type=float, default=e.THRESHOLD, help="of the search, in nats (default: %(default)s)")
    parser.add_argument("--folder", type=Path, help="where the search is written down (default: nowhere)")
    parser.add_argument(
        "--json", type=Path, metavar="FILE", default=RESULTS / "acdc-replay.json", help="where the counts are kept (default: %(default)s)"
    )
    chosen = parser.parse_args(arguments)
    clean, corrupt = e.pairs(e.EXACT_PAIRS, "cpu")
    rows = zip(clean.tolist(), corrupt.tolist(), strict=True)
    task = Task.of([Pair("", "", (w.TARGET,), (w.FOIL,), tuple(a), tuple(b)) for a, b in rows], "random tokens")
    begun = time.process_time()
    found = acdc(sonde.load(w.model("cpu")), task, chosen.threshold, metric="kl", folder=chosen.folder, show=sys.stderr.isatty())
    seconds = time.process_time() - begun
    drawn = draw(found, chosen.decisions)
    replayed = replay(found, drawn, clean, corrupt)
    content = {
        "job": "acdc-replay", "threshold": chosen.threshold, "edges": len(found.visits), "kept": int(found.kept.sum()), "states": found.states,
        "passes": found.n_waves, "cpu_seconds": seconds, **compared(found, drawn, replayed),
    }  # fmt: skip
    chosen.json.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(content, indent=1))


def draw(found: Acdc, n: int) -> list[int]:
    """Places in the order of the search: half among all, half among those that had any effect."""
    rng = random.Random(0)
    places = range(len(found.visits))
    active = [place for place in places if found.changes[place] != 0]
    return sorted({*rng.sample(places, min(n // 2, len(places))), *rng.sample(active, min(n - n // 2, len(active)))})


def replay(found: Acdc, drawn: list[int], clean: Any, corrupt: Any) -> list[float]:
    """The change of the divergence by each of some edges in its turn, by two whole forwards."""
    hand = ByHand("cpu")
    carried, base = hand.outputs(corrupt), hand.log_probabilities(hand.outputs(clean).sum(0))
    changes = []
    for place in track(drawn, "replaying decisions", shown=sys.stderr.isatty()):
        kept = torch.ones(e.SENDERS, e.RECEIVERS, dtype=torch.bool)
        gone = found.visits[:place][~found.kept[:place]]
        kept[gone[:, 0], gone[:, 1]] = False
        values = []
        for _ in range(2):
            told = hand.log_probabilities(hand.rewired(clean, carried, kept))
            values.append((base.exp() * (base - told)).sum(-1).double().mean().item())
            kept[tuple(found.visits[place])] = False
        changes.append(values[1] - values[0])
    return changes


def compared(found: Acdc, drawn: list[int], replayed: list[float]) -> dict[str, Any]:
    """How many decisions are the same, how far the changes are apart, and how near to the threshold those lay that differ."""
    plain = torch.tensor(replayed, dtype=torch.float64)
    differ = ((plain >= found.threshold) != found.kept[drawn]).nonzero().squeeze(1)
    return {
        "replayed": len(drawn), "of which kept": int(found.kept[drawn].sum()), "same": len(drawn) - len(differ),
        "largest difference of a change": float((plain - found.changes[drawn]).abs().max()),
        "distance from the threshold of those that differ": [float(plain[i] - found.threshold) for i in differ],
    }  # fmt: skip


if __name__ == "__main__":
    main()
