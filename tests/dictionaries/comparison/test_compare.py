"""Two bases on the same tokens: matches, private features and splits that were planted, and chance, which must not match."""

import numpy as np
import pytest
import torch

import sonde
from sonde.access import Model
from sonde.access.tokens import Tokenizer
from sonde.bases import Codes, Neurons, Subspace
from sonde.dictionaries import Dictionary
from sonde.dictionaries.comparison import SplittingTree, compare, splitting_tree, together
from sonde.results import CheckRefused, InputError
from sonde.specimens.features import crossed, hierarchical, orthogonal
from sonde.specimens.words import documents

N = 3000


def reader(directions, bias=0.3, mean=None):
    """A dictionary of these directions."""
    shift = torch.zeros(directions.shape[1]) if mean is None else mean
    return Dictionary(directions, -(directions @ shift) - bias, directions, shift, "relu")


@pytest.fixture(scope="module")
def world():
    return orthogonal(width=24, size=24, probability=0.08)


@pytest.fixture(scope="module")
def x(world):
    return world.batch(N).x


def test_correlations_are_the_definition(monkeypatch):
    generator = torch.Generator().manual_seed(0)
    a, b = ((torch.randn(80, size, generator=generator) - 0.5).relu() for size in (7, 5))
    a[:, 3] = 0  # never active
    b[:, 2] = 4.0  # always the same
    monkeypatch.setattr(together, "ENTRIES", 10)  # two latents at a time
    blocks = list(together.Together(Codes.of(a), Codes.of(b)).blocks())
    assert [block.start for block in blocks] == [0, 2, 4, 6]
    found = torch.cat([block.correlation for block in blocks])
    with np.errstate(invalid="ignore", divide="ignore"):
        wanted = np.nan_to_num(np.corrcoef(a.T.numpy(), b.T.numpy())[:7, 7:])
    wanted[:, 2] = 0
    assert np.allclose(found, wanted, atol=1e-5)
    assert torch.equal(torch.cat([block.shared for block in blocks]), (a > 0).float().T @ (b > 0).float())


def test_a_dictionary_in_another_order_is_the_same(world, x):
    order = torch.randperm(24, generator=torch.Generator().manual_seed(3))
    sae, other = reader(world.directions), reader(2.0 * world.directions[order])
    found = compare(sae, other, x, names=("sae", "other"))
    assert torch.equal(order[found.first.match], torch.arange(24))
    assert torch.equal(found.second.match, order)
    assert found.first.correlation.min() > 0.95 and found.first.cosine.min() > 0.999
    assert found.mcc == pytest.approx(1, abs=1e-4)
    assert sorted(found.pairs[:, 0].tolist()) == list(range(24)) and torch.equal(order[found.pairs[:, 1]], found.pairs[:, 0])
    assert len(found.first.private()) == len(found.second.private()) == 0


def test_chance_does_not_match(world, x):
    found = compare(reader(world.directions), reader(world.directions), x)
    for name, control in found.controls.items():
        assert control.nanmean() < 0.7, name
    assert found.controls["second on other tokens"].nan_to_num(0).max() < 0.2
    verdicts = found.check()
    assert len(verdicts) == 3 and all(verdict.holds for verdict in verdicts)
    nothing = compare(reader(world.directions), reader(world.directions), (x, x.roll(1, 0)))
    assert not any(verdict.holds for verdict in nothing.check())
    assert len(nothing.first.private()) == 24


def test_private_features_are_found(unchecked):
    """Two sites of 16 shared features and 4 alone each: nothing but those has no counterpart."""
    planted = crossed(width=32, shared=12, private=4, probability=0.08)
    first, second = planted.directions.split(planted.parts, dim=1)
    here, there = planted.batch(N).x.split(planted.parts, dim=1)
    one = Dictionary(*_least_squares(first[:16]))
    other = Dictionary(*_least_squares(torch.cat([second[:12], second[16:]])))
    found = compare(one, other, (here, there))
    assert found.first.private().tolist() == found.second.private().tolist() == [12, 13, 14, 15]
    assert found.first.match[:12].tolist() == list(range(12))
    assert "neurons of the one with neurons of the other" in found.controls
    assert any("angles" in note for note in found.notes)


def _least_squares(directions):
    """A dictionary that reads each feature without the others: the pseudoinverse."""
    return torch.linalg.pinv(directions).T.contiguous(), torch.full((len(directions),), -0.2), directions, torch.zeros(directions.shape[1]), "relu"


@pytest.fixture(scope="module")
def family():
    """Roots, their children, and theirs, at right angles."""
    planted = hierarchical(width=48, roots=3, children=2, levels=3, probability=0.4, given_parent=0.5, spread=0.05)
    return type(planted)(**(vars(planted) | {"directions": torch.linalg.qr(planted.directions.T)[0].T.contiguous()}))


def test_what_fires_only_with_a_latent_is_its_child(family):
    roots, rest = reader(family.directions[:3]), reader(family.directions[3:9])
    found = compare(roots, rest, family.batch(N).x)
    assert sorted(found.splits.tolist()) == [[0, 0], [0, 1], [1, 2], [1, 3], [2, 4], [2, 5]]
    assert found.children(1).tolist() == [2, 3]
    assert found.split_cofiring.min() > 0.95 and found.split_cosine.abs().max() < 0.1


