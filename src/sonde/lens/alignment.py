"""Do two changes of a prediction go the same way? The cosine of two differences of logits in Aitchison's geometry of probabilities.

    clr(x) = x - sum_i w_i x_i,        <x, y> = sum_i w_i clr(x)_i clr(y)_i,        similarity = <x, y> / sqrt(<x, x> <y, y>)

A difference of logits has no natural zero, since softmax forgets what is added to all of them: clr, the centred log-ratio, takes that out. The
weights w are probabilities, so that tokens that nobody expects do not count (Belrose et al. 2023, section 4.2).
"""

import torch
from jaxtyping import Float
from torch import Tensor


def aitchison_similarity(
    x: Float[Tensor, "*example vocab"], y: Float[Tensor, "*example vocab"], weights: Float[Tensor, "*example vocab"]
) -> Float[Tensor, "*example"]:
    """The cosine of two differences of logits; 0 where one of them changes nothing.

    Arguments:
        x, y: the differences.
        weights: probabilities.

    >>> x, w = torch.tensor([1.0, 2.0, 4.0]), torch.tensor([0.2, 0.5, 0.3])
    >>> [round(float(aitchison_similarity(x, y, w)), 4) for y in (3 * x + 7, -x)]
    [1.0, -1.0]
    """
    x, y = (side - (weights * side).sum(-1, keepdim=True) for side in (x, y))
    product, sizes = (weights * x * y).sum(-1), (weights * x * x).sum(-1) * (weights * y * y).sum(-1)
    return torch.where(sizes > 0, product / sizes.clamp(min=torch.finfo(sizes.dtype).tiny).sqrt(), 0.0)
