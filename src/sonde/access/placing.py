"""Edits at absolute positions while a text grows.

Step 0 computes the tokens of the prompt, step k the token that was written k-th; what was computed is kept in the key-value cache. So an edit is made
in the step that computes its tokens, and later steps feel it through the cache. Only rotated keys are put together anew in every step, earlier
ones from the cache as they were before any edit: there an edit is made again in each.

Positions count from the beginning of each row. Where rows differ in what a step does to them, each row gets a write of its own.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any, Literal

from sonde.access.architectures import SiteSpec
from sonde.access.edits import Edit, FromRun
from sonde.access.selection import POSITION_AXES, Rows
from sonde.access.sites import Index, Site, Span
from sonde.access.writes import Write
from sonde.results import InputError, SiteUnavailable

When = Literal["all", "prompt", "new"] | Sequence[int]

# along one axis: the places in a row, and what the same places are called in the run that a patch comes from
Places = list[tuple[int, int | str]]


def steps_of(when: When, steps: int) -> frozenset[int]:
    """The steps whose tokens are edited.

    Arguments:
        when: as for `Model.generate`.
        steps: how many there are.

    Raises:
        InputError: it names no step.

    >>> sorted(steps_of("new", 4))
    [1, 2, 3]
    """
    named: dict[Any, Iterable[int]] = {"all": range(steps), "prompt": range(1), "new": range(1, steps)}
    if isinstance(when, str):
        if when not in named:
            raise InputError(f"when={when!r}: edits apply to 'all' tokens, those of the 'prompt', the 'new' ones, or a list of steps such as [0, 2]")
        return frozenset(named[when])
    listed = list(when)
    outside = [step for step in listed if not isinstance(step, int) or not 0 <= step < steps]
    if outside or not listed:
        raise InputError(f"when={listed!r}: the steps are 0 (the prompt) to {steps - 1} (the token that was written {steps - 1}th)")
    return frozenset(listed)


@dataclass(frozen=True)
class Placed:
    """A write whose positions are counted from the beginning of the prompts.

    Arguments:
        write: as the user gave it.
        spec: of its site.
        prompts: where the prompts lie, padded on the left.
        steps: the steps whose tokens are edited.
        last: the number of the last step.
    """

    write: Write
    spec: SiteSpec
    prompts: Rows
    steps: frozenset[int]
    last: int

    def at(self, step: int) -> list[Write]:
        """What is written in a step: nothing, one write for all rows, or one for each row that it concerns."""
        if self._same_everywhere(step):
            return [self.write] if step in self.steps else []
        rows = self._rows()
        selects = {row: select for row in rows if (select := self._select(row, step))}
        if len(selects) == len(rows) and all(select == selects[rows[0]] for select in selects.values()):
            return [self._written(selects[rows[0]])]
        return [self._written(select, row) for row, select in selects.items()]

    def refuse_never(self) -> None:
        """Raise `SiteUnavailable` where a row would never be edited."""
        self.write.refuse_other_count(len(self.prompts.lengths))
        for row in self._rows():
            if not any(self._select(row, step) for step in self.steps):
                where = f" in row {row}" if len(self.prompts.lengths) > 1 else ""
                raise SiteUnavailable(f"{self.write.edit} would never apply{where}: {_span(self.steps)} no such position")

    @property
    def _axis(self) -> str:
        """The axis of the tokens whose computation is edited."""
        return "query" if "query" in self.spec.axes else "pos"

    @property
    def _gathered(self) -> bool:
        """Whether the tensor holds all tokens in every step."""
        return self.spec.point.port == "k_rot"

    def _same_everywhere(self, step: int) -> bool:
        """Whether the step writes the whole tensor, with no position to be told."""
        if any(axis in POSITION_AXES for axis, _ in self.write.site.select):
            return False
        if self.prompts.ragged and (step == 0 or self._gathered or "key" in self.spec.axes):  # padding stands before the shorter rows
            return False
        return not self._gathered or len(self.steps) > self.last

    @property
    def _batch(self) -> range:
        """The rows of the batch that the write is made for; a selection along the batch chooses among them."""
        every = range(len(self.prompts.lengths))
        return every if self.write.rows is None else every[self.write.rows]

    def _rows(self) -> list[int]:
        """The rows of the batch that are written."""
        batch, chosen = self._batch, dict(self.write.site.select).get("batch", slice(None))
        if isinstance(chosen, slice):
            return list(batch[chosen])
        rows = []
        for entry in chosen if isinstance(chosen, tuple) else (chosen,):
            if not isinstance(entry, int) or not -len(batch) <= entry < len(batch):
                raise InputError(f"{self.write.site}: there is no row {entry}; there are {len(batch)} prompts")
            rows.append(batch[entry])
        return rows

    def _select(self, row: int, step: int) -> dict[str, Places]:
        """The places in one row that a step writes, by axis; empty where there are none."""
        select, prompt = dict(self.write.site.select), self.prompts.lengths[row]
        chosen = {}
        for axis in POSITION_AXES:
            if axis not in select and axis != self._axis and not (axis == "key" and "key" in self.spec.axes):
                continue
            places = self._places(row, select.get(axis, slice(None)), prompt + step)
            if axis == self._axis:
                made = [(place, max(0, place - prompt + 1)) for place, _ in places]  # the step that computes each
                keep = {place for place, by in made if by in self.steps and (by == step or self._gathered)}
                places = [(place, theirs) for place, theirs in places if place in keep]
            if not places:
                return {}
            chosen[axis] = places
        return chosen

    def _places(self, row: int, index: Index, length: int) -> Places:
        """The positions that an index means among the `length` tokens that a row has now."""
        start, prompt = self.prompts.starts[row], self.prompts.lengths[row]
        if isinstance(index, slice):
            begin, end = (bound if bound is None or bound >= 0 else max(0, prompt + bound) for bound in (index.start, index.stop))
            from_end = index.start is not None and index.start < 0
            return [(p, p - prompt if from_end and p < prompt else p) for p in range(length)[slice(begin, end, index.step)]]
        if isinstance(index, Span):
            return [(column - start, place) for place, column in enumerate(self.prompts.columns(row, index, self.write.site))]
        found: Places = []
        for entry in index if isinstance(index, tuple) else (index,):
            counted = isinstance(entry, int) and entry >= 0
            place = entry if isinstance(entry, int) and counted else self.prompts.columns(row, entry, self.write.site)[0] - start
            if place < length:
                found.append((place, entry))
        return found

    def _written(self, select: dict[str, Places], row: int | None = None) -> Write:
        """The write at these places, in all rows or in one."""
        given, edit = dict(self.write.site.select), self.write.edit
        here, theirs = dict(given), dict(given)
        for axis, places in select.items():
            if isinstance(given.get(axis), int | str):
                here[axis], theirs[axis] = places[0]
                continue
            here[axis] = tuple(place for place, _ in places)
            if not isinstance(given.get(axis), Span):  # which the other run knows by itself
                theirs[axis] = tuple(entry for _, entry in places if isinstance(entry, int))
        if row is not None and "batch" in given:
            one = self._batch.index(row)
            here["batch"], theirs["batch"] = (0, one) if isinstance(given["batch"], int) else ((0,), (one,))
        elif row is not None and isinstance(edit, FromRun) and edit.source.inputs.batch > 1 and self.write.rows is None:
            theirs["batch"] = (row,)
        name = self.write.site.name
        return replace(
            self.write, site=Site(name, tuple(here.items())), edit=_moved(edit, Site(edit.site.name, tuple(theirs.items()))),
            rows=self.write.rows if row is None else slice(row, row + 1),
        )  # fmt: skip


def _moved(edit: Edit, site: Site) -> Edit:
    """The edit at other places: an edit that takes from another run finds there what it means here."""
    if isinstance(edit, FromRun) and edit.at is not None:
        batch = tuple((axis, index) for axis, index in site.select if axis == "batch")
        return replace(edit, at=Site(edit.at.name, (*((axis, index) for axis, index in edit.at.select if axis != "batch"), *batch)))
    if is_dataclass(edit) and "site" in {f.name for f in fields(edit)}:
        return replace(edit, site=site)
    return edit


def _span(steps: frozenset[int]) -> str:
    """The steps for an error message."""
    listed = sorted(steps)
    if len(listed) < 2:
        return f"step {listed[0]} computes" if listed else "there is no such step, which computes"
    whole = len(listed) > 2 and listed == list(range(listed[0], listed[-1] + 1))
    return f"steps {f'{listed[0]} to {listed[-1]}' if whole else ', '.join(map(str, listed))} compute"
