"""What would one more step of training on some sequences do? The weights move against the gradient of their loss, by a length that is given:

    theta' = theta - s |theta| grad / |grad|.

It costs a pass, where training again costs all of them. It is no removal: a step tells in which direction the sequences pull the weights now.
"""

import copy
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from sonde.access import Model
from sonde.influence.examples import Examples, examples_of
from sonde.influence.losses import Loss, NextToken
from sonde.influence.rows import TokenRows
from sonde.jobs import track
from sonde.results import InputError, shown

SHARE = 1e-4
"""Small enough that twice the step does twice as much, and large enough to be told from rounding."""

TOGETHER = 16  # sequences in a pass


def stepped(model: Model, examples: object, share: float = SHARE, loss: Loss | None = None) -> Model:
    """A copy of a model after one step of training; the model itself stays as it is.

    Arguments:
        model: a handle.
        examples: what the step is made on, as for `fit`.
        share: the length of the step, as a share of that of all weights; below zero it unlearns.
        loss: of an example; by default that of language models.

    Raises:
        InputError: a share that is zero or no number; examples on which no weight has a gradient.

    >>> import sonde
    >>> model = sonde.load("specimen:words-small")
    >>> after = stepped(model, ["The keys are here."])
    >>> bool(after.run("The keys").logits[0, -1].softmax(-1)[model.tokenizer.single(" are")] > 0)
    True
    """
    if isinstance(share, bool) or not isinstance(share, int | float) or not abs(share) > 0 or share != share or abs(share) == float("inf"):
        raise InputError(f"share={shown(share)}: a step has a length, such as 0.0001 of the weights'")
    other = Model(copy.deepcopy(model.module).eval().requires_grad_(True), model.tokenizer, model.name, model.processor)
    found = examples_of(other, examples, "examples")
    _move(other.module, _slope(other.module, found, loss or NextToken()), share * _norm(list(other.module.parameters())))
    other.module.requires_grad_(False)
    return other


def gradient_lengths(model: Model, rows: Sequence[Sequence[int]]) -> Float[Tensor, " row"]:
    """The length of the gradient of each sequence's loss, in all weights together.

    Arguments:
        model: a language model.
        rows: token ids.
    """
    module, found = copy.deepcopy(model.module).eval().requires_grad_(True), []
    for row in track(rows, "lengths"):
        with torch.enable_grad():
            loss = NextToken()(module, TokenRows(model, [row], [1]).batch([0])).sum()
            grads = torch.autograd.grad(loss, list(module.parameters()), allow_unused=True)
        found.append(_norm([grad for grad in grads if grad is not None]))
    return torch.tensor(found)


def aligned(
    model: Model, rows: Sequence[Sequence[int]], asked: object, value: Loss, lengths: Float[Tensor, " row"], share: float = SHARE
) -> Float[Tensor, " row"]:  # fmt: skip
    """How far training on sequences raises a value: the cosine of -grad loss_i with grad value, without a backward pass through the sequences.

    The weights go a step along grad value, and one against it; by how much less a sequence costs there is its slope along that line.

    Arguments:
        model: a language model.
        rows: token ids of the sequences.
        asked: examples whose value is meant, as for `fit`.
        value: of an example, `(module, batch) -> one number per example`; the mean over examples is taken.
        lengths: of the sequences' gradients, from `gradient_lengths`.
        share: the length of the steps.

    Returns:
        From -1 to 1, up to the curvature along the steps.
    """
    module = copy.deepcopy(model.module).eval().requires_grad_(True)
    slope = _slope(module, examples_of(model, asked, "asked"), value)
    step = share * _norm(list(module.parameters()))
    _move(module, slope, -step)
    above = _losses(model, module, rows)
    _move(module, slope, 2 * step)
    return ((_losses(model, module, rows) - above) / (2 * step) / lengths.double().clamp(min=1e-12)).float()


def _slope(module: nn.Module, examples: Examples, loss: Loss) -> list[Tensor]:
    """The direction in which the mean loss rises, of length 1; zero in weights that it does not depend on."""
    weights = list(module.parameters())
    with torch.enable_grad():
        found = torch.autograd.grad(loss(module, examples.batch(range(len(examples)))).mean(), weights, allow_unused=True)
    grads = [torch.zeros_like(weight) if grad is None else grad for weight, grad in zip(weights, found, strict=True)]
    length = _norm(grads)
    if not length > 0:
        raise InputError("the loss of these examples has no gradient in any weight, so a step on them has no direction")
    return [grad / length for grad in grads]


def _move(module: nn.Module, slope: Sequence[Tensor], length: float) -> None:
    with torch.no_grad():
        for weight, grad in zip(module.parameters(), slope, strict=True):
            weight.sub_(length * grad)


def _losses(model: Model, module: nn.Module, rows: Sequence[Sequence[int]]) -> Float[Tensor, " row"]:
    """The loss of each sequence; those of like length together, so that little is padded."""
    order, found = sorted(range(len(rows)), key=lambda i: len(rows[i])), torch.zeros(len(rows), dtype=torch.float64)
    for i in range(0, len(rows), TOGETHER):
        some = order[i : i + TOGETHER]
        with torch.no_grad():
            batch = TokenRows(model, [rows[j] for j in some], [1] * len(some)).batch(range(len(some)))
            found[some] = NextToken()(module, batch).double().cpu()
    return found


def _norm(parts: list[torch.Tensor] | list[nn.Parameter]) -> float:
    return float(torch.stack([part.detach().double().norm() for part in parts]).norm())
