"""One forward of the model's own module, read and edited on its way.

A `Tape` holds what is to be written and read at which point, puts hooks on exactly those modules, and takes them off again, also when the
forward raises. Per point, writes come first and reads see what they wrote. An action whose point never fires is an error, never a silent
nothing.
"""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor, nn

from sonde.access.architectures import Architecture, Point, SiteSpec
from sonde.access.edits import Backward, Edit, Place, PlacedEdit
from sonde.access.kernels import PORTS, listening, unwatched
from sonde.access.outputs import entering, reenter, rewrap, unwrap
from sonde.access.selection import POSITION_AXES, Rows, put, resolve, rows_of, take, uneven
from sonde.access.sites import Site
from sonde.access.views import Firing, HeadResults, Pattern
from sonde.results import EditError, SiteUnavailable


class Stop(BaseException):
    """Everything asked for has been seen: the rest of the forward is not needed. Not an `Exception`, so that no model code swallows it."""


class Unstackable(SiteUnavailable):
    """Cells of a sweep can't share a forward: a tensor does not have one entry for each of its rows."""


@dataclass(frozen=True)
class Write:
    """An edit at a site; `rows` limits it to a part of the batch (one cell of a sweep, one row), which must have `of` rows (0: any number)."""

    site: Site
    edit: Edit
    rows: slice | None = None
    of: int = 0

    def within(self, cell: slice) -> "Write":
        """The same in one of several batches that are stacked into one; raises `EditError` where it is meant for another number of rows."""
        batch = cell.stop - cell.start
        self.refuse_other_count(batch)
        start, stop, _ = (self.rows or slice(None)).indices(batch)
        return Write(self.site, self.edit, slice(cell.start + start, cell.start + stop))

    def refuse_other_count(self, batch: int) -> None:
        """Raise `EditError` where the write is meant for another number of rows."""
        if self.of not in (0, batch):
            raise EditError(f"{self.edit!r} is meant for one of {self.of} rows, and the batch has {batch}; give PerRow one entry for each row")

    def __str__(self) -> str:
        return f"{self.edit!r} in row {self.rows.start}" if self.of and self.rows else repr(self.edit)


@dataclass(frozen=True)
class Held:
    """What was read at a site.

    Arguments:
        value: the tensor; for heads' results z, from which they are formed when they are asked for.
        axes: the names of the site's axes.
        weight: for heads' results the output projection by head, h e d.
        of_tokens: whether its positions are those of the rows of tokens.
    """

    value: Tensor
    axes: tuple[str, ...]
    weight: Tensor | None = None
    of_tokens: bool = True
    versions: tuple[int, ...] = field(init=False)  # of the tensors when they were read

    def __post_init__(self) -> None:
        object.__setattr__(self, "versions", self._versions())

    @property
    def overwritten(self) -> bool:
        """Whether what is held was changed in place since it was read."""
        return self.versions != self._versions()

    def _versions(self) -> tuple[int, ...]:
        return tuple(tensor._version for tensor in (self.value, self.weight) if tensor is not None and not tensor.is_inference())


@dataclass
class _AtPoint:
    """What happens where the forward passes one point, in this order."""

    writes: dict[str, tuple[SiteSpec, list[Write]]] = field(default_factory=dict)  # by the site's name
    leaves: list[tuple[SiteSpec, Site]] = field(default_factory=list)
    reads: list[tuple[SiteSpec, Site]] = field(default_factory=list)
    block: str = ""  # this is where the hidden state enters this block, which other views need

    @property
    def sites(self) -> list[Site]:
        """The sites that are meant to be seen here."""
        return [write.site for _, writes in self.writes.values() for write in writes] + [site for _, site in self.leaves + self.reads]


