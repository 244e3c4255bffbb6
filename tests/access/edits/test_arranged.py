"""Coordinates of heads side by side, and of channels: an edit in a basis writes where what was read lay."""

import pytest
import torch
from tiny_families import build

import sonde
from sonde.bases import Subspace
from sonde.results import EditError

Z = "blocks.1.attn.z"
IDS = [[7, 8, 9, 10, 11], [12, 13, 14, 15, 16]]


@pytest.fixture(scope="module")
def model():
    return sonde.Model(build("gpt2"))


def by_hand(x, Q):
    """Rows of entries without what lies along orthonormal columns."""
    return x - x @ Q @ Q.T


def test_heads_side_by_side(model):
    basis = Subspace.random(16, 3, seed=1)
    old = model.run(IDS, read=Z)[Z]
    expected = by_hand(old.flatten(-2), basis.directions).unflatten(-1, old.shape[-2:])
    run = model.run(IDS, read=Z, edits=[sonde.Project(Z, basis, "remove")])
    torch.testing.assert_close(run[Z], expected)
    torch.testing.assert_close(run.logits, model.run(IDS, edits=[sonde.Set(Z, expected)]).logits)
    # the control: that is not what the same directions do head by head
    assert (model.run(IDS).logits - run.logits).abs().max() > 1e-3


def test_some_heads_and_one_position(model):
    old = model.run(IDS, read=Z)[Z]
    some, one = Subspace.random(8, 2, seed=2), Subspace.random(4, 2, seed=3)
    new = model.run(IDS, read=Z, edits=[sonde.Project(f"{Z}[head=[0,3], pos=-1]", some, "remove"), sonde.Project(f"{Z}[head=2]", one, "keep")])[Z]
    expected = old.clone()
    expected[:, -1, [0, 3]] = by_hand(old[:, -1, [0, 3]].flatten(-2), some.directions).unflatten(-1, (2, 4))
    expected[:, :, 2] = old[:, :, 2] @ one.directions @ one.directions.T
    torch.testing.assert_close(new, expected)


def test_swapped_and_clamped(model):
    basis = Subspace.random(16, 2, seed=4)
    base, source = model.run(IDS, read=Z), model.run(IDS[::-1], read=Z)
    swapped = model.run(IDS, read=Z, edits=[sonde.Swap(Z, source, basis)])[Z]
    difference = (source[Z] - base[Z]).flatten(-2) @ basis.directions @ basis.directions.T
    torch.testing.assert_close((swapped - base[Z]).flatten(-2), difference, rtol=1e-4, atol=1e-5)
    clamped = model.run(IDS, read=Z, edits=[sonde.Clamp(Z, 2.5, basis, dims=[1])])[Z].flatten(-2) @ basis.directions
    torch.testing.assert_close(clamped[..., 1], torch.full((2, 5), 2.5))
    torch.testing.assert_close(clamped[..., 0], base[Z].flatten(-2) @ basis.directions[:, 0])


def test_another_width_is_refused(model):
    with pytest.raises(EditError, match="takes 12 entries and the site's last axis has 4"):
        model.run(IDS, edits=[sonde.Project(Z, Subspace.random(12, 2), "remove")])


@pytest.mark.parametrize("width", [5, 6])
def test_channels_of_a_map(width):
    """Also where a map is as wide as it has channels: the basis is one of the channels."""
    torch.manual_seed(0)
    model = sonde.load(
        torch.nn.Sequential(torch.nn.Conv2d(1, 6, 3, padding=1), torch.nn.ReLU(), torch.nn.Flatten(), torch.nn.Linear(6 * 4 * width, 3))
    )
    x, basis = torch.randn(2, 1, 4, width), Subspace.random(6, 2, seed=5)
    old = model.run(x, read="0:out")["0:out"]
    new = model.run(x, read="0:out", edits=[sonde.Project("0:out", basis, "remove")])["0:out"]
    torch.testing.assert_close(new, by_hand(old.movedim(1, -1), basis.directions).movedim(-1, 1))
    place = model.run(x, read="0:out", edits=[sonde.Project("0:out[row=1, col=2]", basis, "remove")])["0:out"]
    assert torch.equal(place[:, :, 0], old[:, :, 0])
    torch.testing.assert_close(place[:, :, 1, 2], new[:, :, 1, 2])
    with pytest.raises(EditError, match=f"has 6 channels and the basis takes {width + 2} entries"):
        model.run(x, edits=[sonde.Project("0:out", Subspace.random(width + 2, 2), "remove")])
