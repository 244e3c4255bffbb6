"""Studies of circuits: what is found on models whose answers, and on programs whose circuits, are known.

    python -m bench.circuits [STUDY ...] [--stories FOLDER]

The studies are `tasks`, `reuse`, `choices`, `programs`, `induction` and `stories`; all of them by default, together some minutes of one core. Their
figures are kept in `bench/results/circuits.json`, `docs/methods/circuit-studies.md` is made of them, and `tasks` writes reports to `docs/circuits`.
`stories` needs the folder that `python -m bench.stories260k` makes, and is left out where it is not given.
"""

import argparse
import functools
import itertools
import json
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import sonde
from bench.circuits_page import written
from bench.table import RESULTS
from sonde.access import Graph, Model
from sonde.circuits import Circuit, Discovery, EdgeScores, compare, discover, eap, eap_ig, exact_edges, roc
from sonde.cli.circuit.find import document
from sonde.results import InputError, Verdict
from sonde.specimens import compiled
from sonde.specimens.induction import find_heads
from sonde.tasks import Ablation, Task
from sonde.tasks import load as load_task
from sonde.views import page

DOCS = Path(__file__).parents[1] / "docs"
TASKS = ("ioi", "greater_than", "agreement", "successor")
CHOICES: dict[str, dict[str, Any]] = {
    "as it is": {},
    "ablation: another example's partner": {"ablation": Ablation("resample")},
    "ablation: mean over all tokens, exactly": {"ablation": Ablation("mean", over="all"), "method": "exact"},
    "ablation: zero, exactly": {"ablation": Ablation("zero"), "method": "exact"},
    "metric: probability difference": {"metric": "probability_difference"},
    "metric: divergence": {"metric": "kl"},
    "method: EAP": {"method": "eap"},
    "method: every edge exactly": {"method": "exact"},
    "no edge verified": {"verify": 0},
    "method: ACDC, 1 logit": {"method": "acdc", "threshold": 1.0},
    "method: backwards, 1 logit": {"method": "backwards", "threshold": 1.0},
    "method: edge pruning to 0.95": {"method": "edge_pruning", "sparsity": 0.95},
    "method: subnetwork probing of nodes at 20 logits": {"method": "subnetwork_probing", "weight": 20.0, "over": "nodes"},
    "other examples (seed 1)": {"seed": 1},
    "other examples (seed 2)": {"seed": 2},
}
SCORES: dict[str, Callable[..., EdgeScores]] = {
    "EAP": eap, "EAP-IG": eap_ig, "exact": exact_edges,
}  # fmt: skip
FRAMES = ("{} was tired, so", "{} went home because", "{} was happy because", "{} was sad because", "{} ran and ran until", "{} was very proud and")
NAMES = (("Lily", "Tim"), ("Mia", "Max"), ("Sue", "Max"))  # as many tokens each

Row = dict[str, Any]


def main(arguments: list[str] | None = None) -> None:
    """Run, keep, and write the page."""
    parser = argparse.ArgumentParser(prog="python -m bench.circuits", description="Finds circuits where something is known of them.")
    parser.add_argument("studies", nargs="*", metavar="STUDY", help=f"of {', '.join(STUDIES)} (default: all)")
    parser.add_argument("--stories", type=Path, metavar="FOLDER", help="stories260k, as `python -m bench.stories260k` converts it")
    chosen = parser.parse_args(arguments)
    if unknown := [name for name in chosen.studies if name not in STUDIES]:
        parser.error(f"there is no study {unknown[0]!r}: choose from {', '.join(STUDIES)}")
    file = RESULTS / "circuits.json"
    kept: dict[str, Any] = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {"job": "circuits", "studies": {}}
    for name in chosen.studies or STUDIES:
        if name == "stories" and chosen.stories is None:
            print("stories: left out, since --stories was not given")
            continue
        start = time.process_time()
        rows = STUDIES[name](sonde.load(chosen.stories)) if name == "stories" else STUDIES[name]()
        kept["studies"][name] = {"seconds": round(time.process_time() - start, 1), "rows": rows}
        kept["sonde_version"] = sonde.__version__
        file.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")
        print(f"{name}: {len(rows)} rows, {kept['studies'][name]['seconds']} s", flush=True)
    (DOCS / "methods" / "circuit-studies.md").write_text(written(kept["studies"]), encoding="utf-8")


