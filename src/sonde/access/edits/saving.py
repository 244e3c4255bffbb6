"""Edits as data: a JSON description with its tensors beside it, to be saved, or sent to a worker.

An edit that takes from another run keeps the one tensor that it takes, with the lengths of its rows and the attention kernel it was computed under.
"""

from collections.abc import Sequence
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import torch

from sonde.access.edits.backward import Detach, GradRule
from sonde.access.edits.base import Edit, SiteEdit
from sonde.access.edits.constants import Add, Apply, Mean, Scale, Set, Zero
from sonde.access.edits.coordinates import Clamp, Project
from sonde.access.edits.noise import Noise
from sonde.access.edits.rows import PerRow
from sonde.access.edits.runs import FromRun, Patch, Swap
from sonde.access.sites import Site
from sonde.results import Artifact, EditError, LoadError, shown
from sonde.results.codec import Packed, pack, unpack

KIND = "sonde.access.edits"
_KINDS = {kind.__name__: kind for kind in (Zero, Set, Mean, Patch, Swap, Add, Scale, Project, Clamp, Noise, Detach, GradRule)}


def save_edits(edits: Edit | PerRow | Sequence[Edit | PerRow], folder: str | Path) -> Path:
    """Keep edits as an artifact; they are read back by `load_edits`.

    Arguments:
        edits: one, or several in their order.
        folder: made if it is missing.

    Returns:
        The folder.

    Raises:
        EditError: an edit that holds a function, or one that is not of sonde's own kinds. SondeError: a folder that holds something else.

    >>> import tempfile
    >>> folder = save_edits([Zero("blocks.1.attn.z[head=3]"), Add("embed", torch.ones(2))], tempfile.mkdtemp() + "/edits")
    >>> load_edits(folder)
    [Zero('blocks.1.attn.z[head=3]'), Add('embed', vector=<tensor 2>)]
    """
    packed = pack_edits(edits)
    return Artifact(KIND, {"edits": packed.plain}, tensors=packed.tensors).save(folder)


def load_edits(folder: str | Path) -> list[Edit | PerRow]:
    """Read edits back; equal to those that were kept.

    Arguments:
        folder: where `save_edits` put them.

    Raises:
        LoadError: where the folder keeps no edits, or was changed since it was written.
    """
    artifact = Artifact.load(folder, KIND)
    return unpack_edits(Packed(artifact.configuration["edits"], artifact.tensors))


def pack_edits(edits: Edit | PerRow | Sequence[Edit | PerRow]) -> Packed:
    """Edits as plain JSON data, and the tensors that it names; raises `EditError` where `save_edits` does.

    Arguments:
        edits: one, or several in their order.
    """
    given = [edits] if isinstance(edits, Edit | PerRow) else edits
    return pack([_described(edit) for edit in given])


def unpack_edits(packed: Packed) -> list[Edit | PerRow]:
    """The edits again, as `pack_edits` took them; raises `LoadError` for what it cannot have written.

    Arguments:
        packed: the description and its tensors.
    """
    return [_made(described) for described in unpack(packed)]


def _described(edit: Edit | PerRow) -> dict[str, Any]:
    if isinstance(edit, PerRow):
        return {"edit": "PerRow", "rows": [[_described(own) for own in row] for row in edit.rows]}
    if not isinstance(edit, SiteEdit) or _KINDS.get(type(edit).__name__) is not type(edit):
        why = "it holds a function" if isinstance(edit, Apply) else "it is not of sonde's own kinds"
        raise EditError(f"{shown(edit)} can't be saved: {why}; write its values with sonde.Set or sonde.Add")
    described: dict[str, Any] = {"edit": type(edit).__name__}
    for f in fields(edit):
        value = getattr(edit, f.name)
        if callable(value) and not is_dataclass(value):
            raise EditError(f"{edit} can't be saved: it holds a function; use a rule that has a name")
        described[f.name] = _taken(edit) if isinstance(edit, FromRun) and f.name == "source" else str(value) if isinstance(value, Site) else value
    return described


def _taken(edit: FromRun) -> dict[str, Any]:
    """What an edit takes from its source, and what is needed to tell whether it fits."""
    rows = edit.source.inputs.rows
    return {
        "value": edit.source[edit.taken], "axes": list(edit.source.axes(edit.taken)), "batch": edit.source.inputs.batch,
        "kernel": edit.source.kernel, "starts": rows and list(rows.starts), "lengths": rows and list(rows.lengths),
    }  # fmt: skip


def _made(described: dict[str, Any]) -> Edit | PerRow:
    try:
        kind, values = described["edit"], {name: value for name, value in described.items() if name != "edit"}
        if kind == "PerRow":
            return PerRow([[own for own in map(_made, row) if isinstance(own, Edit)] for row in values["rows"]])
        if "source" in values:
            values["source"] = _source(Site.parse(values["at"] or values["site"]), **values["source"])
        return _KINDS[kind](**values)
    except (KeyError, TypeError, AttributeError) as error:
        raise LoadError(f"{shown(described)} is no edit that this sonde knows; read it with the sonde that wrote it") from error


def _source(
    site: Site, value: torch.Tensor, axes: list[str], batch: int, kernel: str, starts: list[int] | None, lengths: list[int] | None
) -> Any:  # fmt: skip
    """A run that holds one tensor."""
    from sonde.access.inputs import Inputs
    from sonde.access.run import Run
    from sonde.access.tape import Held

    mask = None
    if starts is not None and lengths is not None:
        columns = torch.arange(max(start + length for start, length in zip(starts, lengths, strict=True)))
        first = torch.tensor(starts)[:, None]
        mask = (columns >= first) & (columns < first + torch.tensor(lengths)[:, None])
    return Run({site: Held(value, tuple(axes))}, None, Inputs((), {}, batch, mask=mask), kernel, ())
