"""Nearly orthogonal directions beside random ones."""

import math

import pytest
import torch

from sonde.evidence import random_directions
from sonde.results import InputError, Result
from sonde.superposition import packing


def test_eight_pentagons_interfere_less_than_random_directions(tmp_path):
    turns = torch.arange(5) * (2 * math.pi / 5) + torch.arange(8)[:, None]
    found = packing(torch.stack([turns.cos(), turns.sin()], dim=2))
    assert found.check()[0].holds is True
    assert found.welch == pytest.approx(math.sqrt(3 / 8))
    assert Result.load(found.save(tmp_path / "kept")).drawing().to_json() == found.drawing().to_json()
    assert found.to_frame().height == 28


def test_random_directions_are_not_packed_well():
    found = packing(random_directions(16, 8 * 40, seed=5).unflatten(0, (8, 40)))
    assert found.check()[0].holds is False
    assert float(found.random.square().mean().sqrt()) == pytest.approx(1 / 4, rel=0.05)


def test_an_orthogonal_set_is_at_no_bound():
    found = packing(torch.eye(4)[None] * 3)
    assert found.welch == 0 and float(found.cosines.abs().max()) == 0
    assert found.check()[0].holds is None  # one set says too little


@pytest.mark.parametrize("directions", [torch.zeros(1, 3, 2), torch.ones(1, 1, 2)])
def test_what_has_no_angles_is_refused(directions):
    with pytest.raises(InputError, match="not zero"):
        packing(directions)
