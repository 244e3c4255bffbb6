"""Toy models find what is known of them: pentagons and digons with sparsity, principal components without a ReLU, nothing extra without sparsity."""

import pytest
import torch

from sonde.results import InputError, Result
from sonde.superposition import Features, Setting, ToyModels, ToyTraining, represented, toy_models
from sonde.superposition.toy.training import train

QUICK = ToyTraining(steps=700, batch=96, seeds=8)


@pytest.fixture(scope="module")
def trained():
    """Features of falling importance, dense; rare ones of nearly the same importance; and both by a linear model."""
    return toy_models(sparsity=(0.0, 0.7, 0.9), decay=0.98, config=QUICK)


def test_with_sparsity_come_digons_then_a_pentagon(trained):
    frame = trained.to_frame().filter(model="ReLU")
    assert frame["solids"].to_list()[1:] == ["2 digon", "pentagon"]
    assert frame["represented"].to_list()[1:] == [4, 5]
    assert frame["dimensionality"].to_list()[1:] == pytest.approx([0.5, 0.4], abs=0.02)


def test_the_linear_model_is_a_projection_and_holds_no_more_than_dimensions(trained):
    """Of independent features the principal subspace is any that holds the most important ones: W^T W is a projection of rank 2 in all of them."""
    for one, W in zip(trained.settings, trained.best, strict=True):
        if not one.rectified:
            gram = (W.T @ W).double()
            assert torch.linalg.eigvalsh(gram)[-2:].tolist() == pytest.approx([1, 1], abs=0.1)
            assert float(W.square().sum()) == pytest.approx(2, abs=0.15)


def test_what_holds_more_than_dimensions_is_what_is_sparse(trained):
    dense, sparse, sparser = trained.check()
    assert sparse.holds is True and sparser.holds is True
    assert dense.holds is False  # without sparsity there is no superposition


def test_a_result_is_kept(trained, tmp_path):
    again = Result.load(trained.save(tmp_path / "kept"))
    assert isinstance(again, ToyModels) and torch.equal(again.W, trained.W) and again.settings == trained.settings
    assert trained.drawing().to_json() == again.drawing().to_json()
    assert "W^T W, S=0.9" in [part["label"] for part in trained.drawing().data["parts"]]


def test_correlated_features_of_a_linear_model_collapse_to_principal_components():
    """Two groups of two in two dimensions: each dimension takes the sum of a group, the first principal component of its covariance."""
    found = toy_models(4, 2, [0.8], relation="correlated", config=ToyTraining(steps=400, batch=96, seeds=4))
    gram = found.best[1].T @ found.best[1]
    wanted = torch.block_diag(torch.full((2, 2), 0.5), torch.full((2, 2), 0.5))
    assert torch.allclose(gram, wanted, atol=0.08)


def test_features_that_exclude_one_another_become_opposite():
    """And as the control independent ones, which pair up at random."""
    config = ToyTraining(steps=400, batch=96, seeds=4)
    found = toy_models(4, 2, [0.8], relation="anticorrelated", linear=False, config=config)
    cosines = torch.nn.functional.normalize(found.best[0], dim=0)
    assert torch.allclose((cosines[:, ::2] * cosines[:, 1::2]).sum(0), -torch.ones(2), atol=0.05)


@pytest.mark.parametrize("relation", ["independent", "correlated", "anticorrelated"])
def test_inputs_have_the_moments_they_should(relation):
    x = Features(4, relation).draw(torch.tensor([0.3]), 40_000, torch.Generator().manual_seed(0))[0]
    present = (x > 0).double()
    assert present.mean(1).tolist() == pytest.approx([0.3] * 4, abs=0.01)
    together = {"independent": 0.09, "correlated": 0.3, "anticorrelated": 0.0}[relation]
    assert float((present[0] * present[1]).mean()) == pytest.approx(together, abs=0.01)
    assert float((present[1] * present[2]).mean()) == pytest.approx(0.09, abs=0.01)
    assert float(x[0][x[0] > 0].mean()) == pytest.approx(0.5, abs=0.02)


def test_instances_do_not_feel_one_another():
    """The gradients of a batch are those of each instance alone."""
    from sonde.superposition.toy.training import ToyModel, _losses

    generator = torch.Generator().manual_seed(0)
    W = torch.randn(3, 2, 5, generator=generator)
    x = Features(5).draw(torch.tensor([1.0, 0.5, 0.1]), 32, generator)
    importance = torch.ones(3, 5, 1)
    together = ToyModel(W, torch.tensor([True, False, True]))
    _losses(together, x, importance).sum().backward()
    for i in range(3):
        alone = ToyModel(W[i : i + 1], torch.tensor([i != 1]))
        _losses(alone, x[i : i + 1], importance[:1]).sum().backward()
        assert torch.allclose(alone.W.grad[0], together.W.grad[i], atol=1e-6)


def test_an_interrupted_training_goes_on_to_the_same_weights(tmp_path, monkeypatch):
    settings, config = [Setting(0.5, (1.0, 1.0))], ToyTraining(steps=20, batch=8, seeds=2)
    whole = train(settings, 1, Features(2), config, seed=0)
    from sonde.nn.training import Training

    update = Training.update

    def stopped(self, loss):
        if self.step == 13:
            raise KeyboardInterrupt
        return update(self, loss)

    monkeypatch.setattr(Training, "update", stopped)
    with pytest.raises(KeyboardInterrupt):
        train(settings, 1, Features(2), config, seed=0, folder=tmp_path / "kept")
    monkeypatch.setattr(Training, "update", update)
    again = train(settings, 1, Features(2), config, seed=0, folder=tmp_path / "kept")
    assert all(torch.equal(a, b) for a, b in zip(whole, again, strict=True))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"sparsity": [1.0]}, "there are no data"),
        ({"sparsity": [-0.1]}, "sparsity -0.1"),
        ({"sparsity": []}, "0 settings"),
        ({"n": 5, "relation": "correlated"}, "make no correlated groups of 2"),
        ({"n": 4, "relation": "anticorrelated", "sparsity": [0.2]}, "absent at least 0.5"),
        ({"relation": "odd"}, "relation='odd'"),
        ({"m": 0}, "m=0"),
        ({"decay": -1.0}, "importance"),
    ],
)
def test_mistakes_are_named(arguments, said):
    with pytest.raises(InputError, match=said):
        toy_models(**arguments)


def test_features_count_only_where_they_are_long(trained):
    assert represented(trained.best).shape == (6, 5)
