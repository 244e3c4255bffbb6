"""A model of which no complete attribution says what a reader would like to know: what happens if this column is raised?

    f(x) = x_1 + height * max(0, 1 - |x_0 - centre| / width)

At x = (1, 1), with zero for what is absent, the column x_0 gets exactly 0 from the gradient, gradient x input, integrated gradients, occlusion and
Shapley values, for f does not depend on x_0 anywhere between baseline and input, nor around the input. Raised a little further the output leaps by
`height`. (After Bilodeau, Jaques, Koh and Kim 2024, "Impossibility theorems for feature attribution": for rich classes of models no attribution that
is complete and linear need say more than a guess about such questions.) What does say it is the question itself: `direct_query`.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn


class LocalBump(nn.Module):
    """The scorer f of the counterexample.

    Arguments:
        height: of the bump.
        centre: of the bump along the first column.
        width: from its centre to where it ends; less than centre - 1, or it reaches the input (1, 1).

    >>> LocalBump()(torch.tensor([[1.0, 1.0], [1.5, 1.0]]))
    tensor([[ 1.],
            [11.]])
    """

    def __init__(self, height: float = 10.0, centre: float = 1.5, width: float = 0.4) -> None:
        super().__init__()
        self.bump = nn.Parameter(torch.tensor([height, centre, width]), requires_grad=False)

    def forward(self, rows: Float[Tensor, "row 2"]) -> Float[Tensor, "row 1"]:
        height, centre, width = self.bump
        return rows[:, 1:] + height * (1 - (rows[:, :1] - centre).abs() / width).relu()
