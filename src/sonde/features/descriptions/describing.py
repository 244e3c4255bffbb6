"""Describe latents and judge the descriptions, in one go.

Half of the texts are for the explainer. On the other half every scorer is asked twice: with the latent's own description, and with that of another
latent. What the second scores is what a description of nothing in particular would: it shows leaks in the examples, in the prompts and in the judge.
"""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch

from sonde.features.descriptions.clients import BudgetSpent, Client, ClientError, Usage
from sonde.features.descriptions.examples import Examples, sampled
from sonde.features.descriptions.explainers import AskingExplainer, Description, Explainer, OfflineExplainer
from sonde.features.descriptions.judges import AskingJudge, Judge, RuleJudge
from sonde.features.descriptions.recording import Recording
from sonde.features.descriptions.results import Descriptions, Scored
from sonde.features.descriptions.scorers import Detection, Fuzzing, Scorer, Simulation
from sonde.features.descriptions.stored import stored
from sonde.features.descriptions.windows import SIZE, Grid
from sonde.jobs import track
from sonde.results import InputError, Recipe

if TYPE_CHECKING:
    from sonde.features.database import Features


def describe(
    features: "Recording | Features", latents: Sequence[int] | None = None, client: Client | None = None, scorers: Sequence[Scorer] | None = None,
    explainer: Explainer | None = None, judge: Judge | None = None, n: int = 50, window: int = SIZE, seed: int = 0, progress: bool = False,
) -> Descriptions:  # fmt: skip
    """Describe latents in words, and score the words on texts that the explainer has not seen.

    Arguments:
        features: a database, in which the descriptions are then kept; or a recording.
        latents: which are described; all that fire by default.
        client: a language model that explains and judges; without one, rules are searched and followed, and no model is asked.
        scorers: detection, fuzzing and simulation by default.
        explainer: who describes, instead of the client or the search for rules.
        judge: who reads the descriptions, instead of the client or the rules.
        n: firing windows that each description is judged on, and as many silent ones.
        window: tokens of a window.
        seed: of all draws.
        progress: show a bar.

    Returns:
        The descriptions with their scores. Where a budget ended it, what was done before, and a note.

    Raises:
        InputError: a latent that is none, or twice; no scorer; fewer than two different texts.
        BudgetSpent, ClientError: before anything was described.
    """
    recording = features if isinstance(features, Recording) else stored(features)
    wanted = list(recording.alive if latents is None else latents)
    chosen = list(scorers if scorers is not None else (Detection(), Fuzzing(), Simulation()))
    names = [scorer.name for scorer in chosen]
    if not wanted or len(set(wanted)) < len(wanted) or not all(0 <= i < recording.size for i in wanted):
        raise InputError(f"latents {wanted[:20]}: give at least one from 0 to {recording.size - 1}, each once")
    if not chosen or len(set(names)) < len(names) or n < 1:
        raise InputError(f"scorers {names}, n={n}: give at least one scorer, each once, and at least one window")
    explainer = explainer or (OfflineExplainer(seed) if client is None else AskingExplainer(client))
    judge = judge or (RuleJudge() if client is None else AskingJudge(client))
    before = None if client is None else client.usage
    explaining, judging = (Grid(half, window) for half in recording.split(seed))
    controls = _spare(recording, wanted, seed)
    cases = {i: sampled(explaining, judging, i, n, seed=seed) for i in track([*wanted, *controls], "drawing examples", shown=progress)}
    described, stopped = _explained(explainer, explaining, list(cases.values()), progress)
    scores, ended = _scored(judge, chosen, described, cases, wanted, seed, progress)
    notes = [*recording.notes, *_notes(cases, wanted), *dict.fromkeys(str(error) for error in (stopped, ended) if error is not None)]
    recipe = Recipe.of(
        "sonde.features.describe",
        {"latents": wanted, "scorers": names, "explainer": explainer.name, "judge": judge.name, "n": n, "window": window, **recording.subject},
        model_hash=recording.model_hash, inputs=recording.hash, seed=seed,
    )  # fmt: skip
    usage = Usage() if client is None or before is None else client.usage.since(before)
    kept = tuple(d for d in described if d.latent in set(wanted))
    found = Descriptions(kept, tuple(scores), judge.name, usage, tuple(notes), recipe=recipe)
    if not isinstance(features, Recording):
        features.describe({latent: [one] for latent, one in found.records().items() if one["text"]})
    return found


