"""A subject for tests: its jobs take no time and no library."""

import sys

from bench.subjects.trial import Stratum, Trial


def counting(device):
    """Every repeat is told how many came before it."""
    done = []
    return Trial(done.append, before=lambda: len(done) + 1, times=3, note=device)


def chatty(device):
    print("something that a library prints")
    return Trial(lambda: print("and again"))


def failing(device):
    raise ImportError("no such library\nsecond line")


def dying(device):
    sys.exit(3)


def numbers(device):
    import torch

    return Trial(lambda: torch.arange(4.0), lambda found: {"a": found.view(2, 2), "b": found + 0.5})


def fewer_numbers(device):
    """What another library has of these: one of the two, packed in one axis."""
    import torch

    return Trial(lambda: torch.tensor([0, 1, 2, 3.25]), lambda found: {"a": found, "c": found})


def other_numbers(device):
    import torch

    return Trial(lambda: torch.zeros(4), lambda found: {"c": found})


def sampling(device):
    """Cells that take no time, and are checked by another way."""
    import torch

    done = []
    return Trial(
        done.append, lambda found: {"a": torch.tensor(found)}, strata=(Stratum((1, 2), 20), Stratum((3,), 1)), checked=lambda: [0.0, 1, 2, 3]
    )
