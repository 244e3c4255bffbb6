"""Does a map depend on the model? Weights are drawn afresh, part by part, and the map is compared with that of the trained model.

From the output downwards (cascading) or one part at a time (Adebayo et al. 2018, "Sanity checks for saliency maps"). Fresh weights follow the rule
and the scale of the network's own initialisation: larger or smaller ones would silence activations, and any map looks changed once it is all zeros.
A map that is all ties has no order: its similarity is undefined, not 0. Beside every number stand those of two different inputs (the floor) and of
two runs of the same method (the ceiling: 1 where nothing in it is random).
"""

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from sonde.access import Metric, Model
from sonde.attribution.evaluation.removing import Method, applied
from sonde.attribution.evaluation.similarity import MEASURES, similarities
from sonde.attribution.places import places
from sonde.attribution.results import Attribution
from sonde.evidence import compare, permuted, reinitialised, untestable
from sonde.jobs import track
from sonde.results import Drawing, InputError, Recipe, Result, Verdict
from sonde.results.drawing import Control, Series, lines, tabs

if TYPE_CHECKING:
    from polars import DataFrame

Order = Literal["top-down", "independent"]
FAR = 1_000_003  # between seeds: a network trained from seed 0 would be compared with its own beginning, of which much is left in it
KEPT = 8  # examples whose maps can be drawn
MOST, SOURCE = 0.3, "what a map that follows the weights loses at the least: guided backpropagation, which does not follow them, stays above it"


@dataclass(frozen=True, eq=False, repr=False)
class Cascade(Result):
    """How alike the maps of a trained and of a randomised model are.

    Arguments:
        method: the method of attribution.
        order: "top-down": a part and all parts above it are randomised; "independent": that part alone.
        parts: their names, from the output downwards.
        similarity: to the map of the trained model, the mean over draws of the weights, by every measure of `measures`; NaN where undefined.
        floor: of maps of different inputs of the trained model.
        ceiling: of two runs of the method on the same input.
        undefined: the share of maps after randomising each part that are constant, so that they have no order.
        draws: how often the weights were drawn.
        measures: the names of the measures.
        maps: for pictures, the maps of the first `KEPT` examples: of the trained model, then after each part, of the first draw; else `None`.
        pictures: those examples.
    """

    method: str
    order: str
    parts: list[str]
    similarity: Float[Tensor, "measure part example"]
    floor: Float[Tensor, "measure pair"]
    ceiling: Float[Tensor, "measure example"]
    undefined: Float[Tensor, " part"]
    draws: int
    measures: tuple[str, ...] = MEASURES
    maps: Float[Tensor, "stage kept row col"] | None = None
    pictures: Float[Tensor, "kept channel row col"] | None = None

    @property
    def insensitive(self) -> list[str]:
        """The measures by which the map hardly changes when all weights are randomised."""
        return [measure for measure, verdict in zip(self.known, self._verdicts(), strict=True) if verdict.holds is False]

    @property
    def known(self) -> list[str]:
        """The measures that can be taken of these maps: without pictures there is no SSIM."""
        return [name for name, ceiling in zip(self.measures, self.ceiling, strict=True) if not bool(ceiling.isnan().all())] or list(self.measures[:2])

    def to_frame(self) -> "DataFrame":
        """One row per measure and part: the mean over examples, beside floor and ceiling."""
        import polars as pl

        chosen = [self.measures.index(name) for name in self.known]
        rows = [
            {"measure": self.measures[i], "part": part, "similarity": _mean(self.similarity[i, j])}
            | {"floor": _mean(self.floor[i]), "ceiling": _mean(self.ceiling[i])}
            for i in chosen
            for j, part in enumerate(self.parts)
        ]
        return pl.DataFrame(rows, schema_overrides={"similarity": pl.Float64, "floor": pl.Float64, "ceiling": pl.Float64})

    def drawing(self) -> Drawing:
        """For each measure the similarity against the part, over the band of maps of different inputs."""
        drawings = [(name, self._drawn(name, self.measures.index(name))) for name in self.known]
        flagged = f" Insensitive by: {', '.join(self.insensitive)}." if self.insensitive else ""
        how = "and every part above it" if self.order == "top-down" else "alone"
        note = f"Each part {how} drawn afresh, {self.draws} times; means over {self.similarity.shape[-1]} examples.{flagged}"
        return tabs(f"Does {self.method} depend on the weights?", drawings, note=note)

    def check(self, model: Any, *args: Any, **kwargs: Any) -> list[Verdict]:
        """For each measure, whether the map changes when all weights are randomised; nothing is computed again."""
        self.refuse_other(model)
        return self._verdicts()

    def _verdicts(self) -> list[Verdict]:
        found = []
        for name in self.known:
            i = self.measures.index(name)
            similar = self.similarity[i, -1] if self.order == "top-down" else self.similarity[i].nanmean(0)
            claim = f"Maps of {self.method} depend on the weights, by their {name}."
            what = "all weights drawn afresh" if self.order == "top-down" else "one part after the other drawn afresh"
            measure = f"{name} with the trained model's map, {what}; control: two runs on the trained model"
            kept = ~(similar.isnan() | self.ceiling[i].isnan())
            if not bool(kept.any()):
                reason = "a map is constant in every example, so that nothing can be said of its order"
                found.append(untestable(claim, measure, reason, direction="less", threshold=MOST, threshold_source=SOURCE))
                continue
            if not bool(kept.all()):
                measure += f" (undefined, for a constant map, in {int((~kept).sum())} of {len(kept)} examples, which are left out)"
            found.append(compare(claim, measure, similar[kept], self.ceiling[i][kept], direction="less", threshold=MOST, threshold_source=SOURCE))
        return found

    def _drawn(self, name: str, i: int) -> Drawing:
        similar = self.similarity[i]
        low, high = _ends(similar)
        first, last = _ends(self.floor[i][None])
        band = Control("maps of different inputs", _mean(self.floor[i]), (float(first), float(last)))
        twice = Series("two runs", self.ceiling[i].nanmean().expand(len(self.parts)))
        series = [Series(self.method, similar.nanmean(-1), low[:, 0], high[:, 0]), twice]
        title = f"{self.method[:1].upper() + self.method[1:]} as the model is randomised"
        return lines(title, name, "part randomised", self.parts, series, control=band)


