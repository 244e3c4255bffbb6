"""What is summed over the training examples for a curvature: the second moments of activations and gradients, and squared gradients.

K-FAC (Martens and Grosse 2015) takes the curvature of a linear map for the Kronecker product A x S. Here A is the mean of a a^T over places, and S
the mean over examples of the sum of delta delta^T over places, so that A x S speaks of an example's whole gradient, as everything else here does: for
one place an example both are the textbook's. EK-FAC (George et al. 2018, "Fast Approximate Natural Gradient Descent in a Kronecker-factored
Eigenbasis") keeps the eigenvectors and measures Lambda_jk = E[(Q_S^T G Q_A)_jk^2] anew. Sums are kept in float64, so parts can be computed anywhere
and added.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from sonde.influence.blocks import Outer
from sonde.influence.labels import Labels
from sonde.influence.losses import name_of
from sonde.influence.subject import Subject, Told
from sonde.influence.turning import Turning
from sonde.jobs import Executor, refuse_unfinished, shards
from sonde.results import content_hash

WHOLE = 256  # columns whose products are taken at once: halves of fewer cost more than they save

Sums = dict[str, Tensor]
Receive = Callable[[Sums, Told], None]


def moments(subject: Subject, labels: Labels, folder: Path | None = None, diagonal: Sequence[str] = (), executor: Executor | None = None) -> Sums:
    """The sums of a a^T, of delta delta^T and of squared gradients (of what is no linear map), with the numbers of places and examples.

    Arguments:
        subject: what is asked.
        labels: whose gradients.
        folder: keep finished pieces here.
        diagonal: blocks of which squared gradients are summed, too.
        executor: what computes the pieces.
    """
    # of the blocks that read the same activations one tells of them
    tells = {block.source: block.name for block in reversed(subject.blocks) if block.name not in diagonal}

    def add(sums: Sums, told: Told) -> None:
        block = told.block
        _add_moments(sums, told, squared=block.name in diagonal, tells=tells.get(block.source) == block.name)

    return _summed(subject, labels, " ".join(["moments", *sorted(diagonal)]), add, folder, executor)


def squares(
    subject: Subject, labels: Labels, bases: Mapping[str, tuple[Tensor, Tensor]], folder: Path | None = None, executor: Executor | None = None
) -> Sums:  # fmt: skip
    """The sums of squared gradients in their eigenbases, for the blocks that have one.

    Arguments:
        subject: what is asked.
        labels: whose gradients.
        bases: for each linear map the eigenvectors of activations and gradients.
        folder: keep finished pieces here.
        executor: what computes them.
    """
    turning = Turning(subject.blocks, bases)

    def add(sums: Sums, told: Told) -> None:
        if told.block.name in turning:
            _into(sums, f"{told.block.name}/squares", turning(told).square_().sum(0))

    key = content_hash({name: list(pair) for name, pair in bases.items()})
    return _summed(subject, labels, f"squares {key}", add, folder, executor)


def diagonal(subject: Subject, labels: Labels, folder: Path | None = None, executor: Executor | None = None) -> Sums:
    """The sums of squared gradients, weight by weight.

    Arguments:
        subject: what is asked.
        labels: whose gradients.
        folder: keep finished pieces here.
        executor: what computes them.
    """

    def add(sums: Sums, told: Told) -> None:
        _into(sums, f"{told.block.name}/squares", told.trace.squares())

    return _summed(subject, labels, "diagonal", add, folder, executor)


def merged(parts: Sequence[Sums]) -> Sums:
    """The sums of several parts together.

    Arguments:
        parts: with the same names.

    >>> float(merged([{"n": torch.tensor(2.0)}, {"n": torch.tensor(3.0)}])["n"])
    5.0
    """
    found: Sums = {}
    for part in parts:
        for name, value in part.items():
            _into(found, name, value)
    return found


def _summed(subject: Subject, labels: Labels, what: str, add: Receive, folder: Path | None, executor: Executor | None) -> Sums:
    """A pass over the training set, in pieces."""
    pieces = subject.pieces()

    def work(piece: range) -> Sums:
        sums: Sums = {}
        for indices in subject.batches(piece):
            subject.back_from_labels(indices, labels, lambda told: add(sums, told))
            _into(sums, "examples", torch.tensor(float(len(indices)), dtype=torch.float64))
        return sums

    key = "" if folder is None else job_key(subject, labels, what)
    place = None if folder is None else folder / what.split()[0]
    found: Sums = {}
    order = []
    for i, part in shards(work, pieces, place, key, what.split()[0], executor):
        order.append(i)
        for name, value in part.items():
            _into(found, name, value)
    refuse_unfinished(len(order), len(pieces))
    if place is not None and order != sorted(order):
        # pieces that were there already came first: added in one order the last bits, by which the next pass is recognised, are every worker's
        return _summed(subject, labels, what, add, folder, executor)
    return found


def job_key(subject: Subject, labels: Labels, what: str) -> str:
    """A hash of everything that decides the sums.

    Arguments:
        subject: what is asked.
        labels: whose gradients.
        what: is summed.
    """
    blocks = [[block.name, *block.paths, block.rows, block.cols] for block in subject.blocks]
    return content_hash([subject.model.hash, subject.examples.fingerprint, name_of(subject.loss), labels, blocks, what, len(subject.pieces()[0])])


def _add_moments(sums: Sums, told: Told, squared: bool, tells: bool) -> None:
    block, seen = told.block, told.trace
    if squared or not isinstance(seen, Outer):
        _into(sums, f"{block.name}/squares", seen.squares())
        return
    delta = seen.delta.flatten(0, 1)
    _into(sums, f"{block.name}/S", gram(delta))
    if told.again or not tells:  # the activations are the same in every way back, and in blocks that read the same
        return
    a = seen.a if told.real is None else seen.a * told.real[..., None].to(seen.a)
    a = a.flatten(0, 1)
    _into(sums, f"{block.source}/A", gram(a))
    places = a.shape[0] if told.real is None else int(told.real.sum())
    _into(sums, f"{block.source}/places", torch.tensor(float(places), dtype=torch.float64))


def gram(rows: Float[Tensor, "row axis"]) -> Float[Tensor, "axis axis"]:
    """The products of all columns with one another, each pair of wide halves once: of 1,024 columns five eighths of the operations.

    Arguments:
        rows: any.

    >>> x = torch.arange(6.0).view(2, 3)
    >>> torch.equal(gram(x), x.T @ x)
    True
    """
    width = rows.shape[1]
    if width <= WHOLE:
        return rows.T @ rows
    left, right = rows[:, : width // 2], rows[:, width // 2 :]
    across = left.T @ right
    return torch.cat([torch.cat([gram(left), across], 1), torch.cat([across.T, gram(right)], 1)])


def _into(sums: Sums, name: str, value: Tensor) -> None:
    if name in sums:
        sums[name] += value.to(sums[name])
    else:
        sums[name] = value.detach().to(torch.float64, copy=True)
