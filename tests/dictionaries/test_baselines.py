"""Baselines do what their problems say, row by row, and find what was planted; the control is a basis of random directions."""

import pytest
import torch
from foreign_dictionaries import draws
from hypothesis import given
from hypothesis import strategies as st

import sonde.dictionaries.baselines as b
from sonde import bases
from sonde.bases import PCA
from sonde.results import InputError

D = 8
PLANTED = torch.nn.functional.normalize(draws(3)(D, D), dim=1)


def sources(n=3000, seed=0, width=D):
    """Sparse, heavy-tailed, independent."""
    generator = torch.Generator().manual_seed(seed)
    return (torch.rand(n, width, generator=generator) < 0.2) * torch.randn(n, width, generator=generator).abs() * 3


@pytest.fixture(scope="module")
def signed():
    """Mixtures of planted directions, with a mean."""
    return sources() @ PLANTED + 0.01 * draws(4)(3000, D) + 2


@pytest.fixture(scope="module")
def positive():
    """Mixtures of parts that are at least 0 and do not overlap much."""
    parts = torch.block_diag(*[torch.tensor([[1.0, 2.0]])] * 4)
    return sources(800, 1, 4) @ parts + 0.01 * draws(5)(800, D).abs()


@pytest.fixture(scope="module")
def fitted(signed, positive):
    """All of them, each on activations that it allows."""
    found = b.fit(signed[:1000], size=12, k=2)
    return {**found.bases, **b.fit(positive, size=4, k=2, names=("nmf", "topics")).bases}, found.refused


def recovered(directions, planted=PLANTED):
    """The mean over planted directions of the best cosine."""
    return float((torch.nn.functional.normalize(directions, dim=1) @ planted.T).abs().max(0).values.mean())


def fvu(basis, x):
    """The share of variance that is left."""
    return float((x - basis.decode(basis.encode(x))).pow(2).sum() / (x - x.mean(0)).pow(2).sum())


def test_each_is_a_basis_with_the_stated_number_of_coordinates(fitted, signed, positive, tmp_path):
    found, refused = fitted
    assert set(found) == set(b.BASELINES) and set(refused) == {"nmf", "topics"}
    for name, basis in found.items():
        x = (positive if name in refused else signed)[:50]
        codes = bases.codes(basis, x)
        assert isinstance(basis, bases.Basis) and basis.width == D and basis.names == ()
        assert int(codes.counts.max()) <= (1 if name == "k-means" else 2), name
        assert torch.allclose(codes.dense(), basis.encode(x), atol=1e-6)
        assert basis.encode(x[None]).shape == (1, 50, basis.size)
        zero = basis.decode(torch.zeros(1, basis.size))
        assert torch.allclose(codes.decode(bases.directions(basis)) + zero, basis.decode(basis.encode(x)), atol=1e-4)
        again = bases.load(bases.save(basis, tmp_path / name))
        assert again.hash == basis.hash and torch.allclose(again.encode(x), basis.encode(x), atol=1e-5)


def test_a_row_does_not_depend_on_its_batch(fitted, signed, positive):
    found, refused = fitted
    for name, basis in found.items():
        x = (positive if name in refused else signed)[:10]
        alone = torch.cat([basis.encode(row[None]) for row in x])
        assert torch.allclose(alone, basis.encode(x), atol=1e-4), name


def test_independent_components_find_the_planted_directions(signed):
    found, chance = b.ica(signed, D), b.random_directions(signed, D)
    assert recovered(found.directions) > 0.98 > 0.85 > recovered(chance.directions)
    assert recovered(b.pca(signed).directions) < 0.95  # which are not orthogonal


def test_dictionary_learning_finds_the_planted_directions(signed):
    found = b.dictionary_learning(signed[:1000], D)
    assert recovered(found.directions) > 0.9 > recovered(b.random_directions(signed, D).directions)


def test_factors_find_the_planted_parts(positive):
    parts = torch.nn.functional.normalize(torch.block_diag(*[torch.tensor([[1.0, 2.0]])] * 4), dim=1)
    assert recovered(b.nmf(positive, 4).directions, parts) > 0.99
    assert recovered(b.topics(positive, 4).directions, parts) > 0.95
    assert recovered(b.random_directions(positive, 4).directions, parts) < 0.9


def test_more_coordinates_leave_less_and_a_fit_never_leaves_more_than_the_mean(signed):
    for make in (b.neurons, b.pca, lambda x, k: b.random_directions(x, 40, k)):
        left = [fvu(make(signed - signed.mean(0), k=k), signed - signed.mean(0)) for k in (1, 2, 4, 8)]
        assert left == sorted(left, reverse=True) and left[0] < 1 and left[-1] < 1e-3


