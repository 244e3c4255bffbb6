"""Nodes that are ablated one at a time: heads, their queries, keys and values, MLPs, neurons; at all positions, at each, or at spans.

A node is a part of a site: `blocks.3.attn.z[head=2]`, `blocks.0.mlp.post[d_mlp=7, pos=4]`, `blocks.1.mlp.out[pos=subject]`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from sonde.access import Model
from sonde.access.engine.costs import free_bytes
from sonde.access.forward import forward
from sonde.access.sites import Site
from sonde.circuits.carried import Carried
from sonde.results import InputError, shown
from sonde.tasks import Ablation, Task

Positions = Literal["together", "each", "spans"]
DIVIDING = ("head", "kv_head", "d_mlp", "feature")  # axes whose entries are nodes of their own
PARTS = ("attn.z", "mlp.out")
WORKING_SET = 2**29  # bytes of values of some examples on a CPU


@dataclass(frozen=True)
class Nodes:
    """The nodes of a model that are scored, in order: site by site, node by node, position by position.

    Arguments:
        sites: the sites of which they are parts.
        axes: by site the axis whose entries are nodes of their own; "" where the site is one node.
        sizes: by site how many of them.
        positions: "together", "each", or "spans".
        places: the names of the positions; empty where they are together.
    """

    sites: tuple[str, ...]
    axes: tuple[str, ...]
    sizes: tuple[int, ...]
    positions: Positions
    places: tuple[str, ...]

    @staticmethod
    def of(model: Model, task: Task, parts: Sequence[str], positions: Positions) -> "Nodes":
        """The nodes of all blocks.

        Arguments:
            model: the model.
            task: whose positions.
            parts: sites without their block, such as "attn.z", "attn.q", "mlp.out", "mlp.post".
            positions: every node at all positions together, at each position, or at each of the task's spans.

        Raises:
            InputError: a part that no block has, positions of prompts of unequal length, or no spans.
        """
        if isinstance(parts, str) or not parts:
            raise InputError(f"parts={shown(parts)}: give a list such as {list(PARTS)}")
        known = set(model.architecture.sites)
        sites = [f"blocks.{i}.{part}" for i in range(model.n_layers) for part in parts]
        for part in parts:
            if f"blocks.0.{part}" not in known:
                model.locate(f"blocks.0.{part}")  # an attached basis, or the reason why there is none
        if positions not in ("together", "each", "spans"):
            raise InputError(f"positions={shown(positions)}: use 'together', 'each' or 'spans'")
        if positions == "each" and task.length is None:
            raise InputError("the prompts differ in length, so their positions do not correspond: use positions='spans' or 'together'")
        if positions == "spans" and not task.spans:
            raise InputError(f"the task {task.name!r} names no spans: use positions='each' or 'together'")
        axes, sizes = [], []
        for site in sites:
            axis = model.locate(site).axes[2]
            axes.append(axis if axis in DIVIDING else "")
            sizes.append(_size(model, site, axis))
        places = tuple(map(str, range(task.length or 0))) if positions == "each" else tuple(task.spans) if positions == "spans" else ()
        return Nodes(tuple(sites), tuple(axes), tuple(sizes), positions, places)

    @property
    def names(self) -> list[str]:
        """Every node by its site."""
        found = []
        for site, axis, size in zip(self.sites, self.axes, self.sizes, strict=True):
            for i in range(size):
                for place in self.places or ("",):
                    chosen = [f"{axis}={i}"] if axis else []
                    chosen += [f"pos={place}"] if place else []
                    found.append(f"{site}[{', '.join(chosen)}]" if chosen else site)
        return found

    @property
    def layers(self) -> list[int]:
        """The block of every node."""
        times = max(1, len(self.places))
        return [int(site.split(".")[1]) for site, size in zip(self.sites, self.sizes, strict=True) for _ in range(size * times)]

    @property
    def summary(self) -> str:
        """Which they are, in words."""
        parts = ", ".join(dict.fromkeys(site.split(".", 2)[2] for site in self.sites))
        where = {"together": "all positions together", "each": "each position", "spans": f"at {', '.join(self.places)}"}[self.positions]
        return f"nodes {parts}; {where}"

    def masks(self, task: Task, length: int) -> Tensor:
        """The positions of every place: place example pos.

        Arguments:
            task: the examples.
            length: how many columns they have.
        """
        if self.positions == "together":
            return torch.ones(1, len(task), length, dtype=torch.bool)
        if self.positions == "each":
            return torch.eye(length, dtype=torch.bool)[:, None].expand(-1, len(task), -1)
        found = torch.zeros(len(self.places), len(task), length, dtype=torch.bool)
        for k, name in enumerate(self.places):
            for row, positions in enumerate(task.spans[name]):
                found[k, row, [position % len(task.clean[row]) for position in positions]] = True
        return found

    def summed(self, site: int, products: Tensor, masks: Tensor) -> Tensor:
        """Products of changes and slopes, summed over what belongs to each node of a site: (node place) example.

        Arguments:
            site: the number of the site.
            products: at every entry of the site, example pos ...
            masks: of the places.
        """
        products = products[:, :, None] if not self.axes[site] else products
        products = products.flatten(3).sum(3) if products.ndim > 3 else products
        return torch.einsum("bpn,kbp->nkb", products, masks.to(products)).flatten(0, 1)


class Values:
    """What nodes hold in a task's prompts, and what an ablation puts there.

    Arguments:
        model, task, ablation: what is ablated.
        nodes: where.
        size: prompts that are run at once.
        record: use the recording attention function, as slopes at its sites do.
    """

    def __init__(self, model: Model, task: Task, ablation: Ablation, nodes: Nodes, size: int, record: bool = False):
        self.model, self.nodes, self.record = model, nodes, record
        self._shapes: list[tuple[int, ...]] = []
        self._carried = Carried(task, ablation, self._flat, size)

    def carried(self, examples: Sequence[int]) -> list[Tensor]:
        """By site what the ablation puts there in some examples: example pos ..., or what broadcasts to it.

        Arguments:
            examples: by number.
        """
        flat = self._carried.of(examples)
        if flat.ndim == 0:
            return [flat] * len(self.nodes.sites)
        widths = [int(torch.tensor(shape).prod()) for shape in self._shapes]
        return [part.unflatten(2, shape) for part, shape in zip(flat.split(widths, 2), self._shapes, strict=True)]

    def _flat(self, rows: Sequence[Sequence[int]]) -> Tensor:
        run = forward(self.model, self.model.prepare(rows), list(map(Site.parse, self.nodes.sites)), (), logits=False, record=self.record)
        values = [run[site] for site in self.nodes.sites]
        self._shapes = [tuple(value.shape[2:]) for value in values]
        return torch.cat([value.flatten(2) for value in values], 2)


def fitting(model: Model, task: Task) -> int:
    """How many examples go together.

    Arguments:
        model, task: what is run.
    """
    arch = model.architecture
    numbers = model.n_layers * (24 * arch.d_model + 6 * arch.d_mlp + 6 * arch.n_heads * max(map(len, task.clean)))
    one = 4 * numbers * max(map(len, task.clean))
    room = free_bytes(model) // 2
    return max(1, (room if model.device.type == "cuda" else min(WORKING_SET, room)) // max(1, one))


def _size(model: Model, site: str, axis: str) -> int:
    arch = model.architecture
    sizes = {"head": arch.n_heads, "kv_head": arch.n_kv_heads, "d_mlp": arch.d_mlp}
    if axis == "feature":
        return model.bases[site].size
    return sizes.get(axis, 1)
