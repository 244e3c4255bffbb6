"""Ridge probes: the closed form against the normal equations, for classes and for numbers."""

import pytest
import torch

from sonde.probing.probes import Ridge, fit_ridge, ridge_path
from sonde.results import InputError


def features(n: int = 200, d: int = 6, seed: int = 31) -> torch.Tensor:
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) * torch.arange(1, d + 1) + 10


def test_solves_the_normal_equations_under_every_penalty() -> None:
    x = features()
    y = torch.randint(3, (200,), generator=torch.Generator().manual_seed(1))
    z = (x - x.mean(0)) / x.std(0, correction=0)
    hot = torch.nn.functional.one_hot(y, 3).double()
    for probe, penalty in zip(ridge_path(x, y, penalties=(1e-3, 1.0)), (1e-3, 1.0), strict=True):
        by_hand = torch.linalg.solve(z.T @ z / 200 + penalty * torch.eye(6), z.T @ (hot - hot.mean(0)) / 200)
        torch.testing.assert_close(probe.scores(x), z @ by_hand + hot.mean(0))


def test_plain_least_squares_finds_the_planted_plane() -> None:
    x = features()
    y = x @ torch.tensor([1.0, -2.0, 0.0, 0.5, 0.0, 3.0]).double() - 4
    probe = fit_ridge(x, y, penalty=0.0)
    torch.testing.assert_close(probe.weight[0], torch.tensor([1.0, -2.0, 0.0, 0.5, 0.0, 3.0]).double())
    assert probe.bias.item() == pytest.approx(-4)


def test_features_that_depend_on_one_another_have_an_answer() -> None:
    x = features()
    twice = torch.cat([x, x[:, :1] * 2], 1)
    y = x[:, 0] * 3
    probe = fit_ridge(twice, y, penalty=0.0)
    torch.testing.assert_close(probe.predict(twice), y)


def test_the_penalty_is_chosen_where_it_was_not_fitted() -> None:
    x = torch.randn(60, 50, generator=torch.Generator().manual_seed(3))
    y = x[:, 0] + torch.randn(60, generator=torch.Generator().manual_seed(4))
    train, dev = (x[:40], y[:40]), (x[40:], y[40:])
    chosen, weak = Ridge().fit(train, dev, 0), Ridge(penalties=(0.0,)).fit(train, dev, 0)
    assert float((chosen.predict(dev[0]) - dev[1]).square().mean()) < float((weak.predict(dev[0]) - dev[1]).square().mean())


@pytest.mark.usefixtures("unchecked")
def test_bad_input_is_refused() -> None:
    x = features(n=4)
    with pytest.raises(InputError, match="all 4 numbers to be told are 2"):
        fit_ridge(x, torch.full((4,), 2.0))
    with pytest.raises(InputError, match="1 of 4 numbers to be told are not finite"):
        fit_ridge(x, torch.tensor([1.0, 2.0, torch.nan, 3.0]))
    with pytest.raises(InputError, match="penalty=-1"):
        fit_ridge(x, torch.arange(4.0), penalty=-1.0)
    with pytest.raises(InputError, match="no probabilities"):
        fit_ridge(x, torch.tensor([0, 1, 0, 1])).log_prob(x)
