"""Judge bases on activations: one pass for what they write and how often they are active, another for the model's loss, and held rows for labels."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Literal, get_args

import torch
from jaxtyping import Float
from torch import Tensor

from sonde.access import Basis, Model
from sonde.access.inputs import Given
from sonde.bases import directions
from sonde.dictionaries.dictionary import Part
from sonde.dictionaries.evaluation.labels import Held, Labels, told
from sonde.dictionaries.evaluation.recovery import Recovery, by_chance, recovery
from sonde.dictionaries.evaluation.results import Evaluation
from sonde.dictionaries.evaluation.splicing import Losses, Spliced, losses, recovered
from sonde.dictionaries.evaluation.subjects import Subject, peeked, source_of, subject_of, with_controls
from sonde.jobs import track
from sonde.results import InputError, Recipe, shown

Metric = Literal["activity", "reconstruction", "loss", "recovery", "properties", "absorption"]
METRICS: tuple[Metric, ...] = get_args(Metric)
LEFT_OUT = {
    "scr": "it is not stable over seeds and fails on known truth (arXiv 2605.18229): use 'properties'",
    "tpp": "it is not stable over seeds and fails on known truth (arXiv 2605.18229): use 'properties'",
    "ravel": "it needs a language model that knows cities and people, and hours: use SAEBench",
    "unlearning": "it needs a language model that answers WMDP, and hours: use SAEBench",
    "autointerp": "descriptions are made and scored by sonde.features",
}
"""What others measure and this does not, and why."""


def evaluate(
    bases: Basis | Mapping[str, Basis], x: Model | Float[Tensor, "*rows width"] | Iterable[Tensor], site: str | None = None,
    corpus: Given | None = None, *, target: Float[Tensor, "*rows out"] | None = None, truth: Float[Tensor, "true out"] | None = None,
    labels: Labels | None = None, metrics: Sequence[Metric] | None = None, controls: bool = True, bos: bool | None = None, seed: int = 0,
) -> Evaluation:  # fmt: skip
    """Judge one basis, or several side by side: dictionaries, neurons, principal components, anything with coordinates.

    Arguments:
        bases: what is judged, by name where there are several.
        x: activations, or batches of them; or the model that computes them.
        site: where in the model; a dictionary that says where it belongs needs none.
        corpus: what the model reads: texts, or rows of token ids. Special tokens do not count.
        target: what is to be written for activations, where that is something else: a transcoder's output.
        truth: the directions behind the activations, where they are known.
        labels: properties of the activations, by name: 1 has it, 0 has it not, -1 takes no part. One for each activation; with a model, for each
            text one for each of its tokens.
        metrics: which groups of measures, of `METRICS`; by default all that can be computed here.
        controls: also judge neurons, principal components and random directions that are active as often as each basis.
        bos: whether texts begin with that token; by default as the tokenizer does.
        seed: of the controls, the halves of the texts and the shuffled labels.

    Returns:
        A table of bases by measures, with verdicts against the controls from `check`.

    Raises:
        InputError: a basis of another width, activations that are not finite or all the same, a measure that is unknown or can't be computed here.

    >>> from sonde.bases import PCA
    >>> x = torch.randn(200, 4, generator=torch.Generator().manual_seed(0)) * torch.tensor([9.0, 3.0, 1.0, 0.1])
    >>> found = evaluate({"one": PCA.fit(x, 1), "two": PCA.fit(x, 2)}, x, controls=False)
    >>> [round(value, 3) for value in found.measures["fvu"]]
    [0.165, 0.014]
    """
    named: dict[str, Basis] = dict(bases) if isinstance(bases, Mapping) else {"dictionary": bases}
    if not named or not all(isinstance(basis, Basis) for basis in named.values()):
        raise InputError(f"{shown(bases)}: give a basis, or several by name")
    wanted = _wanted(metrics, x, truth, labels)
    texts, source = source_of(x, corpus, target, bos, seed)
    subjects = {name: subject_of(basis, texts is not None, site) for name, basis in named.items()}
    first, source = peeked(source, [*subjects.values()])
    beside: dict[str, tuple[str, ...]] = {}
    notes: list[str] = []
    if controls:
        beside = with_controls(subjects, first, seed, notes)
    held = None if labels is None else Held(labels, texts, first, seed)
    for sample in track(source([*subjects.values()]), "judging"):
        for subject in subjects.values():
            subject.update(sample)
        if held is not None:
            held.update(sample)
    model = x if isinstance(x, Model) else None
    spliced = None
    if "loss" in wanted and model is not None and texts is not None:
        spliced = losses(model, texts, {n: Spliced(s.basis, s.reads, s.writes) for n, s in subjects.items()}, _means(subjects))
    measured: dict[str, dict[str, float]] = {name: _basic(subject) for name, subject in subjects.items()}
    if spliced is not None:
        for name, values in _by_loss(spliced).items():
            measured[name] |= values
    found = {} if truth is None or "recovery" not in wanted else {name: _recovered(subject.basis, truth, seed) for name, subject in subjects.items()}
    for name, (mine, chance) in found.items():
        measured[name] |= _recovery_measures(mine, chance)
    properties = None
    if held is not None:
        properties, by_basis = told({name: (s.basis, s.reads) for name, s in subjects.items()}, held, "absorption" in wanted, notes)
        for name, values in by_basis.items():
            measured[name] |= values
    any_fit = next(iter(subjects.values())).fit
    columns = list(dict.fromkeys(measure for values in measured.values() for measure in values))
    return Evaluation(
        tuple(subjects), beside, any_fit.rows, {column: [_number(values.get(column)) for values in measured.values()] for column in columns},
        tuple(subject.activity.density.float() for subject in subjects.values()),
        torch.stack([subject.fit.errors for subject in subjects.values()]), any_fit.lengths,
        {} if spliced is None else {place: (spliced.clean.ce, spliced.zero[place].ce, spliced.mean[place].ce) for place in spliced.zero},
        {} if spliced is None else {name: next(iter(at.values())).by_text() for name, at in spliced.spliced.items() if len(at) == 1},
        {name: mine.best for name, (mine, _) in found.items()},
        {name: torch.stack([draw.best for draw in chance]) for name, (_, chance) in found.items()},
        properties, tuple(notes),
        recipe=Recipe.of(
            "sonde.dictionaries.evaluate",
            {"bases": {name: basis.hash for name, basis in named.items()}, "site": site, "metrics": list(wanted), "controls": controls, "bos": bos},
            model_hash="" if model is None else model.hash,
            inputs=[any_fit.rows, any_fit.shift, any_fit.sums[0]] if texts is None else [batch.ids for batch in texts], seed=seed,
        ),
    )  # fmt: skip


def _wanted(metrics: Sequence[Metric] | None, x: object, truth: Tensor | None, labels: Labels | None) -> tuple[Metric, ...]:
    """The groups that are measured; refuses those that can't be."""
    lacking: dict[Metric, str] = {}
    if not isinstance(x, Model) or not (x.architecture.causal and x.architecture.d_vocab):
        lacking["loss"] = "it needs a causal language model: give one with site= and corpus="
    if truth is None:
        lacking["recovery"] = "it needs the true directions: give truth="
    if labels is None:
        lacking |= {"properties": "it needs labels=", "absorption": "it needs labels="}
    if metrics is None:
        return tuple(metric for metric in METRICS if metric not in lacking)
    for metric in metrics:
        reason = LEFT_OUT.get(metric) or lacking.get(metric) or ("" if metric in METRICS else f"choose from {', '.join(METRICS)}")
        if reason:
            raise InputError(f"metrics={metric!r} can't be measured here: {reason}")
    return tuple(metrics)


