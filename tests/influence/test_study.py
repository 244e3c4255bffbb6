"""Queries of several kinds: the parts sum to the scores, words are counted right, and like is found to bear on like only where kinds are right."""

import json
import math
import random

import pytest
import torch
from published import follows
from torch import nn

import sonde
from sonde.cli import main
from sonde.influence import Beside, CrossEntropy, Study, beside, fit, study
from sonde.influence.overlap import word_overlap
from sonde.influence.small_world import questions, read_by, specimen_of
from sonde.influence.study import layered
from sonde.results import CheckRefused, InputError
from sonde.results.document import Document, Section
from sonde.views import page

QUERIES = {"agreement": [("The keys on the cabinet", " are"), ("The boy near the trees", " is")], "capital": [("The capital of France is", " Paris")]}


@pytest.fixture(scope="module")
def small():
    return sonde.load("specimen:words-small")


@pytest.fixture(scope="module")
def training():
    return read_by("words-small", 40, seed=1)


@pytest.fixture(scope="module")
def influence(small, training):
    return fit(small, training[0])


@pytest.fixture(scope="module")
def found(influence, training):
    return study(influence, QUERIES, training[1], k=5)


def test_the_parts_sum_to_the_scores(influence, found):
    scores = influence.scores([query for asked in QUERIES.values() for query in asked])
    torch.testing.assert_close(found.values, scores.values, rtol=1e-4, atol=1e-4 * float(scores.values.abs().max()))
    for q in range(3):
        for place, i in enumerate(torch.cat([found.helpful[q], found.harmful[q]]).tolist()):
            torch.testing.assert_close(found.shares[q, place].sum(), found.values[q, i], rtol=1e-4, atol=1e-4 * float(found.values.abs().max()))
    assert found.helpful[0].tolist() == [i for i, _ in scores.helpful(0, 5)]
    torch.testing.assert_close(found.layer_shares().sum(1), torch.ones(3, dtype=torch.float64))
    assert found.layers == ["blocks.0", "blocks.1", "blocks.2"] and found.kinds == ["agreement", "agreement", "capital"]


def test_words_are_counted_by_how_rare_they_are():
    texts = ["the cat sat", "the dog sat", "the end", "<|end|>the cat"]
    found = word_overlap(["the cat", "unknown"], texts)
    torch.testing.assert_close(found, torch.tensor([[1.0, 0, 0, 1], [0, 0, 0, 0]], dtype=torch.float64))
    half = word_overlap(["cat dog"], texts)[0]  # of two words, one in two texts and one in one
    torch.testing.assert_close(float(half[0]), math.log(2) / (math.log(2) + math.log(4)))


def test_layers_of_any_family():
    paths = ["model.layers.0.mlp.up_proj", "model.layers.1.self_attn.q_proj", "model.layers.10.mlp.up_proj", "head", "model.layers.0.norm"]
    layers, values = layered(paths, torch.tensor([[[1.0, 2.0, 4.0, 8.0, 16.0]]]))
    assert layers == ["model.layers.0", "model.layers.1", "model.layers.10", "head"] and values.tolist() == [[[17.0, 2.0, 4.0, 8.0]]]


def test_like_bears_on_like(small, influence, training):
    """The control: the same families in another order."""
    _, families = training
    asked = {kind: queries for kind, queries in questions(2).items() if families.count(kind) > 1}
    found = study(influence, asked, families, k=5)
    claims = found.check(small)
    mixed = random.Random(0).sample(families, len(families))
    controls = study(influence, asked, mixed, k=5).check(small)
    assert claims[1].holds and not controls[1].holds
    assert study(influence, QUERIES, k=5).check(small)[1].holds is None
    with pytest.raises(CheckRefused):
        found.check(sonde.load("specimen:words-small-b"))


