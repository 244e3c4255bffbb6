"""How queries and keys become attention scores in a family: measured on the model itself, not told by its name.

Families divide by the root of the head's width, by another number, or by the layer's; some rotate; some norm queries and keys, or cap the scores,
so that the score is no product of the two any more. One token by itself stands at position 0, where a rotation turns nothing: there the score is
scale x (q . k), or the family is refused.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from sonde.access import Model, Set
from sonde.results import InputError, SiteUnavailable, shown

TOKENS = 16
OFF = 1e-3
"""Share of the scores by which a product may miss them."""


def score_scale(model: Model, layer: int) -> float:
    """What the product of query and key is multiplied by before the softmax.

    Arguments:
        model: of a known family.
        layer: of the block.

    Raises:
        SiteUnavailable: scores that are no such product.
    """
    site = f"blocks.{layer}.attn"
    tokens = torch.randperm(model.architecture.d_vocab, generator=torch.Generator().manual_seed(0))[:TOKENS].tolist()
    run = model.run([[token] for token in tokens], read=[f"{site}.q", f"{site}.k", f"{site}.scores"], logits=False)
    q, k = run[f"{site}.q"][:, 0].double(), run[f"{site}.k"][:, 0].double()
    products = (q * k.repeat_interleave(q.shape[1] // k.shape[1], 1)).sum(-1)
    scores = run[f"{site}.scores"][..., 0, 0].double()
    squares = float((products * products).sum())
    scale = float((scores * products).sum()) / squares if squares else model.architecture.d_head**-0.5
    if float((scores - scale * products).norm()) > OFF * float(scores.norm()):
        raise SiteUnavailable(
            f"attention scores of block {layer} of {model.name} ({model.architecture.family}) are no product of queries and keys: a norm or a cap of "
            f"their own comes between, so there is no map for them; read '{site}.scores' on a text"
        )
    return scale


def rotation(model: Model, layer: int, distance: int) -> Float[Tensor, "d_head d_head"]:
    """What turns a query when its key stands so many positions behind: q R k^T is their product.

    Read off the family's own code: unit vectors are written as queries at that position.

    Arguments:
        model: of a known family.
        layer: of the block.
        distance: in positions, 0 or more.

    Raises:
        SiteUnavailable: a family that shows no rotated queries. InputError: a distance that the context does not allow.
    """
    if not isinstance(distance, int) or distance < 0 or (model.context and distance >= model.context):
        raise InputError(f"distance={shown(distance)}: give a number of positions from 0 to {(model.context or 1) - 1}")
    d_head, site = model.architecture.d_head, f"blocks.{layer}.attn"
    model.locate(f"{site}.q_rot")
    units = torch.eye(d_head, device=model.device)[:, None, None, :].expand(-1, distance + 1, model.n_heads, -1)
    run = model.run([[0] * (distance + 1)] * d_head, read=f"{site}.q_rot", edits=Set(f"{site}.q", units), logits=False)
    turned = run[f"{site}.q_rot"][:, :, 0].float().cpu()
    size = turned[:, 0].diagonal().mean()  # some families scale queries before they compare them; `score_scale` has that in it
    if not torch.allclose(turned[:, 0], size * torch.eye(d_head), atol=1e-3 * float(size)):
        raise SiteUnavailable(
            f"queries of block {layer} of {model.name} ({model.architecture.family}) are changed at position 0 already: no rotation"
        )
    return turned[:, distance] / size