def _basic(subject: Subject) -> dict[str, float]:
    activity, fit = subject.activity, subject.fit
    values = {"size": float(activity.size), "l0": activity.l0, "dead": activity.dead, "dense": activity.dense, "fvu": fit.fvu}
    parts: tuple[Part, ...] = getattr(subject.basis, "writes", subject.writes)
    if len(parts) > 1:
        start = 0
        for part in parts:
            values[f"fvu {part.site}"] = fit.fvu_of(slice(start, start + part.width))
            start += part.width
    return values | {"norm_ratio": fit.norm_ratio, "slope": fit.slope}


def _by_loss(spliced: Losses) -> dict[str, dict[str, float]]:
    found = {}
    for name, places in spliced.spliced.items():
        values: dict[str, float] = {}
        for place, loss in places.items():
            behind = f" {place}" if len(places) > 1 else ""
            values |= {
                f"ce{behind}": loss.ce, f"delta_ce{behind}": loss.ce - spliced.clean.ce, f"kl{behind}": loss.kl,
                f"recovered_zero{behind}": recovered(spliced.zero[place].ce, loss.ce, spliced.clean.ce),
                f"recovered_mean{behind}": recovered(spliced.mean[place].ce, loss.ce, spliced.clean.ce),
            }  # fmt: skip
        found[name] = values
    return found


def _recovered(basis: Basis, truth: Tensor, seed: int) -> tuple[Recovery, list[Recovery]]:
    return recovery(truth, directions(basis)), by_chance(truth, basis.size, seed)


def _recovery_measures(mine: Recovery, chance: list[Recovery]) -> dict[str, float]:
    values = {}
    for name in ("mmcs", "mmcs_back", "mcc", "found"):
        values[name] = getattr(mine, name)
        values[f"{name}_chance"] = sum(getattr(draw, name) for draw in chance) / len(chance)
    return values


def _means(subjects: Mapping[str, Subject]) -> dict[str, Tensor]:
    """The mean at each site that is written."""
    means: dict[str, Tensor] = {}
    for subject in subjects.values():
        mean = (subject.fit.shift + subject.fit.sums[0] / subject.fit.rows).split([part.width for part in subject.writes])
        means |= {part.site: part_mean for part, part_mean in zip(subject.writes, mean, strict=True)}
    return means


def _number(value: float | None) -> float | None:
    return None if value is None or value != value else value
