"""A small classifier of a table, trained on the spot: what is audited where a user brings data and no model."""

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import nn

from sonde.access import Model
from sonde.behaviour.tables.encoder import Encoder
from sonde.behaviour.tables.table import Table
from sonde.jobs import track
from sonde.nn.training import Training, TrainingConfig
from sonde.results import InputError

ROWS = 256  # in an update


def train_classifier(table: Table, encoder: Encoder, hidden: Sequence[int] = (), steps: int = 400, seed: int = 0) -> Model:
    """Train logistic regression, or a network with hidden layers, to tell the classes of a table.

    Arguments:
        table: the rows of training.
        encoder: how its columns are read.
        hidden: neurons of each hidden layer; none is logistic regression.
        steps: updates of 256 rows each.
        seed: of the first weights and the order of the rows.

    Returns:
        The handle; it takes what the encoder gives and returns a logit for each class.

    Raises:
        InputError: fewer than two classes among the rows.
    """
    if len(table.labels.unique()) < 2:
        raise InputError(f"all {len(table)} rows of {table.name!r} are {table.classes[int(table.labels[0])]!r}: there is nothing to learn")
    inputs = encoder(table.rows())
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        widths = [inputs.shape[1], *hidden]
        layers = [layer for a, b in pairwise(widths) for layer in (nn.Linear(a, b), nn.ReLU())]
        network = nn.Sequential(*layers, nn.Linear(widths[-1], len(table.classes)))
    training = Training(network, TrainingConfig(steps=steps, lr=1e-2, weight_decay=0.01, warmup_steps=20, cooldown=0.5))
    generator = torch.Generator().manual_seed(seed)
    for _ in track(range(steps), "training"):
        rows = torch.randint(len(table), (ROWS,), generator=generator)
        training.update(nn.functional.cross_entropy(network(inputs[rows]), table.labels[rows]))
    return Model(network.eval(), name=f"{'logistic regression' if not hidden else 'network'} on {table.name}")
