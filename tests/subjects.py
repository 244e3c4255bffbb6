"""The tiny models that the matrix and the invariances go through, by name, and inputs that each of them takes."""

from collections.abc import Callable
from functools import cache, partial

import torch
from tiny_models import FAMILIES, bare

import sonde


def small(family: str) -> sonde.Model:
    """A family's tiny model."""
    return sonde.Model(bare(family), name=family)


SUBJECTS: dict[str, Callable[[], sonde.Model]] = {family: partial(small, family) for family in FAMILIES}


@cache
def subject_model(family: str) -> sonde.Model:
    """The family's tiny model, the same at every call."""
    return SUBJECTS[family]()


def of_tokens(family: str) -> bool:
    """Whether the family takes rows of tokens."""
    return True


def given(model: sonde.Model, seed: int) -> object:
    """Two rows that the model takes, drawn at random."""
    return torch.randint(model.architecture.d_vocab, (2, 6), generator=torch.Generator().manual_seed(seed))
