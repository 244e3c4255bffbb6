"""Bases against their definitions: projections, variances, and what is left out."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import sonde
from sonde.bases import PCA, Moments, Neurons, Subspace, directions, load, save
from sonde.results import InputError, LoadError, SondeError


def activations(n=200, width=6, seed=0):
    """Correlated activations with a mean that is not zero."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(n, width, generator=generator) @ torch.randn(width, width, generator=generator) + 3


BASES = [Neurons(6), Subspace.random(6, 2), Subspace.span(torch.eye(6)[1]), PCA.fit(activations(), 3), PCA.fit(activations())]


@pytest.mark.parametrize("basis", BASES, ids=repr)
def test_what_is_decoded_has_the_coordinates_it_was_made_of(basis):
    c = torch.randn(4, 5, basis.size, generator=torch.Generator().manual_seed(1))
    assert basis.decode(c).shape == (4, 5, basis.width)
    assert torch.allclose(basis.encode(basis.decode(c)), c, atol=1e-5)
    x = activations()
    error = x - basis.decode(basis.encode(x))
    centre = basis.decode(torch.zeros(basis.size))
    assert torch.allclose(basis.encode(error + centre), torch.zeros(len(x), basis.size), atol=1e-4)  # the error lies outside
    assert (error.abs().max() < 1e-4) == (basis.size == basis.width)


@pytest.mark.parametrize("basis", BASES, ids=repr)
def test_kept_and_read_back(basis, tmp_path):
    again = load(save(basis, tmp_path / "basis"))
    assert type(again) is type(basis) and again.hash == basis.hash
    assert torch.equal(again.encode(activations()), basis.encode(activations()))


@pytest.mark.parametrize("basis", [*BASES, Subspace.random(6, 6)], ids=repr)
def test_a_direction_is_what_one_unit_of_its_coordinate_adds(basis):
    """One row each, also of a basis that keeps them as columns, and has as many as entries."""
    added = basis.decode(torch.eye(basis.size)) - basis.decode(torch.zeros(basis.size))
    assert torch.allclose(directions(basis), added, atol=1e-6)


def test_hashes_tell_bases_apart():
    assert len({basis.hash for basis in BASES}) == len(BASES)
    assert Subspace.random(6, 2, seed=3).hash == Subspace.random(6, 2, seed=3).hash != Subspace.random(6, 2, seed=4).hash


def test_what_is_no_basis_is_not_read(tmp_path):
    folder = sonde.results.Artifact("sonde.results.Verdict", {}).save(tmp_path / "other")
    with pytest.raises(LoadError):
        load(folder)
    with pytest.raises(InputError, match="can't be kept"):
        save("basis", tmp_path / "no")


def test_a_line_has_the_signed_projection_as_its_coordinate():
    v = torch.tensor([3.0, 0.0, -4.0])
    line = Subspace.span(v)
    x = torch.randn(7, 3, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(line.encode(x)[:, 0], x @ v / 5, atol=1e-6)
    assert torch.allclose(line.decode(line.encode(v)), v, atol=1e-6)


def test_the_span_of_directions_holds_them_all_and_the_complement_none():
    directions = torch.randn(3, 8, generator=torch.Generator().manual_seed(0))
    span = Subspace.span(directions)
    assert torch.allclose(span.decode(span.encode(directions)), directions, atol=1e-5)
    assert span.encode(directions)[0, 0] > 0 and torch.allclose(span.encode(directions)[0, 1:], torch.zeros(2), atol=1e-5)
    rest = span.complement()
    assert rest.size == 5 and rest.encode(directions).abs().max() < 1e-5
    x = torch.randn(4, 8, generator=torch.Generator().manual_seed(1))
    assert torch.allclose(span.decode(span.encode(x)) + rest.decode(rest.encode(x)), x, atol=1e-5)


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: Subspace.span([[1.0, 2.0], [2.0, 4.0]]), "2 directions of 2 entries depend on one another"),
        (lambda: Subspace.span([[0.0, 0.0]]), "depend on one another"),
        (lambda: Subspace.span([[float("nan"), 1.0]]), "depend on one another"),
        (lambda: Subspace(torch.ones(3, 1)), r"not orthonormal \(off by 2.0e\+00\): make a subspace of any directions with Subspace.span"),
        (lambda: Subspace(torch.eye(2)[:, :0]), "at least one"),
        (lambda: Subspace(torch.eye(3), ("a",)), "1 names for 3 directions"),
        (lambda: Subspace.random(3, 4), "a subspace of 3 entries has 1 to 3 dimensions"),
        (lambda: Subspace(torch.eye(3)).complement(), "no complement"),
        (lambda: PCA.fit(torch.ones(5, 3)), "these 5 activations vary along 0 directions"),
        (lambda: PCA.fit(activations(4), 5), "these 4 activations vary along 3 directions; ask for 1 to 3"),
        (lambda: Moments(3).pca(), "0 activations have no components"),
        (lambda: Moments(3).update(torch.ones(2, 4)), "3 entries along the last axis"),
        (lambda: Moments(3).update(torch.full((2, 3), float("nan"))), "give finite ones"),
        (lambda: Neurons(0), "at least one entry"),
    ],
)
@pytest.mark.usefixtures("unchecked")
def test_refused(make, message):
    with pytest.raises(SondeError, match=message):
        make()


