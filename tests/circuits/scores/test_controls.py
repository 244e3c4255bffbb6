"""The controls that every score must fail: permuted weights, and answers that belong to other examples.

A planted network holds a random circuit beside as many heads that read and write for nobody. Every method ranks the circuit's members first among
their like, edges or nodes of the same layer and kind. With each weight matrix permuted the members are exchangeable with the others, so whatever
still ranks them first ranks by place, not by what was computed.
"""

from functools import partial

import pytest
import torch

import sonde
from sonde.access import Graph
from sonde.circuits import atp, atp_star, clean_corrupted, eap, eap_ig, eap_ig_activations, exact_edges, exact_nodes, relp, relp_nodes
from sonde.evidence import permuted
from sonde.specimens import compiled
from sonde.tasks import LogitDifference

EDGES = {
    "eap": eap, "eap_ig": eap_ig, "eap_ig_activations": partial(eap_ig_activations, steps=2), "clean_corrupted": clean_corrupted,
    "exact": exact_edges, "relp": relp,
}  # fmt: skip
HALFWAY = 0.75  # of the area, between chance and all members first
NODES = {"atp": atp, "atp_star": atp_star, "exact": exact_nodes, "relp": relp_nodes}


@pytest.fixture(scope="module")
def networks():
    """The circuit of a planted network, examples, the network, and it with its weights permuted."""
    made = compiled.planted(n_layers=3, n_heads=4, d_model=128, seed=0)
    models = [sonde.load(module, made.tokenizer) for module in (made.model, permuted(made.model, seed=1))]
    return made.truth["counterfactual"].edges, made.examples(3), *models


def area(strength: torch.Tensor, member: torch.Tensor, like: list[str]) -> float:
    """The share of pairs of a member and another of its like in which the member is the stronger one; ties count half."""
    kind = torch.tensor([sorted(set(like)).index(one) for one in like])
    pairs = member[:, None] & ~member[None] & (kind[:, None] == kind[None])
    ahead = strength[:, None] - strength[None]
    return float(((ahead > 0).double() + 0.5 * (ahead == 0).double())[pairs].mean())


def of_edges(method, model, task, truth):
    graph = Graph.of(model, embed="split")
    strength, member, like = [], [], []
    found, mask = method(model, task, graph).strengths(), graph.mask(truth)
    for s, r in graph.real.nonzero().tolist():
        sender, receiver = graph.senders[s], graph.receivers[r]
        held = method is relp and (".attn.q" in receiver or ".attn.k" in receiver)  # where heads look is a constant to it
        if sender != "pos_embed" and not held:  # positions are the same in the partners
            strength.append(float(found[s, r]))
            member.append(bool(mask[s, r]))
            like.append(f"{sender.split('[')[0]} {receiver.split('[')[0]}")
    return area(torch.tensor(strength), torch.tensor(member), like)


def of_nodes(method, model, task, truth):
    parts = ["attn.v", "attn.z"] if method is relp_nodes else ["attn.q", "attn.k", "attn.v", "attn.z"]
    found = method(model, task, parts)
    joined = {name for edge in truth for name in edge}
    return area(found.values.abs(), torch.tensor([name in joined for name in found.nodes]), [name.split("[")[0] for name in found.nodes])


@pytest.mark.parametrize("method", EDGES.values(), ids=EDGES)
def test_edges_that_were_planted_are_found_and_of_permuted_weights_none_are(networks, method):
    truth, task, planted, control = networks
    assert of_edges(method, planted, task, truth) == 1.0
    assert of_edges(method, control, task, truth) < HALFWAY


@pytest.mark.parametrize("method", NODES.values(), ids=NODES)
def test_nodes_that_were_planted_are_found_and_of_permuted_weights_none_are(networks, method):
    truth, task, planted, control = networks
    assert of_nodes(method, planted, task, truth) == 1.0
    assert of_nodes(method, control, task, truth) < HALFWAY


@pytest.fixture(scope="module")
def induction():
    """A program, its examples, and the same prompts asked for the words of another one: what the program does has no bearing on those."""
    made = compiled.build("induction")
    model, task = sonde.load(made.model, made.tokenizer), made.examples(4)
    turned = [*range(1, len(task)), 0]
    others = LogitDifference([task.answers[i][0] for i in turned], [task.wrongs[i][0] for i in turned])
    return model, task, task.with_metric(others)


@pytest.mark.parametrize("method", [*EDGES.values(), *NODES.values()], ids=[*EDGES, *(f"nodes-{name}" for name in NODES)])
def test_answers_of_other_examples_are_carried_by_nothing(induction, method):
    model, own, others = induction
    strongest, control = (method(model, task).values.abs().max() for task in (own, others))
    assert control < 0.2 * strongest
