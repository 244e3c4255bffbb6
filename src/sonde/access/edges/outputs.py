"""What every part of a model adds to its residual stream, and the check that the stream is the sum of it."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from jaxtyping import Float
from torch import Tensor

from sonde.access.edges.graph import Graph
from sonde.access.edges.wiring import Wiring
from sonde.access.forward import forward
from sonde.access.inputs import Given, Inputs
from sonde.access.run import Run
from sonde.access.sites import Site
from sonde.results import SiteUnavailable

if TYPE_CHECKING:
    from sonde.access.model import Model

# how far the stream may be from the sum of the outputs, relative to its largest entry; some norms compute in single precision whatever they are given
BOUND = {torch.float64: 1e-6, torch.float32: 1e-4}
BOUND_HALF = 5e-2


@dataclass(frozen=True, eq=False)
class Outputs:
    """What every part adds to the residual stream in one run.

    Arguments:
        values: by source.
        run: the run, with the sites that were read.
    """

    values: Float[Tensor, "source batch pos d_model"]
    run: Run


def outputs(model: "Model", graph: Graph, inputs: Given | Inputs) -> Outputs:
    """Run once, and take apart what is added to the residual stream.

    Arguments:
        model: the model of the graph.
        graph: at which granularity.
        inputs: as for `model.run`.

    Raises:
        SiteUnavailable: the residual stream is not the sum of these outputs (and a constant).

    >>> import sonde
    >>> model = sonde.load("specimen:words")
    >>> graph = Graph.of(model)
    >>> outputs(model, graph, "The keys on the cabinet").values.shape[0] == len(graph.sources)
    True
    """
    batch = inputs if isinstance(inputs, Inputs) else model.prepare(inputs)
    wiring = Wiring(model, graph)
    run = forward(model, batch, needed(wiring), (), logits=False)
    with torch.no_grad():
        return Outputs(taken(wiring, run), run)


def needed(wiring: Wiring) -> list[Site]:
    """The sites from which the outputs are taken, and the stream that they must add up to."""
    names = [wiring.site(part) for part in wiring.graph.sending]
    return [Site.parse(name) for name in dict.fromkeys([*names, f"blocks.{wiring.model.n_layers - 1}.resid_post"])]


def taken(wiring: Wiring, run: Run) -> Tensor:
    """The outputs from what a run has read: source batch pos d_model. Raises where they don't add up to the stream."""
    stream = run[f"blocks.{wiring.model.n_layers - 1}.resid_post"]
    found = stream.new_empty(len(wiring.graph.sources), *stream.shape)
    for part, own in zip(wiring.graph.sending, wiring.sender_slices, strict=True):
        wiring.put(part, run[wiring.site(part)], found[own])
    rows, rest = run.inputs.rows, stream - found.sum(0)
    assert rows is not None
    real = torch.zeros(stream.shape[:2], dtype=torch.bool, device=stream.device)
    for row, (start, last) in enumerate(zip(rows.starts, rows.last, strict=True)):
        real[row, start : last + 1] = True
    # biases belong to no node: what is left over must be the same everywhere
    left = rest[real]
    off = (left - left[:1]).abs().max() / stream[real].abs().max().clamp(min=1e-30)
    if float(off) > BOUND.get(stream.dtype, BOUND_HALF):
        raise SiteUnavailable(
            f"the residual stream of {wiring.model.name} is not the sum of what its parts add ({wiring.graph.summary}): off by {float(off):.2g} "
            "of its largest entry; a part adds something that is no node, so edges of this graph would mislead"
        )
    return found
