"""Circuits of a believable shape: what their drawings are judged on."""

import math
import random

from sonde.results.drawing import Curve, Drawing, Edge, Node, Series, circuit_graph, circuit_pair

PROMPT = ["When", " Mary", " and", " John", " went", " to", " the", " shop", ",", " John", " gave", " a", " book", " to"]


def model(layers: int, heads: int, roles: dict[str, str] | None = None) -> tuple[list[Node], list[str]]:
    """The components of a transformer, and the names of their rows."""
    roles = roles or {}
    draw = random.Random(7)
    nodes = [Node("embed", "embed", 0, heads // 2)]
    for layer in range(layers):
        for head in range(heads):
            label = f"{layer}.{head}"
            value = round(draw.gauss(0, 0.4), 3)
            nodes.append(Node(f"blocks.{layer}.attn.z[head={head}]", label, 1 + layer, head, value, roles.get(label, "")))
        nodes.append(Node(f"blocks.{layer}.mlp.out", f"MLP {layer}", 1.5 + layer, heads, 0.1 * layer, detail=f"{layer} of {layers}"))
    nodes.append(Node("logits", "logits", 1 + layers, heads // 2))
    return nodes, ["embedding", *map(str, range(layers)), "logits"]


def scored(nodes: list[Node], seed: int = 0, shared: int = 1) -> list[Edge]:
    """Every edge of the model with a score that few edges have much of; keys and values shared by so many heads."""
    draw = random.Random(seed)
    weight = {node.name: draw.paretovariate(2.2) for node in nodes}
    edges = []
    for receiver in nodes[1:]:
        is_head = ".z[" in receiver.name
        number = int(receiver.name.split("=")[1][:-1]) if is_head else 0
        for sender in (node for node in nodes if node.row < receiver.row):
            for port in ("q", "k", "v") if is_head else ("",):
                grouped = is_head and port in "kv" and shared > 1
                if grouped and number % shared:
                    continue
                group = tuple(receiver.name.replace(f"={number}]", f"={number + i}]") for i in range(shared))
                score = -draw.gauss(0.35, 1) * weight[sender.name] * weight[receiver.name] * 0.02 * draw.paretovariate(2.5)
                edges.append(Edge(sender.name, group if grouped else receiver.name, round(score, 5), port))
    return edges


def faithfulness(total: int) -> Curve:
    """A measure that rises with the number of edges, and random circuits' that rises late."""
    sizes = [size for size in (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000) if size < total] + [total]
    found = [1 / (1 + math.exp(-1.1 * (math.log(size) - 0.4 * math.log(total)))) for size in sizes]
    random_ones = [1 / (1 + math.exp(-2 * (math.log(size) - 0.9 * math.log(total)))) for size in sizes]
    control = Series("random circuits of the same size", random_ones, [one - 0.05 for one in random_ones], [one + 0.05 for one in random_ones])
    return Curve("faithfulness", sizes, found, [one - 0.06 for one in found], [one + 0.05 for one in found], control)


def pattern(seed: int) -> list[list[float]]:
    draw = random.Random(seed)
    raw = [[draw.random() ** 4 + 0.01 if key <= query else 0.0 for key in range(len(PROMPT))] for query in range(len(PROMPT))]
    return [[one / sum(row) for one in row] for row in raw]


def sample_circuit(layers: int = 4, heads: int = 4, *, shown: int = 20, shared: int = 1) -> Drawing:
    roles = {"0.1": "previous token", "1.2": "duplicate token", "2.0": "inhibition", "3.1": "name mover", "3.3": "name mover"}
    nodes, rows = model(layers, heads, roles)
    edges = scored(nodes, shared=shared)
    return circuit_graph(
        "Which edges carry the answer?",
        "logits",
        nodes,
        edges,
        rows=rows,
        shown=shown,
        curve=faithfulness(len(edges)),
        patterns={node.name: pattern(place) for place, node in enumerate(nodes) if ".z[" in node.name},
        tokens=PROMPT,
        note="Change of the logit difference when the edge alone is ablated, so edges that carry the answer are below zero.",
    )


def sample_pair(layers: int = 4, heads: int = 4, *, size: int = 24) -> Drawing:
    nodes, rows = model(layers, heads)
    found, known = (sorted(scored(nodes, seed), key=lambda edge: -abs(edge.score or 0.0))[:size] for seed in (0, 5))
    keys = {(edge.sender, edge.receiver, edge.port) for edge in found[::2]}
    known = found[::2] + [edge for edge in known if (edge.sender, edge.receiver, edge.port) not in keys][: size // 2]
    return circuit_pair("Do two searches find the same circuit?", "logits", nodes, ("EAP-IG", found), ("ACDC", known), rows=rows)
