"""Closed forms of the measures, and what unreadable answers count."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sonde.features.descriptions.measures import agreement, auc, pooled, readable

ratings = st.lists(st.integers(0, 4).map(lambda n: n / 4), min_size=1, max_size=8)


@given(ratings, ratings)
def test_auc_is_the_share_of_pairs(positive, negative):
    pairs = [1.0 if p > q else 0.5 if p == q else 0.0 for p in positive for q in negative]
    assert auc(positive, negative) == pytest.approx(sum(pairs) / len(pairs))
    assert auc(negative, positive) == pytest.approx(1 - auc(positive, negative))


@given(ratings, ratings)
def test_agreement_turned_round(positive, negative):
    one, other = agreement(positive, negative), agreement([1 - p for p in positive], [1 - p for p in negative])
    assert one["balanced_accuracy"] == pytest.approx(1 - other["balanced_accuracy"])


def test_agreement_by_hand():
    found = agreement([1.0, 0.9, 0.2, 0.5], [0.0, 0.8])
    assert found["misses"] == 1 - 2.5 / 4 and found["false_alarms"] == 0.5
    assert found["f1"] == pytest.approx(2 * 2.5 / (2.5 + 1 + 4))


def test_answers_that_can_not_be_read_are_chance():
    found = agreement(readable([None] * 4), readable([None] * 3))
    assert found["balanced_accuracy"] == 0.5 and found["auc"] == 0.5


def test_pooled_is_not_the_mean_of_windows():
    """One window is all signal, the other next to nothing: the mean of their correlations is 0, the pooled one nearly 1."""
    real = torch.tensor([0.0, 5.0, 0.0, 10.0, 0.0, 0.1, 0.0, 0.0])
    simulated = torch.tensor([0.0, 5.0, 0.0, 10.0, 0.0, 0.0, 0.1, 0.1])
    windows = [pooled(real[i : i + 4], simulated[i : i + 4])["correlation"] for i in (0, 4)]
    found = pooled(real, simulated)
    assert found["correlation"] > 0.999 and sum(windows) / 2 < 0.7
    assert found["correlation"] == pytest.approx(float(torch.corrcoef(torch.stack([real, simulated]))[0, 1]))


def test_variance_is_about_the_mean():
    """Activations far from 0: predicting 0 explains less than nothing, the mean explains nothing; about zero it would seem to explain nearly all."""
    real = torch.tensor([9.0, 10.0, 11.0])
    assert pooled(real, torch.full((3,), 10.0))["r2"] == 0.0
    assert pooled(real, torch.zeros(3))["r2"] < -100
    assert pooled(real, real) == {"correlation": pytest.approx(1.0), "r2": 1.0, "absolute": 1.0}


def test_what_does_not_vary():
    assert math.isnan(pooled(torch.ones(4), torch.arange(4.0))["correlation"])
    assert pooled(torch.arange(4.0), torch.ones(4))["correlation"] == 0.0
    assert math.isnan(auc([], [1.0]))
