"""Every program's circuit is what it says: each edge in it matters, and none outside, by ablating all edges one at a time."""

import functools
from dataclasses import replace
from itertools import product

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import sonde
from sonde.nn import permuted
from sonde.results import InputError, LoadError
from sonde.specimens import compiled
from sonde.specimens.compiled import KINDS, MLP, Ablation, Head, edges

PROGRAMS = pytest.mark.parametrize("name", compiled.names())
EVERY_KIND = pytest.mark.parametrize("kind", KINDS)
NOTHING = 1e-6  # the smallest effect of an edge of any program is four orders above


@functools.cache
def program_and_task(name, seed=0):
    program = compiled.build(name, seed)
    return program, program.examples(16, seed)


@functools.cache
def ablation(name, kind, seed=0):
    program, task = program_and_task(name, seed)
    return Ablation(program.model, task, kind, seed)


@functools.cache
def effects(name, kind, seed=0):
    return ablation(name, kind, seed).effects()


def seen(effects):
    """The edges that have an effect on some example."""
    return {edge for edge, effect in effects.items() if effect.abs().max() > NOTHING}


def agrees(circuit, effects):
    """Whether every edge of a circuit that should show itself does, and no other."""
    return seen(effects) == circuit.edges - circuit.hidden


@EVERY_KIND
@PROGRAMS
def test_the_circuit_is_exactly_what_single_ablations_find(name, kind):
    program, _ = program_and_task(name)
    found = effects(name, kind)
    assert len(found) == len(edges(program.model.config))
    assert agrees(program.truth[kind], found)
    assert min(found[edge].abs().max() for edge in seen(found)) > 1e4 * NOTHING


@settings(max_examples=5)
@given(name=st.sampled_from(compiled.names()), kind=st.sampled_from(KINDS), seed=st.integers(2, 2**32))
def test_whatever_the_seed(name, kind, seed):
    assert agrees(compiled.build(name, seed).truth[kind], effects(name, kind, seed))


@PROGRAMS
def test_without_noise_too(name):
    program = getattr(compiled, name)(noise=0.0)
    model = sonde.load(program.model)
    task = program.examples(4)
    heads = [Head(layer, head) for layer in range(2) for head in range(program.model.config.n_heads)]
    idle = [sonde.Zero(head.z) for head in heads if head not in program.heads.values()]
    run = model.run(task.clean, read=[edit.site for edit in idle])
    assert all(bool((run[edit.site] == 0).all()) for edit in idle)
    assert bool((task.metric(run) > 2).all())


@EVERY_KIND
@PROGRAMS
def test_a_wrong_circuit_is_caught(name, kind):
    """The controls: an edge left out, an edge too many, and the same weights in other places."""
    program, task = program_and_task(name)
    circuit, found = program.truth[kind], effects(name, kind)
    visible = sorted(circuit.edges - circuit.hidden)
    assert not any(agrees(replace(circuit, edges=circuit.edges - {edge}), found) for edge in visible)
    assert not any(agrees(replace(circuit, edges=circuit.edges | {edge}), found) for edge in set(edges(program.model.config)) - circuit.edges)
    assert not agrees(circuit, Ablation(permuted(program.model, 0), task, kind).effects(visible[:2] + sorted(found.keys() - circuit.edges)[:10]))


@EVERY_KIND
@PROGRAMS
def test_hidden_edges_matter_together_with_another(name, kind):
    program, _ = program_and_task(name)
    circuit, metric = program.truth[kind], ablation(name, kind).metric
    for edge in circuit.hidden:
        others = circuit.edges - {edge}
        assert any((metric([edge, other]) - metric([other])).abs().max() > 1 for other in others), edge


@EVERY_KIND
@PROGRAMS
def test_the_gradient_misses_what_is_flat_and_sees_the_rest(name, kind):
    program, _ = program_and_task(name)
    circuit = program.truth[kind]
    for edge in circuit.edges:
        amount = torch.zeros(16, requires_grad=True)  # one for each example
        (slopes,) = torch.autograd.grad(ablation(name, kind).metric([edge], amount[:, None, None]).sum(), amount)
        assert (slopes.abs().max() > 1e-5) != (edge in circuit.flat), edge


@EVERY_KIND
@PROGRAMS
def test_harmful_edges_and_no_others_stand_against_every_answer(name, kind):
    program, _ = program_and_task(name)
    found = effects(name, kind)
    against = {edge for edge in seen(found) if found[edge].min() > -NOTHING}
    assert against == program.truth[kind].harmful


