"""How the shipped influences were made: EK-FAC on two thousand documents of the training, asked about questions that no training shows."""

import random
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import torch

from sonde.access import Model
from sonde.influence.fit import Influence, fit
from sonde.influence.shipped.stored import ShippedInfluence
from sonde.influence.small_world import questions, read_by
from sonde.influence.step import gradient_lengths
from sonde.influence.study import layered
from sonde.results import InputError, Recipe
from sonde.specimens.words.seen import Stage

DOCUMENTS, SEED = 2000, 0
STAGES: tuple[Stage, ...] = ("A", "C")
EACH, TOP, DRAWN = 16, 6, 64
"""Questions of a kind, documents of a question, documents drawn at random."""
WIDELY, COMMON = 6, 4
"""So many times more questions are drawn than asked; where they have few answers, so many of these are asked for equally often."""
KINDS = ("agreement", "indirect_object", "pronoun", "capital", "years", "succession", "hypernym", "colored_objects", "docstring", "repeats")
"""Those whose questions the templates of `sonde.tasks` know."""
MOST = 500  # documents whose influence the layers share
BYTES = 400_000
"""The most that one specimen's may take."""


def make(model: Model, name: str, folder: Path, documents: int = DOCUMENTS, each: int = EACH) -> ShippedInfluence:
    """Fit, which is kept in `folder/NAME/curvature` unless it is there already, and ask; the result goes to `folder/NAME/shipped`.

    Arguments:
        model: the specimen.
        name: of it.
        folder: where both go.
        documents, each: of the training, and questions of a kind.

    Raises:
        InputError: a result that takes more than is allowed.
    """
    rows, families = read_by(name, documents, SEED, STAGES)
    kept = folder / name / "curvature"
    influence = fit(model, rows, fitted=kept) if kept.is_dir() else fit(model, rows, folder=folder / name / "pieces")
    if not kept.is_dir():
        influence.save(kept)
    found = asked(influence, rows, families, each)
    found.save(folder / name / "shipped")
    taken = sum(file.stat().st_size for file in (folder / name / "shipped").iterdir())
    if taken > BYTES:
        raise InputError(f"what is in {folder / name / 'shipped'} takes {taken:,} bytes, and {BYTES:,} are allowed: ask fewer questions")
    return found


def asked(influence: Influence, rows: list[list[int]], families: list[str], each: int) -> ShippedInfluence:
    """The influence of documents on questions of every kind, and of these the documents that bear most on one of them.

    Arguments:
        influence: fitted on the documents.
        rows, families: the documents, and the kind of each.
        each: questions of a kind.
    """
    given = {kind: _chosen(queries, each) for kind, queries in questions(WIDELY * each, SEED).items() if kind in KINDS}
    kinds = [kind for kind in KINDS for _ in given[kind]]
    queries = [query for kind in KINDS for query in given[kind]]
    scores = influence.scores(queries, by="module")
    assert scores.modules is not None and scores.by_module is not None
    layers, by_layer = layered(scores.modules, scores.by_module)
    tau = by_layer.sum(-1)
    order = tau.argsort(dim=1, descending=True, stable=True)
    best = order[:, :MOST]
    sizes = torch.stack([by_layer[q, places].abs().sum(0) for q, places in enumerate(best)])
    drawn = set(random.Random(SEED).sample(range(len(rows)), min(DRAWN, len(rows))))
    chosen = sorted(drawn | set(order[:, :TOP].flatten().tolist()))
    unit = tau / tau.norm(dim=1, keepdim=True)
    told = [rows[i] for i in chosen]
    return ShippedInfluence(
        model=influence.subject.model.name, n=len(rows), kinds=kinds, prompts=[prompt for prompt, _ in queries],
        answers=[answer for _, answer in queries], rows=told, families=[families[i] for i in chosen],
        lengths=gradient_lengths(influence.subject.model, told), drawn=[i in drawn for i in chosen], tau=unit[:, chosen].half(), layers=layers,
        shares=(sizes / sizes.sum(1, keepdim=True)).half(), method=influence.method,
        recipe=Recipe.of(
            "sonde.influence.shipped.make", {"documents": len(rows), "each": each, "stages": STAGES}, model_hash=influence.subject.model.hash,
            inputs=scores.recipe.inputs_hash, seed=SEED,
        ),
    )  # fmt: skip


def _chosen(queries: Sequence[tuple[str, str]], n: int) -> list[tuple[str, str]]:
    """Questions of a kind: where few answers are common, such as "is" and "are", these in equal numbers."""
    counts = Counter(answer for _, answer in queries).most_common(COMMON)
    if sum(count for _, count in counts) < len(queries) / 3:
        return list(queries[:n])
    share = -(-n // len(counts))
    return [query for answer, _ in counts for query in [one for one in queries if one[1] == answer][:share]][:n]
