"""The slope of a metric along everything that a node reads: one forward and one backward for all of them.

Gradients are taken where the nodes' own weights have been applied (queries, keys, values, what enters an MLP), so the model runs as it is; each is
pulled back through the node's own rows of the weights W_v and its norm N to the residual stream x that the node reads:

    dm/dx_v = (dN/dx)^T W_v^T dm/d(W_v N(x))

Shape legend: n nodes of a part, b batch, p position, d d_model, e d_head.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from sonde.access.edges import Part, Wiring
from sonde.access.edges.outputs import needed, taken
from sonde.access.edits import Edit
from sonde.access.edits.relevance import held_scale
from sonde.access.forward import Metric, frozen, gradients
from sonde.access.inputs import Inputs
from sonde.access.sites import Site
from sonde.access.views import norm_scale
from sonde.access.writes import Write

Norm = Literal["live", "frozen"]


@dataclass(frozen=True, eq=False)
class Slopes:
    """Gradients of a metric at the receivers of a graph, in one run.

    Arguments:
        wiring: the nodes.
        norm: "live", or "frozen": what norms divide by is a constant.
        gradients: by site, where the receivers have applied their weights.
        streams: by site, the residual streams that they read.
        metric: of each example.
        outputs: what every source adds, source b p d; `None` where it was not asked for.
    """

    wiring: Wiring
    norm: Norm
    gradients: Mapping[str, Tensor]
    streams: Mapping[str, Tensor]
    metric: Tensor
    outputs: Tensor | None

    @staticmethod
    def at(
        wiring: Wiring, inputs: Inputs, metric: Metric, parts: Collection[Part], norm: Norm = "live", edits: Sequence[Edit] = (),
        outputs: bool = False,
    ) -> "Slopes":  # fmt: skip
        """Run and differentiate once.

        Arguments:
            wiring: the nodes.
            inputs: what is run.
            metric: what is differentiated.
            parts: the receivers that are wanted.
            norm: "live", or "frozen": what norms divide by is a constant, where the receivers read.
            edits: made first; the backward rules are among them.
            outputs: keep what every source adds.
        """
        sites = [Site(site) for part in parts for site in sites_of(wiring, part)]
        streams = dict.fromkeys(stream_of(wiring, part) for part in parts if part.kind != "logits")
        writes = [Write(edit.site, edit) for edit in edits]
        read = [*(needed(wiring) if outputs else ()), *map(Site, streams)]
        found = gradients(wiring.model, inputs, metric, sites, writes, [site for site in dict.fromkeys(read) if site not in sites])
        with torch.no_grad():
            added = taken(wiring, found.run) if outputs else None
        return Slopes(
            wiring, norm, {str(site): found[site] for site in sites}, {site: found.values[site] for site in streams}, found.metric, added
        )  # fmt: skip

    def put(self, part: Part, nodes: range, out: Tensor) -> None:
        """The gradient with respect to the stream that some nodes of a part read, written into memory that is there.

        Arguments:
            part: of the receivers.
            nodes: which of its nodes.
            out: n b p d.
        """
        first, *others = sites_of(self.wiring, part)
        if part.kind in ("logits", "mlp", "attn"):
            out.copy_(self.gradients[first][None])
        else:
            self._through_rows(part, first, nodes, out)
            for site in others:
                out.add_(self._through_rows(part, site, nodes, torch.empty_like(out)))
        if part.kind != "logits":
            self._through_norm(part, out)

    def _through_rows(self, part: Part, site: str, nodes: range, out: Tensor) -> Tensor:
        """From what a projection gives to what enters it, by nodes: n b p d."""
        known = self.wiring.rows(site)
        gradient = self.gradients[site]
        gradient = gradient if gradient.ndim == 4 else gradient[..., None]
        if known is not None:
            rows = known[0][nodes.start : nodes.stop]
            torch.bmm(gradient[:, :, nodes.start : nodes.stop].permute(2, 0, 1, 3).flatten(1, 2), rows, out=out.flatten(1, 2))
            return out
        for i, node in enumerate(nodes):  # an adapter: its own derivative for each node
            alone = torch.zeros_like(gradient)
            alone[:, :, node] = gradient[:, :, node]
            out[i] = self._through_projection(part, site, alone)
        return out

    def _through_projection(self, part: Part, site: str, gradient: Tensor) -> Tensor:
        with frozen(self.wiring.model.module), torch.enable_grad():
            normed = self.wiring.norm(part).forward(self.streams[stream_of(self.wiring, part)]).detach().requires_grad_()
            out = self.wiring.projected(site, normed)
            return torch.autograd.grad(out, normed, gradient.view_as(out))[0]

    def _through_norm(self, part: Part, gradients: Tensor) -> None:
        """From what a norm gives to what enters it, in place: n b p d."""
        module, x = self.wiring.norm(part), self.streams[stream_of(self.wiring, part)]
        if isinstance(module, nn.Identity):
            return
        gain = self.wiring.gain(part)
        if gain is not None and gradients.dtype == x.dtype and x.dtype in (torch.float32, torch.float64):
            pull_through_norm(module, gain, x, gradients, self.norm == "frozen")
        else:
            gradients.copy_(pulled_by_autograd(module, x, gradients, self.norm == "frozen"))


def pull_through_norm(norm: nn.Module, gain: Tensor, x: Tensor, gradients: Tensor, frozen_scale: bool) -> None:
    """Gradients at what a norm gives become those at what enters it, in place.

    With s the scale and y = (x - mean(x)) / s (RMSNorm: x / s), the norm gives gain y + bias, and h = gain g / s comes back as

        h - mean(h) - y mean(y h)        (RMSNorm: without mean(h); a constant scale: without the last term)

    Arguments:
        norm: a LayerNorm or RMSNorm.
        gain: what it multiplies by, d.
        x: what enters it, b p d.
        gradients: n b p d; overwritten.
        frozen_scale: the scale is a constant.
    """
    scale = norm_scale(norm, x).unsqueeze(-1)
    gradients.mul_(gain / scale)
    centred = isinstance(norm, nn.LayerNorm)
    if not frozen_scale:
        y = (x - x.mean(-1, keepdim=True) if centred else x) / scale
        # the one row on the left: with the one column on the right the same product takes ten times as long
        along = torch.bmm((y / x.shape[-1]).flatten(0, 1)[:, None], gradients.flatten(1, 2).permute(1, 2, 0))
        along = along[:, 0].T.unflatten(1, x.shape[:2])[..., None]
    if centred:
        gradients.sub_(gradients.mean(-1, keepdim=True))
    if not frozen_scale:
        gradients.addcmul_(y, along, value=-1)


def pulled_by_autograd(norm: nn.Module, x: Tensor, gradients: Tensor, frozen_scale: bool) -> Tensor:
    """The same by the norm's own derivative, for any norm: n b p d.

    Arguments:
        norm: any.
        x: what enters it, b p d.
        gradients: n b p d.
        frozen_scale: the scale is a constant.
    """
    with torch.enable_grad():
        x = x.detach().requires_grad_()
        out = norm.forward(x)
        out = held_scale(norm, x, out) if frozen_scale else out
        if len(gradients) == 1:
            # of a number: told where to begin, torch imports what it traces shapes with, which takes longer than all of this
            return torch.autograd.grad((out * gradients[0]).sum(), x)[0][None]
        return torch.autograd.grad(out, x, gradients, is_grads_batched=True)[0]


def sites_of(wiring: Wiring, part: Part) -> list[str]:
    """Where the nodes of a part have applied their weights.

    Arguments:
        wiring: the nodes.
        part: of the receivers.
    """
    gate = part.site.replace(".pre", ".gate")
    return [part.site, gate] if part.kind == "neuron" and gate in wiring.model.architecture.sites else [part.site]


def stream_of(wiring: Wiring, part: Part) -> str:
    """The residual stream that the nodes of a part read.

    Arguments:
        wiring: the nodes.
        part: of the receivers, other than the logits.
    """
    after = part.kind in ("mlp", "neuron") and wiring.model.architecture.law != "parallel"
    return f"blocks.{part.layer}.resid_mid" if after else f"blocks.{part.layer}.resid_pre"
