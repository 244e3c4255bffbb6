"""The naming of edges: how many there are, in which order, and that every site is one of the handle's."""

import pytest

import sonde
from sonde.nn import Transformer, TransformerConfig
from sonde.specimens import compiled
from sonde.specimens.compiled import MLP, Circuit, Head, component, edges, receivers


def config(n_layers, n_heads, d_mlp=8, positional="learned"):
    return TransformerConfig(n_layers=n_layers, d_model=n_heads * 4, n_heads=n_heads, d_vocab=5, n_ctx=6, d_mlp=d_mlp, positional=positional)


@pytest.mark.parametrize(("n_layers", "n_heads"), [(1, 1), (2, 3), (4, 2)])
def test_the_number_of_edges_has_a_closed_form(n_layers, n_heads):
    """With one embedding, layer l has 1 + (h + 1) l senders below it: 3 h receivers read those, its MLP h more, and the logits all."""
    below = [1 + (n_heads + 1) * layer for layer in range(n_layers)]
    joint = sum(3 * n_heads * s + s + n_heads for s in below) + 1 + (n_heads + 1) * n_layers
    assert len(edges(config(n_layers, n_heads, positional=None))) == joint
    split = joint + sum(3 * n_heads + 1 for _ in below) + 1  # a second embedding is one more sender for every receiver
    assert len(edges(config(n_layers, n_heads))) == split == len(set(edges(config(n_layers, n_heads))))


def test_no_edge_goes_back():
    found = receivers(config(2, 2))
    assert "blocks.0.attn.z[head=1]" not in found["blocks.0.attn.q[head=0]"] and "blocks.0.attn.z[head=1]" in found["blocks.0.mlp.in"]
    assert found["blocks.1.attn.k[head=0]"] == ("embed", "pos_embed", Head(0, 0).z, Head(0, 1).z, MLP(0).out)
    assert receivers(config(2, 2, d_mlp=0))["logits"] == ("embed", "pos_embed", *(Head(i, h).z for i in range(2) for h in range(2)))


def test_every_end_of_an_edge_is_a_site_of_the_handle():
    shape = config(2, 2)
    model = sonde.load(Transformer(shape))
    sites = {site for edge in edges(shape) for site in edge}
    run = model.run([[1, 2, 3]], read=sorted(sites))
    assert all(run[site].shape[:2] == (1, 3) for site in sites)


def test_nodes_of_a_circuit():
    circuit = Circuit(frozenset({("embed", Head(1, 0).k), (Head(1, 0).z, MLP(1).reads), (MLP(1).out, "logits")}))
    assert circuit.nodes == {"embed", Head(1, 0).z, MLP(1).out, "logits"}
    assert component("embed") == "embed" and component(MLP(1).out) == MLP(1).out


def test_the_truth_names_edges_of_its_network():
    for name in compiled.names():
        program = compiled.build(name)
        for circuit in program.truth.values():
            assert circuit.edges <= set(edges(program.model.config))
            assert circuit.hidden | circuit.flat | circuit.harmful <= circuit.edges
