"""What is counted and summed over a stream, against closed forms and the numbers that peers got wrong."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sonde.bases import Codes
from sonde.dictionaries.evaluation import Activity, Reconstruction, histogram
from sonde.dictionaries.evaluation.activity import EDGES
from sonde.results import InputError


def data(n=300, width=5, mean=0.0, seed=0):
    return torch.randn(n, width, generator=torch.Generator().manual_seed(seed)) * torch.arange(1.0, width + 1) + mean


def reconstruction(y, written, size=64):
    found, blocks = Reconstruction(y.shape[1]), torch.arange(len(y)) // 10
    for part in zip(y.split(size), written.split(size), blocks.split(size), strict=True):
        found.update(*part)
    return found


@pytest.mark.parametrize("mean", [0.0, 3.0, 1000.0])
def test_writing_the_mean_explains_nothing_and_the_activation_everything(mean):
    y = data(mean=mean)
    assert reconstruction(y, y.double().mean(0).expand_as(y)).fvu == pytest.approx(1, abs=1e-6)
    perfect = reconstruction(y, y)
    assert (perfect.fvu, perfect.slope, perfect.norm_ratio) == pytest.approx((0, 1, 1))
    assert reconstruction(y, torch.zeros_like(y)).fvu >= 1  # variance about zero would say 1 where the mean is large


def test_a_large_mean_hides_no_error():
    """About zero, .998 of this would be explained; about the mean next to nothing is (SAELens issue 659)."""
    y = data(mean=100.0)
    written = y.mean(0) + 0.05 * (y - y.mean(0))
    about_zero = 1 - float((y - written).square().sum() / y.square().sum())
    assert about_zero > 0.99
    assert reconstruction(y, written).fvu == pytest.approx(0.95**2, rel=1e-4)


def test_the_whole_set_is_summed_before_dividing():
    """A token that hardly deviates from the mean has a huge ratio of its own; the mean of ratios is another number (SAELens issue 443)."""
    y = data(seed=1)
    y[0] = y[1:].mean(0) + 1e-4
    written = y + 0.5
    whole = float((y - written).double().square().sum() / (y - y.double().mean(0)).double().square().sum())
    ratios = ((y - written).square().sum(1) / (y - y.mean(0)).square().sum(1)).mean()
    assert reconstruction(y, written).fvu == pytest.approx(whole, rel=1e-5)
    assert ratios > 10 * whole


@settings(max_examples=20)
@given(size=st.integers(1, 300), scale=st.floats(0.01, 100), mean=st.floats(-1000, 1000))
def test_neither_batches_nor_scale_matter(size, scale, mean):
    y = data(seed=2)
    written = y + 0.3 * data(seed=3)
    whole = reconstruction(y, written, 300)
    moved = reconstruction(scale * y.double() + mean, scale * written.double() + mean, size)
    assert moved.fvu == pytest.approx(whole.fvu, rel=1e-6)
    assert moved.slope == pytest.approx(whole.slope, rel=1e-6)
    assert torch.allclose(moved.errors, whole.errors, rtol=1e-5)


def test_each_texts_error_adds_up_to_all():
    y = data(n=40)
    found = Reconstruction(5).update(y, 0.5 * y, torch.tensor([0] * 30 + [3] * 10))
    assert len(found.errors) == 2 and found.lengths.tolist() == [30, 10]
    assert float(0.75 * found.errors[0] + 0.25 * found.errors[1]) == pytest.approx(found.fvu)


def test_shrinkage_shows():
    y = data(mean=50.0, seed=4)
    shrunk = reconstruction(y, y.mean(0) + 0.8 * (y - y.mean(0)))
    assert shrunk.slope == pytest.approx(1 / 0.8, rel=1e-3)  # about zero it would be next to 1: the mean is most of it
    assert reconstruction(y - 50, 0.8 * (y - 50)).norm_ratio == pytest.approx(0.8)
    assert reconstruction(y, y.mean(0).expand_as(y)).slope != shrunk.slope


def test_parts_have_a_share_of_their_own():
    y = data(width=4)
    written = y.clone()
    written[:, 2:] = y[:, 2:].mean(0)
    found = reconstruction(y, written)
    assert found.fvu_of(slice(0, 2)) == pytest.approx(0)
    assert found.fvu_of(slice(2, 4)) == pytest.approx(1, abs=1e-5)


def test_refusals_of_reconstruction(unchecked):
    y = data()
    with pytest.raises(InputError, match="rows x 5"):
        Reconstruction(5).update(y, y[:, :4], torch.zeros(300))
    with pytest.raises(InputError, match="1 of 300 rows were written as nan"):
        Reconstruction(5).update(y, torch.where(torch.arange(300)[:, None] == 7, torch.nan, y), torch.zeros(300))
    with pytest.raises(InputError, match="all the same"):
        _ = reconstruction(torch.ones(20, 3), torch.ones(20, 3)).fvu
    with pytest.raises(InputError, match="no activations"):
        _ = Reconstruction(3).fvu


def test_what_is_not_zero_is_active():
    """Also below zero, and a stored zero is not."""
    codes = Codes(torch.tensor([1.0, 0.0, -2.0, 3.0]), torch.tensor([0, 1, 2, 2]), torch.tensor([0, 3]), 4)
    found = Activity(4).update(codes)
    assert found.l0 == 1.5
    assert found.density.tolist() == [0.5, 0.0, 1.0, 0.0]
    assert (found.dead, found.dense) == (0.5, 0.5)


def test_activity_is_counted_over_everything():
    dense = torch.rand(100, 20, generator=torch.Generator().manual_seed(0))
    dense[dense < 0.9] = 0
    parts = Activity(20)
    for part in dense.split(7):
        parts.update(Codes.of(part))
    whole = Activity(20).update(Codes.of(dense))
    assert parts.l0 == whole.l0 == pytest.approx(float((dense != 0).double().sum(1).mean()))
    assert torch.equal(parts.density, whole.density)
    with pytest.raises(InputError, match="no activations"):
        _ = Activity(3).l0


def test_the_histogram_counts_every_latent_that_fires_once():
    density = torch.tensor([0.0, 1e-9, 2e-7, 5e-7, 3e-4, 0.5, 1.0])
    counts = histogram(density)
    assert len(counts) == len(EDGES) - 1
    assert sum(counts) == 6
    assert counts[-1] == 2 and counts[0] == 2 and counts[1] == 1


def test_rows_of_codes_are_taken_in_any_order():
    dense = torch.randn(6, 5, generator=torch.Generator().manual_seed(0)).relu()
    rows = torch.tensor([4, 0, 0, 5])
    assert torch.equal(Codes.of(dense).take(rows).dense(), dense[rows])
    assert len(Codes.of(dense).take(torch.tensor([], dtype=torch.long))) == 0
