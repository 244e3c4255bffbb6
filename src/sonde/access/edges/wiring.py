"""How the nodes of a graph are computed: by the model's own norms and weights.

Shape legend: n nodes of a part, b batch, p position, d d_model, e d_head.
"""

import itertools
from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional

from sonde.access.edges.graph import Graph, Part
from sonde.access.edits.relevance import is_layer
from sonde.access.modes import is_plain
from sonde.access.views import Firing, Folded, HeadResults, NormScale, norm_scale

if TYPE_CHECKING:
    from sonde.access.model import Model


class Wiring:
    """The nodes of a graph in a model.

    Arguments:
        model, graph: which.
    """

    def __init__(self, model: "Model", graph: Graph):
        self.model, self.graph = model, graph
        self.sender_slices, self.reader_slices = _slices(graph.sending), _slices(graph.receiving)
        self._rows: dict[str, tuple[Tensor, Tensor] | None] = {}
        self._vectors: dict[str, Tensor] = {}

    def adds(self, part: Part, value: Tensor) -> Tensor:
        """What the nodes of a part add to the residual stream: n b p d.

        Arguments:
            part: of the senders.
            value: what its site holds.
        """
        if part.kind == "head":
            added = torch.einsum("bphe,hed->hbpd", value, self.output_map(part.layer))
            return added if self.model.architecture.law != "sandwich" else added * self._gain(part.layer, value)
        if part.kind == "neuron":
            return torch.einsum("bpn,nd->nbpd", value, self._of_neurons(part))
        if part.kind == "feature":
            basis = self.model.bases[part.site]
            coordinates, vectors = basis.encode(value), self._of_features(part)
            told = torch.einsum("bpf,fd->fbpd", coordinates, vectors)
            return torch.cat([told, (value - told.sum(0))[None]])
        return value[None]

    def put(self, part: Part, value: Tensor, out: Tensor) -> None:
        """What the nodes of a part add, written into memory that is there: fresh memory costs more than the products.

        Arguments:
            part: of the senders.
            value: what its site holds.
            out: n b p d.
        """
        if part.kind == "head" and self.model.architecture.law != "sandwich":
            rows = value.permute(2, 0, 1, 3).flatten(1, 2)
            torch.bmm(rows, self.output_map(part.layer).to(rows), out=out.flatten(1, 2))
        else:
            out.copy_(self.adds(part, value))

    def site(self, part: Part) -> str:
        """The site whose value `adds` takes."""
        return part.site.rpartition(".")[0] if part.kind == "feature" else part.site

    def reads(self, part: Part, streams: Tensor, nodes: Sequence[int]) -> list[tuple[str, Tensor]]:
        """What is written where nodes of a part read something else than the residual stream.

        Arguments:
            part: of the receivers.
            streams: what each node reads instead, n b p d.
            nodes: which nodes of the part.

        Returns:
            Sites with the nodes' entries there, n b p e (of what has no heads n b p).
        """
        if part.kind == "logits":
            return [(part.site, streams)]
        normed = self.norm(part)(streams)
        if part.kind in ("mlp", "attn"):
            return [(part.site, normed)]
        sites = [part.site]
        if part.kind == "neuron" and part.site.replace(".pre", ".gate") in self.model.architecture.sites:
            sites.append(part.site.replace(".pre", ".gate"))
        return [(site, self.entries(site, normed, nodes)) for site in sites]

    def norm(self, part: Part) -> nn.Module:
        """The norm through which the nodes of a part read."""
        arch = self.model.architecture
        path = arch.attn_norm if part.kind in ("q", "k", "v", "attn") else arch.mlp_norm
        return self.model.block(part.layer).get_submodule(path) if path else nn.Identity()

    def gain(self, part: Part) -> Tensor | None:
        """What the norm through which a part reads multiplies by, d; `None` for one that is not known to be a LayerNorm or RMSNorm."""
        norm = self.norm(part)
        site = f"blocks.{part.layer}.{'attn' if part.kind in ('q', 'k', 'v', 'attn') else 'mlp'}.norm.scale"
        spec = self.model.architecture.sites.get(site)
        weight = getattr(norm, "weight", None)
        if spec is None or not isinstance(spec.view, NormScale) or self.model.module.get_submodule(spec.point.module) is not norm:
            return None
        return weight.detach() + spec.view.offset if isinstance(weight, Tensor) else None

    def projected(self, site: str, normed: Tensor) -> Tensor:
        """A site that holds a projection, from what enters the projection: b p d to b p h e."""
        known = self.rows(site)
        if known is not None and known[0].shape[1] > 1:  # of a projection that makes queries, keys and values, only the part that is asked for
            weight, bias = known
            own: Tensor = functional.linear(normed, weight.flatten(0, 1), bias.flatten()).unflatten(-1, bias.shape)
            return own
        spec = self.model.locate(site)
        module = self.model.module.get_submodule(spec.point.module)
        view = spec.view.view if isinstance(spec.view, Folded) else spec.view
        # not the module itself, whose hooks are those of the forward that goes on
        found: Tensor = view.get(module.forward(normed), Firing(module, normed, None, None))
        return found

    def summed(self, layer: int, value: Tensor) -> Tensor:
        """The sum of what the heads of a block add, with its bias, before any norm of it: b p d.

        Arguments:
            layer: the block.
            value: what its heads mix, b p h e.
        """
        found: Tensor = self._output(layer).forward(value.flatten(-2).contiguous())
        return found

    def attended(self, layer: int, summed: Tensor) -> Tensor:
        """What attention adds to the stream for some sum of its heads.

        Arguments:
            layer: the block.
            summed: any b p d.
        """
        return self._post_norm(layer)(summed) if self.model.architecture.law == "sandwich" else summed

    def output_map(self, layer: int) -> Tensor:
        """What each head's mixed values are multiplied by: h e d."""
        arch, module = self.model.architecture, self._output(layer)
        return HeadResults(arch.n_heads, arch.d_head, type(module).__name__ == "Conv1D").weight(module).detach()

    def _output(self, layer: int) -> nn.Module:
        """The output projection of a block's attention."""
        return self.model.module.get_submodule(self.model.locate(f"blocks.{layer}.attn.z").point.module)

    def _post_norm(self, layer: int) -> nn.Module:
        """The norm that attention's output goes through before it is added."""
        return self.model.module.get_submodule(self.model.locate(f"blocks.{layer}.attn.post_norm.scale").point.module)

    def _gain(self, layer: int, value: Tensor) -> Tensor:
        """What that norm multiplies every head's part by, as its scale is in this run: b p d."""
        norm, spec = self._post_norm(layer), self.model.locate(f"blocks.{layer}.attn.post_norm.scale")
        assert isinstance(spec.view, NormScale) and isinstance(norm.weight, Tensor)
        scale = norm_scale(norm, self.summed(layer, value))
        return ((norm.weight.detach() + spec.view.offset) / scale.unsqueeze(-1)).to(value.dtype)

    def rows(self, site: str) -> tuple[Tensor, Tensor] | None:
        """The weights of a projection by node, n e d, and its biases, n e; `None` where it is no plain linear map."""
        if site not in self._rows:
            spec = self.model.locate(site)
            module = self.model.module.get_submodule(spec.point.module)
            weight = getattr(module, "weight", None)
            if is_layer(module) and isinstance(weight, Tensor) and weight.ndim == 2 and is_plain(weight):
                weight = weight.T if type(module).__name__ == "Conv1D" else weight
                view = spec.view.view if isinstance(spec.view, Folded) else spec.view
                at = view.get(torch.arange(len(weight), device=weight.device)[None, None], Firing(module, None, None, None))[0, 0]
                at = at if at.ndim == 2 else at[:, None]
                bias = getattr(module, "bias", None)
                self._rows[site] = _picked(weight.detach(), at), weight.new_zeros(at.shape) if bias is None else bias.detach()[at]
            else:
                self._rows[site] = None
        return self._rows[site]

    def entries(self, site: str, normed: Tensor, nodes: Sequence[int]) -> Tensor:
        """What nodes have at a site that holds a projection: n b p e (of what has no heads n b p).

        Arguments:
            site: the site.
            normed: what enters the projection for each of the nodes, n b p d.
            nodes: which; one may come several times, side by side.
        """
        known, index = self.rows(site), list(nodes)
        if known is None:  # an adapter, a quantised map: its own call for each node
            entries = [self.projected(site, one)[..., node, :] for one, node in zip(normed, index, strict=True)]
            return torch.stack(entries)
        runs = [(node, len(list(again))) for node, again in itertools.groupby(index)]
        if len(runs) < len(index):  # one product for all that is asked of a node, under several masks
            shares = normed.split([times for _, times in runs])
            products = [torch.addmm(known[1][node], share.flatten(0, -2), known[0][node].T) for (node, _), share in zip(runs, shares, strict=True)]
            together: Tensor = torch.cat(products).unflatten(0, normed.shape[:-1])
            return together
        weight, bias = known if index == list(range(len(known[0]))) else (known[0][index], known[1][index])
        found: Tensor = torch.baddbmm(bias[:, None], normed.flatten(1, -2), weight.transpose(1, 2)).unflatten(1, normed.shape[1:-1])
        if self.model.locate(site).axes[-1] == "d_mlp":
            found = found.squeeze(-1)
        return found

    def _of_neurons(self, part: Part) -> Tensor:
        """What each neuron's activation is multiplied by: n d."""
        if part.site not in self._vectors:
            module = self.model.module.get_submodule(self.model.locate(part.site).point.module)
            weight = module.weight
            assert isinstance(weight, Tensor)
            self._vectors[part.site] = (weight if type(module).__name__ == "Conv1D" else weight.T).detach()
        return self._vectors[part.site]

    def _of_features(self, part: Part) -> Tensor:
        """What each coordinate of a basis is multiplied by: f d; what it decodes nothing to belongs to the error."""
        if part.site not in self._vectors:
            basis = self.model.bases[part.site]
            one = torch.eye(basis.size, device=self.model.device, dtype=self._dtype)
            with torch.no_grad():
                self._vectors[part.site] = basis.decode(one) - basis.decode(torch.zeros_like(one[:1]))
        return self._vectors[part.site]

    @property
    def _dtype(self) -> torch.dtype:
        return next(self.model.module.parameters()).dtype


def _slices(parts: Sequence[Part]) -> list[slice]:
    """Where the nodes of each part are among all."""
    found, start = [], 0
    for part in parts:
        found.append(slice(start, start + len(part)))
        start += len(part)
    return found


def _picked(weight: Tensor, at: Tensor) -> Tensor:
    """Rows of a matrix by node, n e d; a view where they lie one after the other."""
    first = int(at.flatten()[0])
    if torch.equal(at.flatten(), torch.arange(first, first + at.numel(), device=at.device)):
        rows: Tensor = weight[first : first + at.numel()].unflatten(0, at.shape)
        return rows
    return weight[at]
