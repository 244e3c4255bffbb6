"""Bases kept as artifacts: settings as JSON, tensors beside them; nothing is pickled."""

from dataclasses import fields, is_dataclass
from pathlib import Path

from sonde.access import Basis
from sonde.results import Artifact, InputError, LoadError, shown
from sonde.results.codec import Packed, kind_of, pack, unpack


def save(basis: Basis, folder: str | Path) -> Path:
    """Keep a basis; any frozen dataclass of tensors, numbers and text that is one.

    Arguments:
        basis: what is kept.
        folder: made if it is missing.

    Returns:
        The folder.

    Raises:
        InputError: no such dataclass. SondeError: a folder that holds something else.

    >>> import tempfile
    >>> from sonde.bases import Neurons
    >>> load(save(Neurons(3), tempfile.mkdtemp() + "/neurons"))
    Neurons(width=3, names=())
    """
    if not isinstance(basis, Basis) or not is_dataclass(basis):
        raise InputError(f"{shown(basis)} can't be kept: give a basis that is a dataclass")
    packed = pack({f.name: getattr(basis, f.name) for f in fields(basis)})
    return Artifact(kind_of(type(basis)), packed.plain, {"hash": basis.hash}, packed.tensors).save(folder)


def load(folder: str | Path) -> Basis:
    """Read a basis back.

    Arguments:
        folder: where `save` put it.

    Raises:
        LoadError: where the folder keeps no basis, or was changed since it was written.
    """
    artifact = Artifact.load(folder)
    basis = unpack(Packed({**artifact.configuration, "$type": artifact.kind}, artifact.tensors))
    if not isinstance(basis, Basis):
        raise LoadError(f"{folder} keeps a {artifact.kind}, which is no basis")
    return basis
