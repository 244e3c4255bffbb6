"""Coordinates as sites: what `Model.attach` adds to a handle.

At a site with value x, a basis gives two more: its coordinates c = encode(x), and the error e = x - decode(c) that they leave. Both are computed on
reading, so attaching changes nothing. Writing one keeps the other: x' = x + (decode(c') - decode(c)), or x' = x + (e' - e).
"""

from dataclasses import replace

from sonde.access.architectures import Architecture, SiteSpec
from sonde.access.basis import Basis, side_by_side
from sonde.access.coordinates import Coordinates, Rest
from sonde.access.layouts import Layout
from sonde.access.selection import POSITION_AXES
from sonde.access.transcoding import TranscodedCoordinates, TranscodedRest, refuse_order, width_written
from sonde.access.views import View
from sonde.results import InputError, SiteUnavailable, shown


def attachment(
    site: SiteSpec, basis: Basis, name: str, architecture: Architecture, before: int, reads: tuple[SiteSpec, ...] = ()
) -> tuple[SiteSpec, SiteSpec]:  # fmt: skip
    """The sites of a basis at a site: its coordinates and their error.

    Arguments:
        site: where.
        basis: coordinates of the site's entries.
        name: what the coordinates are called.
        architecture: the model's sizes.
        before: how many bases were attached before; edits of later ones see what earlier ones wrote.
        reads: the sites that are read, side by side, where these are not the site itself.

    Raises:
        InputError: no basis, a name that is none. SiteUnavailable: a site without entries, or with another number of them than the basis reads.
    """
    if not isinstance(basis, Basis):
        raise InputError(f"{shown(basis)} is no basis: give one of sonde.bases, or an object with width, size, names, hash, encode and decode")
    if not isinstance(name, str) or not name.isidentifier():
        raise InputError(f"name={shown(name)} can't be part of a site's name: use letters, digits and underscores, with a letter first")
    axis = "channel" if "channel" in site.axes else site.axes[-1] if site.axes else ""
    if axis in (*POSITION_AXES, "batch"):
        raise SiteUnavailable(f"{site.name!r} has the axes {' '.join(site.axes)}: its last axis counts rows or tokens, and has no coordinates")
    sizes = {"d_model": architecture.d_model, "d_head": architecture.d_head, "d_mlp": architecture.d_mlp, "vocab": architecture.d_vocab}
    n_heads = architecture.n_kv_heads if "kv_head" in site.axes else architecture.n_heads
    whole = not reads and bool(n_heads and sizes["d_head"]) and side_by_side(site.axes, (n_heads or 0, sizes["d_head"] or 0), basis.width)
    if reads:
        refuse_order(site, reads, architecture)
    elif sizes.get(axis) and sizes[axis] != basis.width and not whole:
        raise SiteUnavailable(f"{site.name!r} has {sizes[axis]} entries along {axis}, and the basis reads {basis.width}; attach it where it was made")
    features, error = f"{site.name}.{name}", f"{site.name}.{name}.error"
    at_entries: View
    rest: View
    if reads:
        elsewhere = (site, basis, reads, features, width_written(site, basis, sizes.get(axis)))
        at_entries, rest = TranscodedCoordinates(*elsewhere), TranscodedRest(*elsewhere)
    else:
        at_entries, rest = Coordinates(site, basis), Rest(site, basis)
    # after the site itself, before what comes after it at the same point
    needs = tuple(spec for spec in reads if spec.name != site.name)
    common = replace(site, base=site, seen=None, rank=site.rank + 1 - 1 / (before + 2), needs=needs)
    layout = Layout({n: _featured(names, whole) for n, names in site.layout.axes.items()}, at_entries, site.layout.strict)
    return (
        replace(common, name=features, axes=_featured(site.axes, whole), view=at_entries, layout=layout, beside={error: rest},
                meaning=f"coordinates of {(reads[0] if reads else site).name.rpartition('.')[2]} in {basis!r}"),
        replace(common, name=error, view=rest, beside={features: at_entries}, meaning=f"what {name} leaves out"),
    )  # fmt: skip


def _featured(axes: tuple[str, ...], whole: bool) -> tuple[str, ...]:
    """The axes of the coordinates of a value with these axes; without heads where the basis reads them together."""
    entries = {"channel" if "channel" in axes else axes[-1] if axes else ""} | ({"head", "kv_head"} if whole else set())
    return (*(axis for axis in axes if axis not in entries), "feature") if axes else ()
