"""Erasers against what they promise: no cross-covariance, no linear probe, the least change; and against each other."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from planted_concepts import accuracy, mlp_accuracy, planted

from sonde.access import load_edits, save_edits
from sonde.probing.erasure import LeaceSums, erase, random_erasers, summed
from sonde.results import InputError


def cross_covariance(x, y):
    z = torch.nn.functional.one_hot(y).double()
    return ((x - x.mean(0)).T @ (z - z.mean(0)) / len(x)).abs().max().item()


def by_its_equation(x, y):
    """x - W^+ U U^T W (x - mu), through the square root of the covariance."""
    z, away = torch.nn.functional.one_hot(y).double(), x - x.mean(0)
    values, vectors = torch.linalg.eigh(away.T @ away / len(x))
    root = vectors @ torch.diag(values.sqrt()) @ vectors.T
    whitening = torch.linalg.inv(root)
    u, s, _ = torch.linalg.svd(whitening @ (away.T @ (z - z.mean(0)) / len(x)), full_matrices=False)
    u = u[:, s > 1e-9]
    return x - away @ (root @ u @ u.T @ whitening).T


@given(st.integers(0, 2**31), st.integers(2, 5), st.integers(5, 16))
@settings(max_examples=25, deadline=None)
def test_leace_is_its_equation(seed, classes, width):
    x, y = planted(300, width, classes, seed)
    eraser = erase(x, y)
    assert eraser.rank == classes - 1
    assert torch.allclose(eraser(x), by_its_equation(x, y), atol=1e-6 * float(x.abs().max()))
    assert eraser.change == pytest.approx(float((eraser(x) - x).square().sum(1).mean()), rel=1e-9)
    assert eraser.before == pytest.approx(cross_covariance(x, y), rel=1e-9)


@given(st.integers(0, 2**31), st.sampled_from(["leace", "mean"]), st.integers(2, 4))
@settings(max_examples=25, deadline=None)
def test_nothing_linear_is_left_where_it_was_fitted(seed, kind, classes):
    x, y = planted(300, 12, classes, seed)
    eraser = erase(x, y, kind)
    assert cross_covariance(eraser(x), y) < 1e-10 and eraser.residual < 1e-10
    again = eraser(eraser(x))
    assert torch.allclose(again, eraser(x), atol=1e-9)  # a projection
    assert torch.allclose(eraser.encoder @ eraser.decoder.T, torch.eye(eraser.rank).double(), atol=1e-9)
    assert torch.allclose(eraser(eraser.centre), eraser.centre)


@pytest.mark.parametrize("seed", [11, 13])
def test_no_linear_probe_is_left_and_another_one_is(seed):
    """The table of the field: LEACE takes all that is linear, at the least change, and leaves the other property and the square of the concept."""
    x, y, other = planted(3000, 16, 2, seed, spread=True, main=True)
    majority = torch.bincount(y).max().item() / len(y)
    before = accuracy(x, y)
    leace, mean, rounds = (erase(x, y, kind) for kind in ("leace", "mean", "inlp"))
    assert before > majority + 0.2
    for eraser in (leace, mean):
        assert accuracy(eraser(x), y) < majority + 0.01
        assert mlp_accuracy(eraser(x), y) > majority + 0.08  # linear only
    assert leace.change < mean.change < rounds.change and leace.rank == mean.rank == 1 < rounds.rank
    assert accuracy(leace(x), other) > accuracy(rounds(x), other)  # INLP takes more than the concept
    controls = random_erasers(leace, summed(x, y), draws=5, seed=seed)
    assert min(accuracy(one(x), y) for one in controls) > majority + 0.15  # the control that must not erase


@pytest.mark.parametrize("shift", [1e-2, 1e-4, 1e-7])
@pytest.mark.parametrize("smallest", [1.0, 1e-4])
def test_a_weak_concept_goes_too(shift, smallest):
    """Classes a thousandth of a deviation apart, along the entry that varies least, beside a strong concept: all of it goes, whatever its size."""
    generator = torch.Generator().manual_seed(0)
    y = torch.arange(600) % 3
    x = torch.randn(600, 8, generator=generator, dtype=torch.float64)
    for c in range(3):  # exact class means of 0, so that the planted shift is all there is
        x[y == c] -= x[y == c].mean(0)
    x[:, 0] += 5 * (y == 1)
    x[:, 7] += shift * (y == 2)
    x = x * torch.cat([torch.ones(7), torch.tensor([smallest])]).double()
    eraser = erase(x, y)
    assert eraser.rank == 2 and eraser.residual < 1e-10 * smallest * shift + 1e-14
    assert cross_covariance(eraser(x)[:, 7:], y) < 1e-9 * cross_covariance(x[:, 7:], y) + 1e-15


def test_what_is_dropped_as_rounding_is_told():
    """A concept a hundred-billionth as strong as another is beyond what sums of float64 tell: it stays, and the residual says so."""
    y = torch.arange(600) % 3
    x = torch.randn(600, 8, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    for c in range(3):
        x[y == c] -= x[y == c].mean(0)
    x[:, 0] += 5 * (y == 1)
    x[:, 7] += 1e-11 * (y == 2)
    eraser = erase(x, y)
    assert eraser.rank == 1 and 1e-13 < eraser.residual < 1e-11


def test_a_singular_covariance():
    """Fewer activations than entries, an entry that never varies, and one that is twice another."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(40, 60, generator=generator, dtype=torch.float64)
    x[:, 1], x[:, 2] = 3.0, 2 * x[:, 0]
    y = torch.arange(40) % 2
    eraser = erase(x, y)
    assert eraser(x).isfinite().all() and cross_covariance(eraser(x), y) < 1e-9
    assert torch.equal(eraser(x)[:, 1], x[:, 1])
    shrunk = summed(x, y).leace(shrinkage=0.5)
    assert cross_covariance(shrunk(x), y) < 1e-9
    fresh = torch.randn(2000, 60, generator=generator, dtype=torch.float64)
    # forty activations say little of sixty entries: shrinking keeps what it takes from others small
    assert (shrunk(fresh) - fresh).square().sum() < (eraser(fresh) - fresh).square().sum()


