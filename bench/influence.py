"""How well do influence scores foretell training again, beside those of other libraries?

    python -m bench.influence [digits|mlp|mnist|wine ...] [--folder FOLDER]

For each problem models are trained again: on 100 random halves of the examples, and on digits without each of 100 examples, 3 or 5 seeds each
(softmax regression at its minimum, once). Every library scores the same trained networks, of other seeds than the truth, in its own environment.
Linear datamodelling score and leave-one-out correlation are means over 100 queries; sonde is compared with kronfluence query by query, at equal
damping and by default. Dampings are those that are known beforehand (the weight decay; a tenth of the mean eigenvalue, as Grosse et al. 2023 have
it): none was chosen on these scores, and sonde's defaults were fixed on the digits before `mnist` and `wine` were looked at. Finished trainings are
kept in the folder. Processor seconds are those of one process from trained networks to scores, the import included.
"""

import argparse
import functools
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from bench.environments import ROOT, interpreter, versions
from bench.errors import BenchError
from bench.jobs import PEERS
from bench.measure import machine
from bench.subjects.blimp import DATA
from bench.table import RESULTS, write
from bench.workers import QUIET
from sonde.evidence import bootstrap, spearman
from sonde.influence import CrossEntropy, Descent, Problem, RetrainTruth, retrain_on_subsets, retrain_without
from sonde.influence.examples import TensorExamples
from sonde.influence.problems import digits_mlp, digits_softmax
from sonde.influence.training import Run
from sonde.jobs import track

SUBSETS = 100
TRAININGS = {"digits": (5, 100), "mlp": (5, 100), "mnist": (3, 0), "wine": (3, 0)}  # seeds, and how many examples are left out one by one
MODELS, HALVES = range(10, 15), range(20, 30)  # seeds of the networks that are scored: none is in the truth
TRAIN = 1000

# subject, method, damping: a number's place is taken by the problem's weight decay
Setting = tuple[str, str, str]
KRONECKER: tuple[Setting, ...] = (
    ("sonde", "ekfac", "default"), ("sonde", "ekfac", "decay"), ("kronfluence", "ekfac", "default"), ("kronfluence", "ekfac", "mean"),
    ("kronfluence", "ekfac", "decay"), ("sonde", "kfac", "mean"), ("kronfluence", "kfac", "mean"), ("dattri", "ekfac", "decay"),
    ("sonde", "identity", "default"), ("sonde", "nearest", "default"),
)  # fmt: skip
EXACT: tuple[Setting, ...] = (("sonde", "exact", "decay"),)
ENSEMBLES: tuple[Setting, ...] = (("sonde", "ekfac x5", "default"), ("sonde", "ekfac x5", "decay"), ("dattri", "TRAK-10", "default"))
SAMPLED: Setting = ("sonde", "ekfac sampled", "mean")  # one drawn label for each example, as kronfluence has it
INDEXED: tuple[Setting, ...] = (("sonde", "ekfac index 16", "default"), ("sonde", "ekfac index 32", "default"))  # axes that are kept, of 65 and fewer
SETTINGS = {
    "digits": (*KRONECKER, *EXACT, ("dattri", "explicit", "decay")), "mlp": (*KRONECKER, *INDEXED, *EXACT, *ENSEMBLES, ("dattri", "cg", "decay")),
    "mnist": (*KRONECKER, SAMPLED, *ENSEMBLES), "wine": (*KRONECKER, *ENSEMBLES),
}  # fmt: skip
COMPARED = ((("sonde", "ekfac", "default"), ("kronfluence", "ekfac", "mean")), (("sonde", "ekfac", "decay"), ("kronfluence", "ekfac", "decay")),
            (("sonde", "ekfac", "default"), ("kronfluence", "ekfac", "default")))  # fmt: skip


def network(sizes: tuple[int, int, int], seed: int) -> nn.Module:
    """An untrained network with one hidden layer."""
    made = nn.Sequential(nn.Linear(sizes[0], sizes[1]), nn.ReLU(), nn.Linear(sizes[1], sizes[2]))
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for layer in (made[0], made[2]):
            for weight in layer.parameters():
                weight.copy_((torch.rand(weight.shape, generator=generator) * 2 - 1) / layer.in_features**0.5)
    return made


