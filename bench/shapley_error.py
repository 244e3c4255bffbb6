"""How far are estimates of Shapley values from the truth, at equal numbers of evaluations?

    python -m bench.shapley_error [--quick] [--json FILE]

Games of twelve players, few enough for all 4,096 coalitions, which tell the truth. Every subject estimates every game with three budgets and some
seeds; an error is |estimate - truth| / |truth|. Games differ much in how hard they are, so subjects are compared game by game: the interval is that
of the mean difference over games (95 %, Student's t).
"""

import argparse
import json
import math
import tempfile
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file

from bench.errors import BenchError
from bench.jobs import SUBJECTS
from bench.measure import machine
from bench.subjects.games import BUDGETS, FIRST, PLAYERS, game
from bench.table import RESULTS
from bench.workers import worker
from sonde.evidence import t_interval

COMPARED = ("sonde", "shap", "captum")


def main(arguments: list[str] | None = None) -> None:
    """Estimate, keep and print."""
    parser = argparse.ArgumentParser(prog="python -m bench.shapley_error", description="Compares estimates of Shapley values with the truth.")
    parser.add_argument("--quick", action="store_true", help="a few games, keep nothing but in --json")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the result there too")
    chosen = parser.parse_args(arguments)
    errors, found, missing = {}, {}, {}
    with tempfile.TemporaryDirectory() as folder:
        for subject in COMPARED:
            try:
                errors[subject], found[subject] = _errors(subject, "shapley_error_quick" if chosen.quick else "shapley_error", Path(folder))
            except BenchError as error:
                if subject == "sonde":
                    raise
                missing[subject] = str(error)
    content = {"job": "shapley-error", "machine": machine("cpu"), "rows": rows(errors, found), "missing": missing}
    for file in [*([] if chosen.quick else [RESULTS / "shapley-error.json"]), *([chosen.json] if chosen.json else [])]:
        file.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    show(content)


def truth(number: int) -> Any:
    """The Shapley values of a game, from all coalitions."""
    sets = (torch.arange(2**PLAYERS)[:, None] >> torch.arange(PLAYERS)) % 2
    values, sizes = game(FIRST + number)(sets.float())[:, 0].double(), sets.sum(1)
    shares = []
    for player in range(PLAYERS):
        without = (sets[:, player] == 0).nonzero()[:, 0]
        weights = torch.tensor([1 / (PLAYERS * math.comb(PLAYERS - 1, int(k))) for k in sizes[without]], dtype=torch.float64)
        shares.append((weights * (values[without + 2**player] - values[without])).sum())
    return torch.stack(shares)


def rows(errors: dict[str, Any], versions: dict[str, str]) -> list[dict[str, Any]]:
    """For each subject and budget the mean error, and how far ours lies from it, game by game.

    Arguments:
        errors: by subject: (games, seeds, budgets).
        versions: of the subjects.
    """
    made = []
    for subject, own in errors.items():
        for i, budget in enumerate(BUDGETS):
            difference = (errors["sonde"] - own)[..., i].mean(1)
            interval = None if subject == "sonde" else [round(end, 5) for end in t_interval(difference)]
            made.append(
                {
                    "subject": subject, "version": versions[subject], "evaluations": budget, "error": round(float(own[..., i].mean()), 5),
                    "games": own.shape[0], "seeds": own.shape[1], "ours_less_theirs": interval,
                }
            )  # fmt: skip
    return made


def show(content: dict[str, Any]) -> None:
    """Print the rows, and whether our error is above a peer's."""
    for row in content["rows"]:
        compared = ""
        if row["ours_less_theirs"] is not None:
            low, high = row["ours_less_theirs"]
            compared = f"; ours less theirs {low:+.4f} to {high:+.4f}: {'not above' if high <= 0 else 'undecided' if low <= 0 else 'ABOVE'}"
        print(f"{row['subject']:7} {row['version']:8} {row['evaluations']:5} evaluations: {row['error']:.4f}{compared}")
    for subject, reason in content["missing"].items():
        print(f"not measured: {subject} ({reason})")


def _errors(subject: str, function: str, folder: Path) -> tuple[Any, str]:
    """The errors of one subject, (games, seeds, budgets), and its version."""
    file = folder / f"{subject}.safetensors"
    with worker(subject) as one:
        facts = one.ask(do="set up", function=function, device="cpu", distribution=SUBJECTS[subject][1])
        one.ask(do="answer", file=str(file))
    shares = load_file(file)["shares"]
    exact = torch.stack([truth(number) for number in range(len(shares))])[:, None, None]
    return (shares - exact).norm(dim=-1) / exact.norm(dim=-1), facts["version"]


if __name__ == "__main__":
    main()
