"""The planted circuit is the whole of what single ablations find, at several sizes, with and without norms."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import sonde
from sonde.nn import permuted
from sonde.results import InputError
from sonde.specimens.compiled import KINDS, Ablation, component, edges, planted, receivers

NORMS = pytest.mark.parametrize("norm", [None, "layer", "rms"])


def split(network, kind, n=6):
    """The largest effect of each edge over some examples: of those in the circuit and of all others."""
    effects = Ablation(network.model, network.examples(n), kind).effects()
    largest = {edge: effect.abs().max().item() for edge, effect in effects.items()}
    inside = network.truth[kind].edges
    return [largest[edge] for edge in inside], [largest[edge] for edge in largest.keys() - inside]


@NORMS
@pytest.mark.parametrize("kind", KINDS)
def test_every_edge_of_the_circuit_matters_and_no_other(norm, kind):
    """In float64 what is outside is rounding, or the motion of a norm's scale: variance / epsilon, here about 1e-8."""
    network = planted(norm=norm, dtype=torch.float64)
    inside, outside = split(network, kind)
    assert max(outside) < (1e-12 if norm is None else 1e-7)
    assert min(inside) > 1e-3


@settings(max_examples=8)
@given(
    n_layers=st.integers(1, 3), n_heads=st.integers(1, 3), live=st.floats(0.1, 1), density=st.floats(0, 1), mlp=st.booleans(),
    norm=st.sampled_from([None, "layer", "rms"]), kind=st.sampled_from(KINDS), seed=st.integers(0, 2**32),
)  # fmt: skip
def test_at_any_size(n_layers, n_heads, live, density, mlp, norm, kind, seed):
    network = planted(n_layers, n_heads, 72, live, density, norm, mlp, seed=seed, dtype=torch.float64)
    inside, outside = split(network, kind, n=4)
    assert max(outside, default=0) < 1e-6 and min(inside, default=1) > 100 * max(outside, default=0)


def test_in_single_precision_the_effects_are_well_above_rounding():
    inside, outside = split(planted(), "counterfactual")
    assert min(inside) > 1e3 * max(outside)


def test_a_norms_leak_falls_as_its_epsilon_grows_and_a_live_norm_is_a_path_like_others():
    """The control that must fail: with an ordinary epsilon edges outside the circuit work through the scale."""
    _, still = split(planted(norm_eps=1e8, dtype=torch.float64), "mean")
    _, less = split(planted(norm_eps=1e6, dtype=torch.float64), "mean")
    assert sum(less) / sum(still) == pytest.approx(100, rel=0.01)
    inside, alive = split(planted(norm_eps=1e-5, dtype=torch.float64), "mean")
    assert max(alive) > 0.1 > 1e-3 * min(inside)


def test_permuted_weights_have_no_such_circuit():
    network = planted(norm=None)
    shuffled = Ablation(permuted(network.model, 0), network.examples(6), "zero").effects(
        sorted(set(edges(network.model.config)) - network.truth["zero"].edges)
    )
    assert max(effect.abs().max().item() for effect in shuffled.values()) > 1e-3


@settings(max_examples=10)
@given(live=st.floats(0, 1), density=st.floats(0, 1), seed=st.integers(0, 2**32))
def test_every_edge_lies_on_a_path_from_an_embedding_to_the_logits(live, density, seed):
    network = planted(2, 3, 72, live, density, seed=seed)
    circuit = network.truth["zero"].edges
    senders = {sender for sender, _ in circuit}
    heads = {receiver.replace(".q[", ".{}[") for _, receiver in circuit if ".attn.q[" in receiver}
    for _, receiver in circuit:
        assert receiver == "logits" or component(receiver) in senders
    # a live head reads by query, key and value
    assert all((head.format(part) in {receiver for _, receiver in circuit}) for head in heads for part in "qkv")
    assert {"embed", "pos_embed"} <= senders and circuit <= set(edges(network.model.config))


def test_more_is_live_and_denser_when_asked():
    count = lambda **shape: len(planted(2, 4, 96, **shape).truth["zero"].edges)
    assert count(live=0.25) < count(live=0.5) < count(live=1.0) == count(live=1.0, density=0.5) < count(live=1.0, density=1.0)
    assert count(live=1.0, density=1.0) == len(edges(planted(2, 4, 96).model.config))


def test_edges_that_carry_no_words_are_dead_but_under_zero_ablation():
    network = planted(dtype=torch.float64)
    dead = network.dead("counterfactual")
    assert ("pos_embed" in {sender for sender, _ in dead}) and dead == network.dead("mean")
    ablation = Ablation(network.model, network.examples(6), "counterfactual")
    assert (ablation.metric(dead) - ablation.metric()).abs().max() < 1e-10


def test_the_seed_decides_all():
    one, same, other = planted(seed=3), planted(seed=3), planted(seed=4)
    assert one.truth == same.truth != other.truth and one.examples(4).texts == same.examples(4).texts
    assert all(torch.equal(a, b) for a, b in zip(one.model.parameters(), same.model.parameters(), strict=True))


@NORMS
def test_the_handle_opens_it(norm, tmp_path):
    network = planted(norm=norm)
    model, task = sonde.load(network.model, network.tokenizer), network.examples(4)
    assert bool((task.metric(model.run(task.clean)) > 0).all())
    assert torch.allclose(task.metric(model.run(task.clean)), Ablation(network.model, task, "zero").metric(), atol=1e-5)
    model.prove()
    network.save(tmp_path)
    assert torch.equal(sonde.load(tmp_path).run(list(task.texts)).logits, model.run(task.clean).logits)


def test_what_does_not_fit_is_refused():
    with pytest.raises(InputError, match="d_model=16 is too narrow for the frames of 12 senders: give at least 27, or less live"):
        planted(2, 4, 16, live=1.0)
    with pytest.raises(InputError, match=r"live=1.5: give a share from 0 to 1"):
        planted(live=1.5)
    assert receivers(planted(2, 4, 27, live=1.0).model.config)