def tasks(model: Model | None = None, names: Sequence[str] = TASKS, n: int = 32, reports: Path | None = DOCS / "circuits") -> list[Row]:
    """The circuits of several tasks in one model, and their reports.

    Arguments:
        model: the model; the specimen of words by default.
        names: of the tasks.
        n: examples of each.
        reports: where pages are written; `None` writes none.
    """
    model = model or words()
    rows = []
    for name in names:
        found = discovered(model, name, n)
        rows.append({"task": name, "gap": found.gap.gap, **of(found)})
        if reports is not None:
            reports.mkdir(exist_ok=True)
            (reports / f"{name}.html").write_text(page(document(model, load_task(name, model, n=n), found)), encoding="utf-8")
    return rows


def reuse(model: Model | None = None, names: Sequence[str] = TASKS, n: int = 32) -> list[Row]:
    """How much the circuits of two tasks share, beside what chance would.

    Arguments:
        model, names, n: as for `tasks`.
    """
    model = model or words()
    found = {name: discovered(model, name, n).circuit for name in names}
    return [{"one": one, "other": other, **shared(found[one], found[other])} for one, other in itertools.combinations(names, 2)]


def choices(model: Model | None = None, name: str = "ioi", n: int = 32, made: dict[str, dict[str, Any]] | None = None) -> list[Row]:
    """How far the circuit depends on what was chosen: another ablation, metric, method, other examples.

    Arguments:
        model: the model; the specimen of words by default.
        name: of the task.
        n: examples.
        made: the choices, by what they are called; the first is the one that the others are compared with.
    """
    model = model or words()
    rows: list[Row] = []
    first: Circuit | None = None
    for label, given in (made or CHOICES).items():
        seed = given.get("seed", 0)
        start = time.process_time()
        try:
            found = discover(model, load_task(name, model, n=n, seed=seed), **given)
        except InputError as reason:
            rows.append({"choice": label, "refused": str(reason)})
            continue
        first = first or found.circuit
        auc = roc(found.scores, first).auc
        rows.append({"choice": label, "seconds": time.process_time() - start, "auc": auc, **of(found), **shared(found.circuit, first)})
    return rows


def programs(names: Iterable[str] | None = None, seeds: Sequence[int] = (0, 1), n: int = 16) -> list[Row]:
    """Scores of programs whose circuit is known, for each kind of ablation that its truth is known for.

    Arguments:
        names: of the programs; all, and a planted circuit, by default.
        seeds: of the programs: which heads are the written ones.
        n: examples.
    """
    rows = []
    for name in names or (*compiled.names(), "planted"):
        for kind in ("counterfactual", "zero"):
            for method, score in SCORES.items():
                areas, seconds, refused = [], 0.0, ""
                for seed in seeds:
                    program = compiled.planted(seed=seed) if name == "planted" else compiled.build(name, seed)
                    model = sonde.load(program.model, program.tokenizer)
                    graph = Graph.of(model, embed="split")
                    reference = Circuit.of(model, sorted(program.truth[kind].edges), graph, f"the circuit of {name}")
                    start = time.process_time()
                    try:
                        scores = score(model, program.examples(n, seed), graph, Ablation(kind))
                    except InputError as reason:
                        refused = str(reason)
                        continue
                    seconds += time.process_time() - start
                    areas.append(roc(scores, reference).auc)
                rows.append({"program": name, "ablation": kind, "method": method, "auc": areas, "seconds": seconds, "refused": refused})
    return rows


