"""The tuned lens: what would each layer say, if its states were first moved to where the unembedding reads?

    y_l = softmax(W_U norm_final(h_l + A_l h_l + b_l))

with one translator A_l, b_l for each layer, trained so that the reading says what the model says in the end (Belrose et al. 2023, "Eliciting Latent
Predictions from Transformers with the Tuned Lens"). Translators begin at zero, where the tuned lens is the logit lens; the last layer has none.
A translator is trained, so it may itself compute the answer from what the states hold: `judge` tells how much of a reading it is.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from jaxtyping import Float
from torch import Tensor

from sonde.access import Model
from sonde.access.inputs import Given
from sonde.lens.logit import read_layers
from sonde.lens.reading import layer_sites, readable
from sonde.lens.results import LensResult
from sonde.results import CheckRefused, Drawing, Result, content_hash
from sonde.results.drawing import Series, lines

if TYPE_CHECKING:
    from polars import DataFrame


@dataclass(frozen=True, eq=False, repr=False)
class TunedLens(Result):
    """A translator for the embeddings and for each block but the last; made by `train` or `read_checkpoint`.

    Arguments:
        layers: the names of what is translated: `embed`, then blocks.
        weight: A; to a state h is added A h + b.
        bias: b.
        unembedding: the hash of what reads the states: the final norm and the unembedding.
        log: of the training: by name one number for each look: `tokens` seen, and the loss in nats by layer.
        notes: what was decided, and what was left out.
    """

    layers: list[str]
    weight: Float[Tensor, "layer d_model d_model"]
    bias: Float[Tensor, "layer d_model"]
    unembedding: str
    log: dict[str, list[float]]
    notes: list[str]

    def translate(self, layer: str, states: Float[Tensor, "*batch d_model"]) -> Float[Tensor, "*batch d_model"]:
        """States of a layer where the unembedding reads them.

        Arguments:
            layer: its name; the last one, `model`, has no translator and is given back as it is.
            states: of the residual stream.
        """
        if layer not in self.layers:
            return states
        i, x = self.layers.index(layer), states.float()
        return (x + x @ self.weight[i].to(x).T + self.bias[i].to(x)).to(states)

    def refuse_other(self, model: Model) -> None:
        """Raise `CheckRefused` unless this is the model that the translators were trained on, to the bit.

        Arguments:
            model: the one at hand.
        """
        if model.hash != self.recipe.model_hash:
            raise CheckRefused(
                f"this lens belongs to the model {self.recipe.model_hash[:8]}, and this one is {model.hash[:8]}: train one for it with "
                "sonde.lens.train, or, where final norm and unembedding are the same, read it with lens.adopted(model) and judge how well"
            )

    def adopted(self, model: Model) -> "TunedLens":
        """The same translators for another model with the same final norm and unembedding, such as a checkpoint or a fine-tuned copy.

        Arguments:
            model: the other one.

        Raises:
            CheckRefused: its final norm or unembedding differ.
        """
        if unembedding_hash(model) != self.unembedding:
            raise CheckRefused(f"{model.name} reads its states through another final norm or unembedding: train a lens for it with sonde.lens.train")
        note = f"trained on the model {self.recipe.model_hash[:8]} and used on {model.hash[:8]}"
        return replace(self, notes=[*self.notes, note], recipe=replace(self.recipe, model_hash=model.hash))

    def to_frame(self) -> "DataFrame":
        """The course of the training: one row for each look."""
        import polars as pl

        return pl.DataFrame(self.log)

    def drawing(self) -> Drawing:
        """How the loss fell in the course of the training, for at most eight layers."""
        truth = self.recipe.arguments.get("loss") == "cross_entropy"
        many = len(self.layers)
        chosen = [self.layers[i] for i in sorted({round(i * (many - 1) / 7) for i in range(8)})] if many > 8 else self.layers
        return lines(
            f"How well do the translators learn to say what {'comes next' if truth else 'the model says'}?",
            f"nats, {'cross-entropy of the next token' if truth else 'KL(final || lens)'}, in training", "tokens",
            [round(n) for n in self.log.get("tokens", [0.0])], [Series(layer, self.log.get(layer, [None])) for layer in chosen],
            note="; ".join(self.notes),
        )  # fmt: skip


def tuned_lens(
    model: Model, inputs: Given, lens: TunedLens, k: int = 10, bos: bool | None = None, follow: Sequence[str | int] = ()
) -> LensResult:  # fmt: skip
    """Read every layer of a language model through its translator, final norm and unembedding.

    Arguments:
        model: the one that the lens was trained on.
        inputs: texts or token ids.
        lens: the translators.
        k, bos, follow: as for `logit_lens`.

    Returns:
        The readings; the last row is the model itself.

    Raises:
        CheckRefused: a lens of another model. And what `logit_lens` raises.
    """
    lens.refuse_other(model)
    names = {site: layer for layer, site in layer_sites(model).items()}
    recipe = {"k": k, "bos": bos, "follow": list(follow), "lens": content_hash([lens.weight, lens.bias])}
    return read_layers(
        model, inputs, k, bos, "blocks", follow, "sonde.lens.tuned_lens", recipe, lambda site, states: lens.translate(names[site], states)
    )


def unembedding_hash(model: Model) -> str:
    """A hash of the modules that read the residual stream: the final norm, a projection where there is one, and the unembedding."""
    readable(model)
    arch = model.architecture
    held = [model.module.get_submodule(path).state_dict() for path in (*arch.final, arch.unembed)]
    return content_hash([*held, arch.softcap, arch.logit_scale])
