"""Grad-CAM: the last maps of a network, weighted by how much the metric depends on each.

    Grad-CAM    w_c = mean_uv g_cuv                                   map = ReLU(sum_c w_c A_c)
    Grad-CAM++  w_c = sum_uv a_cuv ReLU(g_cuv),   a = g^2 / (2 g^2 + g^3 sum_ab A_cab)

(Selvaraju et al. 2017; Chattopadhay et al. 2018.) A is the site's value, g its gradient. One weight for a whole map is right where the maps are
averaged over their places before the classes are read; where a head looks at places one by one, a note says so, and the map may point anywhere.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from sonde.access import Metric, Model
from sonde.access.inputs import Given
from sonde.access.removal import Question
from sonde.attribution.guided import guided_backpropagation
from sonde.attribution.maps import as_maps, last_maps, pictures, spread_over
from sonde.attribution.question import answer, differentiate, given
from sonde.attribution.results import Attribution
from sonde.results import InputError
from sonde.tasks import Task

UNEVEN = 0.05  # how far slopes at the places of a map may differ before a note is made, as a share of their size

Maps = Float[Tensor, "example channel row col"]


def grad_cam(model: Model, task: Task | Given, of: Metric | None = None, *, at: str | None = None, rectified: bool = True) -> Attribution:
    """Attribute a metric to places of a picture by the last maps of the network.

    Arguments:
        model: a network of pictures: convolutions, or a transformer over patches.
        task: pictures (then with `of`), or a task.
        of: the metric; by default the task's.
        at: the site of the maps, such as "features.7:out" or "blocks.10.resid_pre"; by default the output of the last convolution with more
            than one place, or what enters a transformer's last block. The result names it.
        rectified: keep what speaks for the metric only, as the paper does; otherwise the map is signed.

    Returns:
        A map for each picture, blended over its pixels.

    Raises:
        InputError: no maps, no metric, or inputs that do not fit the model.

    >>> import sonde
    >>> from sonde.specimens.digits import held_out
    >>> pictures, digits = held_out()
    >>> result = grad_cam(sonde.load("specimen:digits"), pictures[:2], of=sonde.tasks.Logit(digits[:2]))
    >>> result.site, result.values.shape
    ('blocks.2.conv:out', torch.Size([2, 8, 8]))
    """
    question, A, g = _maps(model, task, of, at)
    return _answer(question, "Grad-CAM", "grad_cam", A, g, g.mean((2, 3)), at, rectified)


def grad_cam_plus_plus(
    model: Model, task: Task | Given, of: Metric | None = None, *, at: str | None = None, rectified: bool = True
) -> Attribution:  # fmt: skip
    """Attribute a metric to places of a picture, each place of a map with a weight of its own in that map's weight.

    Arguments:
        model: a network of pictures: convolutions, or a transformer over patches.
        task: pictures (then with `of`), or a task.
        of: the metric; by default the task's.
        at: the site of the maps, as for `grad_cam`.
        rectified: keep what speaks for the metric only; otherwise the map is signed.

    Returns:
        A map for each picture, blended over its pixels.

    Raises:
        InputError: no maps, no metric, or inputs that do not fit the model.

    >>> import sonde
    >>> from sonde.specimens.digits import held_out
    >>> pictures, digits = held_out()
    >>> grad_cam_plus_plus(sonde.load("specimen:digits"), pictures[:2], of=sonde.tasks.Logit(digits[:2])).method
    'Grad-CAM++ (unsigned)'
    """
    question, A, g = _maps(model, task, of, at)
    below = 2 * g.square() + g**3 * A.sum((2, 3), keepdim=True)
    shares = torch.where(below == 0, 0, g.square() / below.masked_fill(below == 0, 1))
    return _answer(question, "Grad-CAM++", "grad_cam_plus_plus", A, g, (shares * g.relu()).sum((2, 3)), at, rectified)


def guided_grad_cam(model: Model, task: Task | Given, of: Metric | None = None, *, at: str | None = None) -> Attribution:
    """Attribute a metric to pixels: guided backpropagation where Grad-CAM's map is.

    Arguments:
        model: a network of convolutions and ReLUs.
        task: pictures (then with `of`), or a task.
        of: the metric; by default the task's.
        at: the site of the maps, as for `grad_cam`.

    Raises:
        InputError: no maps, no metric, or inputs that do not fit the model. SiteUnavailable: a network without ReLUs, or with other rectifiers.

    >>> import sonde
    >>> from sonde.specimens.digits import held_out
    >>> pictures, digits = held_out()
    >>> guided_grad_cam(sonde.load("specimen:digits"), pictures[:2], of=sonde.tasks.Logit(digits[:2])).values.shape
    torch.Size([2, 1, 8, 8])
    """
    coarse, fine = grad_cam(model, task, of, at=at), guided_backpropagation(model, task, of)
    question = Question.ask(model, *given(task, of))
    notes = (f"the map is that of {coarse.site}", *coarse.notes)
    return answer(question, "guided Grad-CAM", coarse.values[:, None] * fine.values, "guided_grad_cam", {"at": at}, notes=notes)


def _maps(model: Model, task: Task | Given, of: Metric | None, at: str | None) -> tuple[Question, Maps, Maps]:
    """The maps, and the slopes of the metric at them."""
    inputs, metric = given(task, of)
    question, slopes = differentiate(model, inputs, metric, at or last_maps(model, inputs))
    A, g = as_maps(question, question.value), as_maps(question, slopes)
    if not g.any():
        raise InputError(
            f"no place of the maps at {question.site!r} has a gradient (a head that reads the class token alone sees no patch there): "
            "name an earlier site with at="
        )
    return question, A, g


def _answer(
    question: Question, method: str, function: str, A: Maps, g: Maps, weights: Float[Tensor, "example channel"], at: str | None, rectified: bool
) -> Attribution:  # fmt: skip
    maps = torch.einsum("ec,ecrq->erq", weights, A)
    shown = pictures(question.run)
    values = spread_over(maps.relu() if rectified else maps, shown)
    return answer(
        question, f"{method} (unsigned)" if rectified else method, values, function, {"at": at, "rectified": rectified},
        axes=("row", "col"), pictures=shown, notes=_uneven(A, g),
    )  # fmt: skip


def _uneven(A: Maps, g: Maps) -> tuple[str, ...]:
    """A note where the places of a map count differently, so that their mean is not what any of them counts."""
    on = A > 0  # a ReLU behind the maps lets nothing through elsewhere
    slopes = g * on
    # the maps are the largest tensors here: the squares about the mean come from sums, without a further tensor of their size
    squares = torch.linalg.vector_norm(slopes, dim=(2, 3)).square()
    about = squares - slopes.sum((2, 3)).square() / on.count_nonzero((2, 3)).clamp(min=1)
    apart = float((about.clamp(min=0).sum() / squares.sum().clamp(min=1e-30)).sqrt())
    if apart <= UNEVEN:
        return ()
    return (f"the slopes at the places of a map differ (by {apart:.0%} of their size), as no average follows: one weight for a map is a guess",)
