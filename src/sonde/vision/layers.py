"""Where the maps of a layer are: a unit is a channel of a convolution, an entry of a transformer's vector at each patch, or a coordinate of a basis.

Whatever the layer, its value becomes (picture, unit, row, col); a layer without places becomes (picture, unit). Positions before a transformer's
patches (the class token) have no place in the picture and are left out.
"""

from jaxtyping import Float
from torch import Tensor, nn

from sonde.access import Model
from sonde.access.architectures import Images
from sonde.results import InputError, SiteUnavailable, shown

SIZE = 128  # of pictures for networks that take any


def site_of(model: Model, layer: str) -> str:
    """The site that is meant by the name of a layer: a site as it is, or the output of the module at that path.

    Arguments:
        model: the network.
        layer: a site, such as "fire2:out" or "blocks.3.mlp.post", or a module's path, such as "fire2".

    Raises:
        UnknownSite: no such place.

    >>> import sonde
    >>> site_of(sonde.load("specimen:digits"), "blocks.0.conv")
    'blocks.0.conv:out'
    """
    if not isinstance(layer, str) or not layer:
        raise InputError(f"{shown(layer)} is no layer: give a site such as 'fire2:out', or the path of a module")
    modules = {name for name, _ in model.module.named_modules()}
    known = layer.partition("[")[0] in model.site_names
    return f"{layer}:out" if layer in modules and not known else layer


def as_maps(
    model: Model, site: str, value: Float[Tensor, "picture *axis"], axes: tuple[str, ...], size: tuple[int, int]
) -> Float[Tensor, "picture unit *place"]:
    """What was read at a site as maps, (picture unit row col), or (picture unit) where the layer has no places.

    Arguments:
        model: the network.
        site: where it was read.
        value: what was read.
        axes: the names of its axes, the batch first.
        size: rows and columns of the pictures that were shown.

    Raises:
        SiteUnavailable: a site that has neither.
    """
    named = axes[1:]
    if set(named) in ({"channel", "row", "col"}, {"feature", "row", "col"}):
        return value.movedim([1 + named.index("row"), 1 + named.index("col")], [-2, -1])
    if len(named) == 1:
        return value
    tower = model.architecture
    if len(named) != 2 or named[0] not in ("pos", "patch") or tower.images is None:
        raise SiteUnavailable(f"{site!r} has the axes {' '.join(axes)}, which are no maps: name a convolution, or a site of an image encoder")
    patches = value[:, tower.specials if named[0] == "pos" else 0 :].transpose(1, 2)
    n, (rows, cols) = patches.shape[-1], size
    down = max(1, round((n * rows / cols) ** 0.5))
    if down * (n // down) != n:
        raise SiteUnavailable(f"{site!r}: {n} patches of pictures of {rows} x {cols} make no grid, so they have no places")
    return patches.unflatten(-1, (down, n // down))


def refuse_others(model: Model) -> None:
    """Raise where a model takes texts, or pictures and texts together.

    Arguments:
        model: any.

    Raises:
        InputError: it is no network of pictures alone.
    """
    if model.architecture.towers or (model.architecture.images is None and (model.architecture.d_vocab or model.tokenizer is not None)):
        raise InputError(f"{model.name} is no network of pictures alone: load one, or the image encoder of this one by itself")


def images_of(model: Model) -> Images | None:
    """The pictures that a network says it takes: its architecture, or a configuration with an `image_size`; `None` where neither does.

    Arguments:
        model: the network.
    """
    config = getattr(model.module, "config", None)
    size = getattr(config, "image_size", None)
    if model.architecture.images is not None or not isinstance(size, int):
        return model.architecture.images
    channels = getattr(config, "image_channels", None) or getattr(config, "num_channels", None) or _entering(model)
    return Images(channels, size, size)


def view_of(model: Model) -> tuple[int, int] | None:
    """The size that a network takes, where it takes one only.

    Arguments:
        model: the network.
    """
    images = images_of(model)
    return None if images is None or images.resizable else (images.rows, images.cols)


def fitting(model: Model) -> tuple[int | tuple[int, int], int]:
    """The size and the channels of pictures for a network; of one that says neither 128, and as many as its first convolution reads.

    Arguments:
        model: the network.
    """
    images = images_of(model)
    return (SIZE, _entering(model)) if images is None else ((images.rows, images.cols), images.channels)


def _entering(model: Model) -> int:
    first = next((module for module in model.module.modules() if isinstance(module, nn.Conv2d)), None)
    return 3 if first is None else first.in_channels