def test_all_of_fewer_directions_is_the_projection_on_their_span(signed):
    basis = b.random_directions(signed, 3)
    q, _ = torch.linalg.qr(basis.directions.T)
    centred = signed - basis.mean
    assert torch.allclose(basis.decode(basis.encode(signed)) - basis.mean, centred @ q @ q.T, atol=1e-3)
    full = PCA.fit(signed, 3)
    assert torch.allclose(b.pca(signed, 3).decode(b.pca(signed, 3).encode(signed)), full.decode(full.encode(signed)), atol=1e-4)


@given(st.integers(0, 99), st.integers(1, 4))
def test_the_kept_coordinates_are_fitted_by_least_squares(seed, k):
    draw = draws(seed)
    x, basis = draw(5, D), b.random_directions(draw(20, D), 12, k, seed)
    for row, c in zip(x, basis.encode(x), strict=True):
        kept = c.nonzero()[:, 0]
        best = torch.linalg.lstsq(basis.directions[kept].T, (row - basis.mean)[:, None]).solution[:, 0]
        assert torch.allclose(c[kept], best, atol=1e-3)


@given(st.integers(0, 99), st.booleans(), st.floats(0, 1))
def test_sparse_coding_meets_the_conditions_of_its_optimum(seed, nonnegative, l1):
    draw = draws(seed)
    directions, x = torch.nn.functional.normalize(draw(D - 2, D), dim=1), 2 * draw(6, D)
    c = b.coding.coded(x, directions, l1, nonnegative)
    slope = (x - c @ directions) @ directions.T  # of the fit; at the optimum it is l1 where c > 0, -l1 where c < 0, and less elsewhere
    assert torch.allclose(slope[c > 0], torch.full_like(slope[c > 0], l1), atol=1e-2)
    assert torch.allclose(slope[c < 0], torch.full_like(slope[c < 0], -l1), atol=1e-2)
    assert bool((slope[c == 0] <= l1 + 1e-2).all()) and (nonnegative or bool((slope[c == 0] >= -l1 - 1e-2).all()))
    assert not nonnegative or bool((c >= 0).all())


def test_topics_are_scikit_learns(positive):
    from sklearn.decomposition import LatentDirichletAllocation

    fitting = LatentDirichletAllocation(4, max_iter=5, random_state=0, max_doc_update_iter=500, mean_change_tol=1e-7).fit(positive.double().numpy())
    ours = b.Topics(torch.from_numpy(fitting.components_).float(), float(fitting.doc_topic_prior_))
    found = ours.encode(positive[:60])
    shares = found / found.sum(1, keepdim=True)
    assert torch.allclose(shares, torch.from_numpy(fitting.transform(positive[:60].double().numpy())).float(), atol=5e-3)
    assert torch.allclose(found.sum(1), positive[:60].sum(1), rtol=1e-4)  # a share of the whole activation, not a distribution


def test_the_nearest_centre_is_the_nearest(signed):
    basis = b.kmeans(signed, 7)
    assert torch.equal(basis.encode(signed[:100]).argmax(1), torch.cdist(signed[:100], basis.directions).argmin(1))
    assert 0 < fvu(basis, signed) < 1


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda x: b.fit(x, 4, names=("sae",)), r"baselines \['sae'\]: choose from neurons, "),
        (lambda x: b.fit(x / 0, 4), "activations that are not finite"),
        (lambda x: b.nmf(x - 9, 4), "nmf needs activations that are at least 0, and the lowest is"),
        (lambda x: b.topics(x - 9, 4), "topics need activations that are at least 0"),
        (lambda x: b.kmeans(x, 4, k=2), "an activation has one nearest centre"),
        (lambda x: b.kmeans(x, 10**6), "activations make 1 to 3000 clusters"),
        (lambda x: b.ica(x, 9), "ask ica for 1 to 8"),
        (lambda x: b.pca(x, 9), "vary along 8 directions"),
        (lambda x: b.neurons(x, k=9), "k=9: of 8 directions in 8 entries 1 to 8 can be kept"),
        (lambda x: b.random_directions(x, 0), "size=0: give at least one direction"),
        (lambda x: b.Linear("mine", 2 * torch.eye(3), torch.zeros(3)), "directions of lengths 2 to 2"),
        (lambda x: b.dictionary_learning(x[:50], 5, k=6), "k=6: of 5 directions"),
        (lambda x: b.Topics(torch.ones(2, 3), 0.5, k=3), "k=3: of 2 topics"),
        (lambda x: b.Topics(torch.ones(2, 8), 0.5).encode(x - 9), "topics need activations"),
    ],
)
def test_what_is_refused(make, message, signed):
    with pytest.raises(InputError, match=message):
        make(signed)