@pytest.mark.parametrize("name", ["induction", "fraction_of_previous", "reverse", "backup", "negative_head", "dead_edges"])
def test_the_truth_of_one_kind_is_not_that_of_another(name):
    program, _ = program_and_task(name)
    zero, partner = program.truth["zero"], program.truth["counterfactual"]
    assert agrees(zero, effects(name, "zero")) and agrees(partner, effects(name, "counterfactual"))
    assert not agrees(zero, effects(name, "counterfactual")) and not agrees(partner, effects(name, "zero"))


@pytest.mark.parametrize("name", ["negative_head", "dead_edges"])
def test_another_examples_partner_is_not_the_own(name):
    program, _ = program_and_task(name)
    assert program.truth["counterfactual"].edges < program.truth["resample"].edges
    assert not agrees(program.truth["counterfactual"], effects(name, "resample"))


def written(model, sender):
    """[*, d_model]: what a sender can write."""
    layer = int(sender.split(".")[1]) if sender.startswith("blocks") else 0
    attn, mlp, d_head = model.blocks[layer].attn, model.blocks[layer].mlp, model.config.head_dim
    by_head = {Head(layer, h).z: attn.o.weight[:, h * d_head : (h + 1) * d_head].T for h in range(model.config.n_heads)}
    return ({"embed": model.embed.weight, "pos_embed": model.pos_embed.weight, MLP(layer).out: mlp.down.weight.T} | by_head)[sender]


def readable(model, receiver):
    """[*, d_model]: what a receiver can read."""
    layer = int(receiver.split(".")[1]) if receiver.startswith("blocks") else 0
    attn, mlp, d_head = model.blocks[layer].attn, model.blocks[layer].mlp, model.config.head_dim
    rows = lambda linear, h: linear.weight[h * d_head : (h + 1) * d_head]
    heads = [Head(layer, h) for h in range(model.config.n_heads)]
    parts = {getattr(head, part): rows(getattr(attn, part), head.head) for head in heads for part in "qkv"}
    return (parts | {MLP(layer).reads: mlp.up.weight, "logits": model.unembed.weight})[receiver]


def connected(model, sender, receiver):
    return bool((written(model, sender) @ readable(model, receiver).T).abs().max() > 0)


@EVERY_KIND
@PROGRAMS
def test_dead_edges_are_connected_and_do_nothing_even_together(name, kind):
    program, _ = program_and_task(name)
    dead, metric = program.dead(kind), ablation(name, kind).metric
    assert all(connected(program.model, *edge) for edge in dead)
    assert (metric(dead) - metric()).abs().max() < NOTHING
    assert {name: len(compiled.build(name).dead("counterfactual")) for name in ("dead_edges", "reverse", "and_gate")} == {
        "dead_edges": 7,
        "reverse": 3,
        "and_gate": 0,
    }


@PROGRAMS
def test_what_no_instruction_wrote_is_connected_but_read_by_nobody(name):
    """Noise reaches the unwritten heads and neurons, and their output reaches only one another."""
    program, _ = program_and_task(name)
    model = program.model
    heads = {Head(layer, head) for layer in range(2) for head in range(model.config.n_heads)} - set(program.heads.values())
    for head in heads:
        assert connected(model, "embed", head.k) and bool((written(model, head.z) != 0).any())
        for other in program.heads.values():
            assert not any(connected(model, head.z, site) for site in (other.q, other.k, other.v))
        assert not connected(model, head.z, "logits")


# what each computes


@PROGRAMS
def test_the_answer_is_right_and_the_partners_is_not(name):
    program, task = program_and_task(name)
    model = sonde.load(program.model, program.tokenizer)
    assert task.length is not None and len(set(task.texts)) == 16
    clean, corrupt = task.metric(model.run(task.clean)), task.metric(model.run(task.corrupt))
    assert bool((clean > 2).all()) and bool((corrupt < 0.1).all())
    assert model.run(task.texts[0]).ids.tolist() == [list(task.clean[0])]
    broken = sonde.load(permuted(program.model, 0), program.tokenizer)
    assert not bool((task.metric(broken.run(task.clean)) > 2).all())


@pytest.mark.parametrize(("name", "table"), [("and_gate", [0, 0, 0, 1]), ("or_gate", [0, 1, 1, 1]), ("saturated_gate", [0, 0, 1, 1])])
def test_truth_tables(name, table):
    program, _ = program_and_task(name)
    ids = program.tokenizer
    for (red, blue), answer in zip(product([0, 1], repeat=2), table, strict=True):
        text = " ".join(["dog", "red" if red else "cat", "king", "blue" if blue else "road", "boat"])
        logits = program.model(torch.tensor([ids.encode(text)]))[0, -1]
        assert (logits[ids.single("yes")] - logits[ids.single("no")]).item() == pytest.approx(20 * (answer - 0.5), abs=1e-4)


