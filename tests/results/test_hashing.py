"""Equal content has one hash; any change of content another."""

import subprocess
import sys

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sonde.results import content_hash

plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.binary(),
    lambda part: st.lists(part) | st.dictionaries(st.text(), part),
)


@given(plain, plain)
def test_only_equal_content_shares_a_hash(a, b):
    same = repr(a) == repr(b)
    if same:
        assert content_hash(a) == content_hash(b)
    elif a != b:
        assert content_hash(a) != content_hash(b)


@pytest.mark.parametrize(
    ("a", "b"),
    [
        (["ab", "c"], ["a", "bc"]),
        ([[1], 2], [[1, 2]]),
        (1, 1.0),
        (1, True),
        ("1", 1),
        ("a", b"a"),
        (None, "none"),
        (torch.zeros(2, 3), torch.zeros(3, 2)),
        (torch.zeros(4), torch.zeros(4, dtype=torch.float64)),
        (torch.zeros(4, dtype=torch.int32), torch.zeros(4)),
        (torch.tensor(1.0), torch.tensor([1.0])),
        (torch.tensor([0.0]), torch.tensor([-0.0])),
    ],
)
def test_near_misses_differ(a, b):
    assert content_hash(a) != content_hash(b)


def test_layout_is_not_content():
    table = torch.arange(12.0).reshape(3, 4)
    assert content_hash(table.T) == content_hash(table.T.contiguous())
    assert content_hash(table.requires_grad_()) == content_hash(table.detach())


def test_every_dtype_has_a_hash():
    for dtype in (torch.bfloat16, torch.float16, torch.bool, torch.int64, torch.complex64):
        assert len(content_hash(torch.ones(3, dtype=dtype))) == 16
    assert content_hash(torch.zeros(0)) != content_hash(torch.zeros(0, 2))


def test_a_state_dict_can_be_given_as_it_is():
    layer = torch.nn.Linear(3, 2)
    before = content_hash(layer.state_dict())
    assert content_hash(dict(reversed(layer.state_dict().items()))) == before
    with torch.no_grad():
        layer.bias[0] += 1e-6
    assert content_hash(layer.state_dict()) != before


def test_what_has_no_stable_content_is_refused():
    for opaque in (object(), {1, 2}, lambda: None, np.zeros(2)):
        with pytest.raises(TypeError, match="has no content hash"):
            content_hash(opaque)


def test_the_same_in_another_process():
    content = {"k": 5, "sites": ["embed"], "share": 0.1}
    code = f"from sonde.results import content_hash; print(content_hash({content!r}))"
    other = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert other.stdout.strip() == content_hash(content)
