"""Tokens drawn from the softmax, whole and cut."""

import re

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sonde.access.sampling import Sampling
from sonde.results import InputError

LOGITS = torch.tensor([0.5, 3.0, -1.0, 2.0, 2.5])


def shares(sampling, logits=LOGITS, n=2000):
    generator = torch.Generator().manual_seed(0)
    return torch.bincount(torch.tensor([sampling.draw(logits, generator) for _ in range(n)]), minlength=len(logits)) / n


@pytest.mark.parametrize(
    "sampling, kept",
    [
        (Sampling(0.7), [0, 1, 2, 3, 4]),
        (Sampling(0.7, top_k=2), [1, 4]),
        (Sampling(0.7, top_k=99), [0, 1, 2, 3, 4]),
        (Sampling(0.7, top_p=1e-6), [1]),  # the likeliest always stays
        (Sampling(0.7, top_p=0.8), [1, 4]),  # .56 and .27 of the whole: the first alone is not enough
        (Sampling(0.7, top_p=1.0), [0, 1, 2, 3, 4]),
        (Sampling(0.7, top_k=3, top_p=0.9), [1, 4, 3]),  # .58, .28, .14 of the three
    ],
)
def test_shares_follow_the_softmax_of_what_is_kept(sampling, kept):
    expected = torch.zeros(5)
    expected[kept] = (LOGITS[kept] / 0.7).softmax(-1)
    assert (shares(sampling) - expected).abs().max() < 4 * (0.25 / 2000) ** 0.5


@given(st.lists(st.floats(-5, 5), min_size=1, max_size=8), st.integers(0, 1000))
def test_the_likeliest_needs_no_luck(logits, seed):
    logits = torch.tensor(logits)
    assert Sampling().draw(logits, torch.Generator().manual_seed(seed)) == logits.argmax()
    assert logits[Sampling(1.0, top_k=1).draw(logits, torch.Generator().manual_seed(seed))] == logits.max()


@pytest.mark.parametrize(
    "given, message",
    [
        ({"temperature": -1}, "temperature=-1: use 0 for the likeliest token, or a positive number"),
        ({"temperature": float("inf")}, "temperature=inf"),
        ({"temperature": 1, "top_k": 0}, "top_k=0: draw among 1 token or more, or leave it out"),
        ({"temperature": 1, "top_p": 0}, "top_p=0: give a probability above 0 and up to 1, or leave it out"),
        ({"temperature": 1, "top_p": float("nan")}, "top_p=nan"),
        ({"top_k": 3}, "top_k and top_p limit what is drawn, and temperature=0 draws nothing: give a temperature"),
        ({"top_p": 0.5}, "top_k and top_p limit what is drawn"),
    ],
)
def test_refused(given, message):
    with pytest.raises(InputError, match=re.escape(message)):
        Sampling(**given)
