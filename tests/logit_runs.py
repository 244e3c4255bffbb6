"""Runs as a metric sees them: nothing but logits."""

import torch

from sonde.access.inputs import Inputs
from sonde.access.run import Run

LOGITS = torch.randn(3, 5, 7, generator=torch.Generator().manual_seed(0))


def run(lengths=(5, 5, 5)):
    """The logits of rows of these lengths, padded on the right."""
    return of(LOGITS, torch.arange(5)[None, :] < torch.tensor(lengths)[:, None])


def of(logits, mask=None):
    """A run of these logits, of rows without padding unless a mask tells of it."""
    return Run({}, logits, Inputs((), {}, len(logits), mask=torch.ones(logits.shape[:2]).bool() if mask is None else mask), "", ())