def mnist() -> Problem:
    """1,000 pictures of `mnist10k`, 100 of its test pictures to ask about, a network of 784, 64 and 10 units, 20 passes."""
    import numpy as np

    held = np.load(DATA / "mnist10k" / "mnist10k.npz", allow_pickle=False)
    x, y = (torch.tensor(held[f"train_{name}"][:TRAIN]) for name in "xy")
    asked, answers = (torch.tensor(held[f"test_{name}"][:100]) for name in "xy")
    training = Descent(functools.partial(network, (784, 64, 10)), passes=20)
    return Problem("mnist", (x.flatten(1) / 255, y.long()), (asked.flatten(1) / 255, answers.long()), training, near="1:out", picture=(28, 28))


def wine() -> Problem:
    """1,000 white wines of `tabular`, three classes of quality, 100 others to ask about, a network of 11, 64 and 3 units, 40 passes."""
    rows = [line.split(",") for line in (DATA / "tabular" / "winequality-white.csv").read_text(encoding="utf-8").split()]
    held = torch.tensor([[float(cell) for cell in row] for row in rows])[torch.randperm(len(rows), generator=torch.Generator().manual_seed(0))]
    x, quality = held[: TRAIN + 100, :-1], held[: TRAIN + 100, -1]
    x = (x - x[:TRAIN].mean(0)) / x[:TRAIN].std(0)
    y = (quality > 5).long() + (quality > 6).long()
    return Problem("wine", (x[:TRAIN], y[:TRAIN]), (x[TRAIN:], y[TRAIN:]), Descent(functools.partial(network, (11, 64, 3))), near="1:out")


PROBLEMS: dict[str, Callable[[], Problem]] = {"digits": digits_softmax, "mlp": digits_mlp, "mnist": mnist, "wine": wine}


def main(arguments: list[str] | None = None) -> None:
    """Measure, keep and print."""
    parser = argparse.ArgumentParser(prog="python -m bench.influence", description="Judges influence scores by training again.")
    parser.add_argument("problems", nargs="*", default=list(PROBLEMS), metavar="PROBLEM", help=f"which: {', '.join(PROBLEMS)} (default: all)")
    parser.add_argument(
        "--folder", type=Path, default=Path(tempfile.gettempdir()) / "sonde-influence", help="finished trainings (default: %(default)s)"
    )
    chosen = parser.parse_args(arguments)
    for name in chosen.problems:
        if name not in PROBLEMS:
            raise SystemExit(f"bench influence: {name!r} is no problem; there is {', '.join(PROBLEMS)}")
        result = measured(name, chosen.folder / name)
        (RESULTS / f"influence-{name}.json").write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
        write()
        _show(result)


def measured(name: str, folder: Path) -> dict[str, Any]:
    """Every library on one problem.

    Arguments:
        name: of the problem.
        folder: where trainings are kept.
    """
    problem = PROBLEMS[name]()
    data, asked, training = problem.train_set, problem.query, problem.training
    seeds, left_out = TRAININGS[name]
    subsets = retrain_on_subsets(training, data, asked, CrossEntropy(), subsets=SUBSETS, seeds=seeds, folder=folder / "subsets")
    without = None
    if left_out:
        without = retrain_without(training, data, asked, CrossEntropy(), groups=list(range(left_out)), seeds=seeds, folder=folder / "without")
    file = folder / "problem.safetensors"
    if not file.is_file():
        save_file(_held(problem), file)
    rows, by_query = [], {}
    for setting in track(SETTINGS[name], "scoring", shown=sys.stderr.isatty()):
        try:
            tau, seconds = scored(setting, training.decay, file)
        except BenchError as error:
            print(error, file=sys.stderr)
            rows.append(_named(setting) | {"missing": str(error)})
            continue
        lds = _by_query(tau, subsets)
        by_query[setting] = lds
        low, high = bootstrap(lds)
        row = {"lds": _digits(lds.mean()), "interval": [_digits(low), _digits(high)], "cpu_s": round(seconds, 2)}
        if without is not None:
            row |= {"loo_spearman": _digits(_by_query(tau, without).mean()), "loo_pearson": _digits(_pearson(tau, without))}
        rows.append(_named(setting) | row)
    return {
        "job": f"influence-{name}", "machine": machine("cpu"), "problem": (PROBLEMS[name].__doc__ or name).splitlines()[0], "training": str(training),
        "accuracy": _accuracy(file), "lds_ceiling": _ceiling(subsets), "loo_ceiling": None if without is None else _ceiling(without), "rows": rows,
        "paired": _paired(by_query),
    }  # fmt: skip


