"""The product read from its other side: places of a query sum to its scores, and the weights move as closed forms and scores say."""

import pytest
import torch
from tiny_models import bare
from torch import nn

from sonde.influence import Absolute, CrossEntropy, NextToken, SquaredError, fit
from sonde.results import InputError

CLOSE = {"rtol": 1e-9, "atol": 1e-12}


def test_the_places_of_a_query_sum_to_its_scores():
    torch.manual_seed(0)
    rows = torch.randint(1, 12, (8, 7)).tolist()
    influence = fit(bare("native").double(), rows, NextToken(), labels="empirical", batch_size=3)
    queries = [rows[0][:5], rows[1], rows[2][:4]]
    found, scores = influence.query_tokens(queries, [5, 0]), influence.scores(queries, by="token")
    assert found.values.shape == (3, 2, 7) and [len(row) for row in found.tokens] == [5, 7, 4]
    torch.testing.assert_close(found.values.sum(-1), scores.values[:, [5, 0]], **CLOSE)
    assert (found.values[0, :, 5:] == 0).all() and found.values[0, :, :5].abs().max() > 0
    # by the places of the example the same product is taken apart otherwise
    assert not torch.allclose(found.values[1, 1], scores.by_token[1, 0])
    assert len(found.to_frame()) == 2 * (5 + 7 + 4) and found.drawing().kind == "tabs"


def test_the_move_times_a_query_s_gradient_is_its_score():
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(4, 5), nn.Tanh(), nn.LayerNorm(5), nn.Linear(5, 3, bias=False)).double()
    x, y = torch.randn(12, 4, dtype=torch.float64), torch.randint(3, (12,))
    influence = fit(network, (x, y), CrossEntropy())
    moves = influence.moved([2, 7])
    weights = dict(network.named_parameters())
    assert {name: move.shape for name, move in moves.items()} == {name: weight.shape for name, weight in weights.items()}
    grads = torch.autograd.grad(nn.functional.cross_entropy(network(x[:1]), y[:1]), list(weights.values()))
    product = sum(float((g * moves[name]).sum()) for name, g in zip(weights, grads, strict=True))
    assert product == pytest.approx(float(influence.scores((x[:1], y[:1])).removal[0, [2, 7]].sum()), rel=1e-9)


def test_least_squares_move_as_their_closed_form_says():
    """theta_-i - theta = -(X^T X)^-1 x_i r_i / (1 - h_i) with the residual r and the leverage h; to first order the last factor is missing."""
    torch.manual_seed(0)
    x = torch.randn(60, 3, dtype=torch.float64)
    y = x @ torch.tensor([[1.0], [-2.0], [0.5]], dtype=torch.float64) + 0.3 * torch.randn(60, 1, dtype=torch.float64)
    ones = torch.cat([x, torch.ones(60, 1, dtype=torch.float64)], 1)
    theta = torch.linalg.lstsq(ones, y).solution.flatten()
    network = nn.Linear(3, 1).double()
    with torch.no_grad():
        network.weight.copy_(theta[None, :3])
        network.bias.copy_(theta[3:])
    influence = fit(nn.Sequential(network), (x, y), SquaredError(), kind="kfac", damping=Absolute(1e-12))
    for i in (0, 17):
        others = [j for j in range(60) if j != i]
        truth = torch.linalg.lstsq(ones[others], y[others]).solution.flatten() - theta
        leverage = ones[i] @ torch.linalg.solve(ones.T @ ones, ones[i])
        weight, bias = influence.moved([i]).values()
        torch.testing.assert_close(torch.cat([weight.flatten(), bias]), truth * (1 - leverage), rtol=1e-6, atol=1e-9)


def test_mistakes():
    x, y = torch.randn(6, 4), torch.arange(6) % 3
    influence = fit(nn.Sequential(nn.Linear(4, 3)), (x, y), CrossEntropy())
    for wrong in ([], [6], [-1], [True], "0", 3):
        with pytest.raises(InputError, match="counted from 0 to 5"):
            influence.moved(wrong)
    with pytest.raises(InputError, match="rows of tokens"):
        influence.query_tokens((x[:1], y[:1]), [0])
