"""The places of a network that have names: a vocabulary, the coordinates that were attached, and every module's input and output by path."""

import functools
import re
from collections.abc import Iterable, Sequence

from torch import nn

from sonde.access.architectures import Architecture, Point, SiteSpec
from sonde.access.attachments import attachment
from sonde.access.basis import Basis
from sonde.access.coordinates import Coordinates
from sonde.access.layouts import layout
from sonde.access.sites import Site, expand, nearest
from sonde.access.table import Place, Sites
from sonde.access.transcoding import TranscodedCoordinates, sites_read
from sonde.access.translation import foreign_names, is_foreign, translated
from sonde.results import InputError, SiteUnavailable, UnknownSite, shown

Where = str | Site | Iterable[str | Site]


class Places:
    """From names to where their tensors are.

    Arguments:
        module: the network.
        architecture: its family's vocabulary.
        attached: coordinates as sites, by name.
    """

    def __init__(self, module: nn.Module, architecture: Architecture, attached: dict[str, SiteSpec] | None = None):
        self.module, self.architecture, self.attached = module, architecture, attached or {}

    @functools.cached_property
    def names(self) -> list[str]:
        """The names of the vocabulary in the order of the computation, then every module's input and output by path; coordinates after their site."""
        paths = [f"{path}:{port}" for path, _ in self.module.named_modules() if path for port in ("in", "out")]
        return [name for own in (*self.architecture.sites, *paths) for name in (own, *self._coordinates_of(own))]

    @property
    def bases(self) -> dict[str, Coordinates | TranscodedCoordinates]:
        """What is attached: the coordinates, by the names of their sites."""
        return {name: spec.view for name, spec in self.attached.items() if isinstance(spec.view, Coordinates | TranscodedCoordinates)}

    def expand(self, where: Where) -> list[Site]:
        """The sites that are meant, globs replaced by the names that match; raises `UnknownSite` or `SiteUnavailable` for a glob without any."""
        return expand(where, [*self.names, *foreign_names(self.architecture)], self.architecture.why_not)

    def table(self, sites: Iterable[Site] | None = None) -> Sites:
        """Some sites as a value that can be printed; without any the whole vocabulary, or what has paths where there is none."""
        vocabulary = [name for own in self.architecture.sites for name in (own, *self._coordinates_of(own))]
        return Sites(map(Site, vocabulary or self.names) if sites is None else sites, self._place)

    def with_basis(self, site: Site, basis: Basis, name: str, reads: str | Sequence[str] | None = None) -> "Places":
        """The same places and the coordinates of a site in a basis; see `Model.attach`."""
        if site.select or site.name in self.attached:
            raise InputError(f"{str(site)!r}: a basis is attached to one whole site of the model itself; select among the coordinates afterwards")
        read = tuple(self.locate(one) for one in sites_read(basis, reads))
        if taken := next((spec.name for spec in read if spec.base is not None), None):
            raise InputError(f"reads={taken!r}: a basis reads sites of the model itself, not coordinates")
        more = {spec.name: spec for spec in attachment(self.locate(site.name), basis, name, self.architecture, len(self.attached), read)}
        for taken in more:
            if taken in self.names:
                raise InputError(f"{taken!r} is a site already: choose another name= for the basis")
        return Places(self.module, self.architecture, {**self.attached, **more})

    def locate(self, name: str) -> SiteSpec:
        """Where a site is; raises `UnknownSite` or `SiteUnavailable` with the reason and the way out."""
        if not isinstance(name, str):
            raise UnknownSite(f"{shown(name)} is no site: give its name as a text")
        name = translated(name, self.module, self.architecture) if is_foreign(name) else name
        known = self.attached.get(name) or self.architecture.sites.get(name)
        if known is not None:
            return known
        path, colon, port = name.rpartition(":")
        port, _, item = port.partition(".")
        # the whole of a known family has names for what enters and leaves it
        if colon and port in ("in", "out") and (path or not self.architecture.sites):
            return self._by_path(name, Point(path, "in" if port == "in" else "out", item))
        reason = self.architecture.why_not(name)
        blocks = self._blocks_beside(name)
        if reason is not None and not blocks:
            raise SiteUnavailable(reason)
        hints = []
        if blocks:
            hints.append(f"the blocks are 0 to {blocks - 1}")
        if any(name == path for path, _ in self.module.named_modules()):
            hints.append(f"it is a module: write {name + ':in'!r} or {name + ':out'!r}")
        elif not self.architecture.sites:
            hints.append(f"{type(self.module).__name__} is no known family, so its sites are module paths with ':in' or ':out'")
        raise UnknownSite("; ".join([f"{shown(name)} is no site of this model; nearest: {nearest(name, self.names)}", *hints]))

    def _coordinates_of(self, name: str) -> list[str]:
        """The sites of the bases that are attached to a site."""
        return [spec.name for spec in self.attached.values() if spec.base is not None and spec.base.name == name]

    def _place(self, name: str) -> Place:
        spec = self.locate(name)
        return Place(" ".join(spec.axes) or "as the tensor has", spec.meaning, str(spec.point))

    def _by_path(self, name: str, point: Point) -> SiteSpec:
        try:
            module = self.module.get_submodule(point.module)
        except AttributeError:
            raise UnknownSite(
                f"{name!r}: this model has no module {point.module!r} (what a forward computes by functions is no place); "
                f"nearest: {nearest(name, self.names)}"
            ) from None
        blocks = self.architecture.blocks
        inside = re.match(rf"{re.escape(blocks)}\.(\d+)(\.|$)", point.module) if blocks else None
        lies = layout(self.module, module, point.port, point.item)
        towers = [tower for tower in self.architecture.towers if tower.blocks.partition(".")[0] == point.module.partition(".")[0]]
        of_tokens = not any(tower.images for tower in towers)
        return SiteSpec(name, (), point, lies.view, "by path", int(inside[1]) if inside else -1, layout=lies, of_tokens=of_tokens)

    def _blocks_beside(self, name: str) -> int:
        """How many blocks there are, where a name means one that is not there; else 0."""
        found = re.match(r"(\w+\.)?blocks\.(\d+)\.", name)
        stacks = self.architecture.towers or (self.architecture,)
        n = next((stack.n_layers for stack in stacks if found and stack.prefix == (found[1] or "")), 0)
        return n if found and int(found[2]) >= n else 0
