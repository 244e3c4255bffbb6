"""Which states a lens reads, and how: rows of a table, each with the site it is read from.

Of the stream there is a row for the embeddings, then one after each block (or after each half of it), and the last is the model itself. What
attention or an MLP adds may be read alone: then a row is what one block adds, through the same final norm and unembedding.
"""

from collections.abc import Callable
from typing import Literal, get_args

import torch
from jaxtyping import Float
from torch import Tensor

from sonde.access import Model, Run, Site
from sonde.results import InputError, SiteUnavailable, shown

Read = Literal["blocks", "halves", "attention", "mlp"]
"""What the rows are: the stream after each `blocks`, or after both `halves` of each; or what `attention` or the `mlp` of each block adds."""
TOLERANCE = {"float32": 1e-3, "float64": 1e-6}
COARSE = 5e-2  # of the largest logit, in half precision

Translate = Callable[[str, Float[Tensor, "token d_model"]], Float[Tensor, "token d_model"]]
"""What a trained lens does to the states of a site before they are read."""


def readable(model: Model) -> None:
    """Raise where a model has no states that its unembedding reads."""
    if not model.architecture.sites or model.architecture.images is not None:
        raise InputError(f"the logit lens needs a language model of a known family; {model.name} is {model.architecture.family!r}")
    if not model.architecture.unembed:
        model.final(torch.zeros(1, model.d_model))  # which says why there is none


def layer_sites(model: Model, read: Read = "blocks") -> dict[str, str]:
    """The rows of a lens: each one's name, and the site that it reads; the last row is the model itself.

    Arguments:
        model: a language model of a known family.
        read: what the rows are.

    Raises:
        InputError: another word for `read`. SiteUnavailable: a family whose blocks have no halves, or no MLP.
    """
    if read not in get_args(Read):
        raise InputError(f"read={shown(read)}: use {', '.join(map(repr, get_args(Read)))}")
    if read in ("attention", "mlp"):
        kind = {"attention": "attn.out", "mlp": "mlp.out"}[read]
        found = {f"{read} {i}": f"blocks.{i}.{kind}" for i in range(model.n_layers)}
    else:
        found = {"embed": "blocks.0.resid_pre"}
        for i in range(model.n_layers):
            if read == "halves":
                found[f"{i} attention"] = f"blocks.{i}.resid_mid"
            if i < model.n_layers - 1:
                found[str(i)] = f"blocks.{i}.resid_post"
    for site in found.values():
        model.locate(site)
    return found | {"model": f"blocks.{model.n_layers - 1}.resid_post"}


def layer_names(model: Model) -> list[str]:
    """The rows of the lens of the stream: the embedding, each block, and the last block as the model itself."""
    return list(layer_sites(model))


def layer_site(model: Model, layer: str) -> Site:
    """The residual stream that a row of the lens reads."""
    return Site(layer_sites(model)[layer])


def read_out(
    model: Model, resid: Float[Tensor, "*batch d_model"], rotation: Float[Tensor, "d_model d_model"] | None = None
) -> Float[Tensor, "*batch vocab"]:
    """Logits of residual states through the model's own final norm and unembedding; `rotation` turns the states first (the null reading)."""
    with torch.no_grad():
        return model.unembed(resid if rotation is None else resid @ rotation.to(resid)).float()


def prove_last(model: Model, run: Run) -> None:
    """Raise unless the last block's stream, read once through norm and unembedding, gives the model's own logits at each row's last token.

    Arguments:
        model: that is read.
        run: over the last block's stream, with all logits.
    """
    own = run.last_logits.float()
    read = read_out(model, run[f"blocks.{model.n_layers - 1}.resid_post[pos=-1]"])
    off, size = float((read - own).abs().max()), float(own.abs().max())
    if not off <= TOLERANCE.get(model.dtype, COARSE) * max(size, 1.0):
        raise SiteUnavailable(
            f"the last row of the lens would not be {model.name} itself (off by {off:.3g} where logits reach {size:.3g}): something that sonde does "
            "not know stands between its last block and its logits, so no layer can be read"
        )
