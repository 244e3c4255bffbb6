"""The model with latents taken out of a site, beside the model as it is.

    x' = x - f_i d_i        at every position; what the basis leaves out of x stays. Of a crosscoder x is the site that the database names

Loss effects are the loss without the latent minus the loss with it, so that a latent that helps has a positive one.

Shape legend: B rows, P positions, V tokens.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from jaxtyping import Float
from torch import Tensor

from sonde import bases
from sonde.access import Add, Model, Run
from sonde.access.placed import by_place
from sonde.features.collecting.directions import added_at
from sonde.results import CheckRefused, InputError

if TYPE_CHECKING:
    from sonde.features.database.features import Features


@dataclass(frozen=True, eq=False)
class Read:
    """A run with the codes of its site.

    Arguments:
        run: of the model as it is.
        codes: of every position, padding included; row after row.
        shape: rows and positions.
    """

    run: Run
    codes: bases.Codes
    shape: tuple[int, int]

    def of(self, latent: int) -> Float[Tensor, "batch pos"]:
        """One latent's activations.

        Arguments:
            latent: its number.
        """
        here = self.codes.latents == latent
        values = self.codes.values.new_zeros(self.shape[0] * self.shape[1])
        values[self.codes.rows[here]] = self.codes.values[here]
        return values.view(self.shape)


def refuse_others(features: "Features", model: Model) -> None:
    """Raise where the model is not the one that was collected from, or the basis is not at hand."""
    refuse_other_model(features, model)
    if features.basis is None:
        raise InputError(f"{features.folder} was opened without its basis: Features.load(folder, basis=...) takes what computes the activations")


def refuse_other_model(features: "Features", model: Model) -> None:
    """Raise where the model is not the one that was collected from."""
    if model.hash != features.recipe.model_hash:
        raise CheckRefused(
            f"{features.folder} was collected from the model {features.recipe.model_hash[:8]}, and the model given is {model.hash[:8]}: "
            "load that one, or collect again"
        )


@torch.no_grad()
def read_codes(features: "Features", model: Model, rows: Sequence[Sequence[int]], logits: bool) -> Read:
    """Run the model as it is, and make the codes.

    Arguments:
        features: says where and in which basis.
        model: is run.
        rows: token ids.
        logits: whether they are wanted.
    """
    assert features.basis is not None
    run = model.run([list(row) for row in rows], read=list(features.site), logits=logits)
    x = torch.cat([by_place(run, site) for site in features.site], dim=-1).float().cpu()
    return Read(run, bases.codes(features.basis, x.flatten(0, 1)), (x.shape[0], x.shape[1]))


@torch.no_grad()
def without(
    features: "Features", model: Model, rows: Sequence[Sequence[int]], values: Float[Tensor, "batch pos"], latents: Sequence[int]
) -> Run:  # fmt: skip
    """Run the model, in each row without a latent.

    Arguments:
        features: says where and in which basis.
        model: is run.
        rows: token ids.
        values: the activations of the row's latent, 0 at padding.
        latents: of each row.
    """
    assert features.basis is not None
    directions = added_at(features.basis, features.writes)[list(latents)]
    taken = -values[..., None] * directions[:, None]
    spec = model.locate(features.writes)
    if spec.axes[-2:] == ("head", "d_head"):
        taken = taken.unflatten(-1, (model.n_heads, -1))
    return model.run([list(row) for row in rows], edits=[Add(features.writes, taken.to(model.device))])


def next_losses(logits: Float[Tensor, "batch pos vocab"], rows: Sequence[Sequence[int]]) -> list[Float[Tensor, " next"]]:
    """The loss of every token of each row after its first, in nats.

    Arguments:
        logits: of the rows.
        rows: token ids.
    """
    logits = logits.float().cpu()
    whole = logits.logsumexp(-1)
    return [whole[i, : len(row) - 1] - logits[i, torch.arange(len(row) - 1), torch.tensor(list(row[1:]))] for i, row in enumerate(rows)]
