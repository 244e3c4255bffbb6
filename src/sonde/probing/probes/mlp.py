"""A probe with one hidden layer: p(c | x) = softmax(W_2 relu(W_1 z + b_1) + b_2), or a number; z standardised.

It reads what is not linear in the activations, and remembers what is not in them: its answer means little without a control task (Hewitt and Liang
2019). Trained by Adam; it stops when the loss on examples that it does not learn from no longer falls, and keeps the best weights.
"""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float, Shaped
from torch import Tensor, nn

from sonde.probing.probes.linear import numbered_classes
from sonde.probing.probes.moments import Standard
from sonde.probing.probes.ridge import refuse_numbers

PATIENCE = 4  # epochs without a better loss


@dataclass(frozen=True, eq=False)
class MLPProbe:
    """A trained probe with a hidden layer.

    Arguments:
        standard: of the activations that it was fitted on.
        hidden: weights of the hidden layer, of standardised activations.
        hidden_bias: its biases.
        weight: per class, or one row for a number.
        bias: per class.
        kind: "mlp" of classes, "mlp number" of a number.
        n: examples that it was fitted on.
        epochs: until it was best.
    """

    standard: Standard
    hidden: Float[Tensor, "unit d"]
    hidden_bias: Float[Tensor, " unit"]
    weight: Float[Tensor, "class unit"]
    bias: Float[Tensor, " class"]
    kind: str
    n: int
    epochs: int

    def scores(self, x: Float[Tensor, "rows d"]) -> Float[Tensor, "rows class"]:
        """What is said of each class.

        Arguments:
            x: activations.
        """
        return (self.standard.applied(x) @ self.hidden.T + self.hidden_bias).relu() @ self.weight.T + self.bias

    def predict(self, x: Float[Tensor, "rows d"]) -> Tensor:
        """The class of the largest score; for a number the score itself.

        Arguments:
            x: activations.
        """
        scores = self.scores(x)
        return scores[..., 0] if self.kind == "mlp number" else scores.argmax(-1)

    def log_prob(self, x: Float[Tensor, "rows d"]) -> Float[Tensor, "rows class"]:
        """The logarithm of each class's probability, in nats.

        Arguments:
            x: activations.
        """
        return self.scores(x).log_softmax(-1)


def fit_mlp(
    x: Float[Tensor, "n d"], y: Shaped[Tensor, " n"], dev: tuple[Float[Tensor, "m d"], Shaped[Tensor, " m"]], n_classes: int | None = None,
    hidden: int = 128, lr: float = 1e-3, weight_decay: float = 0.0, epochs: int = 60, batch: int = 256, seed: int = 0,
) -> MLPProbe:  # fmt: skip
    """Fit one probe.

    Arguments:
        x: activations, one row per example.
        y: the class of each from 0 on (int64), or a number (float).
        dev: activations and targets that decide when to stop.
        n_classes: how many classes there are; the largest of `y` and those below it if not given.
        hidden: units of the hidden layer.
        lr: Adam's rate.
        weight_decay: Adam's, decoupled.
        epochs: passes over the examples at most.
        batch: examples per step.
        seed: of the weights and the order.

    Raises:
        InputError: as for `fit_ridge`.
    """
    number = y.is_floating_point()
    if number:
        refuse_numbers(x, y)
        outputs = 1
    else:
        outputs, _ = numbered_classes(x, y, n_classes)
    standard = Standard.of(x)
    z, dev_z = standard.applied(x), standard.applied(dev[0])
    # a number is told in its own deviations from its mean, so that one rate fits all units
    middle, spread = (float(y.mean()), float(y.std())) if number else (0.0, 1.0)
    generator = torch.Generator().manual_seed(seed)
    into, out = nn.Linear(z.shape[1], hidden), nn.Linear(hidden, outputs)
    net = nn.Sequential(into, nn.ReLU(), out).to(z)
    with torch.no_grad():
        for layer in (into, out):
            bound = 1 / math.sqrt(layer.in_features)
            for part in layer.parameters():
                part.copy_((2 * torch.rand(part.shape, generator=generator, dtype=torch.float64) - 1) * bound)
    optimiser = torch.optim.AdamW(net.parameters(), lr=lr, weight_decay=weight_decay)

    def loss(rows: Tensor, targets: Tensor) -> Tensor:
        said = net(rows)
        if number:
            return nn.functional.mse_loss(said[:, 0], ((targets - middle) / spread).to(said))
        return nn.functional.cross_entropy(said, targets)

    best, best_epoch, kept = math.inf, 0, [part.detach().clone() for part in net.parameters()]
    for epoch in range(1, epochs + 1):
        order = torch.randperm(len(z), generator=generator).to(z.device)
        for chosen in order.split(batch):
            optimiser.zero_grad()
            loss(z[chosen], y[chosen]).backward()  # type: ignore[no-untyped-call]
            optimiser.step()
        with torch.no_grad():
            held = float(loss(dev_z, dev[1]))
        if held < best:
            best, best_epoch, kept = held, epoch, [part.detach().clone() for part in net.parameters()]
        elif epoch - best_epoch >= PATIENCE:
            break
    hidden_weight, hidden_bias, weight, bias = kept
    kind = "mlp number" if number else "mlp"
    return MLPProbe(standard, hidden_weight, hidden_bias, weight * spread, bias * spread + middle, kind, len(x), best_epoch)
