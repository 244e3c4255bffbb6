"""Edge patching: an ablated edge is the direct path of path patching, sets are ablated together, and the planted edges are found."""

import pytest
import torch
from tiny_models import HEADS, bare
from token_pairs import random_pairs

import sonde
from sonde.access.edges import Graph
from sonde.patching import EdgeResult, edge_patching, path_patching
from sonde.results import InputError
from sonde.specimens import compiled
from sonde.tasks import Ablation

EXACT = 1e-11
HEAD, MLP = "blocks.0.attn.z[head=1]", "blocks.0.mlp.out"


@pytest.mark.parametrize("family", ["gpt2", "native-gated"])
def test_an_edge_is_the_direct_path(family):
    """Two implementations of one definition: bookkeeping in the residual stream, and three forwards with heads and MLPs frozen."""
    model, task = sonde.Model(bare(family).double()), random_pairs()
    kv = "kv_head" if model.architecture.n_kv_heads < HEADS else "head"
    into = ["logits", "blocks.1.attn.q[head=2]", f"blocks.1.attn.k[{kv}=1]", f"blocks.1.attn.v[{kv}=0]", "blocks.1.mlp.in"]
    for ablation, receivers in ((Ablation(), into), (Ablation("mean"), into[:2])):
        edges = [(sender, receiver) for receiver in receivers for sender in (HEAD, MLP)]
        found = edge_patching(model, task, edges, ablation)
        for i, receiver in enumerate(receivers):
            paths = path_patching(model, task, [HEAD, MLP], receiver, "heads+mlps", ablation=ablation)
            assert torch.allclose(found.patches.values[2 * i : 2 * i + 2], paths.patches.values, rtol=0, atol=EXACT), (receiver, ablation)
            assert torch.allclose(found.change[2 * i : 2 * i + 2], paths.scores.mean(1), rtol=0, atol=EXACT)


def test_edges_together_are_paths_into_several_receivers_side_by_side():
    """One behind the other they differ: a path's receiver is written over with what it read before the earlier one answered, an edge adds to it."""
    model, task = sonde.Model(bare("gpt2").double()), random_pairs()
    q, v, mlp = "blocks.1.attn.q[head=2]", "blocks.1.attn.v[head=2]", "blocks.1.mlp.in"
    sets = [[q], [q, v], [q, v, mlp]]
    found = edge_patching(model, task, [[(HEAD, receiver) for receiver in into] for into in sets])
    paths = [path_patching(model, task, [HEAD], into, "heads+mlps").patches.values[0] for into in sets]
    assert torch.allclose(found.patches.values[:2], torch.stack(paths[:2]), rtol=0, atol=EXACT)
    assert (found.patches.values[2] - paths[2]).abs().max() > 1e-4


def test_all_edges_by_default_in_the_order_of_the_graph():
    model, task = sonde.Model(bare("native").double()), random_pairs(2)
    found, graph = edge_patching(model, task), Graph.of(model)
    assert [edge for (edge,) in found.edges] == graph.edges() and len(found.edges) == graph.n_edges
    chosen = [3, graph.n_edges - 1, 0]
    again = edge_patching(model, task, [found.edges[i][0] for i in chosen] + [found.edges[3][0]])
    assert torch.allclose(again.patches.values, found.patches.values[[*chosen, 3]], rtol=0, atol=EXACT)


@pytest.mark.parametrize("name", ["induction", "or_gate"])
def test_the_edges_of_a_compiled_program(name):
    """Those of its circuit matter and no other does; of an OR gate's, each alone does not: the known failure of single ablations."""
    program = compiled.build(name)
    model, task = sonde.load(program.model, program.tokenizer), program.examples(8)
    graph = Graph.of(model, embed="split")
    found = edge_patching(model, task, graph=graph)
    truth = program.truth["counterfactual"]
    change = {edge: float(value) for (edge,), value in zip(found.edges, found.change.abs(), strict=True)}
    alone = truth.edges - truth.hidden
    largest = max(change.values()) or 1.0
    assert all(change[edge] > 0.05 * largest for edge in alone)
    assert all(value < 0.05 * max(1.0, largest) for edge, value in change.items() if edge not in alone)
    if truth.hidden:
        whole = edge_patching(model, task, [sorted(truth.edges)], graph=graph)
        assert abs(float(whole.change)) > 1.0


def test_what_is_the_same_in_both_prompts_changes_nothing():
    model, task = sonde.Model(bare("gpt2").double()), random_pairs()
    flat = type(task)(**{**vars(task), "corrupt": task.clean})
    alone, together = edge_patching(model, flat, [(HEAD, "logits"), [(HEAD, "logits"), (MLP, "logits")]]).change.tolist()
    assert alone == 0 and abs(together) < EXACT


def test_tables_drawings_and_files(tmp_path):
    model, task = sonde.Model(bare("gpt2")), random_pairs()
    found = edge_patching(model, task, [(HEAD, "logits"), [(HEAD, "blocks.1.mlp.in"), (MLP, "logits")]], Ablation("mean"))
    assert found.to_frame().height == 6 and found.drawing().kind == "bars" and "head 0.1 → logits" in found.drawing().data["labels"]
    assert "mean over 3 partners" in found.drawing().note and found.granularity
    back = EdgeResult.load(found.save(tmp_path / "edges"))
    assert torch.equal(back.change, found.change) and [list(map(tuple, entry)) for entry in back.edges] == found.edges


@pytest.mark.parametrize(
    ("edges", "message"),
    [
        ([], "nothing to ablate"),
        ([[]], "nothing to ablate"),
        ([("logits", HEAD)], "is no edge of this graph"),
        ([("blocks.1.mlp.out", "blocks.0.mlp.in")], "is no edge of this graph"),
        ([HEAD], "is no edge: give .sender, receiver."),
    ],
)
def test_refusals(edges, message):
    with pytest.raises(InputError, match=message):
        edge_patching(sonde.Model(bare("gpt2")), random_pairs(), edges)
