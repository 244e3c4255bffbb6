"""The tiny models that the matrix and the invariances go through, by name, and inputs that each of them takes."""

from collections.abc import Callable
from functools import cache, partial

import tiny_encoders
import torch
from tiny_families import DECODERS, build
from tiny_models import NATIVE, bare
from torch import nn

import sonde


def handle(make: Callable[[str], nn.Module], family: str) -> sonde.Model:
    """A family's tiny model, under a kernel that can be recorded."""
    module = make(family)
    kernel = sonde.Model(module).architecture.kernel
    if kernel is not None and kernel.name(module) not in kernel.known:  # Falcon's fused attention is not equal to its eager one
        module.config._attn_implementation = "eager"
    return sonde.Model(module, name=family)


DECODER_SUBJECTS: dict[str, Callable[[], sonde.Model]] = {
    **{family: partial(handle, bare, family) for family in NATIVE},
    **{family: partial(handle, build, family) for family in DECODERS},
}
SUBJECTS = DECODER_SUBJECTS | {family: partial(handle, tiny_encoders.build, family) for family in tiny_encoders.ENCODERS}


@cache
def subject_model(family: str) -> sonde.Model:
    """The family's tiny model, the same at every call."""
    return SUBJECTS[family]()


def given(model: sonde.Model, seed: int) -> object:
    """What the model takes, drawn at random: two rows of tokens or images, or three texts beside two images."""
    if model.name in DECODER_SUBJECTS:
        return torch.randint(model.architecture.d_vocab, (2, 6), generator=torch.Generator().manual_seed(seed))
    return tiny_encoders.inputs(model, seed)
