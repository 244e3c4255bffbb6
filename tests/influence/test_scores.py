"""What is done with scores: ranked, grouped, kept, drawn; and the strongest without keeping the others."""

import pytest
import torch
from torch import nn

import sonde
from sonde.influence import CrossEntropy, Scores, SelfInfluence, Top, fit
from sonde.results import InputError
from sonde.results.document import Document, Section
from sonde.views import page


@pytest.fixture(scope="module")
def asked():
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 3))
    x, y = torch.randn(40, 4), torch.randint(3, (40,))
    return fit(network, (x, y), CrossEntropy(), batch_size=7), (x[:3], y[:3])


@pytest.fixture(scope="module")
def told():
    model = sonde.load("specimen:words-small")
    texts = ["The keys are here.", "The dog is big.", "The cat saw the key on the cabinet."]
    return fit(model, texts, labels="empirical"), [("The keys", " are")]


def test_the_strongest_are_those_of_all(asked):
    influence, queries = asked
    scores, top = influence.scores(queries), influence.top(queries, k=4)
    values, order = scores.values.sort(descending=True)
    assert top.helpful.tolist() == order[:, :4].tolist() and top.harmful.tolist() == order.flip(1)[:, :4].tolist()
    torch.testing.assert_close(top.helpful_values, values[:, :4])
    assert scores.helpful(1, 4) == list(zip(order[1, :4].tolist(), values[1, :4].tolist(), strict=True))
    assert scores.harmful(1, 2)[0][0] == int(order[1, -1]) and scores.harmful(1, 2)[0][1] < 0
    assert influence.top(queries, k=100).helpful.shape == (3, 40)
    assert top.to_frame().height == 24 and set(top.to_frame()["kind"]) == {"helpful", "harmful"}


def test_groups_add(asked):
    influence, queries = asked
    scores = influence.scores(queries)
    grouped = scores.grouped({"first": range(5), "last": [39]})
    torch.testing.assert_close(grouped.values, torch.stack([scores.values[:, :5].sum(1), scores.values[:, 39]], 1))
    torch.testing.assert_close(grouped.removal, grouped.values / 40)
    for members, words in (([40], "there are 40"), ([1, 1], "twice")):
        with pytest.raises(InputError, match=words):
            scores.grouped({"odd": members})


def test_results_are_kept(asked, told, tmp_path):
    influence, queries = asked
    for i, result in enumerate((influence.scores(queries, by="module"), influence.top(queries), influence.self_influence())):
        again = type(result).load(result.save(tmp_path / str(i)))
        assert isinstance(again, Scores | Top | SelfInfluence) and again.to_frame().equals(result.to_frame())
        assert "EK-FAC" in repr(again)


def test_they_are_drawn(asked, told):
    influence, queries = asked
    language, prompt = told
    by_token = language.scores(prompt, by="token")
    assert "".join(by_token.tokens[0]).endswith("The keys are here.") and by_token.by_token.shape[:2] == (1, 3)
    drawings = [
        influence.scores(queries).drawing(), influence.scores(queries, by="module").drawing(3), influence.top(queries).drawing(),
        influence.self_influence().drawing(), by_token.drawing(), language.scores(prompt, by="module").drawing(),
    ]  # fmt: skip
    assert [one.kind for one in drawings] == ["tabs", "tabs", "tabs", "table", "tabs", "matrix"]
    assert "training example" in page(Document("Influence", "", [], [Section("found", "found", drawings=drawings)]))


def test_any_metric_can_be_asked_about(asked):
    influence, (x, y) = asked

    def margin(module, batch):
        return module(batch[0])[:, 0] - module(batch[0])[:, 1]

    found = influence.scores((x, y), of=margin)
    torch.testing.assert_close(found.query_values, margin(influence.subject.model.module, (x, y)).detach())
    minus = influence.scores((x, y), of=lambda m, b: -margin(m, b))
    torch.testing.assert_close(found.values, -minus.values)
    assert found.of.endswith("margin")


def test_mistakes(asked, told):
    influence, queries = asked
    for call, words in (
        (lambda: influence.scores(queries, by="token"), "not the tokens of a sequence"),
        (lambda: influence.scores(queries, by="layer"), "by='layer'"),
        (lambda: influence.top(queries, k=0), "k=0"),
        (lambda: influence.scores(queries, of=lambda m, b: m(b[0]).mean()), "one number per example"),
        (lambda: influence.scores(queries).helpful(3), "there are 3 queries"),
        (lambda: told[0].scores(""), "empty"),
    ):
        with pytest.raises(InputError, match=words):
            call()