def induction(n: int = 32) -> list[Row]:
    """Whether the heads that the card of the specimen `induction` names are those of the circuit.

    Arguments:
        n: examples.
    """
    from sklearn.metrics import roc_auc_score

    model = sonde.load("specimen:induction")
    named = find_heads(model)
    found = discover(model, load_task("induction", model, n=n))
    best = found.scores.strengths().amax(1)
    heads = [(layer, head) for layer in range(model.n_layers) for head in range(model.n_heads)]
    strength = [float(best[found.scores.graph.senders.index(f"blocks.{layer}.attn.z[head={head}]")]) for layer, head in heads]
    known = [place in named["previous token"] + named["induction"] for place in heads]
    own = {"heads of the circuit": found.circuit.heads, **named}
    said = {role: [f"{layer}.{head}" for layer, head in places] for role, places in own.items()}
    return [{"auc": float(roc_auc_score(known, strength)), **said, **of(found)}]


def stories(model: Model) -> list[Row]:
    """She or he, in the model of stories.

    Arguments:
        model: stories260k.
    """
    found = discover(model, pronouns(model))
    return [{"gap": found.gap.gap, "heads": [f"{a}.{b}" for a, b in found.circuit.heads], **of(found)}]


def pronouns(model: Model) -> Task:
    """Girls and boys of whom something is said, so that the next word is she or he.

    Arguments:
        model: whose tokenizer is used.
    """
    answers = {0: " she", 1: " he"}
    pairs = [
        (frame.format(names[i]), frame.format(names[1 - i]), answers[i], answers[1 - i]) for frame in FRAMES for names in NAMES for i in (0, 1)
    ]  # fmt: skip
    return Task.from_pairs(model, list(dict.fromkeys(pairs)), "pronouns of stories")


@functools.cache
def words() -> Model:
    """The specimen."""
    return sonde.load("specimen:words")


@functools.cache
def discovered(model: Model, name: str, n: int) -> Discovery:
    """What is found with the default settings; found once.

    Arguments:
        model, name, n: the model, its task, and how many examples.
    """
    return discover(model, load_task(name, model, n=n))


def of(found: Discovery) -> Row:
    """The figures of what was found, on the examples that judge.

    Arguments:
        found: the circuit.
    """
    at = found.curve.nominal.index(found.circuit.nominal or found.circuit.n_edges)
    share, random = found.curve.faithfulness[at], found.curve.random_faithfulness[at]
    return {
        "edges": found.circuit.n_edges, "of": found.circuit.graph.n_edges, "faithfulness": share.value, "low": share.low, "high": share.high,
        "random": float(random.mean()), "random_high": float(random.amax()), "n": found.curve.conditions.n,
        "verdicts": [holds(verdict) for verdict in found.verdicts],
    }  # fmt: skip


def shared(one: Circuit, other: Circuit) -> Row:
    """What two circuits have in common, beside what chance would.

    Arguments:
        one, other: of one graph.
    """
    found = compare(one, other, ("one", "other")).overlaps
    by = {(overlap.level, overlap.null): overlap for overlap in found}
    uniform = by["edges", "uniform"]
    return {
        "first": uniform.a, "second": uniform.b, "both": uniform.shared, "jaccard": uniform.jaccard, "expected": uniform.expected,
        **{f"p_{null}": by["edges", null].p for null in ("uniform", "layers", "degrees")},
        "nodes": by["nodes", "layers"].shared, "nodes_expected": by["nodes", "layers"].expected, "p_nodes": by["nodes", "layers"].p,
    }  # fmt: skip


def holds(verdict: Verdict) -> str:
    """The mark of a verdict."""
    return {True: "✓", False: "✗", None: "–"}[verdict.holds]


STUDIES: dict[str, Callable[..., list[Row]]] = {
    "tasks": tasks, "reuse": reuse, "choices": choices, "programs": programs, "induction": induction, "stories": stories,
}  # fmt: skip

if __name__ == "__main__":
    main()
