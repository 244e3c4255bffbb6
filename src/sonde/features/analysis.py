"""A text by features: which are active on which token, and what each does there for the output."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor

from sonde.access import Clamp, Metric, Model
from sonde.features.places import basis_at, special_tokens
from sonde.results import Drawing, InputError, Recipe, Result, shown
from sonde.results.drawing import tokens as drawn_tokens
from sonde.tasks import LogProbability
from sonde.tasks.metrics import unit_of

if TYPE_CHECKING:
    from polars import DataFrame


@dataclass(frozen=True, eq=False, repr=False)
class TextAnalysis(Result):
    """The foremost features of each token of a text.

    Arguments:
        site: of the coordinates.
        tokens: of the text.
        features: of each token the foremost; -1 where fewer are active.
        activation: of each there.
        effect: what the metric loses when the feature is ablated at this token alone.
        unit: of the effect.
        of: what the metric is, in words.
    """

    site: str
    tokens: list[str]
    features: Int[Tensor, "pos rank"]
    activation: Float[Tensor, "pos rank"]
    effect: Float[Tensor, "pos rank"]
    unit: str
    of: str

    def to_frame(self) -> "DataFrame":
        """One row per token and feature."""
        import polars as pl

        rows = [
            (pos, self.tokens[pos], feature, float(self.activation[pos, rank]), float(self.effect[pos, rank]))
            for pos, line in enumerate(self.features.tolist())
            for rank, feature in enumerate(line)
            if feature >= 0
        ]
        return pl.DataFrame(rows, schema=["pos", "token", "feature", "activation", "effect"], orient="row")

    def drawing(self) -> Drawing:
        """The text, each token coloured by its feature with the largest effect; beside it all of the token's."""
        largest = self.effect.gather(1, self.effect.abs().argmax(1, keepdim=True)).squeeze(1)
        details = [
            "; ".join(
                f"feature {f}: {float(a):.3g}, effect {float(e):+.3g}" for f, a, e in zip(*row, strict=True) if f >= 0
            ) or "no feature is active"
            for row in zip(self.features.tolist(), self.activation, self.effect, strict=True)
        ]  # fmt: skip
        note = f"Effect: what {self.of} loses when the feature is ablated at this token alone."
        return drawn_tokens("Which features matter on which token?", self.unit, self.tokens, largest, details=details, note=note)


def analyse(
    model: Model, site: str, text: str | Sequence[int], of: Metric | None = None, top: int = 5, by: Literal["effect", "activation"] = "effect"
) -> TextAnalysis:  # fmt: skip
    """The foremost features of each token, with their exact effects.

    Arguments:
        model: on which the basis is attached.
        site: of its coordinates.
        text: one text, or its token ids.
        of: a metric of the text; by default the log-probability of the model's first guess at the next token.
        top: how many features of a token.
        by: which come first: those with the largest estimated effect, or the most active.

    Raises:
        InputError: several texts, another order.

    >>> import sonde
    >>> model = sonde.load("specimen:words")
    >>> model = model.attach("blocks.1.mlp.post", sonde.bases.Neurons(model.architecture.d_mlp), "neurons")
    >>> found = analyse(model, "blocks.1.mlp.post.neurons", "The keys on the cabinet", top=2)
    >>> found.tokens[-1], found.effect.shape[1]
    (' cabinet', 2)
    """
    basis = basis_at(model, site)
    if by not in ("effect", "activation") or not 0 < top <= basis.size:
        raise InputError(f"by={shown(by)}, top={shown(top)}: order by 'effect' or 'activation', and show 1 to {basis.size} features")
    given = text if isinstance(text, str) else [list(text)]
    said = "the metric"
    if of is None:
        guess = int(model.run(given, logits="last").last_logits[0].argmax())
        of, said = LogProbability(guess), f"the log-probability of {model.tokenizer.strings([guess])[0]!r}" if model.tokenizer else f"token {guess}"
    grads = model.grad(given, of=of, at=site)
    codes = grads.values[site][0]
    if len(grads.metric) != 1:
        raise InputError(f"{len(grads.metric)} texts: one at a time is taken apart")
    order = (codes * grads[site][0]).abs() if by == "effect" else codes.abs()
    order = order.masked_fill((codes == 0) | special_tokens(model, grads.run.ids)[0, :, None], -1.0)
    ranked = order.topk(top, dim=1)
    features = ranked.indices.masked_fill(ranked.values < 0, -1)
    activation, effect = codes.gather(1, ranked.indices).masked_fill(features < 0, 0.0), torch.zeros(features.shape)
    places = [(pos, rank, int(features[pos, rank])) for pos, rank in (features >= 0).nonzero().tolist()]
    if places:
        sweep = model.sweep(given, [Clamp(f"{site}[pos={pos}]", 0.0, dims=[f]) for pos, _, f in places], of)
        for (pos, rank, _), value in zip(places, (sweep.base - sweep.values)[:, 0].tolist(), strict=True):
            effect[pos, rank] = value
    names = model.token_strings(grads.run.inputs)
    labels = names[0] if names else [str(i) for i in grads.run.ids[0].tolist()]
    recipe = Recipe.of("sonde.features.analyse", {"site": site, "top": top, "by": by}, model_hash=model.hash, inputs=given)
    return TextAnalysis(site, list(labels), features.cpu(), activation.float().cpu(), effect, unit_of(of), said, recipe=recipe)