def cascade(
    model: Model,
    task: Any,
    method: Method,
    of: Metric | None = None,
    *,
    order: Order = "top-down",
    parts: Sequence[str] | None = None,
    weights: Literal["fresh", "permuted"] = "fresh",
    draws: int = 2,
    seed: int = 0,
) -> Cascade:
    """Compare the maps of a model with those after its weights are randomised.

    Arguments:
        model: the model.
        task: a task, or inputs (then with `of`).
        method: the method with its arguments bound, such as `partial(occlusion, baseline="pad")`.
        of: for inputs, the metric.
        order: "top-down": cascading from the output downwards; "independent": one part at a time.
        parts: names of modules, from the output downwards; by default the blocks of a transformer and all other modules that have weights.
        weights: "fresh": drawn by the network's own rule; "permuted": its own ones shuffled, for networks without such a rule.
        draws: how often the weights are drawn.
        seed: of the weights.

    Raises:
        InputError: a part that is no module with weights, or a network that does not say how it is drawn.

    >>> import sonde
    >>> from sonde.specimens.digits import held_out
    >>> pictures, digits = held_out()
    >>> metric = sonde.tasks.Logit(digits[:3])
    >>> found = cascade(sonde.load("specimen:digits"), pictures[:3], sonde.attribution.gradient_x_input, metric, draws=1)
    >>> found.parts
    ['head', 'blocks.2.conv', 'blocks.1.conv', 'blocks.0.conv']
    """
    if draws < 1 or order not in ("top-down", "independent") or weights not in ("fresh", "permuted"):
        raise InputError(f"order={order!r}, weights={weights!r}, draws={draws}: 'top-down' or 'independent'; 'fresh' or 'permuted'; at least 1 draw")
    first = applied(method, model, task, of)
    owned = _owned(model, parts)
    again = applied(partial(method, seed=first.recipe.seed + 1), model, task, of) if first.recipe.seed is not None else first
    compared, undefined = [], torch.zeros(len(owned), draws)
    drawable = first.pictures is not None and bool(_shape(first))
    maps = [first.cells()[:KEPT]] if drawable else []
    chosen = [(draw, at) for draw in range(draws) for at in range(len(owned))]
    for draw, at in track(chosen, "randomising"):
        replaced = [name for names in list(owned.values())[0 if order == "top-down" else at : at + 1] for name in names]
        broken = _randomised(model, replaced, weights, seed + FAR * (draw + 1))
        result = applied(method, broken, task, of)
        compared.append(alike(first, result))
        if drawable and draw == 0:
            maps.append(result.cells()[:KEPT])
        undefined[at, draw] = sum(_constant(result, i) for i in range(len(result))) / len(result)
    similarity = torch.stack(compared).view(draws, len(owned), len(MEASURES), -1).nanmean(0).permute(1, 0, 2)
    arguments = {"method": first.recipe.function, "order": order, "parts": parts, "weights": weights, "draws": draws}
    return Cascade(
        first.method, order, list(owned), similarity, floor=_floor(first), ceiling=alike(first, again), undefined=undefined.mean(1), draws=draws,
        maps=torch.stack(maps) if maps else None, pictures=first.pictures[:KEPT] if drawable and first.pictures is not None else None,
        recipe=Recipe.of(
            "sonde.attribution.evaluation.cascade", arguments, model_hash=model.hash, inputs=[first.recipe.inputs_hash, first.values.nan_to_num()],
            seed=seed,
        ),
    )  # fmt: skip