def test_two_models_beside_each_other(small, found, training, influence):
    itself = beside(found, found)
    assert torch.equal(itself.shared, torch.ones(3)) and torch.allclose(itself.agreement.float(), torch.ones(3))
    other = sonde.load("specimen:words-small-b")
    both = beside(found, study(fit(other, training[0]), QUERIES, training[1], k=5))
    assert not torch.allclose(both.agreement.float(), torch.ones(3), atol=0.1) and both.to_frame().height == 3
    assert all(verdict.holds is None for verdict in both.check(small, other))  # three queries say too little
    with pytest.raises(InputError, match="different queries"):
        beside(found, study(influence, {"capital": QUERIES["capital"]}, k=5))


def test_they_are_kept_and_drawn(found, tmp_path):
    again = Study.load(found.save(tmp_path / "one"))
    assert again.to_frame().equals(found.to_frame()) and "EK-FAC" in repr(again)
    assert Beside.load(beside(found, found).save(tmp_path / "two")).first.queries == found.queries
    text = "".join(found.list_of(0).data["tokens"])
    assert all(f"#{i} " in text for i in found.helpful[0].tolist())
    told = found.map_of(2)
    values = torch.tensor(told.data["values"])
    torch.testing.assert_close(values[:-1].sum(0), values[-1], rtol=1e-3, atol=1e-3 * float(values.abs().max()))
    assert "own kind" in page(Document("Study", "", [], [Section("a", "a", drawings=[found.drawing(), beside(found, found).drawing()])]))


def test_what_is_no_study(influence, training, found):
    network = nn.Sequential(nn.Linear(2, 2))
    numbers = fit(network, (torch.randn(4, 2), torch.tensor([0, 1, 0, 1])), CrossEntropy())
    for given, options, words in (
        ((numbers, QUERIES), {}, "sequences of tokens"), ((influence, {}), {}, "needs queries"), ((influence, QUERIES), {"k": 0}, "1 sequence"),
        ((influence, QUERIES, ["one"]), {}, "1 groups for 40"),
    ):  # fmt: skip
        with pytest.raises(InputError, match=words):
            study(*given, **options)
    with pytest.raises(InputError, match="there are 3 queries"):
        found.list_of(3)


def test_specimens_know_their_training(small):
    assert specimen_of(small) == "words-small" and specimen_of(sonde.Model(small.module)) is None
    asked = questions(2)
    assert all(len(queries) == 2 for queries in asked.values()) and "scene" not in asked
    prompt, rest = asked["repeats"][0]
    words = prompt.split()
    assert words[0] == words[-1] and rest.split() == words[1:-1]


def test_the_command(small, tmp_path, capsys):
    queries = tmp_path / "queries.jsonl"
    queries.write_text('{"kind": "agreement", "prompt": "The keys on the cabinet", "completion": " are"}\n')
    common = ["influence", "study", "--model", "specimen:words-small", "--contexts", "12", "-k", "2"]
    assert main([*common, str(queries), "--folder", str(tmp_path / "kept"), "--json"]) == 0
    told = follows(json.loads(capsys.readouterr().out))
    assert told["n"] == 12 and len(told["rows"]) == 4 and told["rows"][0]["kind"] == "agreement" and set(told["layers"][0]["layers"]) == {
        "blocks.0", "blocks.1", "blocks.2"
    }  # fmt: skip
    assert main([*common, str(queries), "--folder", str(tmp_path / "kept"), "--out", str(tmp_path / "page.html")]) == 0
    assert "curvature in the folder was used" in capsys.readouterr().out and (tmp_path / "page.html").stat().st_size > 1000


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ('{"prompt": ""}', "has no prompt"), ('{"promt": "x"}', "'promt' is not known"), ('{"prompt": 3}', "must be a text"), ("", "holds no query"),
        ('{"prompt": "a b"}\n{"prompt": "a", "completion": " b"}', "some have none"),
    ],
)  # fmt: skip
def test_queries_that_are_none(line, words, tmp_path, capsys):
    file = tmp_path / "queries.jsonl"
    file.write_text(line)
    assert main(["influence", "study", str(file), "--model", "specimen:words-small"]) == 2
    assert words in capsys.readouterr().err
