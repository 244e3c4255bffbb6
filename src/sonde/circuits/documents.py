"""Circuits as files that people and other programs read: names in JSON, and MIB's importance file.

MIB's evaluation (Mueller et al. 2025) reads either JSON or a pickled `.pt`. Pickles run code when they are opened, so only the JSON is written.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from sonde.results import InputError, LoadError

if TYPE_CHECKING:
    from sonde.access import Graph
    from sonde.circuits.circuit import Circuit

SCHEMA = 1
MIB_KINDS = ("embed", "head", "mlp", "q", "k", "v", "logits")


@dataclass(frozen=True, eq=False)
class Document:
    """What a file of names says.

    Arguments:
        graph: the graph that the names are of.
        mask: the edges.
        method: how they were found.
        weights: their scores, where they have some.
    """

    graph: "Graph"
    mask: Tensor
    method: str
    weights: Tensor | None


def write(circuit: "Circuit", file: str | Path) -> Path:
    """Write a circuit as a readable file of names.

    Arguments:
        circuit: what is written.
        file: where.
    """
    frame = circuit.to_frame()
    content = {
        "schema": SCHEMA,
        "graph": {"summary": circuit.graph.summary, "hash": circuit.graph.hash, "edges": circuit.graph.n_edges},
        "method": circuit.method,
        "measured": None if circuit.conditions is None else str(circuit.conditions),
        "model_hash": circuit.recipe.model_hash,
        "edges": [list(row) for row in frame.rows()],
    }
    file = Path(file)
    head = json.dumps({name: value for name, value in content.items() if name != "edges"}, indent=2, ensure_ascii=False)
    rows = ",\n".join(f"    {json.dumps(edge, ensure_ascii=False)}" for edge in frame.rows())  # one line for each edge
    file.write_text(f'{head[:-2]},\n  "edges": [\n{rows}\n  ]\n}}\n', encoding="utf-8")
    return file


def read(file: str | Path, graph: "Graph") -> Document:
    """Read a file of names.

    Arguments:
        file: where.
        graph: the graph that the names are of.

    Raises:
        LoadError: no such file, or none of names. InputError: another graph, or an edge that it has not.
    """
    file = Path(file)
    try:
        content: Any = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise LoadError(f"{file} is no circuit in JSON: {error}") from None
    rows = content.get("edges") if isinstance(content, dict) else None
    if not isinstance(rows, list) or not all(_is_edge(row) for row in rows):
        raise LoadError(f'{file} is no circuit: give {{"edges": [["sender", "receiver"], ...]}}, each with a score as third entry or none')
    if "graph" in content and content["graph"].get("hash") != graph.hash:
        raise InputError(
            f"{file} is a circuit in a graph of {content['graph'].get('edges')} edges ({content['graph'].get('summary')}), and this is {graph!r}: "
            "give the same arguments to Graph.of"
        )
    mask = graph.mask([(row[0], row[1]) for row in rows])
    scored = [row for row in rows if len(row) == 3]
    weights = None
    if scored:
        weights = torch.full(mask.shape, float("nan"))
        for sender, receiver, score in scored:
            weights[graph.senders.index(sender), graph.receivers.index(receiver)] = score
    return Document(graph, mask, str(content.get("method", f"read from {file.name}")), weights)


def _is_edge(row: Any) -> bool:
    return isinstance(row, list) and len(row) in (2, 3) and all(isinstance(name, str) for name in row[:2])


def write_mib(graph: "Graph", scores: Tensor | None, mask: Tensor | None, d_model: int, file: str | Path) -> Path:
    """Write scores or a circuit as MIB's importance file: `{"cfg", "nodes", "edges"}`, edges by names such as `a9.h6->a10.h0<q>`.

    Its scores are how much worse the ablation makes the metric: it adds the largest first, by absolute value only if it is told to.

    Arguments:
        graph: heads and MLPs, a joint embedding, all positions together.
        scores: how much worse each ablation makes the metric; 1 for the edges of the mask where missing.
        mask: the edges that are in the circuit; none where missing.
        d_model: width of the model's residual stream, which stands in the file's head.
        file: where; it ends in `.json`.

    Raises:
        InputError: another graph, or another ending.
    """
    file = Path(file)
    if file.suffix != ".json":
        raise InputError(f"{file.name}: MIB's .pt files are pickles, which run code when they are opened; name it .json, which MIB reads as well")
    if graph.spans or not all(part.kind in MIB_KINDS for part in (*graph.sending, *graph.receiving)):
        raise InputError(f"MIB knows heads, MLPs and one embedding at all positions together, and this is {graph!r}: use Graph.of(model)")
    if len(graph.sending[0]) != 1 or graph.sending[1].kind == "embed":
        raise InputError("MIB's graph has one input node: use Graph.of(model, embed='joint')")
    kept = torch.zeros_like(graph.real) if mask is None else mask
    values = kept.float() if scores is None else scores.nan_to_num(0.0)
    heads = max(len(part) for part in graph.sending if part.kind == "head")
    layers = graph.receiving[-1].layer
    parallel = any(a.kind == "mlp" and b.kind == "head" and a.step == b.step for a in graph.sending for b in graph.sending)
    edges: dict[str, dict[str, Any]] = {}
    for s, r in graph.real.nonzero().tolist():
        for receiver in _mib_receivers(graph, graph.receivers[r]):
            edges[f"{_mib_sender(graph.senders[s])}->{receiver}"] = {"score": float(values[s, r]), "in_graph": bool(kept[s, r])}
    used = kept.any(1).tolist()
    nodes = {_mib_sender(name): {"in_graph": bool(sends)} for name, sends in zip(graph.senders, used, strict=True)} | {"logits": {"in_graph": True}}
    content = {"cfg": {"n_layers": layers, "n_heads": heads, "parallel_attn_mlp": parallel, "d_model": d_model}, "nodes": nodes, "edges": edges}
    file.write_text(json.dumps(content) + "\n", encoding="utf-8")
    return file


def _mib_sender(name: str) -> str:
    if name == "blocks.0.resid_pre":
        return "input"
    block, rest = name.removeprefix("blocks.").split(".", 1)
    return f"m{block}" if rest == "mlp.out" else f"a{block}.h{rest.removeprefix('attn.z[head=').rstrip(']')}"


def _mib_receivers(graph: "Graph", name: str) -> list[str]:
    """A receiver's name there; a key or value that several heads share is one of each of them."""
    if name == "logits":
        return ["logits"]
    block, rest = name.removeprefix("blocks.").split(".", 1)
    if rest == "mlp.in":
        return [f"m{block}"]
    part, _, index = rest.removeprefix("attn.").rstrip("]").partition("[")
    axis, _, number = index.partition("=")
    shared = graph.heads_per_key if axis == "kv_head" else 1
    return [f"a{block}.h{int(number) * shared + i}<{part}>" for i in range(shared)]
