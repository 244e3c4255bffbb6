"""The drawings of circuits in the docs: indirect objects in `words`, every edge alone, and the circuits of the strongest edges.

    python docs/circuit_pictures.py

prints the figures that the drawing reads; `docs/pictures.py` takes the picture.
"""

import torch

import sonde
from sonde.access import Graph
from sonde.circuits import discover, rewire
from sonde.circuits.pictures import ranked_graph
from sonde.results import drawing

SIZES = [1, 2, 5, 10, 20, 30, 50, 75, 100, 150, 200, 300, 400]
DRAWS = 40  # random circuits of each size


def circuit(model: sonde.Model, n: int = 32) -> drawing.Drawing:
    """Which edges carry the answer, and how faithful the circuits of the strongest of them are."""
    graph, task = Graph.of(model), sonde.tasks.load("ioi", model, n=n, seed=0)
    rewired = rewire(model, graph, task)
    edges = graph.real.nonzero()
    scores = rewired.effects().mean(1)
    order = scores.abs().argsort(descending=True)
    sizes = [*SIZES, graph.n_edges]
    whole, empty = rewired.values(torch.stack([graph.real, ~graph.real])).mean(1)

    def faithful(chosen: list[torch.Tensor]) -> torch.Tensor:
        masks = torch.zeros(len(chosen), *graph.real.shape, dtype=torch.bool)
        for mask, rows in zip(masks, chosen, strict=True):
            mask[*edges[rows].T] = True
        return (rewired.values(masks).mean(1) - empty) / (whole - empty)

    generator = torch.Generator().manual_seed(0)
    found = faithful([order[:size] for size in sizes])
    others = torch.stack([faithful([torch.randperm(len(order), generator=generator)[:size] for _ in range(DRAWS)]) for size in sizes])
    control = drawing.Series("random circuits of the same size", others.mean(1), others.quantile(0.025, 1), others.quantile(0.975, 1))
    run = model.run(task.clean[0], read="blocks.*.attn.pattern")
    patterns = {
        f"blocks.{layer}.attn.z[head={head}]": run[f"blocks.{layer}.attn.pattern"][0, head]
        for layer in range(model.n_layers)
        for head in range(model.n_heads)
    }
    return ranked_graph(
        "Which edges carry the indirect object?",
        graph,
        "logit difference",
        [(*edges[i].tolist(), float(scores[i])) for i in order],
        shown=20,
        curve=drawing.Curve("faithfulness", sizes, found, control=control),
        patterns=patterns,
        tokens=list(run.tokens[0]),
        note=f"Change of the mean logit difference when the edge alone carries what it carries in the counterfactual, {n} pairs, so that edges which "
        f"carry the answer are below zero. Sizes and faithfulness are of the first edges, on the same pairs; grey: 95 % of {DRAWS} random circuits.",
    )


def positions(model: sonde.Model, n: int = 32) -> drawing.Drawing:
    """The same task with nodes for the positions of the names: where the answer comes from, and on which way."""
    graph = Graph.of(model, spans=["giver", "giver again", "receiver"])
    task = sonde.tasks.load("ioi", model, n=n, seed=0)
    return discover(model, task, "eap", graph, verify=60, n_random=5).drawing()


if __name__ == "__main__":
    curve = circuit(sonde.load("specimen:words")).data["curve"]
    for size, value, other in zip(curve["sizes"], curve["values"], curve["control"]["values"], strict=True):
        print(f"{size:4d} edges: {value:+.3f}, random {other:+.3f}")
