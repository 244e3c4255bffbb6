"""Circuits from the literature: their sizes are those that were published, and they fit the models that they are of."""

import pytest
import torch
from tiny_families import build

import sonde
from sonde.access import Graph
from sonde.circuits import reference
from sonde.results import InputError, LoadError


@pytest.fixture(scope="module")
def gpt2_small():
    """Twelve blocks of twelve heads, as narrow as can be."""
    import transformers

    torch.manual_seed(0)
    module = transformers.GPT2LMHeadModel(transformers.GPT2Config(vocab_size=50, n_positions=8, n_embd=24))
    return sonde.Model(module)


def test_indirect_objects_have_1041_edges_as_conmy_counts(gpt2_small):
    circuit = reference.load("ioi").circuit(gpt2_small)
    assert circuit.n_edges == 963 and len(circuit.heads) == 26
    assert circuit.n_edges + 3 * 26 == 1041  # with an edge inside each query, key and value
    assert set(circuit.heads) == set(reference.load("ioi").all_heads)
    assert circuit.prune().n_edges == 963  # all of it is connected
    assert ("blocks.9.attn.z[head=9]", "logits") in circuit.edges and ("blocks.5.attn.z[head=5]", "logits") not in circuit.edges
    assert ("blocks.7.attn.z[head=3]", "blocks.9.attn.q[head=9]") in circuit.edges
    assert ("blocks.7.attn.z[head=3]", "blocks.9.attn.k[head=9]") not in circuit.edges


def test_greater_than(gpt2_small):
    circuit = reference.load("greater_than").circuit(gpt2_small)
    assert set(circuit.heads) == set(reference.load("greater_than").all_heads) and circuit.prune().n_edges <= circuit.n_edges
    assert ("blocks.9.attn.z[head=1]", "blocks.8.mlp.in") not in circuit.edges
    assert ("blocks.8.attn.z[head=11]", "blocks.8.mlp.in") in circuit.edges


def test_docstrings_and_programs():
    from sonde.nn import Transformer, TransformerConfig

    def shaped(layers, heads, d_mlp):
        return sonde.Model(Transformer(TransformerConfig(n_layers=layers, d_model=16, n_heads=heads, d_vocab=5, n_ctx=4, d_mlp=d_mlp)))

    docstring = reference.load("docstring").circuit(shaped(4, 8, 0))
    assert docstring.n_edges == 24 and docstring.prune().n_edges == 24
    assert reference.load("xproportion").circuit(shaped(2, 1, 8)).n_edges == 3
    assert reference.load("xproportion_zero").circuit(shaped(2, 1, 8)).n_edges == 5
    assert reference.load("reverse").circuit(shaped(4, 1, 8)).n_edges == 2


def test_what_does_not_fit_is_refused(gpt2_small):
    with pytest.raises(InputError, match=r"12 blocks of 12 heads, and .* has 2 of"):
        reference.load("ioi").circuit(sonde.load(build("gpt2")))
    with pytest.raises(InputError, match=r"use Graph\.of\(model\)"):
        reference.load("ioi").circuit(gpt2_small, Graph.of(gpt2_small, embed="split"))
    with pytest.raises(InputError, match="only the heads are known"):
        reference.load("induction").circuit(gpt2_small)
    with pytest.raises(LoadError, match="there is no reference circuit 'syntax': choose from ioi"):
        reference.load("syntax")
    for name in reference.names():
        one = reference.load(name)
        assert one.source and one.all_heads
