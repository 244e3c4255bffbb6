"""The checks of shapes are really on while tests run."""

import pytest
import torch
from jaxtyping import TypeCheckError

from sonde.evidence import bootstrap, holm, t_interval


def test_a_wrong_shape_is_refused():
    with pytest.raises(TypeCheckError):
        t_interval(torch.ones(3, 3))
    with pytest.raises(TypeCheckError):
        t_interval(torch.ones(3, dtype=torch.int64))
    with pytest.raises(TypeCheckError):
        bootstrap([1.0, 2.0])


def test_a_right_shape_is_not():
    assert holm(torch.ones(3)).shape == (3,)