def _owned(model: Model, parts: Sequence[str] | None) -> dict[str, list[str]]:
    """The parts from the output downwards, each with the names of its weights; tied ones belong to the lower part."""
    names = [name for name, _ in model.module.named_parameters()]
    if parts is not None:
        owned = {part: [name for name in names if name.startswith(f"{part}.")] for part in parts}
        empty = [part for part, own in owned.items() if not own]
        if empty:
            raise InputError(f"{empty[0]!r} is no module with weights of its own; the weights are {', '.join(names[:6])} ...")
        return owned
    stacks = [one.blocks for one in (model.architecture, *model.architecture.towers) if one.blocks]
    found: dict[str, list[str]] = {}
    for name in names:
        stack = next((stack for stack in stacks if name.startswith(f"{stack}.")), None)
        part = name.rpartition(".")[0] or name if stack is None else f"{stack}.{name[len(stack) + 1 :].split('.')[0]}"
        found.setdefault(part, []).append(name)
    if not found:
        raise InputError("the model has no weights, so no map can depend on them")
    return dict(reversed(found.items()))


def _randomised(model: Model, names: Sequence[str], weights: str, seed: int) -> Model:
    """A copy of the model whose named weights were drawn again, with the running statistics of their modules."""
    drawn = reinitialised(model.module, seed) if weights == "fresh" else permuted(model.module, seed)
    copied: nn.Module = copy.deepcopy(model.module)
    owners = {name.rpartition(".")[0] for name in names}
    with torch.no_grad():
        for name in names:
            copied.get_parameter(name).copy_(drawn.get_parameter(name))
        for name, buffer in copied.named_buffers():
            if name.rpartition(".")[0] in owners:
                buffer.copy_(drawn.get_buffer(name))
    return Model(copied, model.tokenizer, processor=model.processor)


def alike(a: Attribution, b: Attribution) -> Float[Tensor, "measure example"]:
    """Two attributions of the same examples, by every measure."""
    return torch.stack([similarities(_map(a, i), _map(b, i), _shape(a)) for i in range(len(a))], 1)


def _floor(result: Attribution) -> Float[Tensor, "measure pair"]:
    """Maps of neighbouring examples, over the places that both have."""
    pairs = [(i, (i + 1) % len(result)) for i in range(len(result))] if len(result) > 1 else []
    if not pairs:
        return torch.full((len(MEASURES), 1), torch.nan)
    maps = [[_map(result, i) for i in pair] for pair in pairs]
    return torch.stack([similarities(a[: min(len(a), len(b))], b[: min(len(a), len(b))], _shape(result)) for a, b in maps], 1)


def _map(result: Attribution, example: int) -> Float[Tensor, " place"]:
    return places(result, example)[0]


def _shape(result: Attribution) -> tuple[int, ...]:
    """The rows and columns of a picture's map; empty for all others."""
    return tuple(result.cells().shape[1:]) if result.groups is None and result.axes[-2:] == ("row", "col") else ()


def _constant(result: Attribution, example: int) -> bool:
    values = _map(result, example)
    return bool((values == values[:1]).all())


def _mean(values: Tensor) -> float:
    return float(values.nanmean())


def _ends(values: Float[Tensor, "row example"]) -> Float[Tensor, "end row 1"]:
    """Between which the middle 95 % of the examples lie."""
    return values.nanquantile(torch.tensor([0.025, 0.975]), -1, keepdim=True)
