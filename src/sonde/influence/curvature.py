"""The curvature of the training loss, block by block, in a form whose inverse is quickly applied.

Every kind comes to the same: orthogonal axes Q_A for the columns and Q_S for the rows of a block's gradient, and eigenvalues Lambda in these axes,
so that

    H^-1 G = Q_S [(Q_S^T G Q_A) / (Lambda + damping)] Q_A^T.

Identity: nothing is divided. Diagonal: the axes are the weights' own. K-FAC: the eigenvectors of A and S, Lambda = l_S l_A^T. EK-FAC: the same
axes, with Lambda measured in them. Embeddings and norms are diagonal in all of the last three. H is the mean over examples, without the objective's
weight decay.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Literal, get_args

import torch
from jaxtyping import Float
from torch import Tensor

from sonde.influence.blocks import Block
from sonde.influence.damping import Absolute, Damping, Factored
from sonde.influence.labels import Labels
from sonde.influence.losses import name_of
from sonde.influence.statistics import diagonal, moments, squares
from sonde.influence.subject import Subject, refuse_nothing
from sonde.jobs import Executor
from sonde.results import Artifact, InputError, LoadError, content_hash, shown

Kind = Literal["identity", "diagonal", "kfac", "ekfac"]
Kinds = Kind | Mapping[str, Kind]  # of all blocks, or by paths and globs of modules
MIXED = "mixed"  # what a curvature is called whose blocks are of several kinds
KIND = "sonde.influence.Curvature"


@dataclass(frozen=True, eq=False)
class Spectrum:
    """The curvature of one block.

    Arguments:
        values: the eigenvalues.
        QA, QS: the axes of columns and rows, as columns; `None` for the weights' own.
        pair: the eigenvalues of A and of S, where the eigenvalues are their products.
    """

    values: Float[Tensor, "row col"]
    QA: Float[Tensor, "col col"] | None = None
    QS: Float[Tensor, "row row"] | None = None
    pair: tuple[Tensor, Tensor] | None = None

    def divisor(self, damping: Damping) -> Float[Tensor, "row col"]:
        """What is divided by.

        Arguments:
            damping: that is added.
        """
        if isinstance(damping, Absolute):
            return self.values + damping.value
        if not isinstance(damping, Factored) or self.pair is None:
            return self.values + damping.share * self.values.mean()
        la, ls = self.split(damping)
        return torch.outer(ls, la)

    def split(self, damping: Factored) -> tuple[Tensor, Tensor]:
        """The damped eigenvalues of A and of S.

        Arguments:
            damping: that is split between them.
        """
        assert self.pair is not None
        la, ls = self.pair
        root, pi = (damping.share * self.values.mean()).sqrt(), (la.mean() / ls.mean()).sqrt()
        return la + pi * root, ls + root / pi

    def inverse(self, G: Float[Tensor, "query row col"], damping: Damping) -> Float[Tensor, "query row col"]:
        """H^-1 G.

        Arguments:
            G: gradients.
            damping: that is added to the eigenvalues.
        """
        divisor = self.divisor(damping).to(G)
        if self.QA is None or self.QS is None:
            return G / divisor
        QA, QS = self.QA.to(G), self.QS.to(G)
        return QS @ ((QS.T @ G @ QA) / divisor) @ QA.T


@dataclass(frozen=True, eq=False)
class Curvature:
    """The curvature of all blocks, and what it was fitted on.

    Arguments:
        kind: how it is approximated; "mixed" where that differs from block to block.
        labels: whose gradients.
        spectra: of each block by name; none for the identity.
        model_hash: of the weights.
        fingerprint: of the training set.
        loss: its name.
        examples: how many.
    """

    kind: str
    labels: Labels
    spectra: dict[str, Spectrum]
    model_hash: str
    fingerprint: str
    loss: str
    examples: int = 0

    @property
    def kinds(self) -> Any:
        """How it is approximated, as `fit` takes it."""
        if self.kind != MIXED:
            return self.kind
        return {name: "diagonal" if s.QA is None else "ekfac" if s.pair is None else "kfac" for name, s in self.spectra.items()}

    @property
    def bases(self) -> dict[str, tuple[Tensor, Tensor]]:
        """The axes of columns and rows of the blocks that have axes of their own."""
        return {name: (s.QA, s.QS) for name, s in self.spectra.items() if s.QA is not None and s.QS is not None}

    @property
    def hash(self) -> str:
        """Of all that decides an inverse product."""
        parts = {name: [s.values, s.QA, s.QS, list(s.pair or ())] for name, s in self.spectra.items()}
        return content_hash([self.kind, self.model_hash, self.fingerprint, self.loss, parts])

    def refuse_other(self, subject: Subject) -> None:
        """Raise where weights, training set, loss or blocks are others than it was fitted on.

        Arguments:
            subject: that it is to be used for.
        """
        if self.model_hash != subject.model.hash:
            raise InputError(
                f"this curvature was fitted on the weights {self.model_hash[:8]}, and the model has "
                f"{subject.model.hash[:8]}: fit it again on these weights"
            )
        if self.fingerprint != subject.examples.fingerprint:
            raise InputError(
                f"the training set changed since the curvature was fitted ({self.fingerprint[:8]}, now "
                f"{subject.examples.fingerprint[:8]}): fit it again, or "
                "give the set that it was fitted on"
            )
        if self.loss != name_of(subject.loss):
            raise InputError(f"this curvature was fitted for the loss {self.loss}, not {name_of(subject.loss)}: fit it again, or give that loss")
        differing = {block.name for block in subject.blocks} ^ set(self.spectra)
        if self.spectra and differing:
            raise InputError(f"this curvature was fitted for other modules (differing: {', '.join(sorted(differing)[:3])}): give the same modules=")

    def save(self, folder: str | Path) -> Path:
        """Keep it as an artifact: safetensors beside a description.

        Arguments:
            folder: where.
        """
        tensors: dict[str, Tensor] = {}
        for name, spectrum in self.spectra.items():
            parts = {"values": spectrum.values, "QA": spectrum.QA, "QS": spectrum.QS}
            parts |= {"la": spectrum.pair[0], "ls": spectrum.pair[1]} if spectrum.pair else {}
            tensors |= {f"{name}/{part}": value for part, value in parts.items() if value is not None}
        told = {"kind": self.kind, "labels": [self.labels.kind, self.labels.draws, self.labels.seed], "blocks": list(self.spectra), "loss": self.loss}
        return Artifact(
            KIND, {**told, "examples": self.examples}, {"model_hash": self.model_hash, "fingerprint": self.fingerprint}, tensors
        ).save(folder)  # fmt: skip

    @classmethod
    def load(cls, folder: str | Path) -> "Curvature":
        """Read it back.

        Arguments:
            folder: where it is kept.

        Raises:
            LoadError: there is none, or it was changed.
        """
        artifact = Artifact.load(folder, kind=KIND)
        told, of, t = artifact.configuration, artifact.provenance, artifact.tensors
        try:
            spectra = {
                name: Spectrum(
                    t[f"{name}/values"], t.get(f"{name}/QA"), t.get(f"{name}/QS"),
                    (t[f"{name}/la"], t[f"{name}/ls"]) if f"{name}/la" in t else None,
                )
                for name in told["blocks"]
            }  # fmt: skip
            return cls(told["kind"], Labels(*told["labels"]), spectra, of["model_hash"], of["fingerprint"], told["loss"], told["examples"])
        except (KeyError, TypeError) as error:
            raise LoadError(f"{folder} keeps a curvature that this sonde can't read ({error}): fit it again") from error


def kinds_of(blocks: Sequence[Block], kind: Kinds) -> dict[str, Kind]:
    """The kind of curvature of every block.

    Arguments:
        blocks: that are looked at.
        kind: of all, or by paths and globs of modules, of which the first that fits a block counts.

    Raises:
        InputError: no such kind; a pattern that fits no block, or a block that none fits.
    """
    if not isinstance(kind, Mapping):
        if kind not in get_args(Kind):
            raise InputError(f"curvature={shown(kind)}: use {', '.join(map(repr, get_args(Kind)))}, or a kind for each of some patterns of modules")
        return {block.name: kind for block in blocks}
    found: dict[str, Kind] = {}
    for pattern, one in kind.items():
        if one not in get_args(Kind) or one == "identity":
            raise InputError(f"curvature={shown(one)} for {pattern!r}: use 'diagonal', 'kfac' or 'ekfac'; what has none is left out by modules=")
        hits = [block.name for block in blocks if fnmatchcase(block.name, pattern) or block.name.startswith(f"{pattern}.")]
        if not hits:
            raise InputError(f"a kind of curvature is given for {pattern!r}, and no block of weights is called so; there are {blocks[0].name}, ...")
        for name in hits:
            found.setdefault(name, one)
    if bare := [block.name for block in blocks if block.name not in found]:
        raise InputError(f"no kind of curvature is given for {bare[0]!r}: add one for '*'")
    return found


def curvature(
    subject: Subject, kind: Kinds, labels: Labels, folder: str | Path | None = None, executor: Executor | None = None
) -> Curvature:  # fmt: skip
    """Fit the curvature of the training loss.

    Arguments:
        subject: the model with its training examples.
        kind: how it is approximated; one for all blocks, or by patterns.
        labels: whose gradients.
        folder: keep finished pieces here, so that a fit that was interrupted goes on.
        executor: what computes them; this process if not given.

    Raises:
        InputError: no such kind. Unfinished: pieces that are left to other workers.
        SondeError: a block whose curvature is zero or no number, or a folder with pieces of another fit.
    """
    kinds = kinds_of(subject.blocks, kind)
    place = None if folder is None else Path(folder)
    found: dict[str, Spectrum] = {}
    if set(kinds.values()) == {"diagonal"}:
        sums = diagonal(subject, labels, place, executor)
        found = {block.name: Spectrum(sums[f"{block.name}/squares"] / sums["examples"]) for block in subject.blocks}
    elif "identity" not in kinds.values():
        found = _kronecker(subject, labels, place, kinds, executor)
    for name, spectrum in found.items():
        refuse_nothing(spectrum.values, name)
    model_hash = subject.model.hash
    name = next(iter(kinds.values())) if len(set(kinds.values())) == 1 else MIXED
    return Curvature(name, labels, found, model_hash, subject.examples.fingerprint, name_of(subject.loss), len(subject.examples))


def _kronecker(
    subject: Subject, labels: Labels, folder: Path | None, kinds: Mapping[str, Kind], executor: Executor | None
) -> dict[str, Spectrum]:  # fmt: skip
    """K-FAC, and with another pass EK-FAC; what is diagonal comes with the first."""
    sums = moments(subject, labels, folder, [name for name, kind in kinds.items() if kind == "diagonal"], executor)
    n = sums["examples"]
    found, read = {}, {}
    for block in subject.blocks:
        name = block.name
        if f"{name}/S" not in sums:
            found[name] = Spectrum(sums[f"{name}/squares"] / n)
            continue
        if block.source not in read:
            A = sums[f"{block.source}/A"] / sums[f"{block.source}/places"]
            refuse_nothing(A, block.source)
            read[block.source] = _eigen(A)
        S = sums[f"{name}/S"] / n
        refuse_nothing(S, name)
        (la, QA), (ls, QS) = read[block.source], _eigen(S)
        found[name] = Spectrum(torch.outer(ls, la), QA, QS, (la, ls))
    measure = [name for name, kind in kinds.items() if kind == "ekfac"]
    bases = {name: (s.QA, s.QS) for name, s in found.items() if name in measure and s.QA is not None and s.QS is not None}
    if not bases:
        return found
    measured = squares(subject, labels, bases, folder, executor)
    return {
        name: Spectrum(measured[f"{name}/squares"] / n, s.QA, s.QS) if name in bases else s for name, s in found.items()
    }  # fmt: skip


def _eigen(matrix: Float[Tensor, "axis axis"]) -> tuple[Float[Tensor, " axis"], Float[Tensor, "axis axis"]]:
    """Eigenvalues, none below zero, and eigenvectors of a symmetric matrix in float64."""
    values, vectors = torch.linalg.eigh((matrix + matrix.T) / 2)
    return values.clamp(min=0), vectors
