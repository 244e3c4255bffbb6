"""Maps of a picture inside a network: where the last ones are, and how the patches of a transformer become one."""

from typing import Any

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import interpolate

from sonde.access import Model
from sonde.access.architectures import Architecture
from sonde.access.inputs import Given
from sonde.access.removal import Question
from sonde.access.run import Run
from sonde.results import InputError, SiteUnavailable


def last_maps(model: Model, inputs: Given) -> str:
    """The site of a network's last maps with more than one place.

    Arguments:
        model: the model.
        inputs: what it is run on to see which of its convolutions comes last; of a tensor one picture is enough.

    Returns:
        The output of the last convolution; in a transformer what enters the last block, where patches still count.

    Raises:
        InputError: no maps, or convolutions that run more than once.
    """
    tower = vision(model)
    if tower is not None:
        return f"{tower.prefix}blocks.{tower.n_layers - 1}.resid_pre"
    convolutions = [f"{path}:out" for path, module in model.module.named_modules() if isinstance(module, nn.Conv2d)]
    if not convolutions:
        raise InputError(f"{model.name} has no convolution (nn.Conv2d), so name the site of its maps with at=")
    try:
        run = model.run(inputs[:1] if isinstance(inputs, Tensor) else inputs, read=convolutions)
    except SiteUnavailable as error:
        raise InputError(f"the last maps can't be told: name their site with at= ({error})") from None
    spread = [site for site in run if run[site].ndim == 4 and run[site][0, 0].numel() > 1]
    if not spread:
        raise InputError(f"no convolution of {model.name} gives maps of more than one place: name another site with at=")
    return spread[-1]


def vision(model: Model) -> Architecture | None:
    """The transformer of images in a model; `None` where there is none.

    Arguments:
        model: the model.
    """
    towers = model.architecture.towers or (model.architecture,)
    return next((tower for tower in towers if tower.images is not None and tower.n_layers), None)


def as_maps(question: Question, values: Float[Tensor, "example *axis"]) -> Float[Tensor, "example channel row col"]:
    """Values of a site as maps; special tokens, which have no place in the picture, are dropped.

    Arguments:
        question: what is asked, at a site of maps or of a transformer's patches.
        values: shaped as the site.

    Raises:
        InputError: a site that holds no maps.
    """
    if question.axes == ("channel", "row", "col"):
        return values
    tower = vision(question.model)
    if tower is None or question.axes not in (("pos", "d_model"), ("patch", "d_model")):
        raise InputError(
            f"{question.site!r} has the axes {' '.join(question.axes)}, which are no maps: name a convolution, or a residual site of an image encoder"
        )
    patches = values[:, tower.specials if question.axes[0] == "pos" else 0 :]
    rows, cols = pictures(question.run).shape[2:]
    n = patches.shape[1]
    down = round((n * rows / cols) ** 0.5)
    if down * (n // max(down, 1)) != n:
        raise InputError(f"{n} patches of pictures of {rows} x {cols} make no grid: name a site with a place for each patch")
    return patches.transpose(1, 2).unflatten(-1, (down, n // down))


def pictures(run: Run) -> Float[Tensor, "example channel row col"]:
    """The pictures that were run.

    Arguments:
        run: of a model of pictures.

    Raises:
        InputError: inputs that hold none.
    """
    given: list[Any] = [*run.inputs.args, *run.inputs.kwargs.values()]
    found = next((value for value in given if isinstance(value, Tensor) and value.ndim == 4 and value.is_floating_point()), None)
    if found is None:
        raise InputError("the inputs hold no pictures (batch channel row col), so there is nothing to draw a map over")
    return found


def spread_over(
    maps: Float[Tensor, "example row col"], shown: Float[Tensor, "example channel height width"]
) -> Float[Tensor, "example height width"]:
    """Coarse maps blended (bilinearly) over the pictures that they speak of.

    Arguments:
        maps: one for each picture.
        shown: the pictures.
    """
    return interpolate(maps[:, None], size=shown.shape[2:], mode="bilinear", align_corners=False)[:, 0]