def test_components_are_those_of_the_covariance():
    """A box whose sides are known."""
    sides = torch.tensor([9.0, 4.0, 1.0, 0.25])
    turn, _ = torch.linalg.qr(torch.randn(4, 4, generator=torch.Generator().manual_seed(5)))
    corners = torch.cartesian_prod(*[torch.tensor([-1.0, 1.0])] * 4) * sides.sqrt()
    pca = PCA.fit(corners @ turn.T + 7)
    assert torch.allclose(pca.variance, sides * 16 / 15, rtol=1e-5)
    assert torch.allclose((pca.components @ turn).abs(), torch.eye(4), atol=1e-5)
    assert torch.allclose(pca.mean, torch.full((4,), 7.0))
    assert torch.allclose(pca.explained, sides / sides.sum(), rtol=1e-5)


def test_coordinates_are_uncorrelated_and_have_the_variance_that_is_said():
    x = activations()
    pca = PCA.fit(x, 4)
    covariance = pca.encode(x).T.cov()
    assert torch.allclose(covariance, pca.variance.diag(), atol=1e-3 * float(pca.variance[0]))
    assert torch.allclose(torch.tensor(pca.total), x.var(0).sum(), rtol=1e-4)
    left = x - pca.decode(pca.encode(x))
    assert torch.allclose(left.var(0).sum(), torch.tensor(pca.total) - pca.variance.sum(), rtol=1e-3)


@given(st.lists(st.integers(0, 30), min_size=1, max_size=6), st.randoms())
def test_a_stream_gives_what_all_at_once_gives(parts, random):
    x = activations(sum(parts) + 8, seed=2).double() * 100 + 1e4  # a large mean: naive sums of squares would lose the variance
    cuts = [8]
    for part in parts:
        cuts.append(cuts[-1] + part)
    pieces = list(x.tensor_split(cuts[:-1]))
    random.shuffle(pieces)
    stream = Moments(6)
    for piece in pieces:
        stream.update(piece.unflatten(0, (1, -1)) if len(piece) else piece)
    assert stream.n == len(x)
    assert torch.allclose(stream.scatter / (stream.n - 1), x.T.cov(), rtol=1e-7)


def test_reading_in_half_precision_keeps_its_type():
    for basis in BASES:
        x = activations().to(torch.bfloat16)
        assert basis.decode(basis.encode(x)).dtype == torch.bfloat16


@given(st.lists(st.integers(0, 30), min_size=1, max_size=6), st.integers(1, 9), st.floats(0, 1e4))
def test_moments_of_parts_are_those_of_the_whole(sizes, width, offset):
    """However a stream is cut, and whether its parts are taken in or merged; far from zero, where sums of squares cancel."""
    x = torch.randn(sum(sizes), width, dtype=torch.float64, generator=torch.Generator().manual_seed(sum(sizes))) + offset
    streamed, merged = Moments(width), Moments(width)
    for part in x.split(sizes):
        streamed.update(part)
        merged.merge(Moments(width).update(part))
    if not len(x):
        assert streamed.n == merged.n == 0
        return
    away = x - x.mean(0)
    for moments in (streamed, merged):
        assert moments.n == len(x)
        assert torch.allclose(moments.mean, x.mean(0)) and torch.allclose(moments.scatter, away.T @ away, atol=1e-8)
    with pytest.raises(InputError, match="do not go with"):
        streamed.merge(Moments(width + 1))
