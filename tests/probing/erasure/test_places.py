"""A concept goes wherever it is read: from heads side by side, from one of them, from what a module by path gives, from the channels of a map."""

import pytest
import torch
from tiny_models import spread

import sonde
from sonde.nn.charlstm import CharLSTM
from sonde.probing import Labelled, amnesic, erase, read_states, scrub


@pytest.fixture(scope="module")
def words():
    model = sonde.load("specimen:words-small")
    nouns = [("key", "keys"), ("cat", "cats"), ("dog", "dogs"), ("cup", "cups"), ("box", "boxes")]
    texts = [f"{article} {noun}" for article in ("The", "A", "My", "Her") for pair in nouns for noun in pair]
    return model, Labelled.of(texts, ["one", "many"] * 20, name="number")


def left(model, data, site, edits, pooling="last"):
    """What is left of the cross-covariance with the labels, as a share of what there was."""
    before, after = (read_states(model, data, site, pooling, edits=own) for own in ((), edits))
    return erase(after[site], data.targets).before / erase(before[site], data.targets).before


@pytest.mark.parametrize(
    "site", ["blocks.1.attn.z", "blocks.1.attn.q", "blocks.1.attn.z[head=1]", "blocks.1.attn.v[head=[0,2]]", "blocks.0.mlp.post"]
)
def test_at_heads(words, site):
    model, data = words
    (edit,) = scrub(model, data, site)
    assert left(model, data, site, [edit]) < 1e-5 < 0.5 < left(model, data, site, scrub(model, data, "blocks.2.resid_post"))
    moved = (model.run(data.texts[:2]).logits - model.run(data.texts[:2], edits=[edit]).logits).abs().max()
    assert moved > 1e-3  # the model runs on what is left


def test_one_head_is_taken_from_alone(words):
    model, data = words
    edits, z = scrub(model, data, "blocks.1.attn.z[head=1, pos=-1]"), "blocks.1.attn.z"
    before, after = (model.run(data.texts[:4], read=z, edits=own)[z] for own in ((), edits))
    changed = (before != after).any(-1).any(0)
    assert changed[-1, 1] and int(changed.sum()) == 1


def test_the_effect_of_heads_is_told(words):
    model, data = words
    found = amnesic(model, data, ["The keys are here.", "The cat sleeps."], ["blocks.2.attn.z", "blocks.2.attn.z[head=0]"], draws=2)
    assert [case.place for case in found.cases] == ["blocks.2.attn.z", "blocks.2.attn.z[head=0]"] and all(case.rank == 1 for case in found.cases)


def test_at_a_recurrent_layer_by_path():
    model = sonde.load(spread(CharLSTM(40, 12)))
    ids = torch.randint(6, 30, (60, 5), generator=torch.Generator().manual_seed(0))
    data = Labelled.of(ids.tolist(), (ids[:, -2] > 17).long(), classes=["low", "high"])
    for site in ("lstm0:out", "unembed:in[pos=-1]"):
        name = site.partition("[")[0]
        assert left(model, data, name, scrub(model, data, site)) < 1e-4


def test_at_the_channels_of_a_map():
    torch.manual_seed(0)
    model = sonde.load(torch.nn.Sequential(torch.nn.Conv2d(1, 5, 3), torch.nn.ReLU(), torch.nn.Flatten(), torch.nn.Linear(5 * 16, 3)))
    pictures = torch.randn(80, 1, 6, 6)
    y = torch.arange(80) % 2
    pictures[y == 1, :, 2:4] += 1.0
    data = Labelled.of(pictures, y, classes=["plain", "striped"])
    assert left(model, data, "0:out", scrub(model, data, "0:out", pooling="mean"), "mean") < 1e-4
