"""Other edits in every row of one batch."""

from collections.abc import Sequence
from dataclasses import dataclass

from sonde.access.edits.base import Edit
from sonde.results import InputError, content_hash, shown


@dataclass(frozen=True, eq=False, repr=False, init=False)
class PerRow:
    """Each row of the batch gets its own edits, in one forward; the result equals separate runs.

    Arguments:
        rows: for each row of the batch an edit, a list of edits, or `None` for a row that stays as it is.

    Raises:
        InputError: an entry that is none of these. EditError, in a run: more or fewer entries than rows.

    >>> from sonde.access import Scale, Zero
    >>> PerRow([Zero("embed"), None, [Scale("embed", 2.0), Zero("blocks.0.mlp.out")]])
    PerRow([[Zero('embed')], [], [Scale('embed', factor=2), Zero('blocks.0.mlp.out')]])
    """

    rows: tuple[tuple[Edit, ...], ...]

    def __init__(self, rows: Sequence[Edit | Sequence[Edit] | None]) -> None:
        own = tuple(() if row is None else (row,) if isinstance(row, Edit) else tuple(row) for row in rows)
        for edit in (edit for row in own for edit in row):
            if not isinstance(edit, Edit):
                raise InputError(f"{shown(edit)} is no edit: give each row an edit, a list of edits, or None")
        object.__setattr__(self, "rows", own)

    @property
    def hash(self) -> str:
        """A content hash: equal for equal edits in equal rows, in every process."""
        return content_hash(["PerRow", [[getattr(edit, "hash", repr(edit)) for edit in row] for row in self.rows]])

    def __eq__(self, other: object) -> bool:
        return isinstance(other, PerRow) and self.hash == other.hash

    def __hash__(self) -> int:
        return hash(self.hash)

    def __repr__(self) -> str:
        return f"PerRow([{', '.join(repr(list(row)) for row in self.rows)}])"