def scored(setting: Setting, decay: float, file: Path) -> tuple[Tensor, float]:
    """One library's scores and its processor seconds."""
    subject, method, damping = setting
    with tempfile.TemporaryDirectory() as folder:
        out = f"{folder}/tau.safetensors"
        asked = [subject, method, str(decay) if damping == "decay" else damping, str(file), out]
        environment = {**os.environ, **QUIET}
        if subject in PEERS:
            environment.pop("PYTHONPATH", None)
        command = [interpreter(subject), "-m", "bench.subjects.influencing", *asked]
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
        if done.returncode:
            raise BenchError(f"{subject} {method} fails: {(done.stderr.strip() or 'no word of why').splitlines()[-1]}")
        held = load_file(out)
    if not held["tau"].isfinite().all():
        raise BenchError(f"{subject} {method} gives scores that are no finite numbers")
    return held["tau"], float(held["cpu_s"])


def _held(problem: Problem) -> dict[str, Tensor]:
    """Data and trained networks as tensors by name."""
    (x, y), (asked, answers) = problem.train_set, problem.query
    examples, n = TensorExamples(problem.train_set), len(y)
    generator = torch.Generator().manual_seed(5)
    runs = {f"model.{k}": Run(tuple(range(n)), s) for k, s in enumerate(MODELS)}
    if problem.training.random:
        runs |= {f"half.{k}": Run(tuple(torch.randperm(n, generator=generator)[: n // 2].tolist()), s) for k, s in enumerate(HALVES)}
    held = {"x": x, "y": y, "asked": asked, "answers": answers}
    for size in {len(run.indices) for run in runs.values()}:
        alike = {name: run for name, run in runs.items() if len(run.indices) == size}
        for name, module in zip(alike, problem.training(examples, list(alike.values())), strict=True):
            linear = [part for part in module.modules() if isinstance(part, nn.Linear)]
            held |= {
                f"{name}.{2 * i}.{which}": getattr(part, which).detach().clone() for i, part in enumerate(linear) for which in ("weight", "bias")
            }
    return {key: value.contiguous() for key, value in held.items()}


def _accuracy(file: Path) -> float:
    from bench.subjects.influencing import Problem as Held

    held = Held(str(file))
    return _digits((held.network()(held.query[0]).argmax(-1) == held.query[1]).double().mean())


def _by_query(tau: Tensor, truth: RetrainTruth) -> Tensor:
    return spearman(((~truth.members).double() @ tau.T).T, truth.target.T)


def _pearson(tau: Tensor, truth: RetrainTruth) -> Tensor:
    a, b = ((~truth.members).double() @ tau.T).T, truth.target.T
    a, b = a - a.mean(1, keepdim=True), b - b.mean(1, keepdim=True)
    return ((a * b).sum(1) / (a.square().sum(1) * b.square().sum(1)).sqrt()).mean()


def _ceiling(truth: RetrainTruth) -> dict[str, float]:
    told = truth.ceiling()
    return {"one": _digits(told.one), "halves": _digits(told.halves), "reliability": _digits(told.reliability), "bound": _digits(told.bound)}


def _paired(by_query: dict[Setting, Tensor]) -> list[dict[str, Any]]:
    """sonde minus kronfluence, query by query, with 95 % intervals."""
    found = []
    for ours, theirs in COMPARED:
        if ours in by_query and theirs in by_query:
            difference = by_query[ours] - by_query[theirs]
            low, high = bootstrap(difference)
            found.append(
                {"ours": " ".join(ours), "theirs": " ".join(theirs), "mean": _digits(difference.mean()), "interval": [_digits(low), _digits(high)]}
            )
    return found


def _named(setting: Setting) -> dict[str, Any]:
    subject, method, damping = setting
    version = metadata.version("sonde") if subject == "sonde" else versions()["peers"][subject]
    return {"subject": subject, "version": version, "method": method, "damping": damping}


def _digits(value: Any) -> float:
    return round(float(value), 4)


def _show(result: dict[str, Any]) -> None:
    print(f"{result['job']}: {result['training']}, accuracy {result['accuracy']:.3f}, LDS ceiling {result['lds_ceiling']['bound']:.3f}")
    for row in result["rows"]:
        told = row.get("missing") or f"LDS {row['lds']:+.3f} ({row['interval'][0]:.3f} to {row['interval'][1]:.3f}), {row['cpu_s']:.2f} CPU s"
        told += f", leave-one-out {row['loo_spearman']:+.3f} / {row['loo_pearson']:+.3f}" if "loo_spearman" in row else ""
        print(f"  {row['subject']:12} {row['method']:14} {row['damping']:8} {told}")
    for pair in result["paired"]:
        print(f"  {pair['ours']} minus {pair['theirs']}: {pair['mean']:+.4f} ({pair['interval'][0]:+.4f} to {pair['interval'][1]:+.4f})")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