def _explained(
    explainer: Explainer, grid: Grid, cases: list[Examples], progress: bool
) -> tuple[list[Description], BudgetSpent | ClientError | None]:  # fmt: skip
    """A description of every latent; where the client stopped, those that were made before, and why it did."""
    found: list[Description] = []
    try:
        for one in track(explainer.explain(grid, cases), "describing", len(cases), shown=progress):
            found.append(one)
    except (BudgetSpent, ClientError) as error:
        if not found:
            raise
        return found, error
    return found, None


def _scored(
    judge: Judge, scorers: Sequence[Scorer], described: Sequence[Description], cases: dict[int, Examples], wanted: Sequence[int], seed: int,
    progress: bool,
) -> tuple[list[Scored], BudgetSpent | ClientError | None]:  # fmt: skip
    """Every description by every scorer, beside another latent's."""
    texts = {d.latent: d.text for d in described}
    others = partners(texts, seed)
    found: list[Scored] = []
    for latent in track([i for i in wanted if i in texts], "judging", shown=progress):
        try:
            found += [_judged(judge, scorer, texts[latent], others.get(latent), cases[latent]) for scorer in scorers]
        except (BudgetSpent, ClientError) as error:
            return found, error
    return found, None


def _judged(judge: Judge, scorer: Scorer, text: str, other: str | None, examples: Examples) -> Scored:
    """One score. A latent without a description is judged at chance: nobody could say anything about it."""
    control = math.nan if other is None else scorer.score(judge, other, examples).value
    n = len(examples.judged)
    if not text:
        value = scorer.chance if examples.firing else math.nan
        return Scored(examples.latent, scorer.name, scorer.measure, value, control, scorer.chance, n, n)
    score = scorer.score(judge, text, examples)
    return Scored(examples.latent, scorer.name, scorer.measure, score.value, control, scorer.chance, score.n, score.failures, score.details)


def partners(texts: dict[int, str], seed: int) -> dict[int, str]:
    """For each latent the description of another one, in other words than its own; latents for which there is none are left out.

    Arguments:
        texts: descriptions by latent; empty ones are nobody's partner.
        seed: of the order.

    >>> partners({1: "a", 2: "b", 3: "a"}, seed=0)[2]
    'a'
    """
    latents = list(texts)
    order = [latents[i] for i in torch.randperm(len(latents), generator=torch.Generator().manual_seed(seed)).tolist()]
    found = {}
    for i, latent in enumerate(order):
        others = (texts[other] for other in [*order[i + 1 :], *order[:i]])
        other = next((text for text in others if text and text != texts[latent]), None)
        if other is not None:
            found[latent] = other
    return found


def _spare(recording: Recording, wanted: Sequence[int], seed: int) -> list[int]:
    """Another latent, whose description is the control where only one is asked for."""
    if len(wanted) > 1:
        return []
    free = [i for i in recording.alive if i not in wanted]
    picks = torch.randperm(len(free), generator=torch.Generator().manual_seed(seed)).tolist()
    return [free[i] for i in picks[:1]]


def _notes(cases: dict[int, Examples], wanted: Sequence[int]) -> list[str]:
    same = sum(cases[i].same for i in wanted)
    silent = [i for i in wanted if not cases[i].firing]
    few = [i for i in wanted if 0 < len(cases[i].firing) < 10]
    return [
        note
        for note in (
            f"{same} firing windows were left out because the explainer had seen the same words" if same else "",
            f"{len(silent)} latents never fire in the texts for judging and have no score: {silent[:10]}" if silent else "",
            f"{len(few)} latents were judged on fewer than 10 firing windows: {few[:10]}" if few else "",
        )
        if note
    ]
