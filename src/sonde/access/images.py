"""Images as a model takes them: tensors that are ready, or pictures that go through the model's own image processor."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from sonde.access.architectures import Images
from sonde.results import InputError, shown

IMAGES = ("pixel_values", "images")  # the names under which inputs hold images


def pixels(given: Any, expected: Images, processor: Any, device: torch.device) -> tuple[Tensor, tuple[str, ...]]:
    """A batch of images, and what was decided.

    Arguments:
        given: a tensor (batch channel row col) that is scaled as the model wants it, or pictures for the processor: one or a list of them.
        expected: the images that the model takes.
        processor: a transformers image processor; `None` where there is none.
        device: of the model.

    Raises:
        InputError: what is no image, or not of the model's size.
    """
    if isinstance(given, Tensor):
        return _checked(given, expected).to(device), ()
    pictures = list(given) if isinstance(given, list | tuple) else [given]
    if not pictures or not all(_is_picture(picture) for picture in pictures):
        raise InputError(f"{shown(given)} is no image: give a tensor (batch channel row col), pictures, or {{'pixel_values': tensor}}")
    if processor is None:
        raise InputError(
            "this model has no image processor (the one beside its weights needs Pillow): give a tensor (batch channel row col), or processor="
        )
    values = torch.as_tensor(processor(images=pictures, return_tensors="pt")["pixel_values"])
    return _checked(values, expected).to(device), (f"pictures prepared by the model's {type(processor).__name__}",)


def named(given: Mapping[str, Any]) -> Any:
    """The images among inputs by name; `None` where there are none."""
    return next((given[name] for name in IMAGES if name in given), None)


def _checked(values: Tensor, expected: Images) -> Tensor:
    whole = " ".join(map(str, (expected.channels, expected.rows, expected.cols)))
    if values.ndim != 4 or values.shape[1] != expected.channels or not values.shape[0]:
        hint = "; one image is a batch of one: image[None]" if values.ndim == 3 else ""
        raise InputError(f"images must be batch channel row col, here (batch {whole}); got {' '.join(map(str, values.shape))}{hint}")
    if not values.is_floating_point():
        raise InputError(f"pixel values are floating-point numbers, scaled as the model wants them; got {values.dtype}: let a processor prepare them")
    if not expected.resizable and values.shape[2:] != (expected.rows, expected.cols):
        raise InputError(f"this model takes images of {expected.rows} x {expected.cols}, got {values.shape[2]} x {values.shape[3]}: resize them")
    return values


def _is_picture(value: Any) -> bool:
    """An array (row col channel) or a picture of Pillow."""
    return hasattr(value, "__array_interface__") and not isinstance(value, Tensor)
