"""Properties and latents where the truth is planted: which latent, how well, and what is absorbed."""

import pytest
import torch

from sonde.bases import Codes, Neurons
from sonde.dictionaries import Dictionary
from sonde.dictionaries.evaluation import LinearProbe, absorption, evaluate, f1_score, halves, probe
from sonde.dictionaries.evaluation.probing import KS
from sonde.results import InputError
from sonde.specimens.features import hierarchical, superposed

N = 3000


@pytest.fixture(scope="module")
def planted():
    """Activations, the true dictionary, and what fires in each."""
    world = superposed(width=48, size=60, most=0.1, least=0.05, noise=0.0)
    batch = world.batch(N)
    return world, batch, batch.codes.dense() != 0


def split(seed=0):
    return halves(torch.arange(N), seed)


def test_a_planted_property_has_its_latent(planted):
    _, batch, fires = planted
    found = probe(batch.codes, fires[:, 7], split())
    assert (found.latent, found.f1) == (7, 1.0)
    assert found.accuracy == (1.0, 1.0, 1.0)
    assert found.f1_always == pytest.approx(2 * 0.05 / 1.05, abs=0.1)


def test_shuffled_labels_fail(planted):
    _, batch, fires = planted
    found = probe(batch.codes, fires[:, 7], split())
    assert found.f1_shuffled < 0.4
    assert all(abs(share - 0.5) < 0.1 for share in found.shuffled)


def test_a_property_of_two_latents_needs_two(planted):
    _, batch, fires = planted
    found = probe(batch.codes, fires[:, 3] | fires[:, 11], split())
    assert found.accuracy[0] < 0.9 and found.accuracy[1] == found.accuracy[2] == 1
    assert len(found.accuracy) == len(KS)


def test_the_best_of_many_is_judged_where_it_was_not_chosen():
    """Among 4,000 latents of noise one fits 100 examples well; on the others it does not."""
    generator = torch.Generator().manual_seed(0)
    codes = Codes.of(torch.randn(200, 4000, generator=generator).relu())
    labels = torch.rand(200, generator=generator) < 0.3
    train = halves(torch.arange(200), 0)
    found = probe(codes, labels, train)
    fires = codes.dense()[train] > 0
    chosen = max(f1_score(fires[:, latent], labels[train]) for latent in range(4000))
    assert chosen > 0.52 and found.f1 < chosen - 0.04
    assert found.accuracy[0] < 0.65


def test_a_latent_that_is_low_tells_as_well():
    x = torch.randn(400, 3, generator=torch.Generator().manual_seed(0))
    found = probe(Codes.of(x), x[:, 1] < -0.3, halves(torch.arange(400), 0))
    assert found.latent == 1 and found.f1 > 0.95


def test_a_text_lies_in_one_half():
    blocks = torch.arange(90) // 9
    first = halves(blocks, 3)
    assert all(len(first[blocks == block].unique()) == 1 for block in range(10))
    assert int(first.sum()) == 45
    assert not torch.equal(first, halves(blocks, 4))


def test_too_few_examples_are_refused(planted):
    _, batch, _ = planted
    with pytest.raises(InputError, match="at least 8 of each"):
        probe(batch.codes, torch.arange(N) < 5, split())


def absorbing(world, absorbs):
    """The true dictionary of a tree of orthogonal features; where it absorbs, a child's latent writes its parent too, and the parent's is silent."""
    directions, parents = world.directions, world.parents
    encoder, decoder = directions.clone(), directions.clone()
    for child in (parents >= 0).nonzero().flatten().tolist() if absorbs else []:
        encoder[parents[child]] -= 3 * directions[child]
        decoder[child] = directions[child] + directions[parents[child]]
    return Dictionary(encoder, torch.full((len(encoder),), -0.2), decoder, torch.zeros(world.width), "relu")


@pytest.fixture(scope="module")
def tree():
    world = hierarchical(width=96, roots=3, children=30, levels=2, probability=0.3, given_parent=0.02, spread=0.05)
    orthogonal = torch.linalg.qr(world.directions.T)[0].T.contiguous()
    world = type(world)(**(vars(world) | {"directions": orthogonal}))
    return world, world.batch(N)


def test_absorption_is_what_was_planted(tree):
    """A root is absorbed wherever one of its children fires, each too rare to be a part that the property splits into."""
    world, batch = tree
    fires = batch.codes.dense() != 0
    for root in range(3):
        share = float(fires[fires[:, root] & ~split()][:, world.parents == root].any(1).float().mean())
        found = {}
        for absorbs in (True, False):
            sae = absorbing(world, absorbs)
            found[absorbs] = absorption(
                sae.codes(batch.x), sae.directions, batch.x, fires[:, root], split(), LinearProbe(world.directions[root], fires[:, root])
            )
        assert found[True].main == (root,)
        assert found[True].full == pytest.approx(share, abs=0.03) and found[True].fraction == pytest.approx(share, abs=0.05)
        assert found[False].full == found[False].fraction == 0
        assert found[True].n > 100


def test_absorption_with_a_learned_probe(tree):
    world, batch = tree
    fires = batch.codes.dense()[:, 1] != 0
    sae = absorbing(world, True)
    found = absorption(sae.codes(batch.x), sae.directions, batch.x, fires, split())
    assert found.full == pytest.approx(1 - 0.98**30, abs=0.1)
    others = absorption(sae.codes(batch.x), sae.directions.roll(30, 0), batch.x, fires, split())
    assert others.full < 0.1  # with the directions in another order nobody carries the property


def test_evaluate_with_labels(tree):
    world, batch = tree
    fires = batch.codes.dense() != 0
    labels = {"root 1": fires[:, 1].long()}
    labels["rare"] = (torch.arange(N) < 4).long()
    labels["half"] = torch.where(torch.arange(N) < N // 2, fires[:, 0].long(), -1)
    found = evaluate({"true": absorbing(world, False), "absorbing": absorbing(world, True)}, batch.x, labels=labels, truth=world.directions)
    assert found["true"]["f1"] > 0.99 and found["true"]["accuracy_1"] > 0.99
    assert found["true"]["absorbed"] < 0.01 and found["absorbing"]["absorbed"] > 0.3
    assert found["true"]["f1_shuffled"] < 0.6
    assert any(note.startswith("rare:") for note in found.notes)
    frame = found.properties
    assert set(frame["property"]) == {*labels} - {"rare"}
    assert frame.filter((frame["basis"] == "true") & (frame["property"] == "half"))["n"][0] < N / 3
    neurons = next(name for name in found.names if name.endswith("neurons"))
    assert found["true"]["f1"] > found[neurons]["f1"] + 0.1
    assert found.drawing().kind == "tabs"


@pytest.mark.parametrize(
    "labels, message",
    [
        ({}, "give one or more properties"),
        ({"a": torch.zeros(5)}, "more activations than the 5 labels"),
        ({"a": torch.zeros(200)}, "there are 100 activations and 200 labels"),
        ({"a": torch.full((100,), 2)}, "1 has it, 0 has it not"),
        ({"a": [[1, 0]]}, "give a tensor"),
        ({"a": torch.zeros(100)}, "no property could be probed"),
    ],
)
def test_refusals_of_labels(labels, message):
    with pytest.raises(InputError, match=message):
        evaluate(Neurons(4), torch.randn(100, 4), labels=labels, controls=False)
