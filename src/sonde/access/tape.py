"""One forward of the model's own module, read and edited on its way.

A `Tape` holds what is to be written and read at which point, puts hooks on exactly those modules, and takes them off again, also when the
forward raises. Per point, writes come first and reads see what they wrote. An action whose point never fires is an error, never a silent
nothing.
"""

import contextlib
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor, nn

from sonde.access.architectures import Architecture, Point, SiteSpec
from sonde.access.edits import Backward
from sonde.access.kernels import PORTS, listening
from sonde.access.modes import recomputed
from sonde.access.outputs import entering, reenter, rewrap, unwrap
from sonde.access.passing import AtPoint, Passing
from sonde.access.selection import POSITION_AXES, Rows, put, resolve, rows_of, take
from sonde.access.sites import Site
from sonde.access.views import Firing, HeadResults, Pattern, Whole
from sonde.access.writes import Write, write_into
from sonde.results import SiteUnavailable


class Stop(BaseException):
    """Everything asked for has been seen: the rest of the forward is not needed. Not an `Exception`, so that no model code swallows it."""


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
        self._points: dict[Point, AtPoint] = {}
        self._fired: set[Point] = set()
        self._blocks: dict[str, Tensor] = {}
        self._earlier: dict[str, Tensor] = {}
        self._paths: dict[int, str] = {}
        self._thread = threading.get_ident()

    # what to do

    def read(self, site: Site) -> None:
        """Keep the site's value in `held`."""
        spec = self.locate(site.name)
        spec = self._spec(site) if spec.seen is None else replace(spec, point=spec.seen, view=Whole())
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

    @property
    def _elsewhere(self) -> bool:
        """Whether another thread calls the module while this one runs it; `edited` is meant for every caller."""
        return self.once and threading.get_ident() != self._thread

    def _entering(self, points: Sequence[Point]) -> Callable[..., Any]:
        def hook(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
            if self._elsewhere:
                return None
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
            if self._elsewhere:
                return None
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
        self._fired.add(point)
        if (at.writes or at.leaves) and (torch.is_grad_enabled() or not self.once) and recomputed():
            raise SiteUnavailable(
                f"gradient checkpointing computes {at.sites[0].name!r} again in the backward pass, when edits may be gone: switch it off there"
            )
        hidden = next((self._blocks[spec.view.block] for spec in self._specs(at) if spec.view.block), None)
        of_tokens = self.rows is not None and all(spec.of_tokens for spec in self._specs(at))
        batch = len(self.rows.lengths) if self.rows and of_tokens else self.batch
        passing = Passing(raw, Firing(module, entering, hidden, batch, self._earlier))
        for spec, writes in sorted(at.writes.values(), key=lambda entry: entry[0].rank):
            self._write(spec, writes, passing)
        for spec, site in sorted(at.leaves, key=lambda entry: entry[0].rank):
            self._make_leaf(spec, site, passing)
        for spec, site in at.reads:
            self._read(spec, site, passing)
        if at.block:
            self._blocks[at.block] = passing.raw
        for spec in at.needed.values():
            self._earlier[spec.name] = passing.value(spec)
        if self.stop and len(self._fired) == len(self._points):
            raise Stop
        return passing.raw

    def _write(self, spec: SiteSpec, writes: Sequence[Write], passing: Passing) -> None:
        old = passing.value(spec)
        axes, new = spec.axes_of(old, passing.firing.batch), old.clone()
        for write in writes:
            write_into(new, write, axes, passing.firing, passing.raw, self._rows(spec), self.batch)
            if isinstance(write.edit, Backward) and not torch.is_grad_enabled():
                self.notes.append(f"{write.edit!r} changes gradients only, and here none are taken")
        if isinstance(spec.view, Pattern) and spec.view.opened(new, passing.firing):
            self.notes.append(f"{spec.name}: what was written lets queries see keys that the mask hides")
        passing.change(spec, old, new)

    def _make_leaf(self, spec: SiteSpec, site: Site, passing: Passing) -> None:
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

    def _read(self, spec: SiteSpec, site: Site, passing: Passing) -> None:
        if isinstance(spec.view, HeadResults) and not site.select and spec.name not in passing.firing.written:
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
        for need in spec.needs:
            self._at(need.point).needed[need.name] = self._spec(Site(need.name))
        return spec

    def _specs(self, at: AtPoint) -> Iterator[SiteSpec]:
        yield from (spec for spec, _ in at.writes.values())
        yield from (spec for spec, _ in at.leaves + at.reads)
        yield from at.needed.values()

    def _at(self, point: Point) -> AtPoint:
        return self._points.setdefault(point, AtPoint())
