"""The probe with a hidden layer: it reads what no linear probe can, and stops before it remembers."""

import torch

from sonde.probing.probes import MLP, fit_logistic, fit_mlp, kind_of


def parity(n: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    x = torch.randn(n, 4, generator=torch.Generator().manual_seed(seed))
    return x * 3 + 2, ((x[:, 0] > 0) ^ (x[:, 1] > 0)).long()


def test_reads_what_is_not_linear() -> None:
    (x, y), dev, (test, labels) = parity(1500, 41), parity(200, 42), parity(400, 43)
    net = fit_mlp(x, y, dev, hidden=32, lr=0.01, epochs=40)
    assert float((net.predict(test) == labels).float().mean()) > 0.9
    assert float((fit_logistic(x, y).predict(test) == labels).float().mean()) < 0.6


def test_tells_numbers_in_their_own_units() -> None:
    x, _ = parity(1000, 44)
    y = 1000 + 50 * (x[:, 0] - 2).abs()
    net = fit_mlp(x[:800], y[:800], (x[800:900], y[800:900]), hidden=32, lr=0.01)
    left = net.predict(x[900:]) - y[900:]
    assert float(left.square().mean()) < 0.1 * float(y.var())


def test_stops_where_only_noise_is_left() -> None:
    x = torch.randn(200, 10, generator=torch.Generator().manual_seed(45))
    y = torch.randint(2, (200,), generator=torch.Generator().manual_seed(46))
    assert fit_mlp(x[:150], y[:150], (x[150:], y[150:]), lr=0.01).epochs < 10


def test_the_seed_decides_and_the_global_one_does_not() -> None:
    (x, y), dev = parity(200, 47), parity(50, 48)
    kind = MLP(hidden=8, epochs=2)
    first = kind.fit((x, y), dev, 2, seed=3)
    torch.manual_seed(999)
    assert torch.equal(first.hidden, kind.fit((x, y), dev, 2, seed=3).hidden)
    assert not torch.equal(first.hidden, kind.fit((x, y), dev, 2, seed=4).hidden)
    assert kind_of("mlp") == MLP()