@dataclass
class _Passing:
    """The tensor at a point while writes, leaves and reads take their turns.

    Arguments:
        raw: the tensor as the module will go on with it.
        firing: what else is at hand.
        remembered: values that were written and that their view can't see in `raw`.
        coordinates: the coordinates and the error that were written last; those of other bases are computed anew.
    """

    raw: Tensor
    firing: Firing
    remembered: dict[str, Tensor] = field(default_factory=dict)
    coordinates: dict[str, Tensor] = field(default_factory=dict)

    def value(self, spec: SiteSpec) -> Tensor:
        """The site's value as it is now."""
        for known in (self.coordinates, self.remembered):
            if spec.name in known:
                return known[spec.name]
        return spec.view.get(self.raw if spec.base is None else self.value(spec.base), self.firing)

    def change(self, spec: SiteSpec, old: Tensor, new: Tensor) -> None:
        """Let the module go on with another value of the site."""
        if spec.base is not None:
            x = self.value(spec.base)
            kept = {name: self.coordinates[name] if name in self.coordinates else view.get(x, self.firing) for name, view in spec.beside.items()}
            self.change(spec.base, x, spec.view.put(x, old, new, self.firing))
            self.coordinates = {spec.name: new, **kept}
            return
        packed = spec.view.put(self.raw, old, new, self.firing)
        # what the model reads next may rely on the memory layout it is used to
        self.raw = packed.contiguous() if self.raw.is_contiguous() else packed
        self.coordinates = {}
        if not spec.view.sees_changes:
            self.remembered[spec.name] = new


