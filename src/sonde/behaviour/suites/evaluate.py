"""A suite on a model: the surprisal of every region, and whether the formulas hold.

A region's value is the sum (or mean, median, range, largest, smallest, as the suite says) of the surprisals of its tokens; a token belongs to the
region of its first character that is no white space. An empty region has no tokens and the sum 0. A formula that needs a value which is missing
is not counted as false: its item is left out, and named.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from sonde.access import Model
from sonde.behaviour.formula import Formula
from sonde.behaviour.reading import Reading, causal_tokenizer, readings, refuse_text, unknown_words
from sonde.behaviour.suites.results import SuiteResult
from sonde.behaviour.suites.suite import Item, Sentence, Suite, read_suite
from sonde.behaviour.surprisal import BASES, Base
from sonde.behaviour.words import owners, spelling, whole
from sonde.results import InputError, Recipe, shown

_METRICS: dict[str, Callable[[Tensor], Tensor]] = {
    "sum": torch.sum,
    "mean": torch.mean,
    "median": torch.median,
    "range": lambda values: values.max() - values.min(),
    "max": torch.max,
    "min": torch.min,
}


def evaluate(
    model: Model,
    suite: Suite | str | Path,
    base: Base = 2,
    bos: bool | None = None,
    batch_size: int | Literal["auto"] = "auto",
    progress: bool = False,
) -> SuiteResult:
    """Evaluate a suite on a causal language model.

    Arguments:
        model: the model.
        suite: a suite, its file, or the name of an example.
        base: 2 for bits, "e" for nats; formulas that compare with a number other than 0 depend on it.
        bos: whether the beginning-of-sequence token comes first, without which the first region has no value; by default as the tokenizer does.
        batch_size: rows per pass.
        progress: show a bar.

    Raises:
        InputError: a model that is no causal language model; a suite none of whose items can be evaluated.

    >>> import sonde
    >>> result = evaluate(sonde.load("specimen:words"), "number_agreement")
    >>> result.accuracy[0].n
    24
    """
    if base not in BASES:
        raise InputError(f"base={shown(base)}: use 2 for bits or 'e' for nats")
    suite = suite if isinstance(suite, Suite) else read_suite(suite)
    causal_tokenizer(model)
    unit, nat = BASES[base]
    items, bad = _usable(model, suite, bos)
    if not items:
        raise InputError(f"no item of the suite {suite.name!r} can be evaluated: {bad[0]}")
    sentences = [sentence for item in items for sentence in item.conditions.values()]
    read = readings(model, [sentence.text for sentence in sentences], bos, batch_size=batch_size, progress=progress)
    conditions, numbers = list(suite.conditions), sorted(frozenset().union(*suite.conditions.values()))
    values = torch.full((len(items), len(conditions), len(numbers)), torch.nan)
    counts = torch.zeros(values.shape, dtype=torch.long)
    places = [(i, conditions.index(name)) for i, item in enumerate(items) for name in item.conditions]
    for (i, c), sentence, reading in zip(places, sentences, read, strict=True):
        for number, (value, n) in _regions(sentence, reading, suite.metric).items():
            values[i, c, numbers.index(number)], counts[i, c, numbers.index(number)] = value / nat, n
    holds = torch.full((len(suite.predictions), len(items)), torch.nan)
    missing = []
    for i, item in enumerate(items):
        known = _known(item, {name: dict(zip(numbers, values[i, c].tolist(), strict=True)) for c, name in enumerate(conditions)})
        for p, formula in enumerate(suite.predictions):
            if why := _why_not(formula, known):
                missing.append(f"item {item.number}, prediction {p + 1}: {why}")
            else:
                holds[p, i] = float(formula.holds(known))
    if holds.isnan().all():
        raise InputError(f"no item of the suite {suite.name!r} can be evaluated: {missing[0]}")
    return SuiteResult(
        model=model.name,
        suite=suite.name,
        metric=suite.metric,
        unit=unit,
        predictions=[formula.text for formula in suite.predictions],
        conditions=conditions,
        regions={number: suite.regions.get(number, "") for number in numbers},
        items=[item.number for item in items],
        values=values,
        counts=counts,
        holds=holds,
        bad=[*suite.bad, *bad, *missing],
        notes=_notes(model, sentences, read),
        recipe=Recipe.of("sonde.behaviour.suites.evaluate", {"base": base, "bos": bos}, model_hash=model.hash, inputs=suite.content),
    )


def _usable(model: Model, suite: Suite, bos: bool | None) -> tuple[list[Item], list[str]]:
    """The items that can be read, and why the others can't."""
    items, bad = [], []
    for item in suite.items:
        try:
            _refuse_item(model, item, suite, bos)
            items.append(item)
        except InputError as error:
            bad.append(str(error))
    return items, bad


