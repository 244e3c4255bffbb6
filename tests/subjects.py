"""The tiny models that the matrix goes through, by name, and inputs that each of them takes."""

from collections.abc import Callable
from functools import partial

import torch
from tiny_models import FAMILIES, bare

import sonde


def small(family: str) -> sonde.Model:
    """A family's tiny model."""
    return sonde.Model(bare(family), name=family)


SUBJECTS: dict[str, Callable[[], sonde.Model]] = {family: partial(small, family) for family in FAMILIES}


def given(model: sonde.Model, seed: int) -> object:
    """Two rows that the model takes, drawn at random."""
    return torch.randint(model.architecture.d_vocab, (2, 6), generator=torch.Generator().manual_seed(seed))