class Tape:
    """The reads and writes of one forward.

    Arguments:
        module: the user's module.
        architecture: where its sites are.
        locate: from a site's name to its specification (raises for unknown names).
        rows: where the real tokens of each row lie; `None` for inputs that are no token sequences.
        stop: end the forward once everything was seen.
        copy: keep copies of what is read; needed where the module overwrites its activations in place.
        once: refuse modules that fire more than once in a forward.
        batch: the number of rows of the inputs; `None` where it is not known.
    """

    def __init__(
        self, module: nn.Module, architecture: Architecture, locate: Callable[[str], SiteSpec], rows: Rows | None = None,
        stop: bool = False, copy: bool = False, once: bool = True, batch: int | None = None,
    ):  # fmt: skip
        self.module, self.architecture, self.locate = module, architecture, locate
        self.rows, self.stop, self.copy, self.once, self.batch = rows, stop, copy, once, batch
        self.held: dict[Site, Held] = {}
        self.leaves: dict[Site, Held] = {}
        self.notes: list[str] = []
        self._points: dict[Point, _AtPoint] = {}
        self._fired: set[Point] = set()
        self._blocks: dict[str, Tensor] = {}
        self._paths: dict[int, str] = {}

    # what to do

    def read(self, site: Site) -> None:
        """Keep the site's value in `held`."""
        spec = self._spec(site)
        self._at(spec.point).reads.append((spec, site))

    def write(self, write: Write) -> None:
        """Change the site's value."""
        spec = self._spec(write.site)
        self._at(spec.point).writes.setdefault(spec.name, (spec, []))[1].append(write)

    def leaf(self, site: Site) -> None:
        """Make the site a variable of the graph: gradients are taken with respect to it."""
        spec = self._spec(site)
        self._at(spec.point).leaves.append((spec, site))

    @property
    def edits(self) -> bool:
        """Whether anything is written."""
        return any(at.writes for at in self._points.values())

    @property
    def records(self) -> bool:
        """Whether the recording attention function is needed."""
        return any(point.port in PORTS for point in self._points)

    # the forward

    @contextlib.contextmanager
    def running(self, force_recording: bool = False) -> Iterator[None]:
        """Hooks are on inside this context and off after it, whatever happens."""
        passed: dict[tuple[str, str], list[Point]] = {}
        for point in self._points:
            passed.setdefault((point.module, point.port), []).append(point)
        with contextlib.ExitStack() as stack:
            for (path, port), points in passed.items():
                module = self.module.get_submodule(path)
                if port == "in":
                    stack.callback(module.register_forward_pre_hook(self._entering(points), with_kwargs=True).remove)
                elif port == "out":
                    stack.callback(module.register_forward_hook(self._leaving(points), with_kwargs=True).remove)
                else:
                    self._paths[id(module)] = path
            if self.records or force_recording:
                kernel = self.architecture.kernel
                if kernel is None:
                    raise SiteUnavailable("attention can be recorded only in a known family; name a module's input or output instead")
                stack.enter_context(kernel.recording(self.module))
                stack.enter_context(listening(self._recorded))
            yield

    @contextlib.contextmanager
    def following_masks(self) -> Iterator[None]:
        """Inside this context every call of the module tells by its `attention_mask` and its cache where the rows' real tokens lie."""

        def hook(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
            mask, cache = kwargs.get("attention_mask"), kwargs.get("past_key_values")
            cached = 0 if cache is None else cache.get_seq_length()
            self.rows = replace(rows_of(mask.bool()), cached=cached) if isinstance(mask, Tensor) and mask.ndim == 2 else None
            if self.rows is None and cache is not None:  # earlier tokens count, though they are not computed again
                batch, length, *_ = entering(args, kwargs).shape
                self.rows = Rows((0,) * batch, (cached + length,) * batch, cached=cached)

        # a hook on the module itself keeps a sweep inside from replaying, so it is there only where positions are counted
        if not any(axis in POSITION_AXES for at in self._points.values() for site in at.sites for axis, _ in site.select):
            yield
            return
        handle = self.module.register_forward_pre_hook(hook, with_kwargs=True, prepend=True)
        try:
            yield
        finally:
            handle.remove()

    def finish(self) -> None:
        """Raise if something that was asked for never happened."""
        for point, at in self._points.items():
            if point not in self._fired and at.sites:
                raise SiteUnavailable(
                    f"{str(at.sites[0])!r} never fired in this forward: the model did not call the module {point.module!r}; "
                    "nothing was read or edited there"
                )

    @property
    def overwritten(self) -> bool:
        """Whether the module has changed in place what was read."""
        return any(held.overwritten for held in self.held.values())

    # hooks

    def _entering(self, points: Sequence[Point]) -> Callable[..., Any]:
        def hook(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
            given = changed = (args, kwargs)
            for point in points:
                raw = entering(*changed, point.module, point.item)
                new = self._pass(point, module, None, raw)
                if new is not raw:
                    changed = reenter(*changed, new, point.item)
            return None if changed is given else changed

        return hook

    def _leaving(self, points: Sequence[Point]) -> Callable[..., Any]:
        def hook(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], output: Any) -> Any:
            first = next((a for a in (*args, *kwargs.values()) if isinstance(a, Tensor)), None)
            changed = output
            for point in points:
                raw = unwrap(changed, point.module, point.item)
                new = self._pass(point, module, first, raw)
                if new is not raw:
                    changed = rewrap(changed, new, point.item)
            return None if changed is output else changed

        return hook

    def _recorded(self, module: nn.Module, port: str, value: Tensor, scores: Tensor | None) -> Tensor:
        path = self._paths.get(id(module))
        point = None if path is None else Point(path, port)  # type: ignore[arg-type]
        return value if point is None or point not in self._points else self._pass(point, module, scores, value)

    def _pass(self, point: Point, module: nn.Module, entering: Tensor | None, raw: Tensor) -> Tensor:
        """Everything that happens at one point: writes in the order of the computation, then leaves, then reads."""
        at = self._points[point]
        if point in self._fired and self.once:
            raise SiteUnavailable(f"the module {point.module!r} runs more than once in a forward, so {str(point)!r} names no single tensor")
        hidden = next((self._blocks[spec.view.block] for spec in self._specs(at) if spec.view.block), None)
        of_tokens = self.rows is not None and all(spec.of_tokens for spec in self._specs(at))
        passing = _Passing(raw, Firing(module, entering, hidden, len(self.rows.lengths) if self.rows and of_tokens else self.batch))
        for spec, writes in sorted(at.writes.values(), key=lambda entry: entry[0].rank):
            self._write(spec, writes, passing)
        for spec, site in sorted(at.leaves, key=lambda entry: entry[0].rank):
            self._make_leaf(spec, site, passing)
        for spec, site in at.reads:
            self._read(spec, site, passing)
        if at.block:
            self._blocks[at.block] = passing.raw
        self._fired.add(point)
        if self.stop and len(self._fired) == len(self._points):
            raise Stop
        return passing.raw

    def _write(self, spec: SiteSpec, writes: Sequence[Write], passing: _Passing) -> None:
        old = passing.value(spec)
        batch = passing.firing.batch
        axes, new = spec.axes_of(old, batch), old.clone()
        for write in writes:
            for lines in self._lines(spec, write, axes, old.shape[0], batch):
                self._write_part(spec, write, axes, new if lines == slice(None) else new[lines], passing, lines)
            if isinstance(write.edit, Backward) and not torch.is_grad_enabled():
                self.notes.append(f"{write.edit!r} changes gradients only, and here none are taken")
        if isinstance(spec.view, Pattern) and spec.view.opened(new, passing.firing):
            self.notes.append(f"{spec.name}: what was written lets queries see keys that the mask hides")
        passing.change(spec, old, new)

    def _lines(self, spec: SiteSpec, write: Write, axes: tuple[str, ...], entries: int, batch: int | None) -> list[slice]:
        """The rows that are written at once: all that are meant, or one by one where the selection has another length in each of them."""
        write.refuse_other_count(batch or entries)
        lines = slice(None) if write.rows in (None, slice(0, self.batch)) else write.rows
        if lines != slice(None) and batch not in (None, entries):
            raise Unstackable(
                f"{str(write.site)!r} has {entries} entries along its first axis in a forward over {batch} rows, so edits of some "
                "rows can't be told apart there: sweep with batch_size=1"
            )
        rows = self._rows(spec)
        if rows is None or "batch" in dict(write.site.select) or not uneven(write.site, axes, rows.part(lines)):
            return [lines]
        return [slice(i, i + 1) for i in range(*lines.indices(entries))]

    def _write_part(self, spec: SiteSpec, write: Write, axes: tuple[str, ...], part: Tensor, passing: _Passing, lines: slice) -> None:
        """Let the edit change some rows of a copy of the site's value."""
        rows = self._rows(spec)
        rows = rows and rows.part(lines)
        resolved = resolve(write.site, axes, part.shape, rows)
        before = take(part, resolved).clone()  # a copy, which no later edit changes under the hands of whoever keeps it
        with unwatched():
            if isinstance(write.edit, PlacedEdit):
                entering, raw = (t[lines] if t is not None and t.ndim else t for t in (passing.firing.entering, passing.raw))
                after = write.edit.new_at(before, Place(axes, part.shape, rows, resolved, passing.firing.module, entering, raw))
            else:
                after = write.edit.new(before)
        if not isinstance(after, Tensor) or after.shape != before.shape or after.dtype != before.dtype:
            got = f"{after.dtype} {tuple(after.shape)}" if isinstance(after, Tensor) else type(after).__name__
            raise EditError(f"{write.edit}: the new value is {got}, the site holds {before.dtype} {tuple(before.shape)}")
        put(part, after, resolved)

    def _make_leaf(self, spec: SiteSpec, site: Site, passing: _Passing) -> None:
        value = passing.value(spec)
        if not value.is_floating_point():
            raise SiteUnavailable(f"{str(site)!r} holds whole numbers ({value.dtype}), which have no gradient; use a site after it, such as 'embed'")
        axes = spec.axes_of(value, passing.firing.batch)
        resolved = resolve(site, axes, value.shape, self._rows(spec))
        part = take(value, resolved)
        # before the first leaf there is no graph yet; after it, the graph must go on through this one
        part = part.clone() if part.requires_grad else part.detach().clone().requires_grad_()
        self.leaves[site] = Held(part, axes, of_tokens=spec.of_tokens)
        new = value.clone()
        put(new, part, resolved)
        passing.change(spec, value, new)
        if not spec.axes:  # a module of no known family may overwrite its activations, which a leaf forbids
            passing.raw = passing.raw.clone()

    def _read(self, spec: SiteSpec, site: Site, passing: _Passing) -> None:
        if isinstance(spec.view, HeadResults) and not site.select and spec.name not in passing.remembered:
            z_bphe = spec.view.z(passing.firing)
            kept = z_bphe.clone() if self.copy else z_bphe
            self.held[site] = Held(kept, spec.axes, spec.view.weight(passing.firing.module), spec.of_tokens)
            return
        value = passing.value(spec)
        axes = spec.axes_of(value, passing.firing.batch)
        part = take(value, resolve(site, axes, value.shape, self._rows(spec)))
        # a part that is a view would keep the whole tensor alive
        kept = part.clone() if self.copy or (site.select and part._is_view()) else part
        self.held[site] = Held(kept, axes, of_tokens=spec.of_tokens)

    # sites

    def _rows(self, spec: SiteSpec) -> Rows | None:
        """Where the tokens lie along the positions of a site; the positions of an image are all real."""
        return self.rows if spec.of_tokens else None

    def _spec(self, site: Site) -> SiteSpec:
        spec = self.locate(site.name)
        if spec.view.block:
            self._at(Point(spec.view.block, "in")).block = spec.view.block
        return spec

    def _specs(self, at: _AtPoint) -> Iterator[SiteSpec]:
        yield from (spec for spec, _ in at.writes.values())
        yield from (spec for spec, _ in at.leaves + at.reads)

    def _at(self, point: Point) -> _AtPoint:
        return self._points.setdefault(point, _AtPoint())
