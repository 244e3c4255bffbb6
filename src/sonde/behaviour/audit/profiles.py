"""Profiles: cases as named attributes, and how a model is shown them. Texts, tables and pictures differ only in that.

An audit changes attributes, never tokens or pixels: `render` makes of changed profiles what the model takes, so that what changes is one attribute
and nothing else.
"""

import string
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from sonde.access import Model
from sonde.access.inputs import Given
from sonde.behaviour.tables import Encoder, Table
from sonde.results import InputError

Value = str | float
Row = Mapping[str, Value]
Places = Callable[[Model, Row], Mapping[str, Sequence[int]]]


@dataclass(frozen=True, eq=False)
class Profiles:
    """Cases, and how they are shown to a model.

    Arguments:
        rows: each case's attributes.
        render: several cases as what the model takes.
        places: where each attribute stands in the input of one case: token positions or columns, for attributions; `None` where nobody knows.

    Raises:
        InputError: no case, or cases with different attributes.
    """

    rows: Sequence[Row]
    render: Callable[[Sequence[Row]], Given]
    places: Places | None = None

    def __post_init__(self) -> None:
        if not self.rows:
            raise InputError("there are no profiles: give at least one")
        for i, row in enumerate(self.rows):
            if set(row) != set(self.rows[0]):
                raise InputError(f"profile {i} has the attributes {', '.join(row)}, and the first has {', '.join(self.rows[0])}; give all the same")

    def __len__(self) -> int:
        return len(self.rows)

    def values(self, attribute: str) -> list[Value]:
        """The values that an attribute has among the cases, in the order in which they first occur.

        Raises:
            InputError: there is no such attribute.
        """
        if attribute not in self.rows[0]:
            raise InputError(f"profiles have no attribute {attribute!r}: they have {', '.join(self.rows[0])}")
        return list(dict.fromkeys(row[attribute] for row in self.rows))

    def select(self, cases: Sequence[int]) -> "Profiles":
        """Some of the cases."""
        return Profiles([self.rows[i] for i in cases], self.render, self.places)


def texts(template: str, rows: Sequence[Row]) -> Profiles:
    """Cases told by a template.

    Arguments:
        template: a text with a slot for each attribute.
        rows: the cases; each has a value for every slot.

    Raises:
        InputError: a template without slots, or a slot that the cases have no value for.

    >>> profiles = texts("{name} is a {age} year old {job}", [{"name": "John", "age": 40, "job": "nurse"}])
    >>> profiles.render([{"name": "Suzan", "age": 40, "job": "nurse"}])
    ['Suzan is a 40 year old nurse']
    """
    slots = [name for _, name, _, _ in string.Formatter().parse(template) if name is not None]
    if not slots:
        raise InputError(f"the template {template!r} has no slot: write attributes in braces, such as {{age}}")
    missing = next((slot for slot in slots if rows and slot not in rows[0]), None)
    if missing is not None:
        raise InputError(f"the template has a slot {{{missing}}}, and the profiles have {', '.join(rows[0])}")

    def places(model: Model, row: Row) -> Mapping[str, Sequence[int]]:
        tokens = model.prepare([template.format_map(row)]).rows
        assert tokens is not None
        found = {slot: tokens.places(0, str(row[slot])) for slot in slots}
        for slot, spans in found.items():
            if len(spans) != 1:
                raise InputError(
                    f"{slot}={row[slot]!r} stands {len(spans)} times among the tokens of {template.format_map(row)!r}, so no attribution can be read "
                    "for it: choose a value or a template in which it stands once"
                )
        return {slot: list(spans[0]) for slot, spans in found.items()}

    return Profiles(rows, lambda given: [template.format_map(row) for row in given], places)


def in_table(table: Table, encoder: Encoder) -> Profiles:
    """The rows of a table as cases; an attribute is a column with all its places.

    Arguments:
        table: the rows.
        encoder: how the model reads them.
    """
    read = [{name: row[name] for name in encoder.kinds} for row in table.rows()]
    return Profiles(read, encoder, lambda model, row: encoder.places)


def pictures(attribute: str, of: Mapping[str, Float[Tensor, "picture channel row col"]]) -> Profiles:
    """Paired pictures: the same case with a group attribute swapped. The first group's pictures are the base.

    Arguments:
        attribute: what the pictures differ in.
        of: for each value of it the pictures, in the same order.

    Raises:
        InputError: fewer than two groups, or groups whose pictures don't pair up.

    >>> profiles = pictures("light", {"day": torch.ones(3, 1, 2, 2), "night": torch.zeros(3, 1, 2, 2)})
    >>> profiles.rows[2], profiles.render([{"picture": 0, "light": "night"}]).sum().item()
    ({'picture': 2.0, 'light': 'day'}, 0.0)
    """
    if len(of) < 2:
        raise InputError(f"pictures of {len(of)} group can't be compared: give the same pictures with another value of {attribute!r} too")
    base, *others = of
    for other in others:
        if of[other].shape != of[base].shape:
            raise InputError(
                f"pictures with {attribute}={other} are {tuple(of[other].shape)}, those with {attribute}={base} {tuple(of[base].shape)}: "
                "give one for one"
            )

    def render(rows: Sequence[Row]) -> Tensor:
        return torch.stack([of[str(row[attribute])][int(row["picture"])] for row in rows])

    return Profiles([{"picture": float(i), attribute: base} for i in range(len(of[base]))], render)