def test_a_latent_that_is_always_active_is_nobodys_parent(family):
    always = Dictionary(torch.zeros(1, 48), torch.ones(1), torch.ones(1, 48) / 48**0.5, torch.zeros(48), "relu")
    found = compare(always, reader(family.directions[3:9]), family.batch(N).x)
    assert len(found.splits) == 0


def test_the_tree_is_the_planted_one(family):
    levels = {"small": reader(family.directions[:3]), "middle": reader(family.directions[3:9]), "large": reader(family.directions[9:])}
    found = splitting_tree(levels, family.batch(N).x)
    assert found.parents[1].tolist() == [0, 0, 1, 1, 2, 2]
    assert found.parents[2].tolist() == (family.parents[9:] - 3).tolist()
    assert found.below(1) == [[1], [2, 3], [4, 5, 6, 7]]
    assert found.to_frame()["parent"].null_count() == 3
    assert found.drawing().kind == "tabs" and found.tree(1).kind == "scatter"
    shuffled = splitting_tree(levels | {"large": reader(torch.randn(12, 48, generator=torch.Generator().manual_seed(0)))}, family.batch(N).x)
    assert (shuffled.parents[2] < 0).float().mean() > 0.5
    with pytest.raises(InputError, match="from the smallest"):
        splitting_tree(dict(reversed(levels.items())), family.batch(N).x)


def test_trees_and_comparisons_are_kept(family, tmp_path):
    x = family.batch(500).x
    levels = {"small": reader(family.directions[:3]), "large": reader(family.directions[3:9])}
    grown, found = splitting_tree(levels, x), compare(*levels.values(), x)
    again = SplittingTree.load(grown.save(tmp_path / "tree"))
    assert torch.equal(again.parents[1], grown.parents[1])
    other = sonde.results.Result.load(found.save(tmp_path / "comparison"))
    assert torch.equal(other.splits, found.splits) and other.names == found.names


def test_rare_latents_are_not_matched(world, x):
    """One that fires once correlates with whatever else fires there; that is no counterpart, and its absence no secret."""
    bias = torch.full((24,), -0.3)
    bias[5] = -float((x @ world.directions[5]).topk(2).values.mean())  # active once
    rare = Dictionary(world.directions, bias, world.directions, torch.zeros(24), "relu")
    found = compare(rare, reader(world.directions), x)
    assert found.first.firings[5] == 1 and found.first.correlation[5].isnan()
    assert 5 not in found.first.private().tolist()
    assert found.to_frame().filter(found.to_frame()["basis"] == "first")["correlation"].null_count() == 1


def test_two_models_over_the_same_tokens(words):
    one, other, texts = words
    site = "blocks.1.mlp.post"
    width = one.run(texts[0], read=site, logits=False)[site].shape[-1]
    largest = Dictionary(torch.eye(width), torch.zeros(width), torch.eye(width), torch.zeros(width), "abstopk", k=16)
    found = compare(largest, largest, (one, other), site=site, corpus=texts, names=("one", "other"))
    same = compare(largest, largest, one, site=site, corpus=texts)
    assert found.rows == same.rows == sum(len(one.tokenizer.encode(text)) - 1 for text in texts)
    known = same.first.correlation.isfinite()
    assert same.first.correlation[known].min() > 0.999
    assert torch.equal(same.first.match[known], torch.arange(width)[known])
    assert 0.1 < found.first.correlation.nanmean() < 0.95
    assert found.first.correlation.nanmean() > found.controls["other on other tokens"].nanmean() + 0.1
    assert len(found.controls["neurons of the one with neurons of the other"]) == width
    assert found.check(one) and found.check(other)
    with pytest.raises(CheckRefused):
        found.check(sonde.load("specimen:induction"))


@pytest.fixture(scope="module")
def words():
    texts = [document.text for document in documents(n=60, seed=5)]
    return sonde.load("specimen:words-small"), sonde.load("specimen:words-small-b"), texts


def test_models_that_read_other_tokens_are_refused(words):
    one, other, texts = words
    bare = Model(other.module, Tokenizer(other.tokenizer.backend, bos_id=other.tokenizer.bos_id), name="bare")
    with pytest.raises(InputError, match="other tokens"):
        compare(Neurons(128), Neurons(128), (one, bare), site="blocks.1.resid_post", corpus=texts)


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda x: compare(Neurons(24), "sae", x), "is no basis"),
        (lambda x: compare(Neurons(24), Neurons(24), (x, x[:-1])), "other numbers of activations"),
        (lambda x: compare(Neurons(24), Neurons(8), x), "the basis reads 8"),
        (lambda x: compare(Neurons(24), Neurons(24), "x"), "give activations, a model"),
        (lambda x: compare(Neurons(24), Neurons(24), x, corpus=["a"]), "read by a model"),
        (lambda x: compare(Neurons(24), Neurons(24), sonde.load("specimen:induction"), site="embed"), "give corpus="),
    ],
)
def test_refusals(x, call, message, unchecked):
    with pytest.raises(InputError, match=message):
        call(x)


def test_bases_of_several_widths_have_no_angles(world, x):
    found = compare(reader(world.directions), Neurons(5), (x, x[:, :5]))
    assert len(found.first.cosine) == 0 and found.split_cosine.isnan().all()
    assert compare(Subspace.random(24, 3), reader(world.directions), x).first.cosine.shape == (3,)
    assert found.drawing().kind == "tabs"
