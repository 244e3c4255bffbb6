"""What happens where a forward passes one point of the module tree, and the tensor while it happens."""

from dataclasses import dataclass, field

from torch import Tensor

from sonde.access.architectures import SiteSpec
from sonde.access.sites import Site
from sonde.access.views import Firing
from sonde.access.writes import Write


@dataclass
class AtPoint:
    """What happens where the forward passes one point, in this order."""

    writes: dict[str, tuple[SiteSpec, list[Write]]] = field(default_factory=dict)  # by the site's name
    leaves: list[tuple[SiteSpec, Site]] = field(default_factory=list)
    reads: list[tuple[SiteSpec, Site]] = field(default_factory=list)
    block: str = ""  # this is where the hidden state enters this block, which other views need
    needed: dict[str, SiteSpec] = field(default_factory=dict)  # by name, sites whose values here views at later points need

    @property
    def sites(self) -> list[Site]:
        """The sites that are meant to be seen here."""
        return [write.site for _, writes in self.writes.values() for write in writes] + [site for _, site in self.leaves + self.reads]


@dataclass
class Passing:
    """The tensor at a point while writes, leaves and reads take their turns.

    Arguments:
        raw: the tensor as the module will go on with it.
        firing: what else is at hand.
        coordinates: the coordinates and the error that were written last; those of other bases are computed anew.
    """

    raw: Tensor
    firing: Firing
    coordinates: dict[str, Tensor] = field(default_factory=dict)

    def value(self, spec: SiteSpec) -> Tensor:
        """The site's value as it is now."""
        for known in (self.coordinates, self.firing.written):
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
            if not spec.view.sees_changes:
                self.firing.written[spec.name] = new
            return
        packed = spec.view.put(self.raw, old, new, self.firing)
        # what the model reads next may rely on the memory layout it is used to
        self.raw = packed.contiguous() if self.raw.is_contiguous() else packed
        self.coordinates = {}
        if not spec.view.sees_changes:
            self.firing.written[spec.name] = new
