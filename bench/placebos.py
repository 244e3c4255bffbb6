"""How often does a claim hold of a trained model if chance did the finding?

    python -m bench.placebos [--model NAME] [--draws N] [--json FILE]

The shipped tests of `sonde explain` are given what nobody found: a random set of components as large as the found one, turned states instead of the
layer's own, random ranks instead of an attribution. The model does the tasks, so a random set may hold the parts that matter; the counts say
how much a verdict tells about the finding, beyond what it says of the set.
"""

import argparse
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

import sonde
from bench.nulls import PROMPTS
from bench.table import RESULTS
from sonde.attribution import Attribution, check, occlusion
from sonde.evidence import compare, necessity, random_rotation, random_sets, sufficiency, wilson
from sonde.lens.check import MEASURE, THRESHOLD, read_rightly
from sonde.patching import activation_patching, find_components
from sonde.results import Verdict
from sonde.tasks import Task, counterfactuals, siblings

CONTROLS = 20  # draws of each control, as in the tests themselves


def main(arguments: list[str] | None = None) -> None:
    """Count, keep and print."""
    parser = argparse.ArgumentParser(prog="python -m bench.placebos", description="Counts the claims that hold if chance did the finding.")
    parser.add_argument("--model", default="specimen:words", help="the trained model (default: %(default)s)")
    parser.add_argument("--draws", type=int, default=200, help="placebos of each kind and prompt (default: %(default)s)")
    parser.add_argument(
        "--json", type=Path, metavar="FILE", default=RESULTS / "placebos.json", help="where the counts are kept (default: %(default)s)"
    )
    chosen = parser.parse_args(arguments)
    model = sonde.load(chosen.model)
    rows: list[dict[str, Any]] = []
    for prompt, (target, foil) in PROMPTS.items():
        pair = counterfactuals(prompt, model, target, foil).best.pair
        search, evaluate = siblings(pair.clean, pair.corrupt, pair.target, pair.foil, model, n=32).split(0)
        kinds = {
            **components(model, search, evaluate, chosen.draws),
            "turned states": turned(model, search, evaluate, chosen.draws),
            "random ranks": [check(model, evaluate, random_ranks(seed), seed) for seed in range(chosen.draws // 10)],
        }
        for kind, verdicts in kinds.items():
            held = sum(verdict is not None and verdict.holds is True for verdict in verdicts)
            rows.append({"prompt": prompt, "placebo": kind, "draws": len(verdicts), "held": held})
            low, high = wilson(held, len(verdicts))
            print(f"{prompt!r}, {kind}: {held} of {len(verdicts)} hold ({low:.1%} to {high:.1%})", flush=True)
    content = {"job": "placebos", "model": chosen.model, "model_hash": model.hash, "rows": rows}
    chosen.json.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def components(model: sonde.Model, search: Task, evaluate: Task, draws: int) -> dict[str, list[Verdict]]:
    """Random sets as large as the found one, each held against the next ones."""
    found = find_components(model, search)
    sets = random_sets(found.sites, max(1, len(found.found)), draws + CONTROLS, seed=0)
    out, alone = (activation_patching(model, evaluate, sets, direction) for direction in ("noising", "denoising"))
    ends = out.clean, out.corrupt
    held: dict[str, list[Verdict]] = {f"random sets of {len(sets[0])}, needed": [], f"random sets of {len(sets[0])}, enough": []}
    needed, enough = held.values()
    for i in range(draws):
        needed.append(necessity("", *ends, out.values[i], out.values[i + 1 : i + 1 + CONTROLS]))
        enough.append(sufficiency("", *ends, alone.values[i], alone.values[i + 1 : i + 1 + CONTROLS]))
    return held


def turned(model: sonde.Model, search: Task, evaluate: Task, draws: int) -> list[Verdict | None]:
    """Rotations in place of the states' own orientation, each choosing its layer on the search prompts; none where it reads no layer rightly."""
    rotations = [random_rotation(model.d_model, seed) for seed in range(draws + CONTROLS)]
    searched, judged = (read_rightly(model, task, rotations) for task in (search, evaluate))
    verdicts: list[Verdict | None] = []
    for i in range(draws):
        right = searched[i].mean(-1) >= THRESHOLD
        start = next((layer for layer in range(len(right)) if bool(right[layer:].all())), None)
        control = slice(i + 1, i + 1 + CONTROLS)
        verdicts.append(
            None
            if start is None
            else compare("", MEASURE, judged[i, start], judged[control, start], threshold=THRESHOLD, threshold_source="", exceeding="draw")
        )
    return verdicts


def random_ranks(seed: int) -> Any:
    """An attribution whose values are random."""

    def attribute(model: sonde.Model, task: Task) -> Attribution:
        made = occlusion(model, task, baseline="pad")
        return replace(made, values=torch.rand(made.values.shape, generator=torch.Generator().manual_seed(seed)))

    return attribute


if __name__ == "__main__":
    main()
