"""Attention knockout: what is lost when some tokens may not look at some others (Geva et al. 2023)?

The scores of the blocked pairs are set to minus infinity before the softmax, so that the attention that they had goes to what is still seen:

    pattern'[q, k] = 0 where q may not see k,    else pattern[q, k] / sum of pattern[q, k'] over the k' still seen

Pairs are blocked in a window of layers around each layer in turn, in all heads or in some. What is told is the metric with the pairs blocked minus
the metric as it is: negative where the look carries the answer, under a metric that is better when larger.
"""

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import torch
from jaxtyping import Float
from torch import Tensor

from sonde.access import Model
from sonde.access.forward import logits_for
from sonde.access.selection import Rows
from sonde.evidence import bootstrap, necessity, untestable
from sonde.evidence.parts import HALF, HALF_SOURCE
from sonde.patching.looks import Pair, blind, blocking, elsewhere, looks_of, moved, placed, read, seen, spanned, text_of
from sonde.results import Drawing, InputError, Recipe, Result, Verdict, shown
from sonde.results.drawing import Series, bars, lines
from sonde.tasks import Task
from sonde.tasks.metrics import unit_of

if TYPE_CHECKING:
    from polars import DataFrame

Control = Literal["distance", "keys"]
CONTROLS = {"distance": "random other places at the same distance", "keys": "as many random other keys of the same queries"}


@dataclass(frozen=True, eq=False, repr=False)
class Knockout(Result):
    """A metric where some queries may not see some keys, in windows of layers.

    Arguments:
        looks: what was blocked, one entry per knockout.
        windows: the first and the last layer of each window.
        heads: the heads that may not look; `None` for all.
        values: the metric under each knockout.
        clean, corrupt: the metric of both runs without knockouts.
        unit: of the metric.
    """

    looks: list[str]
    windows: list[tuple[int, int]]
    heads: list[int] | None
    values: Float[Tensor, "look window example"]
    clean: Float[Tensor, " example"]
    corrupt: Float[Tensor, " example"]
    unit: str

    @property
    def change(self) -> Float[Tensor, "look window"]:
        """The metric with the look blocked minus the metric as it is, the mean over examples."""
        return (self.values - self.clean).mean(-1)

    def intervals(self, seed: int = 0) -> Float[Tensor, "look window 2"] | None:
        """95 % intervals of `change` over the examples (bootstrap); `None` with fewer than two examples."""
        if len(self.clean) < 2:
            return None
        return torch.stack(bootstrap((self.values - self.clean).movedim(-1, 0), seed=seed), -1)

    def to_frame(self) -> "DataFrame":
        """One row per knockout, window and example."""
        import polars as pl

        rows = [
            (look, first, last, example, value, self.clean[example].item(), self.corrupt[example].item())
            for look, values in zip(self.looks, self.values.tolist(), strict=True)
            for (first, last), row in zip(self.windows, values, strict=True)
            for example, value in enumerate(row)
        ]
        return pl.DataFrame(rows, schema=["blocked", "first layer", "last layer", "example", "value", "clean", "corrupt"], orient="row")

    def drawing(self) -> Drawing:
        """The change over the windows, a line for each knockout; of a single window, or more than eight knockouts, bars."""
        n, ends = len(self.clean), self.intervals()
        heads = "all heads" if self.heads is None else f"heads {', '.join(map(str, self.heads))}"
        gap = float((self.clean - self.corrupt).mean())
        note = f"Blocked minus intact, mean over {n} {'prompts' if n > 1 else 'prompt'}, {heads}; the gap is {gap:+.3g} {self.unit}."
        title, windows = "What is lost when these looks are blocked?", [_span(*window) for window in self.windows]
        if len(windows) > 1 and len(self.looks) <= 8:
            low, high = (None, None) if ends is None else (ends[..., 0], ends[..., 1])
            series = [
                Series(look, self.change[i], None if low is None else low[i], None if high is None else high[i])
                for i, look in enumerate(self.looks)
            ]  # fmt: skip
            places = [f"{first}" if first == last else f"{first}\u2013{last}" for first, last in self.windows]
            return lines(title, self.unit, "layers", places, series, note=note)
        labels = [f"{look}, {window}" for look in self.looks for window in windows]
        intervals = None if ends is None else [(low, high) for low, high in ends.flatten(0, 1).tolist()]
        return bars(title, self.unit, labels, self.change.flatten(), intervals=intervals, note=note)

    def check(self, model: Model, task: Task, control: Control = "distance", draws: int = 10, seed: int = 0) -> list[Verdict]:
        """Whether each knockout, in the window in which it costs most, takes half of the gap away, and more than random ones do.

        Arguments:
            model: the model.
            task: prompts that took no part in choosing; they have the same spans.
            control: "distance": the same look at random other places of the prompt; "keys": the same queries kept from as many random other keys.
            draws: how many random ones.
            seed: of the draws.

        Returns:
            One verdict for each knockout; not testable where a prompt is too short for the control.
        """
        self.refuse_other(model)
        if control not in CONTROLS:
            raise InputError(f"control={shown(control)}: use 'distance' or 'keys'")
        corrupt = _metric_of(model, task, task.corrupt)
        worst = (self.change if self.clean.mean() < self.corrupt.mean() else -self.change).argmax(1).tolist()
        rng = random.Random(seed)
        return [self._judged(model, task, look, self.windows[w], control, draws, rng, corrupt) for look, w in zip(self.looks, worst, strict=True)]

    def _judged(
        self, model: Model, task: Task, look: str, window: tuple[int, int], control: Control, draws: int, rng: random.Random, corrupt: Tensor
    ) -> Verdict:  # fmt: skip
        claim = f"The answer needs the look {look} in {_span(*window)}."
        measure = f"share of the gap lost when it is blocked; control: {CONTROLS[control]}"
        rows, visible = _rows(model, task), seen(model, task.clean)
        draw = moved if control == "distance" else elsewhere
        own = [placed(read(look), rows, i) for i in range(len(task))]
        found = [[draw(looks, visible[len(row)], rng) for looks, row in zip(own, task.clean, strict=True)] for _ in range(draws)]
        if any(one is None for drawn in found for one in drawn):
            reason = f"some prompts are too short for the control: {CONTROLS[control]}"
            return untestable(claim, measure, reason, threshold=HALF, threshold_source=HALF_SOURCE)
        others, spans = spanned([[one for one in drawn if one is not None] for drawn in found])
        layers = range(window[0], window[1] + 1)
        edits = [blocking(looks, layers, self.heads) for looks in (read(look), *others)]
        sweep = model.sweep(task.clean, edits, task.metric, spans={**task.spans, **spans})
        without, *random_ones = sweep.values.cpu()
        return necessity(claim, sweep.base.cpu(), corrupt, without, torch.stack(random_ones), measure=measure)