@settings(max_examples=20)
@given(st.lists(st.sampled_from(["red", "dog", "cat"]), min_size=1, max_size=11))
def test_the_fraction_is_the_fraction(words):
    program, _ = program_and_task("fraction_of_previous")
    ids = program.tokenizer
    logits = program.model(torch.tensor([ids.encode(" ".join(words))]))[0, -1]
    share = words.count("red") / len(words)
    assert (logits[ids.single("yes")] - logits[ids.single("no")]).item() == pytest.approx(10 * (2 * share - 1), abs=1e-3)


def test_either_branch_of_the_or_is_enough():
    program, _ = program_and_task("or_gate")
    gate = MLP(0).reads
    red, blue = ((program.heads[word].z, gate) for word in ("red", "blue"))
    for kind in KINDS:
        metric = ablation("or_gate", kind).metric
        assert torch.allclose(metric([red]), metric()) and torch.allclose(metric([blue]), metric())
        assert torch.allclose(metric([red, blue]) - metric(), torch.tensor(-20.0))


def test_each_branch_of_the_and_is_needed():
    program, _ = program_and_task("and_gate")
    red, blue = ((program.heads[word].z, MLP(0).reads) for word in ("red", "blue"))
    for kind in KINDS:
        metric = ablation("and_gate", kind).metric
        assert all(torch.allclose(metric(some) - metric(), torch.tensor(-20.0)) for some in ([red], [blue], [red, blue]))


def test_a_node_in_reserve_hides_the_node_and_not_its_edges():
    program, task = program_and_task("backup")
    model = sonde.load(program.model, program.tokenizer)
    first, second = program.heads["first"], program.heads["second"]
    metric = ablation("backup", "zero").metric
    without = lambda *heads: task.metric(model.run(task.clean, edits=[sonde.Zero(head.z) for head in heads]))
    assert torch.allclose(without(first), torch.tensor(10.0)) and torch.allclose(without(second), torch.tensor(10.0))
    assert torch.allclose(without(first, second), torch.tensor(0.0))
    assert torch.allclose(metric([(first.z, "logits")]), torch.tensor(0.0))
    assert torch.allclose(metric([(first.z, second.q)]), torch.tensor(20.0))


def test_a_saturated_gate_has_no_slope_and_a_large_effect():
    """The handle's own gradient says so too; halfway to nothing there is a slope."""
    program, task = program_and_task("saturated_gate")
    model = sonde.load(program.model, program.tokenizer)
    site = program.heads["red"].z
    assert model.grad(task.clean, of=task.metric, at=site)[site].abs().max() == 0
    faint = [sonde.Scale(site, 0.1)]
    assert model.grad(task.clean, of=task.metric, at=site, edits=faint)[site].abs().max() > 1
    assert torch.allclose(effects("saturated_gate", "zero")[(site, MLP(0).reads)], torch.tensor(-20.0))


# the house


def test_places_of_the_heads_depend_on_the_seed():
    places = {tuple(map(str, compiled.build("induction", seed).heads.values())) for seed in range(20)}
    assert len(places) > 8


@PROGRAMS
def test_a_saved_program_is_a_model_folder(name, tmp_path):
    import json

    program, task = program_and_task(name)
    program.save(tmp_path)
    model = sonde.load(tmp_path)
    assert torch.equal(model.run(list(task.texts)).logits, sonde.load(program.model, program.tokenizer).run(task.clean).logits)
    truth = json.loads((tmp_path / "truth.json").read_text())
    assert truth["heads"] == {role: str(head) for role, head in program.heads.items()}
    assert {tuple(edge) for edge in truth["circuits"]["zero"]["edges"]} == program.truth["zero"].edges


def test_examples_are_drawn_by_seed():
    program, task = program_and_task("dead_edges")
    assert program.examples(16, 0).texts == task.texts != program.examples(16, 1).texts
    with pytest.raises(InputError, match="n=2: dead_edges was found to have 1 examples; ask for fewer"):
        replace(program, draw=lambda rng: ("dog Mary", "dog John", "Mary", "John")).examples(2)


def test_unknown_programs_are_refused():
    with pytest.raises(LoadError, match="there is no program 'sort': choose from induction, "):
        compiled.build("sort")