def test_numbers_are_erased_too():
    x = torch.randn(500, 6, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    numbers = x @ torch.arange(6.0).double() + 2
    erased = erase(x, numbers)(x)
    assert torch.linalg.lstsq(erased - erased.mean(0), (numbers - numbers.mean())[:, None]).solution.abs().max() < 1e-9


def test_a_stream_is_erased_as_the_whole():
    x, y = planted(500, 9, 3, seed=5)
    whole = LeaceSums(9, 3).update(x, y)
    parts = [LeaceSums(9, 3).update(x[i::4], y[i::4]) for i in range(4)]
    merged = LeaceSums(9, 3)
    for part in parts:
        merged.merge(part)
    streamed = LeaceSums(9, 3)
    for i in range(0, 500, 7):
        streamed.update(x[i : i + 7], y[i : i + 7])
    for sums in (merged, streamed):
        assert torch.allclose(sums.cross, whole.cross, atol=1e-9) and torch.allclose(sums.covariance, whole.covariance)
        assert torch.allclose(sums.leace()(x), whole.leace()(x), atol=1e-8)


def test_half_precision_is_erased_in_float32():
    """A centre far from zero in bfloat16 would leave what it should take: 256 and 257 are one number there."""
    x, y = planted(2000, 8, 2, seed=1)
    x = (x + 300).bfloat16()
    erased = erase(x.float(), y)(x)
    assert erased.dtype == torch.bfloat16
    own = erase(x.float(), y)
    assert own.encode(x).dtype == torch.float32 and own.encode(x).mean(0).abs().max() < 1e-2


def test_kept_as_an_edit(tmp_path):
    x, y = planted(200, 8, 2, seed=0)
    edit = erase(x, y).edit("blocks.1.resid_post[pos=-1]")
    (again,) = load_edits(save_edits(edit, tmp_path / "edit"))
    assert again == edit and torch.equal(again.basis(x), edit.basis(x))


def test_erasing_twice_at_random_is_seeded():
    x, y = planted(200, 8, 2, seed=0)
    sums = summed(x, y)
    first, again, other = (random_erasers(sums.leace(), sums, 2, seed, "variance") for seed in (0, 0, 5))
    assert [one.hash for one in first] == [one.hash for one in again] != [one.hash for one in other]


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (lambda x, y: erase(x, y, "null"), "kind='null': choose 'leace', 'mean', 'inlp'"),
        (lambda x, y: erase(x, x[:, 0], "inlp"), "numbers to be told: take kind='leace'"),
        (lambda x, y: erase(x, torch.zeros_like(y)), "one class: there is nothing to take out"),
        (lambda x, y: erase(x[:-1], y), "a target each"),
        (lambda x, y: erase(x * torch.nan, y), "give finite ones"),
        (lambda x, y: LeaceSums(8, 2).update(x, y + 1), "classes from 1 to 2 among 2"),
        (lambda x, y: LeaceSums(8, 3).update(x, x), "give 3 finite numbers for each"),
        (lambda x, y: LeaceSums(8, 2).leace(), "fitted on 0 activations"),
        (lambda x, y: summed(x, y).leace(shrinkage=2), "shrinkage=2"),
        (lambda x, y: summed(x, y).merge(LeaceSums(8, 3)), "do not go with"),
    ],
)
@pytest.mark.usefixtures("unchecked")
def test_mistakes(wrong, says):
    x, y = planted(100, 8, 2, seed=0)
    with pytest.raises(InputError, match=says):
        wrong(x, y)
