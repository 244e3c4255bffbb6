"""One forward of the model's own module, read and edited on its way.

A `Tape` holds what is to be written and read at which point, puts hooks on exactly those modules, and takes them off again, also when the
forward raises. Per point, writes come first and reads see what they wrote. An action whose point never fires is an error, never a silent
nothing.
"""

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from sonde.access.architectures import Architecture, Point, SiteSpec
from sonde.access.edits import Edit
from sonde.access.kernels import PORTS, listening
from sonde.access.selection import Rows, put, resolve, take
from sonde.access.sites import Site
from sonde.access.views import Firing, HeadResults, ResidMid
from sonde.results import EditError, SiteUnavailable


class Stop(BaseException):
    """Everything asked for has been seen: the rest of the forward is not needed. Not an `Exception`, so that no model code swallows it."""


@dataclass(frozen=True)
class Write:
    """An edit at a site; `rows` limits it to a part of the batch (one cell of a sweep)."""

    site: Site
    edit: Edit
    rows: slice | None = None


@dataclass
class Held:
    """What was read at a site: the tensor, its version when it was read, and its axes."""

    value: Tensor
    version: int
    axes: tuple[str, ...]
    weight: Tensor | None = None  # for heads' results: z is held, and the product is formed when it is asked for


@dataclass
class _AtPoint:
    writes: list[tuple[SiteSpec, Write]] = field(default_factory=list)
    leaves: list[tuple[SiteSpec, Site]] = field(default_factory=list)
    reads: list[tuple[SiteSpec, Site]] = field(default_factory=list)
    hidden: int | None = None  # the block whose entering hidden state other views need


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
    """

    def __init__(
        self, module: nn.Module, architecture: Architecture, locate: Callable[[str], SiteSpec], rows: Rows | None = None,
        stop: bool = False, copy: bool = False, once: bool = True,
    ):  # fmt: skip
        self.module, self.architecture, self.locate = module, architecture, locate
        self.rows, self.stop, self.copy, self.once = rows, stop, copy, once
        self.held: dict[Site, Held] = {}
        self.leaves: dict[Site, Tensor] = {}
        self.axes: dict[Site, tuple[str, ...]] = {}
        self._points: dict[Point, _AtPoint] = {}
        self._fired: set[Point] = set()
        self._blocks: dict[int, Tensor] = {}
        self._paths: dict[int, str] = {}

    # what to do

    def read(self, site: Site) -> None:
        spec = self._spec(site)
        self._at(spec.point).reads.append((spec, site))

    def write(self, write: Write) -> None:
        spec = self._spec(write.site)
        self._at(spec.point).writes.append((spec, write))

    def leaf(self, site: Site) -> None:
        """Make the site a variable of the graph: gradients are taken with respect to it."""
        spec = self._spec(site)
        self._at(spec.point).leaves.append((spec, site))

    @property
    def records(self) -> bool:
        """Whether the recording attention function is needed."""
        return any(point.port in PORTS for point in self._points)

    # the forward

    @contextlib.contextmanager
    def running(self, force_recording: bool = False) -> Iterator[None]:
        """Hooks are on inside this context and off after it, whatever happens."""
        with contextlib.ExitStack() as stack:
            for path in dict.fromkeys(point.module for point in self._points):
                module = self.module.get_submodule(path)
                ports = {point.port for point in self._points if point.module == path}
                if "in" in ports:
                    stack.callback(module.register_forward_pre_hook(self._entering(path), with_kwargs=True).remove)
                if "out" in ports:
                    stack.callback(module.register_forward_hook(self._leaving(path), with_kwargs=True).remove)
                if ports & set(PORTS):
                    self._paths[id(module)] = path
            if self.records or force_recording:
                kernel = self.architecture.kernel
                if kernel is None:
                    raise SiteUnavailable("attention can be recorded only in a known family; name a module's input or output instead")
                stack.enter_context(kernel.recording(self.module))
                stack.enter_context(listening(self._recorded))
            yield

    def finish(self) -> None:
        """Raise if something that was asked for never happened."""
        silent = [
            str(a[1] if isinstance(a[1], Site) else a[1].site)
            for p, at in self._points.items()
            if p not in self._fired
            for a in at.writes + at.leaves + at.reads
        ]
        if silent:
            raise SiteUnavailable(
                f"{silent[0]!r} never fired in this forward: the model did not run the module {self._spec_path(silent[0])!r}; nothing was read or edited there"
            )

    @property
    def overwritten(self) -> bool:
        """Whether the module has changed in place what was read."""
        return any(held.value._version != held.version for held in self.held.values())

    # hooks

    def _entering(self, path: str) -> Callable[..., Any]:
        point = Point(path, "in")

        def hook(module: nn.Module, args: tuple, kwargs: dict[str, Any]) -> Any:
            key, raw = _first_tensor(args, kwargs, path)
            new = self._pass(point, module, None, raw)
            if new is raw:
                return None
            if isinstance(key, int):
                return (*args[:key], new, *args[key + 1 :]), kwargs
            return args, {**kwargs, key: new}

        return hook

    def _leaving(self, path: str) -> Callable[..., Any]:
        point = Point(path, "out")

        def hook(module: nn.Module, args: tuple, kwargs: dict[str, Any], output: Any) -> Any:
            raw = unwrap(output, path)
            entering = next((a for a in (*args, *kwargs.values()) if isinstance(a, Tensor)), None)
            new = self._pass(point, module, entering, raw)
            return None if new is raw else rewrap(output, new)

        return hook

    def _recorded(self, module: nn.Module, port: str, value: Tensor) -> Tensor:
        path = self._paths.get(id(module))
        point = None if path is None else Point(path, port)  # type: ignore[arg-type]
        return value if point is None or point not in self._points else self._pass(point, module, None, value)

    def _pass(self, point: Point, module: nn.Module, entering: Tensor | None, raw: Tensor) -> Tensor:
        """Everything that happens at one point: writes, then leaves, then reads."""
        at = self._points[point]
        if point in self._fired and self.once:
            raise SiteUnavailable(f"the module {point.module!r} runs more than once in a forward, so {str(point)!r} names no single tensor")
        firing = Firing(module, entering, None, len(self.rows.lengths) if self.rows else raw.shape[0])
        written: set[str] = set()
        for spec, write in at.writes:
            if spec.name not in written:
                written.add(spec.name)
                raw = self._write(spec, [w for s, w in at.writes if s.name == spec.name], raw, self._with_block(spec, firing))
        for spec, site in at.leaves:
            raw = self._make_leaf(spec, site, raw, self._with_block(spec, firing))
        for spec, site in at.reads:
            self._read(spec, site, raw, self._with_block(spec, firing))
        if at.hidden is not None:
            self._blocks[at.hidden] = raw
        self._fired.add(point)
        if self.stop and len(self._fired) == len(self._points):
            raise Stop
        return raw

    def _write(self, spec: SiteSpec, writes: Sequence[Write], raw: Tensor, firing: Firing) -> Tensor:
        value = spec.view.get(raw, firing)
        axes = axes_of(spec, value)
        owned = not torch.is_grad_enabled()  # then one copy serves all cells of a sweep
        new = value.clone() if owned else value
        for write in writes:
            part = new if write.rows is None else new[write.rows]
            resolved = resolve(write.site, axes, part.shape, self._rows_of(write, part))
            old = take(part, resolved)
            fresh = write.edit.new(old.clone() if owned and not resolved[0] else old)
            if fresh.shape != old.shape:
                raise EditError(f"{write.edit}: the new value has shape {tuple(fresh.shape)}, the site {tuple(old.shape)}")
            if write.rows is not None:
                changed = put(part, fresh, resolved, owned)
                if changed is not part or not owned:
                    new = new if owned else new.clone()
                    new[write.rows] = changed
            else:
                new = put(part, fresh, resolved, owned)
        packed = spec.view.put(raw, new, firing)
        # what the model reads next may rely on the memory layout it is used to
        return packed.contiguous() if raw.is_contiguous() else packed

    def _rows_of(self, write: Write, part: Tensor) -> Rows | None:
        if self.rows is None or write.rows is None:
            return self.rows
        return Rows(self.rows.starts[write.rows], self.rows.lengths[write.rows])

    def _make_leaf(self, spec: SiteSpec, site: Site, raw: Tensor, firing: Firing) -> Tensor:
        value = spec.view.get(raw, firing)
        self.axes[site] = axes_of(spec, value)
        resolved = resolve(site, self.axes[site], value.shape, self.rows)
        part = take(value, resolved)
        # before the first leaf there is no graph yet; after it, the graph must go on through this one
        part = part.clone() if part.requires_grad else part.detach().clone().requires_grad_()
        self.leaves[site] = part
        packed = spec.view.put(raw, put(value, part, resolved), firing)
        # a module of no known family may overwrite its activations, which a leaf forbids
        return packed if spec.axes else packed.clone()

    def _read(self, spec: SiteSpec, site: Site, raw: Tensor, firing: Firing) -> None:
        if isinstance(spec.view, HeadResults) and not site.select:
            assert firing.entering is not None
            z_bphe = firing.entering.unflatten(-1, (spec.view.n, spec.view.width))
            z_bphe = z_bphe.clone() if self.copy else z_bphe
            self.held[site] = Held(z_bphe, _version(z_bphe), spec.axes, spec.view.weight(firing.module))
            return
        value = spec.view.get(raw, firing)
        axes = axes_of(spec, value)
        resolved = resolve(site, axes, value.shape, self.rows)
        part = take(value, resolved)
        # a part that is a view would keep the whole tensor alive
        part = part.clone() if self.copy or (site.select and part._is_view()) else part
        self.held[site] = Held(part, _version(part), axes)

    # sites

    def _spec(self, site: Site) -> SiteSpec:
        spec = self.locate(site.name)
        if isinstance(spec.view, ResidMid):
            self._at(Point(f"{self.architecture.blocks}.{spec.block}", "in")).hidden = spec.block
        return spec

    def _with_block(self, spec: SiteSpec, firing: Firing) -> Firing:
        if not isinstance(spec.view, ResidMid):
            return firing
        return Firing(firing.module, firing.entering, self._blocks[spec.block], firing.batch)

    def _at(self, point: Point) -> _AtPoint:
        return self._points.setdefault(point, _AtPoint())

    def _spec_path(self, site: str) -> str:
        return self.locate(Site.parse(site).name).point.module


def axes_of(spec: SiteSpec, value: Tensor) -> tuple[str, ...]:
    """The names of a tensor's axes; for sites by path they are told from the number of axes."""
    if spec.axes:
        return spec.axes
    by_rank = {1: ("batch",), 2: ("batch", "unit"), 3: ("batch", "pos", "unit"), 4: ("batch", "channel", "row", "col")}
    return by_rank.get(value.ndim, ("batch", *(f"axis{i}" for i in range(1, value.ndim))))


