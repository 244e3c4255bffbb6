"""Which directions of a layer's states does a lens read? Found one after the other, each orthogonal to those before it.

    M_v(h) = h + v v^T (mean - h),        sigma(v) = E_h KL(f(h) || f(M_v(h)))
    v_k = argmax sigma(v)  over  |v| = 1,  v orthogonal to v_1 ... v_k-1

f is a lens, M_v puts the states' mean in the place of what they are along v (mean ablation), and sigma is what the lens loses by it ("causal basis
extraction", Belrose et al. 2023, section 4.1). The search is by L-BFGS, from the best of some principal and random directions; it finds a maximum,
and nothing proves that it is the highest one.
"""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from sonde.access import Model
from sonde.evidence import random_directions
from sonde.jobs import track
from sonde.lens.divergence import Answer, Divergence

STARTS = 8  # principal directions, and as many random ones, of which the best is begun from
STEPS = 50  # of L-BFGS for each direction
TOGETHER = 256  # tokens whose logits are held at a time

Move = Callable[[Float[Tensor, "token d_model"]], Float[Tensor, "token d_model"]]
"""What a trained lens does to the states of its layer before they are read."""


class Influence:
    """sigma of a lens on some states.

    Arguments:
        model: that reads.
        states: of one layer.
        move: the lens; the logit lens leaves them where they are.
    """

    def __init__(self, model: Model, states: Float[Tensor, "token d_model"], move: Move):
        self.model, self.states, self.move = model, states.detach(), move
        self.mean = self.states.float().mean(0)
        self.divergence = Divergence(model)
        with torch.no_grad():
            self.answers = [Answer.of(model.unembed(move(part))) for part in self.states.split(TOGETHER)]

    def of(self, v: Float[Tensor, " d_model"]) -> tuple[float, Float[Tensor, " d_model"]]:
        """What the lens loses, in nats, when a direction is put at its mean, and the slope of that by the direction.

        Arguments:
            v: the direction, of any length.
        """
        total, slope = 0.0, torch.zeros_like(v)
        for part, answer in zip(self.states.split(TOGETHER), self.answers, strict=True):
            with torch.enable_grad():
                leaf = v.detach().clone().requires_grad_()
                normed = self.model.final(self.move(ablated(part.float(), self.mean, leaf / leaf.norm()).to(part.dtype)))
            lost, slopes = self.divergence.slopes(normed, answer)
            total += float(lost.sum())
            slope += torch.autograd.grad(normed, leaf, slopes.to(normed.dtype))[0]
        return total / len(self.states), slope / len(self.states)


def ablated(
    states: Float[Tensor, "*token d_model"], mean: Float[Tensor, " d_model"], v: Float[Tensor, " d_model"]
) -> Float[Tensor, "*token d_model"]:  # fmt: skip
    """States with their mean in the place of what they are along a unit vector.

    Arguments:
        states, mean: of one layer.
        v: the unit vector.
    """
    return states + ((mean - states) @ v)[..., None] * v


def extract(influence: Influence, k: int, seed: int, progress: bool) -> tuple[Float[Tensor, "k d_model"], Float[Tensor, " k"]]:
    """Orthonormal directions, the most influential first, and what the lens loses without each.

    Arguments:
        influence: what is maximised.
        k: how many.
        seed: of the random ones among the starts.
        progress: show a progress bar in a terminal.
    """
    centred = influence.states.float() - influence.mean
    starts = torch.cat([torch.linalg.svd(centred, full_matrices=False).Vh[:STARTS], random_directions(centred.shape[1], STARTS, seed).to(centred)])
    found: list[Tensor] = []
    for _ in track(range(k), "finding directions", shown=progress):
        taken = torch.stack(found) if found else centred[:0]
        begun = [free for free in (_free(start, taken) for start in starts) if bool(free.any())]
        found.append(_climb(influence, max(begun, key=lambda v: influence.of(v)[0]), taken))
    energies = torch.tensor([influence.of(v)[0] for v in found])
    order = energies.argsort(descending=True)
    return torch.stack(found)[order].cpu(), energies[order]


def _climb(influence: Influence, start: Tensor, taken: Tensor) -> Tensor:
    """The best direction near a start, orthogonal to those that are taken."""
    v = start.clone().requires_grad_()
    optimiser = torch.optim.LBFGS([v], max_iter=STEPS, line_search_fn="strong_wolfe")

    def closure() -> float:
        lost, slope = influence.of(_free(v.detach(), taken))
        # the slope by a unit vector, on the way back through normalising and projecting
        length = float((v.detach() - taken.T @ (taken @ v.detach())).norm())
        v.grad = -(slope - taken.T @ (taken @ slope)) / max(length, 1e-12)
        return -lost

    optimiser.step(closure)
    best = _free(v.detach(), taken)
    return best if influence.of(best)[0] >= influence.of(start)[0] else start


def _free(v: Tensor, taken: Tensor) -> Tensor:
    """A unit vector without what is taken, twice for the sake of rounding; zero where nothing is left."""
    for _ in range(2):
        v = v - taken.T @ (taken @ v)
        v = v / v.norm() if float(v.norm()) > 1e-6 else torch.zeros_like(v)
    return v
