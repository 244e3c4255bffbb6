"""The phase diagram: exact costs, and the phases that training finds."""

import pytest
import torch

from sonde.results import InputError, Result
from sonde.superposition import PHASES, Features, ToyTraining, costs, phase_diagram

W = {"left out": [[1.0, 0.0]], "dedicated": [[0.0, 1.0]], "superposition": [[1.0, -1.0]]}


@pytest.mark.parametrize("phase", range(3))
def test_the_costs_on_paper_are_those_of_the_solutions(phase):
    """Measured on many inputs, where a feature that is left out is replaced by its mean."""
    p, r = 0.4, 3.0
    x = Features(2).draw(torch.tensor([p]), 400_000, torch.Generator().manual_seed(0))[0].double()
    weights = torch.tensor(W[PHASES[phase]], dtype=torch.float64)
    bias = torch.where(weights[0] == 0, p / 2, 0.0)[:, None]
    loss = ((weights.T @ (weights @ x) + bias).relu() - x).square().mean(1) @ torch.tensor([1.0, r], dtype=torch.float64)
    assert float(costs(torch.tensor(p), torch.tensor(r), n=2)[phase]) == pytest.approx(float(loss), rel=0.02)


@pytest.mark.parametrize("p", [0.1, 0.3, 0.5])
def test_boundaries_lie_where_the_formula_says(p):
    r = 2 * p / (4 - 5 * p)
    left_out, dedicated, shared = costs(torch.tensor(p, dtype=torch.float64), torch.tensor(r, dtype=torch.float64), n=2)
    assert float(left_out) == pytest.approx(float(shared), rel=1e-12)
    _, dedicated, shared = costs(torch.tensor(p, dtype=torch.float64), torch.tensor(1 / r, dtype=torch.float64), n=2)
    assert float(dedicated) == pytest.approx(float(shared), rel=1e-12)


@pytest.fixture(scope="module")
def diagram():
    return phase_diagram(sparsity=(0.0, 0.3, 0.8, 0.95), importance=(0.1, 0.4, 3.0, 10.0), config=ToyTraining(steps=500, batch=96, seeds=3))


def test_training_finds_the_phases_of_the_theory(diagram):
    (verdict,) = diagram.check()
    assert verdict.holds is True
    assert diagram.found[:, 0].tolist() == [0, 0, 1, 1]  # dense: the more important feature alone
    assert diagram.found[:, 3].tolist() == [2, 2, 2, 2]
    assert (diagram.loss <= 1.1 * diagram.cost + 1e-3).all()  # nothing on paper costs less than what was found, up to the draw of inputs


def test_phases_in_the_wrong_cells_do_not_hold(diagram):
    from dataclasses import replace

    broken = replace(diagram, found=diagram.found.flatten()[torch.randperm(16, generator=torch.Generator().manual_seed(1))].view(4, 4))
    assert broken.check()[0].holds is not True


def test_it_is_drawn_and_kept(diagram, tmp_path):
    again = Result.load(diagram.save(tmp_path / "kept"))
    assert again.drawing().to_json() == diagram.drawing().to_json()
    assert diagram.to_frame().height == 16


def test_with_three_features_others_may_share_instead():
    p, r = torch.tensor(0.1), torch.tensor(10.0)
    assert int(costs(p, r, n=3).argmin(0)) == 1 and int(costs(p, r, n=2).argmin(0)) == 2


@pytest.mark.parametrize("arguments", [{"n": 1}, {"sparsity": []}, {"importance": [0.0]}])
def test_mistakes_are_named(arguments):
    with pytest.raises(InputError, match="two features or more"):
        phase_diagram(**arguments)
