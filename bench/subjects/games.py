"""Games of known Shapley values, the same for every subject: tanh networks of twelve players, far from linear."""

from collections.abc import Callable
from typing import Any

from bench.subjects.trial import Trial

PLAYERS = 12
BUDGETS = (128, 512, 2048)  # evaluations
WHOLE, QUICK = (60, 5), (6, 2)  # games, seeds of the estimator
FIRST = 1000  # games before this one were looked at while the estimator was chosen

Estimator = Callable[[Any, int, int], Any]
"""From a game, a budget and a seed to the Shapley values of its players."""


def game(seed: int) -> Any:
    """A network (rows, players) -> (rows, 1); nobody is a row of zeros, everybody a row of ones."""
    import torch

    torch.manual_seed(seed)
    layers = [torch.nn.Linear(PLAYERS, 64), torch.nn.Tanh(), torch.nn.Linear(64, 64), torch.nn.Tanh(), torch.nn.Linear(64, 1)]
    net = torch.nn.Sequential(*layers).requires_grad_(False)
    for weights in net.parameters():
        weights.mul_(2.5)
    return net


def estimated(estimator: Estimator, size: tuple[int, int]) -> Trial:
    """Every game by one estimator, with every budget and seed."""
    import torch

    def run() -> Any:
        rows = [
            torch.stack([torch.stack([estimator(net, budget, 1000 * number + seed).double() for budget in BUDGETS]) for seed in range(size[1])])
            for number, net in ((number, game(FIRST + number)) for number in range(size[0]))
        ]
        return torch.stack(rows)

    return Trial(run, lambda found: {"shares": found})