def attention_knockout(
    model: Model, task: Task, pairs: Iterable[Pair | Sequence[Pair]], window: int | None = 1, heads: Sequence[int] | None = None,
    batch_size: int | Literal["auto"] = "auto",
) -> Knockout:  # fmt: skip
    """The metric where some queries may not see some keys, in a window of layers around each layer.

    Arguments:
        model: a language model of a known family whose attention scores can be written.
        task: prompts with their counterfactuals, which only tell how large the gap is, and a metric.
        pairs: (queries, keys), one entry per knockout, or a list of pairs that are blocked together. Each is a position, a slice or list of
            positions, or a text as in a site's selection: the name of one of the task's spans, or a token's text in quotes.
        window: how many layers are blocked together, centred on each layer and cut at both ends; `None` for all layers at once.
        heads: the query heads that may not look; all by default.
        batch_size: rows per pass.

    Raises:
        InputError: no pair; a window that is none; a position that a prompt has not; queries that would be left with nothing to see; keys that no
            query sees anyway. SiteUnavailable: a family whose scores can't be written.

    >>> import sonde
    >>> model = sonde.load("specimen:words")
    >>> task = sonde.tasks.load("agreement", model, n=4)
    >>> attention_knockout(model, task, [(-1, 2)], window=3).windows
    [(0, 1), (0, 2), (1, 3), (2, 3)]
    """
    groups = [looks_of(one) for one in pairs]
    if not groups or not all(groups):
        raise InputError("no pair to block: give at least one, such as (-1, 'subject')")
    windows, rows, visible = _windows(model, window), _rows(model, task), seen(model, task.clean)
    for looks in groups:
        for i, row in enumerate(task.clean):
            if reason := blind(placed(looks, rows, i), visible[len(row)]):
                raise InputError(f"{text_of(looks)} in example {i}: {reason}")
    edits = [blocking(looks, range(first, last + 1), heads) for looks in groups for first, last in windows]
    sweep = model.sweep(task.clean, edits, task.metric, batch_size, spans=task.spans)
    names = [text_of(looks) for looks in groups]
    return Knockout(
        names, windows, None if heads is None else list(heads), sweep.values.view(len(groups), len(windows), -1).cpu(), sweep.base.cpu(),
        _metric_of(model, task, task.corrupt), unit_of(task.metric),
        recipe=Recipe.of(
            "sonde.patching.attention_knockout", {"pairs": names, "window": window, "heads": heads}, model_hash=model.hash, inputs=task.content
        ),
    )  # fmt: skip


def _windows(model: Model, window: int | None) -> list[tuple[int, int]]:
    """The first and last layer of the window around each layer."""
    last = model.n_layers - 1
    if window is None:
        return [(0, last)]
    if isinstance(window, bool) or not isinstance(window, int) or window < 1:
        raise InputError(f"window={shown(window)}: give how many layers are blocked together, at least 1, or None for all at once")
    return list(dict.fromkeys((max(0, i - (window - 1) // 2), min(last, i + window // 2)) for i in range(model.n_layers)))


def _rows(model: Model, task: Task) -> Rows:
    rows = model.prepare(task.clean, spans=task.spans).rows
    if rows is None or not model.n_layers:
        raise InputError(f"{model.name} is no language model of a known family, so it is not known what looks at what")
    return rows


def _metric_of(model: Model, task: Task, rows: Sequence[Sequence[int]]) -> Float[Tensor, " example"]:
    return task.metric(model.run(rows, logits=logits_for(task.metric))).detach().cpu()


def _span(first: int, last: int) -> str:
    return f"layer {first}" if first == last else f"layers {first} to {last}"
