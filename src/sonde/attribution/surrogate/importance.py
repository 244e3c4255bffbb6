"""Which columns a model uses: by permuting them, and by its gradient.

    permutation_g = mean | F(x) - F(x with the columns of g taken from other rows) |
    gradient_g    = mean | sum over the columns c of g of (x_c - mean of c) dF/dx_c |

Each is divided by its sum, and they are added (the probing and perturbing of papers on black boxes of many columns). Columns that are correlated by
more than 0.9 are one group: each could stand for the other, so that alone neither seems needed.
"""

from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from sonde.access import Model
from sonde.jobs import track
from sonde.results import SondeError
from sonde.tasks import Logit

CORRELATED = 0.9
ROWS = 256  # that columns are permuted in


def correlated_groups(inputs: Float[Tensor, "row column"], above: float = CORRELATED) -> list[list[int]]:
    """Columns in groups, within which one is reached from another over absolute correlations above a limit.

    >>> x = torch.randn(200, 1, generator=torch.Generator().manual_seed(0))
    >>> correlated_groups(torch.cat([x, torch.ones(200, 1), -2 * x], 1))
    [[0, 2], [1]]
    """
    centred = (inputs - inputs.mean(0)).double()
    unit = centred / centred.norm(dim=0).clamp(min=1e-12)
    near = (unit.T @ unit).abs() > above
    groups, left = [], set(range(inputs.shape[1]))
    while left:
        group, edge = set(), [min(left)]
        while edge:
            column = edge.pop()
            group.add(column)
            edge += [other for other in near[column].nonzero()[:, 0].tolist() if other not in group]
        groups.append(sorted(group))
        left -= group
    return groups


def importances(
    model: Model, scores: Callable[[Tensor], Tensor], inputs: Float[Tensor, "row column"], groups: Sequence[Sequence[int]], seed: int
) -> tuple[Float[Tensor, " group"], str]:
    """The importance of each group of columns, by permutation and gradient together; and a note where there is no gradient.

    Arguments:
        model: the model.
        scores: from inputs to what is explained, [row output].
        inputs: rows.
        groups: of columns.
        seed: of the rows and of their order.
    """
    generator = torch.Generator().manual_seed(seed)
    rows = inputs[torch.randperm(len(inputs), generator=generator)[:ROWS]]
    before, moved = scores(rows), []
    for group in track(groups, "permuting columns"):
        changed = rows.clone()
        changed[:, list(group)] = rows[torch.randperm(len(rows), generator=generator)][:, list(group)]
        moved.append(float((scores(changed) - before).abs().mean()))
    permuted = _shares(torch.tensor(moved))
    logits = model.run(rows).logits
    try:
        gradient = model.grad(rows, of=Logit(logits.argmax(-1)), at=":in")[":in"].cpu()
    except (SondeError, RuntimeError) as error:
        return permuted, f"importance by permutation alone: the model has no gradient here ({str(error).splitlines()[0]})"
    product = gradient * (rows - inputs.mean(0))
    sized = torch.stack([product[:, list(group)].sum(1).abs().mean() for group in groups])
    return (permuted + _shares(sized)) / 2, ""


def _shares(values: Float[Tensor, " group"]) -> Float[Tensor, " group"]:
    return values / values.sum().clamp(min=1e-12)
