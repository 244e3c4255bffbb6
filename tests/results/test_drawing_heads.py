"""Attention as bytes: what is stored is what was given, to the stated error, and what does not fit is refused or counted."""

import base64
import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sonde.results.drawing import DrawingError, attention, head_grid, heads, unpacked

PATTERN = [[1.0, 0.0, 0.0], [0.25, 0.75, 0.0], [0.2, 0.3, 0.5]]


def drawn(patterns, names, size=3, **how):
    return attention("T", [f"t{i}" for i in range(size)], patterns, names, **how)


@given(st.integers(1, 3), st.integers(1, 5), st.booleans(), st.randoms(use_true_random=False))
def test_weights_come_back_to_the_stated_error(count: int, size: int, causal: bool, draw: random.Random) -> None:
    given = [[[0.0 if causal and k > q else draw.random() for k in range(size)] for q in range(size)] for _ in range(count)]
    data = drawn(given, range(count), size).data
    kept = unpacked(data)
    errors = [abs(kept[h][q][k] - given[h][q][k]) for h in range(count) for q in range(size) for k in range(size)]
    assert max(errors) <= 0.5 / 255 + 0.0005 + 1e-9  # half a step, and three decimals
    if causal:
        assert data["causal"]


def test_only_the_keys_that_can_be_seen_are_stored() -> None:
    causal, ahead = drawn([PATTERN], ["0.0"]), drawn([PATTERN, PATTERN[::-1]], ["0.0", "0.1"])
    assert causal.data["causal"]
    assert len(base64.b64decode(causal.data["weights"])) == 6
    assert not ahead.data["causal"]  # one head that looks ahead is enough
    assert len(base64.b64decode(ahead.data["weights"])) == 18
    assert unpacked(ahead.data)[1] == [[0.2, 0.298, 0.502], [0.251, 0.749, 0.0], [1.0, 0.0, 0.0]]


def test_a_prompt_of_64_tokens_and_64_heads_is_small() -> None:
    patterns = np.tril(np.random.default_rng(0).random((64, 64, 64)))
    data = drawn(patterns, [f"{h // 8}.{h % 8}" for h in range(64)], 64).data
    assert data["left_out"] == 0
    assert len(data["weights"]) < 200_000


def test_heads_beyond_the_budget_are_left_out_and_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heads, "MOST_WEIGHTS", 20)  # two heads of three tokens
    data = drawn([PATTERN] * 4, ["a", "b", "c", "d"], chosen=2, details=["da", "db", "dc", "dd"]).data
    assert (data["heads"], data["left_out"], data["details"]) == (["a", "c"], 2, ["da", "dc"])
    assert data["heads"][data["chosen"]] == "c"
    grid = head_grid("T", "u", [[0.1, -3.0], [None, 0.2]], patterns=[[PATTERN] * 2] * 2, tokens=["a", "b", "c"]).data["attention"]
    assert (grid["heads"], grid["left_out"]) == (["0.1", "1.1"], 2)  # the strongest stay
    monkeypatch.setattr(heads, "MOST_WEIGHTS", 8)
    with pytest.raises(DrawingError, match="3 tokens are too many"):
        drawn([PATTERN], ["a"])


def test_a_head_without_pattern_is_no_head_of_the_grid() -> None:
    grid = head_grid("T", "u", [[0.1, 0.2]], patterns=[[None, PATTERN]], tokens=["a", "b", "c"])
    assert grid.data["attention"]["heads"] == ["0.1"]
    assert grid.data["row_means"] == [pytest.approx(0.15)]


@pytest.mark.parametrize(
    ("build", "words"),
    [
        (lambda: drawn([PATTERN], ["a", "b"]), "patterns has 1 entries where 2 belong"),
        (lambda: drawn([PATTERN[:2]], ["a"]), "the pattern of head a has 2 entries where 3 belong"),
        (lambda: drawn([[[1.2, 0, 0]] * 3], ["a"]), "an attention weight lies between 0 and 1"),
        (lambda: drawn([[[float("nan"), 0, 0]] * 3], ["a"]), "holds nan"),
        (lambda: drawn([PATTERN] * 2, ["a", "a"]), "two heads are called 'a'"),
        (lambda: drawn([PATTERN], ["a"], chosen=1), "chosen 1 is no index of its 1 heads"),
        (lambda: drawn([], []), "chosen 0 is no index of its 0 heads"),
        (lambda: head_grid("T", "u", [[0.1]], patterns=[[PATTERN]]), "patterns without tokens"),
        (lambda: head_grid("T", "u", [[0.1], [0.1, 0.2]]), "values has 2 entries where 1 belong"),
    ],
)
def test_what_does_not_fit_is_named(build, words: str) -> None:
    with pytest.raises(DrawingError, match="drawing 'T': ") as refusal:
        build()
    assert words in str(refusal.value)
    assert "\n" not in str(refusal.value)
