"""How often does a claim of `sonde explain` hold where nothing was learnt?

    python -m bench.nulls [--model NAME] [--seeds N] [--json FILE]

The model's weights are destroyed, once by shuffling the entries of every weight and once by drawing them afresh, one copy of each kind for each seed;
every copy explains the prompts with the answers that the trained model would give. Counted are, for every kind of claim, the verdicts that hold:
as the report gives them, and as they would be if no claim had to wait for the behaviour itself. What was counted is kept copy by copy, so that an
interrupted count goes on; it begins anew for another model.
"""

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from torch import nn

import sonde
from bench.table import RESULTS
from sonde.evidence import permuted, reinitialised, wilson
from sonde.jobs import track
from sonde.report.chapters import CHAPTERS
from sonde.report.material import gather
from sonde.report.summary import judged_together

PROMPTS = {
    "When Mary and John went to the shop, John gave a book to": (" Mary", " John"),
    "The keys on the cabinet": (" are", " is"),
    "The capital of France is": (" Paris", " Rome"),
}
NULLS: dict[str, Callable[[nn.Module, int], nn.Module]] = {"shuffled weights": permuted, "fresh weights": reinitialised}

Row = dict[str, Any]


def main(arguments: list[str] | None = None) -> None:
    """Count, keep and print."""
    parser = argparse.ArgumentParser(prog="python -m bench.nulls", description="Counts the claims that hold where nothing was learnt.")
    parser.add_argument("--model", default="specimen:words", help="whose weights are destroyed (default: %(default)s)")
    parser.add_argument("--seeds", type=int, default=34, help="copies of each kind (default: %(default)s, about 200 reports)")
    parser.add_argument("--json", type=Path, metavar="FILE", default=RESULTS / "nulls.json", help="where the counts are kept (default: %(default)s)")
    chosen = parser.parse_args(arguments)
    model = sonde.load(chosen.model)
    kept = json.loads(chosen.json.read_text(encoding="utf-8")) if chosen.json.is_file() else {}
    rows: list[Row] = kept["rows"] if kept.get("model_hash") == model.hash else []
    done = {(row["null"], row["seed"], row["prompt"]) for row in rows}
    wanted = [(null, seed, prompt) for seed in range(chosen.seeds) for null in NULLS for prompt in PROMPTS]
    for null, seed, prompt in track([one for one in wanted if one not in done], "explaining", shown=sys.stderr.isatty()):
        broken = sonde.Model(NULLS[null](model.module, seed), model.tokenizer)
        rows.append({"null": null, "seed": seed, "prompt": prompt, "verdicts": explained(broken, prompt, seed)})
        content = {"job": "nulls", "model": chosen.model, "model_hash": model.hash, "counts": counts(rows), "rows": rows}
        chosen.json.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    show(counts(rows))


def explained(model: sonde.Model, prompt: str, seed: int) -> list[Row]:
    """Every verdict of one report: what was claimed, and whether it holds before and after the report's own rules."""
    target, foil = PROMPTS[prompt]
    material = gather(model, prompt, target, [foil], corrupt=None, bos=None, seed=seed)
    alone = {key: chapter(material).verdicts for key, chapter in CHAPTERS.items()}
    reported = judged_together(alone)
    return [
        {"measure": before.measure, "claim": before.claim, "alone": before.holds, "reported": after.holds}
        for key in alone
        for before, after in zip(alone[key], reported[key], strict=True)
    ]


def counts(rows: list[Row]) -> list[Row]:
    """For every null and kind of claim: how many were made, were testable, and hold, alone and in the report."""
    found: dict[tuple[str, str], Row] = {}
    for row in rows:
        for verdict in row["verdicts"]:
            key = (row["null"], verdict["measure"])
            one = found.setdefault(key, {"null": key[0], "measure": key[1], "made": 0, "testable": 0, "alone": 0, "reported": 0})
            one["made"] += 1
            one["testable"] += verdict["alone"] is not None
            one["alone"] += verdict["alone"] is True
            one["reported"] += verdict["reported"] is True
    return list(found.values())


def show(found: list[Row]) -> None:
    """Print the counts, and the share that holds in the report with its interval."""
    for one in found:
        print(f"{one['null']}: {one['measure']}")
        print(f"    {one['made']} made, {one['testable']} testable; {one['alone']} hold alone, in the report {_share(one['reported'], one['made'])}")
    print(f"all: {_share(sum(one['reported'] for one in found), sum(one['made'] for one in found))}")


def _share(held: int, made: int) -> str:
    low, high = wilson(held, made)
    return f"{held} of {made} ({low:.1%} to {high:.1%})"


if __name__ == "__main__":
    main()
