"""What minimal pairs told about one or several models."""

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import torch
from jaxtyping import Float
from torch import Tensor

from sonde.behaviour.pairs.examples import PairExample
from sonde.behaviour.pairs.pair import Pair
from sonde.behaviour.pairs.phenomena import PARADIGMS, ordered
from sonde.behaviour.pairs.published import Published
from sonde.behaviour.pairs.shares import Share, of_pairs, of_paradigms
from sonde.results import CheckRefused, Drawing, Result, Verdict

if TYPE_CHECKING:
    from polars import DataFrame


@dataclass(frozen=True, eq=False, repr=False)
class MinimalPairs(Result):
    """Which sentence of each pair each model prefers.

    Arguments:
        models: their names.
        kinds: what they are: "transformer", "masked", "lstm", "n-gram".
        hashes: of each.
        pairs: what they were shown.
        good, bad: the scores of both sentences; NaN for pairs that a model could not score.
        method: by which sentences were scored.
        normalise: by what whole sentences were divided.
        hardest: for each model the pairs that it got most wrong, token by token.
        disagreeing: the pairs on which models disagree most, token by token.
        published: rows of others.
        problems: one line for each pair that was left out.
        notes: what was decided.
    """

    models: list[str]
    kinds: list[str]
    hashes: list[str]
    pairs: list[Pair]
    good: Float[Tensor, "model pair"]
    bad: Float[Tensor, "model pair"]
    method: str
    normalise: str | None
    hardest: list[PairExample]
    disagreeing: list[PairExample]
    published: list[Published]
    problems: list[str]
    notes: list[str]

    @property
    def right(self) -> Tensor:
        """Whether each model strictly prefers the acceptable sentence, (model, pair)."""
        return self.good > self.bad

    @property
    def ties(self) -> list[int]:
        """How many pairs each model scores equal; they count as wrong."""
        return [int(count) for count in (self.good == self.bad).sum(1)]

    @property
    def identical_ties(self) -> list[tuple[int, int]]:
        """Of the pairs that hold the same words in another order: how many each model scores equal, and how many there are."""
        same = torch.tensor([pair.identical for pair in self.pairs])
        return [(int((tied & same).sum()), int((same & scored).sum())) for tied, scored in zip(self.good == self.bad, self._scored, strict=True)]

    @property
    def _scored(self) -> Tensor:
        return self.good.isfinite() & self.bad.isfinite()

    @cached_property
    def paradigms(self) -> dict[str, list[int]]:
        """The pairs of each paradigm."""
        found: dict[str, list[int]] = {}
        for i, pair in enumerate(self.pairs):
            found.setdefault(pair.paradigm, []).append(i)
        return found

    @cached_property
    def phenomena(self) -> dict[str, list[str]]:
        """The paradigms of each phenomenon, in the order of the table."""
        of = {name: self.pairs[members[0]].phenomenon for name, members in self.paradigms.items()}
        return {phenomenon: [name for name in of if of[name] == phenomenon] for phenomenon in ordered(set(of.values()))}

    @cached_property
    def by_paradigm(self) -> list[dict[str, Share]]:
        """For each model the share of right pairs in each paradigm that it could score."""
        found: list[dict[str, Share]] = []
        for right, scored in zip(self.right.tolist(), self._scored.tolist(), strict=True):
            counted = {name: [right[i] for i in members if scored[i]] for name, members in self.paradigms.items()}
            found.append({name: of_pairs(values) for name, values in counted.items() if values})
        return found

    @cached_property
    def by_phenomenon(self) -> list[dict[str, Share]]:
        """For each model the mean over the paradigms of each phenomenon."""
        return [
            {
                phenomenon: of_paradigms([shares[name] for name in names if name in shares])
                for phenomenon, names in self.phenomena.items()
                if any(name in shares for name in names)
            }
            for shares in self.by_paradigm
        ]

    @property
    def overall(self) -> list[Share]:
        """For each model the mean over all paradigms."""
        return [of_paradigms(list(shares.values())) for shares in self.by_paradigm]

    @property
    def complete(self) -> bool:
        """Whether these are all 67 paradigms of BLiMP."""
        return {phenomenon: len(names) for phenomenon, names in self.phenomena.items()} == PARADIGMS

    def theirs(self, row: Published) -> dict[str, float]:
        """A published row on the paradigms at hand: "overall", and each phenomenon of which all paradigms have a figure.

        Arguments:
            row: one of `published`.
        """
        if any(name not in row.accuracy for name in self.paradigms):
            return {}
        means = {phenomenon: _mean([row.accuracy[name] for name in names]) for phenomenon, names in self.phenomena.items()}
        return {"overall": _mean([row.accuracy[name] for name in self.paradigms]), **means}

    def to_frame(self) -> "DataFrame":
        """One row per model and pair."""
        import polars as pl

        rows = [
            (model, pair.paradigm, pair.phenomenon, pair.good, pair.bad, good, bad, None if good != good or bad != bad else good > bad)
            for model, goods, bads in zip(self.models, self.good.tolist(), self.bad.tolist(), strict=True)
            for pair, good, bad in zip(self.pairs, goods, bads, strict=True)
        ]
        columns = ["model", "paradigm", "phenomenon", "sentence_good", "sentence_bad", "good", "bad", "right"]
        return pl.DataFrame(rows, columns, orient="row")

    def table(self) -> "DataFrame":
        """One row per model and paradigm, phenomenon ("*" as paradigm) and overall: accuracy with its interval."""
        import polars as pl

        rows = []
        for m, model in enumerate(self.models):
            rows.append((model, "overall", "*", *_fields(self.overall[m])))
            rows += [(model, phenomenon, "*", *_fields(share)) for phenomenon, share in self.by_phenomenon[m].items()]
            rows += [(model, self.pairs[self.paradigms[name][0]].phenomenon, name, *_fields(share)) for name, share in self.by_paradigm[m].items()]
        return pl.DataFrame(rows, ["model", "phenomenon", "paradigm", "accuracy", "low", "high", "n"], orient="row")

    def drawing(self) -> Drawing:
        """The table of models and phenomena, each phenomenon as bars, and every paradigm; `examples` draws the pairs that tell most."""
        from sonde.behaviour.pairs.drawings import draw

        return draw(self)

    def examples(self) -> list[Drawing]:
        """The hardest pairs, and those on which models disagree, token by token."""
        from sonde.behaviour.pairs.drawings import single

        return single(self)

    def check(self, model: Any, *args: Any, **kwargs: Any) -> list[Verdict]:
        """Test on the model that it prefers acceptable sentences, beside the same model without what it learnt.

        Arguments:
            model: one of the models, or its scorer.
            args, kwargs: as for `sonde.behaviour.pairs.check.check`.

        Raises:
            CheckRefused: none of the models that the result is about.
        """
        from sonde.behaviour.pairs.check import check

        return check(self, model, *args, **kwargs)

    def place_of(self, model_hash: str) -> int:
        """Which of the models this is, by its scorer's hash; raises `CheckRefused` where it is none of them."""
        if model_hash not in self.hashes:
            raise CheckRefused(
                f"this MinimalPairs is about {', '.join(self.models)}, and the model given is none of them, or is read otherwise (bos=); "
                "compute it again with sonde.behaviour.minimal_pairs"
            )
        return self.hashes.index(model_hash)


def _fields(share: Share) -> tuple[float, float, float, int]:
    return share.value, share.low, share.high, share.n


def _mean(values: list[float]) -> float:
    return sum(values) / len(values)