def unwrap(output: Any, path: str = "") -> Tensor:
    """The tensor of a module's output: itself, the logits of a model's output, or the first tensor of a tuple or mapping."""
    if isinstance(output, Tensor):
        return output
    if isinstance(output, Mapping):
        values = [output["logits"]] if isinstance(output.get("logits"), Tensor) else list(output.values())
    else:
        values = list(output) if isinstance(output, tuple | list) else []
    for value in values:
        if isinstance(value, Tensor):
            return value
    raise SiteUnavailable(f"the module {path!r} returns no tensor but {type(output).__name__}; name one of its submodules")


def rewrap(output: Any, new: Tensor) -> Any:
    """The output with its tensor (the one that `unwrap` gives) replaced, everything else kept."""
    if isinstance(output, Tensor):
        return new
    old = unwrap(output)
    if isinstance(output, Mapping):
        fresh = output.__class__(**output) if hasattr(output, "to_tuple") else dict(output)
        fresh[next(key for key, value in output.items() if value is old)] = new
        return fresh
    replaced = [new if value is old else value for value in output]
    return output.__class__(*replaced) if hasattr(output, "_fields") else output.__class__(replaced)


def _first_tensor(args: tuple, kwargs: Mapping[str, Any], path: str) -> tuple[int | str, Tensor]:
    for key, value in (*enumerate(args), *kwargs.items()):
        if isinstance(value, Tensor):
            return key, value
    raise SiteUnavailable(f"no tensor enters the module {path!r}; name its output or another module")


def _version(value: Tensor) -> int:
    return 0 if value.is_inference() else value._version
