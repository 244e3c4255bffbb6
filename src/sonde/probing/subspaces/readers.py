"""What later parts see of a site: the directions that their weights read, and the null space that they cannot see.

A reader is a later site r whose value is computed from the site's value x, directly. The rows of its Jacobian dr/dx at the bases of the pairs span
what it reads: for a linear map the row space of its weights, behind a norm, whose scale is held, that of the weights times its gain, and for a curved
reader the leading right singular space of the Jacobians at the data. Later parts on the way are held (`Detach`), so that only the direct way counts.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from sonde.access import Detach, Model, Run, Site
from sonde.access.direct import parts_between
from sonde.access.forward import gradients
from sonde.access.writes import Write
from sonde.probing.subspaces.placed import Placed
from sonde.results import InputError, SiteUnavailable

ROWS = 128  # of a pass
BASES = 4  # at which each entry of a reader is looked at, at least
FEW = 256  # rows of the Jacobian that cost nothing
MOST = 2  # rows for each entry of the site: beyond that they say nothing new


@dataclass(frozen=True, eq=False)
class Reading:
    """What readers see of a site.

    Arguments:
        readers: by name.
        directions: orthonormal, one per row: all that they read.
        width: entries of the site's last axis.
    """

    readers: tuple[str, ...]
    directions: Float[Tensor, "rank width"]
    width: int

    def seen(self, vectors: Float[Tensor, "vector width"]) -> Float[Tensor, "vector width"]:
        """The part of some vectors that is read.

        Arguments:
            vectors: one a row.
        """
        return (vectors.double() @ self.directions.double().T @ self.directions.double()).to(vectors)


def readers_of(model: Model, site: str) -> list[str]:
    """What the architecture says reads a site: the block's output of neurons and heads; of the residual stream the next parts, and the unembedding.

    Arguments:
        model: of a known family.
        site: a name.

    Raises:
        SiteUnavailable: a site of which the architecture says no reader.

    >>> import sonde
    >>> readers_of(sonde.load("specimen:words"), "blocks.1.mlp.post")
    ['blocks.1.mlp.out']
    """
    sites = model.architecture.sites
    block, _, part = site.rpartition(".")
    if part in ("post", "z") and f"{block}.out" in sites:
        return [f"{block}.out"]
    spec = sites.get(site)
    if spec is None or part not in ("embed", "resid_pre", "resid_mid", "resid_post"):
        raise SiteUnavailable(f"{site!r}: the architecture does not say what reads it; name the sites that do with readers=")
    number = spec.block + (part in ("embed", "resid_post"))
    attention = [] if part == "resid_mid" else ["attn.q", "attn.k", "attn.v"]
    later = [f"{model.architecture.prefix}blocks.{number}.{name}" for name in (*attention, "mlp.pre", "mlp.gate")]
    return [name for name in (*later, "logits") if name in sites]


def reading(pairs: Placed, readers: Sequence[str | Site] | None = None, tolerance: float = 1e-4, seed: int = 0) -> Reading:
    """What readers see of the pairs' site.

    Arguments:
        pairs: at whose bases the Jacobians are taken.
        readers: later sites, with selections such as "blocks.3.attn.q[head=1]"; by default what the architecture says.
        tolerance: directions that are read less, as a share of the one that is read most, count as not read.
        seed: of the rows that are drawn where a reader has more entries than are needed.

    Raises:
        InputError: a reader that does not read the site. SiteUnavailable: no reader given, and none known.
    """
    given = [Site.parse(reader) for reader in (readers if readers is not None else readers_of(pairs.model, pairs.site.name))]
    if not given:
        raise InputError("readers=[] read nothing: name at least one site that reads the directions")
    draw = torch.Generator().manual_seed(seed)
    rows = []
    for reader in given:
        found = _jacobian(pairs, reader, draw)
        size = torch.linalg.matrix_norm(found, 2)
        if not float(size) > 0:
            raise InputError(f"{reader} does not read {pairs.site}: no change there reaches it directly")
        rows.append(found / size)  # a reader of small weights reads no fewer directions
    _, values, directions = torch.linalg.svd(torch.cat(rows), full_matrices=False)
    return Reading(tuple(map(str, given)), directions[values > tolerance * values[0]].float(), pairs.width)


def _jacobian(pairs: Placed, reader: Site, draw: torch.Generator) -> Float[Tensor, "row width"]:
    """Rows of a reader's Jacobian, or random mixtures of them, each at another base, in float64."""
    model, place = pairs.model, pairs.site
    reader = Site(model.locate(reader.name).name, reader.select)
    positions = tuple((axis, index) for axis, index in place.select if axis == "pos")
    shown = model.run(pairs.pairs.base, read=[reader.name], logits=False, spans=pairs.pairs.spans)
    at = Site(reader.name, (*reader.select, *positions)) if "pos" in shown.axes(reader) else reader
    along = "pos" in shown.axes(at)
    entries = shown[at][0].numel() // (shown[at].shape[1] if along else 1)
    several = min(MOST * pairs.width, max(FEW, BASES * entries))
    whole = -(-several // entries)
    mixtures = torch.eye(entries).repeat(whole, 1) if several >= entries else torch.randn(several, entries, generator=draw)
    writes = [Write(edit.site, edit) for edit in map(Detach, _held(model, place.name, at.name))]
    found = []
    for numbers in torch.arange(len(mixtures)).split(ROWS):
        some = pairs.pairs.select([int(base) for base in torch.randint(len(pairs.pairs), (len(numbers),), generator=draw)])
        weights = mixtures[numbers].to(model.device)

        def metric(run: Run, weights: Tensor = weights) -> Tensor:
            value = run[at]
            return torch.einsum("bpe,be->b", value.reshape(len(weights), value.shape[1] if along else 1, -1), weights.to(value))

        grads = gradients(model, model.prepare(some.base, spans=some.spans), metric, [place.whole()], writes, [Site(at.name)])
        found.append(grads[place].double().cpu().reshape(-1, pairs.width))
    rows = torch.cat(found)
    return rows[rows.any(1)] if rows.any() else rows


def _held(model: Model, start: str, end: str) -> list[str]:
    """The sites between two others through which no change is to go: what later parts add to the stream, and the scales of norms."""
    order = list(model.architecture.sites)
    if start not in order or end not in order:
        return []
    between = order[order.index(start) + 1 : order.index(end) + 1]
    return [*parts_between(model, start, end), *(name for name in between if name.endswith("norm.scale"))]