def _refuse_item(model: Model, item: Item, suite: Suite, bos: bool | None) -> None:
    """Raise `InputError` for an item that lacks what a formula speaks of, or has a sentence that the model can't read."""
    for formula in suite.predictions:
        for term in formula.terms():
            sentence = item.conditions.get(term.condition)
            if sentence is None:
                raise InputError(f"item {item.number} lacks the condition {term.condition!r}, of which a formula speaks")
            if term.region != "*" and term.region not in sentence.regions:
                raise InputError(f"item {item.number}, condition {term.condition!r} lacks region {term.region}, of which a formula speaks")
    for name, sentence in item.conditions.items():
        refuse_text(model, sentence.text, f"item {item.number}, condition {name!r}", bos)


def _regions(sentence: Sentence, reading: Reading, metric: str) -> dict[int, tuple[float, int]]:
    """The value of each region in nats, and the number of its tokens."""
    spans = sentence.spans
    found = {number: (0.0 if metric == "sum" else math.nan, 0) for number in sentence.regions if number not in spans}
    spelt = spelling(owners(reading, list(spans.values())), len(spans))
    for number, tokens in zip(spans, spelt, strict=True):
        own = reading.nats[tokens.start : tokens.stop].double()
        found[number] = (float(_METRICS[metric](own)) if len(own) else math.nan, len(own))
    return found


def _known(item: Item, values: Mapping[str, Mapping[int, float]]) -> dict[tuple[int | str, str], float]:
    """What formulas may speak of in one item: each region's value, and "*" for the sum over a sentence's regions."""
    known: dict[tuple[int | str, str], float] = {}
    for name, sentence in item.conditions.items():
        own = {number: values[name][number] for number in sentence.regions}
        known |= {(number, name): value for number, value in own.items()} | {("*", name): math.fsum(own.values())}
    return known


def _why_not(formula: Formula, known: Mapping[tuple[int | str, str], float]) -> str:
    """Why a formula can't be evaluated; empty where it can."""
    missing = next((term for term in formula.terms() if math.isnan(known[term.region, term.condition])), None)
    return "" if missing is None else (
        f"{missing} has no value: nothing stands before its first token (bos=True puts a special token there, where the tokenizer has one), or it "
        "has no token of its own"
    )  # fmt: skip


def _notes(model: Model, sentences: Sequence[Sentence], read: Sequence[Reading]) -> list[str]:
    before = "nothing stands before a sentence's first token, so its region has no value (NaN)"
    if read[0].spans[0] is None:
        before = f"special token {read[0].tokens[0]!r} put before each sentence"
    torn = 0
    for sentence, reading in zip(sentences, read, strict=True):
        spans = list(sentence.spans.values())
        torn += sum(not whole(reading, own, span) for own, span in zip(spelling(owners(reading, spans), len(spans)), spans, strict=True))
    crossing = [f"{torn} regions begin or end within a token, which belongs to the region where it begins"] if torn else []
    return [before, *crossing, *unknown_words(model, read)]
