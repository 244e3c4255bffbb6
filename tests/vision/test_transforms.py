"""Transforms against their closed forms: a shift moves pixels, a crop cuts them, what lies outside is grey, and nothing is as it was to the bit."""

import pytest
import torch

from sonde.results import InputError
from sonde.vision import Crop, Jitter, Pad, Rotate, Scale, standard
from sonde.vision.transforms import FILL, chained, sampled


def through(pictures, *transforms, seed=0, view=None):
    generator = torch.Generator().manual_seed(seed)
    return sampled(pictures, *chained(transforms, len(pictures), pictures.shape[2:], generator), view)


@pytest.fixture
def pictures():
    return torch.rand(3, 3, 10, 12, generator=torch.Generator().manual_seed(1))


def test_nothing_is_done_to_the_bit(pictures):
    assert through(pictures) is pictures


def test_padding_is_grey_around(pictures):
    padded = through(pictures, Pad(2))
    assert padded.shape == (3, 3, 14, 16)
    assert torch.allclose(padded[:, :, 2:-2, 2:-2], pictures, atol=1e-5)
    assert torch.allclose(padded[:, :, :2], torch.tensor(FILL))


@pytest.mark.parametrize("transform", [Jitter(4), Crop((6, 8))])
def test_a_shift_is_a_crop_by_whole_pixels_each_picture_its_own(pictures, transform):
    cut = through(pictures, transform, seed=2)
    assert cut.shape == (3, 3, 6, 8)
    at = [[(r, c) for r in range(5) for c in range(5) if torch.allclose(pictures[i, :, r : r + 6, c : c + 8], cut[i], atol=1e-5)] for i in range(3)]
    assert all(len(one) == 1 for one in at) and len({one[0] for one in at}) > 1


def test_shifts_go_in_all_directions_alike():
    chain, _ = chained((Jitter(2),), 3000, (8, 8), torch.Generator().manual_seed(0))
    counts = torch.bincount((3 * chain[:, 0, 2] + chain[:, 1, 2]).long(), minlength=9)
    assert (counts - 3000 / 9).abs().max() < 4 * (3000 / 9) ** 0.5


def test_a_quarter_turn_and_a_scale_are_exact():
    square = torch.rand(2, 1, 7, 7, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(through(square, Rotate((90.0,))), torch.rot90(square, 1, (2, 3)), atol=1e-5) or torch.allclose(
        through(square, Rotate((90.0,))), torch.rot90(square, -1, (2, 3)), atol=1e-5
    )
    larger = through(square, Scale((2.0,)))
    assert torch.allclose(larger[:, :, 3, 3], square[:, :, 3, 3], atol=1e-5)
    assert torch.allclose(larger[:, :, 3, 5], square[:, :, 3, 4], atol=1e-5)


def test_one_chain_is_as_good_as_one_after_the_other(pictures):
    """Shifts by whole pixels are sampled exactly, so both ways agree to rounding."""
    generator = torch.Generator().manual_seed(5)
    chain, canvas = chained((Pad(3), Jitter(2), Jitter(3)), 3, (10, 12), generator)
    generator = torch.Generator().manual_seed(5)
    step = pictures
    for transform in (Pad(3), Jitter(2), Jitter(3)):
        step = sampled(step, *chained((transform,), 3, step.shape[2:], generator))
    assert torch.allclose(sampled(pictures, chain, canvas), step, atol=1e-5)


def test_a_view_of_one_size_is_stretched_to_it(pictures):
    assert through(pictures, *standard((10, 12)), view=(16, 16)).shape == (3, 3, 16, 16)
    flat = torch.full((1, 3, 8, 8), 0.3)
    assert torch.allclose(through(flat, view=(5, 9)), torch.tensor(0.3), atol=1e-5)


def test_a_view_without_pixels_is_refused(pictures):
    for transform in (Jitter(10), Crop((11, 5))):
        with pytest.raises(InputError, match="canvas"):
            through(pictures, transform)
    with pytest.raises(InputError, match="above 0"):
        Scale((0.0,))
