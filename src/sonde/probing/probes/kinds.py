"""Kinds of probes, as values: how one is fitted, and how its penalty is chosen on examples that it does not learn from."""

from dataclasses import dataclass
from typing import Protocol

import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from sonde.probing.probes.linear import LinearProbe
from sonde.probing.probes.logistic import logistic_path
from sonde.probing.probes.mlp import MLPProbe, fit_mlp
from sonde.probing.probes.ridge import ridge_path
from sonde.results import InputError, shown

Probe = LinearProbe | MLPProbe
Examples = tuple[Tensor, Tensor]
"""Activations, one row per example, and their targets."""


WORSE = 2  # penalties in a row that do no better: weaker ones are not tried


class Kind(Protocol):
    """A kind of probe: frozen settings that can be fitted."""

    def fit(self, train: Examples, dev: Examples, n_classes: int, seed: int = 0) -> Probe:
        """A probe of classes, or of a number where the targets are floats."""
        ...


@dataclass(frozen=True)
class Logistic:
    """Multinomial logistic regression; see `fit_logistic`.

    Arguments:
        Cs: how weak the penalties to choose from are, the strongest penalty first, as in scikit-learn.
        tol: of the gradient.
    """

    Cs: tuple[float, ...] = (1e-4, 1e-3, 1e-2, 1e-1, 1.0, 10.0, 100.0)
    tol: float = 1e-4

    def fit(self, train: Examples, dev: Examples, n_classes: int, seed: int = 0) -> LinearProbe:
        """The probe under the penalty with the least loss on the examples held out.

        Arguments:
            train: examples to learn from.
            dev: examples to choose on; used only where there are several penalties.
            n_classes: how many classes there are.
            seed: of nothing: the answer is unique.

        Raises:
            InputError: targets that are numbers.
        """
        if train[1].is_floating_point():
            raise InputError("a logistic probe tells classes, and these targets are numbers: take probe='ridge' or 'mlp'")
        path: list[LinearProbe] = []
        losses: list[float] = []
        for probe in logistic_path(*train, n_classes, self.Cs, self.tol):
            if len(self.Cs) == 1:
                return probe
            path.append(probe)
            losses.append(float(bits(probe, *dev).mean()))
            # a weaker penalty costs more passes, and the loss has one minimum along the path but for noise
            if len(path) - 1 - losses.index(min(losses)) == WORSE:
                break
        return _best(path, losses)


@dataclass(frozen=True)
class Ridge:
    """Ridge regression in closed form; see `fit_ridge`.

    Arguments:
        penalties: to choose from, beside the mean squared error of standardised features.
    """

    penalties: tuple[float, ...] = (1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0, 10.0)

    def fit(self, train: Examples, dev: Examples, n_classes: int, seed: int = 0) -> LinearProbe:
        """The probe under the penalty with the least squared error on the examples held out.

        Arguments:
            train: examples to learn from.
            dev: examples to choose on.
            n_classes: how many classes there are; 0 for numbers.
            seed: of nothing: the answer is unique.
        """
        path = ridge_path(*train, n_classes or None, self.penalties)
        x, y = dev
        targets = y[:, None] if y.is_floating_point() else torch.nn.functional.one_hot(y, n_classes)
        return _best(path, [float((probe.scores(x) - targets).square().mean()) for probe in path])


@dataclass(frozen=True)
class MLP:
    """One hidden layer; see `fit_mlp`.

    Arguments:
        hidden: its units.
        lr: Adam's rate.
        weight_decay: Adam's.
        epochs: passes over the examples at most.
    """

    hidden: int = 128
    lr: float = 1e-3
    weight_decay: float = 0.0
    epochs: int = 60

    def fit(self, train: Examples, dev: Examples, n_classes: int, seed: int = 0) -> MLPProbe:
        """The weights with the least loss on the examples held out.

        Arguments:
            train: examples to learn from.
            dev: examples that decide when to stop.
            n_classes: how many classes there are; 0 for numbers.
            seed: of the weights and the order.
        """
        return fit_mlp(*train, dev, n_classes or None, self.hidden, self.lr, self.weight_decay, self.epochs, seed=seed)


KINDS: dict[str, Kind] = {"logistic": Logistic(), "ridge": Ridge(), "mlp": MLP()}


def kind_of(probe: str | Kind) -> Kind:
    """A kind by its name, or as it is given.

    Arguments:
        probe: "logistic", "ridge", "mlp", or settings of one of them.

    Raises:
        InputError: no such kind.
    """
    if isinstance(probe, str):
        if probe not in KINDS:
            raise InputError(f"there is no probe {shown(probe, 40)}: take one of {', '.join(KINDS)}, or settings such as Logistic(Cs=(1.0,))")
        return KINDS[probe]
    if not hasattr(probe, "fit"):
        raise InputError(f"{shown(probe, 40)} is no kind of probe: it has no fit(train, dev, n_classes, seed)")
    return probe


def bits(probe: Probe, x: Float[Tensor, "n d"], y: Shaped[Tensor, " n"]) -> Float[Tensor, " n"]:
    """How many bits each label costs who knows the probe: -log2 p(y | x).

    To the examples that the probe learnt from one is added that may be of any class, p' = (n p + 1 / K) / (n + 1): a class that it never saw costs
    log2 K (n + 1) bits, not infinitely many, and nothing else changes by more than log2 (n + 1) / n.

    Arguments:
        probe: of classes.
        x: activations.
        y: the class of each row.
    """
    log_p = probe.log_prob(x)
    p = log_p.gather(1, y[:, None])[:, 0].double().exp()
    return -((probe.n * p + 1 / log_p.shape[1]) / (probe.n + 1)).log2()


def _best(path: list[LinearProbe], losses: list[float]) -> LinearProbe:
    return path[min(range(len(path)), key=losses.__getitem__)]
