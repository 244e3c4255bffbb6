"""A guard: rules with thresholds, held against fresh text, and watching a model while it writes."""

import hashlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from sonde.access import Model, Site
from sonde.access.generate import continuations, following
from sonde.access.sampling import Sampling
from sonde.access.writes import Write
from sonde.evidence import clopper_pearson
from sonde.features.guard.audit import AuditLog
from sonde.features.guard.calibration import thresholds
from sonde.features.guard.rules import Rule, scores
from sonde.features.guard.watching import Event, Watch, Watched, Withheld
from sonde.results import Drawing, InputError, Recipe, Result, Verdict
from sonde.results.drawing import table

if TYPE_CHECKING:
    from polars import DataFrame


MEASURE = "share of harmless texts with an alarm; control: the stated rate"


@dataclass(frozen=True)
class Guarded:
    """What was written under a guard.

    Arguments:
        texts: what follows each prompt; the guard's message where it was withheld.
        blocked: which were withheld.
        events: every rule that fired, token by token.
    """

    texts: list[str]
    blocked: list[bool]
    events: list[Event]


@dataclass(frozen=True, eq=False, repr=False)
class Guard(Result):
    """Rules with calibrated thresholds; made by `Guard.calibrate`.

    Arguments:
        rules: what is looked at, with what is done.
        thresholds: a rule fires where its score is above.
        rate: the largest share of false alarms of each rule that is vouched for.
        confidence: how sure that is.
        n: on how many texts.
        alarms: on how many of them each rule fires.
        scores: the largest of each rule on each of them.
    """

    rules: tuple[Rule, ...]
    thresholds: Float[Tensor, " rule"]
    rate: float
    confidence: float
    n: int
    alarms: Int[Tensor, " rule"]
    scores: Float[Tensor, "rule text"]

    @staticmethod
    def calibrate(
        model: Model, rules: Sequence[Rule], texts: Sequence[str], rate: float = 0.01, confidence: float = 0.95, progress: bool = False
    ) -> "Guard":  # fmt: skip
        """A guard whose rules each fire on at most a share of texts like these.

        Arguments:
            model: on which features are attached.
            rules: what is looked at, with what is done.
            texts: harmless ones, like those that the guard will see; on each an alarm would be false. They count as independent draws.
            rate: the largest share of false alarms of a rule; several rules together may give more.
            confidence: how sure that is.
            progress: show a bar.

        Raises:
            InputError: too few texts for such a rate, rules of one name, a rule that does not fit.

        >>> import sonde, torch
        >>> model = sonde.load("specimen:words")
        >>> rule = Rule("first neuron", "blocks.1.mlp.post", direction=torch.eye(model.architecture.d_mlp)[0])
        >>> guard = Guard.calibrate(model, [rule], [f"The {noun} is here." for noun in ("key", "cat", "dog", "table")] * 8, rate=0.1)
        >>> guard.n, guard.thresholds.shape
        (32, torch.Size([1]))
        """
        names = [rule.name for rule in rules]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise InputError(f"two rules are called {twice[0]!r}: give each a name of its own, or logs can't tell them apart")
        found = scores(model, rules, texts, progress)
        limits = thresholds(found, rate, confidence).maximum(torch.tensor([rule.floor for rule in rules]))
        arguments = {"rules": names, "rate": rate, "confidence": confidence}
        recipe = Recipe.of("sonde.features.Guard.calibrate", arguments, model_hash=model.hash, inputs=list(texts))
        return Guard(tuple(rules), limits, rate, confidence, len(texts), (found > limits[:, None]).sum(1), found, recipe=recipe)

    def fires(self, model: Model, texts: Sequence[str]) -> Tensor:
        """On which texts each rule fires, rule by text.

        Arguments:
            model: the model that the guard was calibrated on.
            texts: any.
        """
        self.refuse_other(model)
        return scores(model, self.rules, texts) > self.thresholds[:, None]

    def measure(self, model: Model, texts: Sequence[str]) -> list[tuple[str, int, tuple[float, float]]]:
        """How often each rule fires on some texts, and any of them: its name, the number of texts, and the exact interval of the share.

        Arguments:
            model: the model that the guard was calibrated on.
            texts: harmful ones for the rate of hits, harmless ones for that of false alarms.
        """
        fired = self.fires(model, texts)
        rows = [(rule.name, int(row.sum())) for rule, row in zip(self.rules, fired, strict=True)] + [("any rule", int(fired.any(0).sum()))]
        return [(name, count, clopper_pearson(count, len(texts))) for name, count in rows]

    def check(self, model: Model, texts: Sequence[str]) -> list[Verdict]:
        """Whether each rule, and all together, keep the stated rate of false alarms on other harmless texts.

        Arguments:
            model: the model that the guard was calibrated on.
            texts: harmless ones that took no part in calibration; they count as independent draws.

        Returns:
            A verdict for each rule: it holds where the upper end of the exact interval of the rate (Clopper and Pearson) is at most the stated rate.
        """
        fired = self.fires(model, texts)
        return [self._kept(rule.name, int(row.sum()), len(texts)) for rule, row in zip(self.rules, fired, strict=True)]

    def _kept(self, name: str, alarms: int, n: int) -> Verdict:
        low, high = clopper_pearson(alarms, n)
        least = clopper_pearson(0, n)[1]
        reason = "" if least <= self.rate else f"{n} texts can't tell a rate of {self.rate:g}: without any alarm it may still be {least:.3g}"
        claim = f"The rule {name!r} gives a false alarm on at most {self.rate:.3g} of such texts."
        ends = low - self.rate, high - self.rate
        return Verdict(claim, MEASURE, alarms / n, self.rate, ends, n, "less", self.rate, "the rate that the guard was calibrated for", reason)

    def to_frame(self) -> "DataFrame":
        """One row per rule."""
        import polars as pl

        rows = []
        for rule, threshold, alarms in zip(self.rules, self.thresholds.tolist(), self.alarms.tolist(), strict=True):
            low, high = clopper_pearson(alarms, self.n)
            rows.append((rule.name, rule.site, rule.feature, rule.action, rule.where, threshold, alarms, self.n, low, high))
        columns = ["rule", "site", "feature", "action", "where", "threshold", "alarms", "texts", "rate low", "rate high"]
        return pl.DataFrame(rows, schema=columns, orient="row")

    def drawing(self) -> Drawing:
        """The rules with their thresholds and how often they fired on harmless texts."""
        rows = [list(row) for row in self.to_frame().select("rule", "action", "threshold", "alarms", "texts").rows()]
        note = f"Each is vouched for to fire on at most {self.rate:g} of such texts, at {self.confidence:.0%}."
        return table("What does the guard look for?", ["rule", "action", "fires above", "alarms", "harmless texts"], rows, note=note)

    def generate(
        self, model: Model, prompts: str | Sequence[str], log: AuditLog | None = None, message: str = "[withheld]", max_new_tokens: int = 20,
        temperature: float = 0.0, seed: int = 0, keep_prompts: bool = False,
    ) -> Guarded:  # fmt: skip
        """Let the model write under the guard: every token of the prompts and of what is written is looked at, the last one too.

        Arguments:
            model: the model that the guard was calibrated on.
            prompts: one or several.
            log: where events are written as they happen.
            message: what stands for a text that is withheld.
            max_new_tokens: of a text; one more is computed, so that the last is looked at.
            temperature, seed: of the draws, as for `Model.generate`.
            keep_prompts: log the prompts' texts; by default their hashes.

        Raises:
            CheckRefused: another model. InputError: no prompt, no room for the tokens.
        """
        self.refuse_other(model)
        asked = [prompts] if isinstance(prompts, str) else list(prompts)
        if not asked or model.tokenizer is None:
            raise InputError("a guard watches text: give at least one prompt, and a model with its tokenizer")
        inputs, events = model.prepare(asked), list[Event]()
        assert inputs.rows is not None and inputs.ids is not None

        def tell(event: Event) -> None:
            events.append(event)
            if log is not None:
                log.append(self._logged(model, event, asked[event.prompt], keep_prompts))

        watched: list[Watched] = []
        for i, length in enumerate(inputs.rows.lengths):
            watched.append(Watched(i, length, length + max_new_tokens, model.tokenizer.special, tell, watched))
        watches = [
            (Watch(Site(rule.site), rule, float(t), one), one.number) for one in watched for rule, t in zip(self.rules, self.thresholds, strict=True)
        ]
        writes = [Write(watch.site, watch, slice(row, row + 1), len(asked)) for watch, row in watches]
        for rule in self.rules:
            rule.refuse_unfit(model)
        try:
            new = continuations(model, inputs, writes, "all", max_new_tokens + 1, Sampling(temperature), seed)
        except Withheld:
            new = [[] for _ in asked]
        texts = following(model.tokenizer, inputs, [row[:max_new_tokens] for row in new])
        blocked = [one.blocked for one in watched]
        return Guarded([message if b else text for b, text in zip(blocked, texts, strict=True)], blocked, events)

    def _logged(self, model: Model, event: Event, prompt: str, keep: bool) -> dict[str, Any]:
        """An event as it stands in the log."""
        assert model.tokenizer is not None
        said = {"text": prompt} if keep else {"sha256": hashlib.sha256(prompt.encode()).hexdigest()}
        return {**asdict(event), "token": model.tokenizer.strings([event.token])[0], "prompt": said, "model": model.hash}
