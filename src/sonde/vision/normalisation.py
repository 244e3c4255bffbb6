"""From a picture in red, green and blue (0 to 1) to what a network takes: x' = (scale x - mean) / std, channel by channel.

It is an argument everywhere and never guessed: a network under another normalisation answers as well, and wrongly.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from sonde.access import Model
from sonde.results import InputError, shown


@dataclass(frozen=True)
class Normalisation:
    """What is done to a picture before a network sees it.

    Arguments:
        mean, std: for each channel, as the network takes them, or one for all.
        scale: what a picture from 0 to 1 is multiplied by first; 255 for networks that take bytes.
        order: the order of the channels that the network takes: "rgb" or "bgr".

    Raises:
        InputError: another order, a deviation that is not above 0, or a scale of 0.

    >>> Normalisation((104.0, 117.0, 123.0), scale=255.0, order="bgr")(torch.ones(1, 3, 1, 1)).flatten()
    tensor([151., 138., 132.])
    """

    mean: tuple[float, ...] = (0.0,)
    std: tuple[float, ...] = (1.0,)
    scale: float = 1.0
    order: str = "rgb"

    def __post_init__(self) -> None:
        object.__setattr__(self, "mean", tuple(map(float, self.mean)))
        object.__setattr__(self, "std", tuple(map(float, self.std)))
        if self.order not in ("rgb", "bgr"):
            raise InputError(f"order={shown(self.order)}: a network takes its channels as 'rgb' or 'bgr'")
        if not self.mean or min(self.std, default=0) <= 0 or not self.scale:
            raise InputError(f"{self}: give a mean and a deviation above 0 for each channel or for all, and a scale that is not 0")

    def __call__(self, pictures: Float[Tensor, "picture channel row col"]) -> Float[Tensor, "picture channel row col"]:
        """Pictures as the network takes them.

        Arguments:
            pictures: from 0 to 1, red first.

        Raises:
            InputError: another number of channels.
        """
        channels = pictures.shape[1]
        if wrong := [len(one) for one in (self.mean, self.std) if len(one) not in (1, channels)]:
            raise InputError(f"the normalisation has {wrong[0]} channels and the pictures {channels}: they must agree")
        if self.order == "bgr":
            pictures = pictures.flip(1)
        mean, std = (torch.tensor(one, dtype=pictures.dtype, device=pictures.device)[:, None, None] for one in (self.mean, self.std))
        return (self.scale * pictures).sub_(mean).div_(std)  # what was just made is changed in place: fresh memory costs more than the arithmetic


AS_IT_IS = Normalisation()
IMAGENET = Normalisation((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
NAMED = {"none": AS_IT_IS, "imagenet": IMAGENET}


def normalisation(model: Model, given: Normalisation | str | None) -> Normalisation:
    """The normalisation that is meant: the one that was given, or that of the model's own image processor.

    Arguments:
        model: the network.
        given: a normalisation, "none" (pictures from 0 to 1 as they are), "imagenet" (its usual means and deviations), or nothing.

    Raises:
        InputError: none was given, and the model has no image processor that says it.
    """
    if isinstance(given, Normalisation):
        return given
    if isinstance(given, str) and given in NAMED:
        return NAMED[given]
    if given is not None:
        raise InputError(f"normalise={shown(given)}: give a sonde.vision.Normalisation, 'none' (pictures from 0 to 1) or 'imagenet'")
    processor = model.processor
    if processor is None:
        raise InputError(
            f"{model.name} has no image processor that says how its pictures are scaled: state it with normalise=, a sonde.vision.Normalisation, "
            "'none' (pictures from 0 to 1) or 'imagenet'"
        )
    scale = 255 * processor.rescale_factor if processor.do_rescale else 255.0
    if not processor.do_normalize:
        return Normalisation(scale=scale)
    return Normalisation(tuple(processor.image_mean), tuple(processor.image_std), scale)
