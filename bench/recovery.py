"""How much of a planted dictionary does each trainer find?

    python -m bench.recovery [SUBJECT ...] [--seeds N] [--tuned] [--json FILE]

All subjects learn from the same batches of `bench.subjects.recovering` with the same rate; with --tuned each with the best of three, chosen on a
seed that is not counted. For each seed: the mean of the best cosine with a true direction (MMCS), the same one to one (MCC), the share above .9,
active latents, unexplained variance, dead latents. sonde is compared with the best peer seed by seed. What was measured is kept, so that an
interrupted count goes on.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file

from bench.environments import ROOT, interpreter
from bench.errors import BenchError
from bench.jobs import DICTIONARIES
from bench.subjects.recovering import FEATURES, RATE, World
from bench.table import RESULTS
from sonde.dictionaries.evaluation.recovery import by_chance, recovery
from sonde.evidence import t_interval
from sonde.jobs import track

SUBJECTS = ("sonde", *DICTIONARIES)
RATES = (3e-4, 1e-3, 3e-3)
TUNING_SEED = 5_000
FIRST_SEED = 100  # nobody tuned on these
FIGURES = ("mmcs", "mcc", "share", "active", "fvu", "dead")

Row = dict[str, Any]


def main(arguments: list[str] | None = None) -> None:
    """Measure, keep and print."""
    parser = argparse.ArgumentParser(prog="python -m bench.recovery", description="Counts what trainers find of a planted dictionary.")
    parser.add_argument("subjects", nargs="*", default=SUBJECTS, metavar="SUBJECT", help=f"whose: {', '.join(SUBJECTS)} (default: all)")
    parser.add_argument("--seeds", type=int, default=10, help="how many (default: %(default)s)")
    parser.add_argument("--tuned", action="store_true", help="also with the best of three rates for each")
    parser.add_argument("--json", type=Path, metavar="FILE", default=RESULTS / "sae-recovery.json", help="where the figures are kept")
    chosen = parser.parse_args(arguments)
    rows: list[Row] = json.loads(chosen.json.read_text(encoding="utf-8"))["rows"] if chosen.json.is_file() else []
    wanted = [(subject, seed, RATE) for seed in range(FIRST_SEED, FIRST_SEED + chosen.seeds) for subject in chosen.subjects]
    if chosen.tuned:
        _measure([(subject, TUNING_SEED, rate) for subject in chosen.subjects for rate in RATES], rows, chosen.json)
        wanted += [(subject, seed, best(rows, subject)) for subject, seed, _ in wanted]
    _measure(wanted, rows, chosen.json)
    _show(rows)


def best(rows: list[Row], subject: str) -> float:
    """The rate with the highest MMCS on the tuning seed."""
    tried = [row for row in rows if (row["subject"], row["seed"]) == (subject, TUNING_SEED)]
    return float(max(tried, key=lambda row: row["mmcs"])["rate"])


def _measure(wanted: list[tuple[str, int, float]], rows: list[Row], file: Path) -> None:
    done = {(row["subject"], row["seed"], row["rate"]) for row in rows}
    for subject, seed, rate in track([one for one in dict.fromkeys(wanted) if one not in done], "learning", shown=sys.stderr.isatty()):
        rows.append({"subject": subject, "seed": seed, "rate": rate, **measured(subject, seed, rate)})
        file.write_text(json.dumps({"job": "sae-recovery", "chance": chance(), "rows": rows}, indent=1) + "\n", encoding="utf-8")


def measured(subject: str, seed: int, rate: float) -> dict[str, float]:
    """What one training found."""
    with tempfile.TemporaryDirectory() as folder:
        file = f"{folder}/found.safetensors"
        command = [interpreter(subject), "-m", "bench.subjects.recovering", subject, str(seed), str(rate), file]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        if done.returncode:
            raise BenchError(f"{subject} fails: {(done.stderr.strip() or 'no word of why').splitlines()[-1]}")
        held = load_file(file)
    found = recovery(World(seed).directions, held["directions"])
    told = {"mmcs": found.mmcs, "mcc": found.mcc, "share": found.found}
    return {name: round(float(value), 4) for name, value in {**told, **{name: held[name] for name in ("active", "fvu", "dead")}}.items()}


def chance() -> float:
    """The MMCS of random directions."""
    drawn = by_chance(World(0).directions, FEATURES)
    return round(float(sum(one.mmcs for one in drawn) / len(drawn)), 4)


def _show(rows: list[Row]) -> None:
    counted = [row for row in rows if row["seed"] != TUNING_SEED]
    print(f"random directions: mmcs {chance():.3f}")
    for tuned in (False, True):
        by_subject = {subject: [row for row in counted if row["subject"] == subject and _is(row, tuned, rows)] for subject in SUBJECTS}
        by_subject = {subject: found for subject, found in by_subject.items() if found}
        for subject, found in by_subject.items():
            means = ", ".join(f"{name} {sum(row[name] for row in found) / len(found):.3f}" for name in FIGURES)
            print(f"{'tuned' if tuned else 'untuned'} {subject} (rate {found[0]['rate']:g}, {len(found)} seeds): {means}")
        _compare(by_subject)


def _is(row: Row, tuned: bool, rows: list[Row]) -> bool:
    if not tuned:
        return bool(row["rate"] == RATE)
    return any(one["seed"] == TUNING_SEED for one in rows if one["subject"] == row["subject"]) and row["rate"] == best(rows, row["subject"])


def _compare(by_subject: dict[str, list[Row]]) -> None:
    """sonde minus the best peer on each figure, seed by seed, with a 95 % interval."""
    for name, sign in (("mmcs", 1), ("share", 1), ("fvu", -1)):
        peers = {subject: {row["seed"]: row[name] for row in found} for subject, found in by_subject.items() if subject != "sonde"}
        ours = {row["seed"]: row[name] for row in by_subject.get("sonde", [])}
        if not peers or not ours:
            continue
        leader = max(peers, key=lambda subject: sign * sum(peers[subject].values()) / len(peers[subject]))
        paired = torch.tensor([ours[seed] - peers[leader][seed] for seed in ours if seed in peers[leader]])
        if len(paired) > 1:
            low, high = t_interval(paired)
            print(f"  {name}: sonde minus {leader} {float(paired.mean()):+.4f} ({low:+.4f} to {high:+.4f})")


if __name__ == "__main__":
    main()
