"""The game of removal against closed forms: what it asks, what it remembers, and that reuse changes nothing."""

import pytest
import torch
from small_models import llama, words
from torch import nn

import sonde
from sonde.access.removal import Question, RemovalGame
from sonde.results import InputError
from sonde.specimens.digits import held_out
from sonde.tasks import Logit, LogitDifference


def linear(features=4, classes=3, examples=5):
    """A linear classifier, and rows."""
    torch.manual_seed(0)
    return sonde.Model(nn.Sequential(nn.Linear(features, classes))), torch.randn(examples, features)


def coalitions(game, n, seed=0, keep=0.5):
    """As many random ones for each example."""
    generator = torch.Generator().manual_seed(seed)
    return [torch.rand(n, players, generator=generator) < keep for players in game.players.counts]


def plain(game, asked):
    """The metric of each coalition, each by one forward of its own with the tokens replaced in the embedding."""
    question, found = game.question, []
    for example, sets in enumerate(asked):
        for stays in game.players.present(example, sets):
            values = torch.where(question.along_cells(stays[None])[0], question.value[example], game.baseline.whole(question)[example])
            if question.mask is not None:
                values = values[question.mask[example]]
            edits = sonde.Set(question.site, values)
            found.append(question.of_some([example])(question.model.run(question.rows([example]), edits=edits)))
    return torch.cat(found)


@pytest.mark.parametrize("seed", range(3))
def test_of_a_linear_model_each_player_adds_its_own(seed):
    model, rows = linear()
    game = RemovalGame(Question.ask(model, rows, Logit([0, 1, 2, 0, 1])), None, torch.ones(4))
    asked = coalitions(game, 6, seed)
    weight, bias = model.module[0].weight.detach(), model.module[0].bias.detach()
    for example, (sets, values) in enumerate(zip(asked, game(asked), strict=True)):
        target = [0, 1, 2, 0, 1][example]
        assert torch.allclose(values, torch.where(sets, rows[example], torch.ones(4)) @ weight[target] + bias[target], atol=1e-5)


@pytest.mark.parametrize("make", [words, llama])
@pytest.mark.parametrize("keep", [0.5, 0.95])
def test_reuse_of_prefixes_changes_nothing(make, keep):
    model = make()
    texts = ["The keys on the cabinet near the dog", "Mary and John went to the park and John gave a ball to"]
    game = RemovalGame(Question.ask(model, texts, LogitDifference([3, 4], [5, 6])), None, "mean")
    asked = coalitions(game, 12, keep=keep)
    assert torch.allclose(torch.cat(game(asked)), plain(game, asked), atol=2e-5)


@pytest.mark.parametrize("batch_size", [1, 5, "auto"])
def test_batches_change_nothing(batch_size):
    question = Question.ask(words(), "The keys on the cabinet near the dog", LogitDifference(3, 5))
    game = RemovalGame(question, None, "pad", batch_size)
    single = [~torch.eye(game.players.counts[0], dtype=torch.bool)]
    assert torch.allclose(game(single)[0], plain(game, single), atol=2e-5)


def test_a_metric_that_can_not_be_asked_of_some_examples():
    texts, metric = ["The keys on the cabinet", "Mary and John went to the"], LogitDifference([3, 4], [5, 6])
    game = RemovalGame(Question.ask(words(), texts, lambda run: metric(run)), None, "pad")
    other = RemovalGame(Question.ask(words(), texts, metric), None, "pad")
    asked = coalitions(game, 5)
    assert torch.allclose(torch.cat(game(asked)), torch.cat(other(asked)), atol=1e-4)


def test_what_is_known_is_not_asked_again():
    model, rows = linear(examples=2)
    game = RemovalGame(Question.ask(model, rows, Logit([0, 1])), None, "zero")
    whole = [torch.ones(3, 4, dtype=torch.bool)] * 2
    assert torch.allclose(torch.stack(game(whole)), game.metric[:, None].expand(2, 3)) and game.evaluations == [0, 0]
    asked = [torch.tensor([[True, False, True, False]] * 2), torch.zeros(0, 4, dtype=torch.bool)]
    first = game(asked)
    assert game.evaluations == [1, 0] and first[1].shape == (0,)
    assert torch.equal(game(asked)[0], first[0]) and game.evaluations == [1, 0]
    assert game.removed.shape == (2,) and game.evaluations == [2, 1]


def test_pieces_that_do_not_fit_together_give_the_same(monkeypatch):
    model, rows = linear()
    metric = Logit([0, 1, 2, 0, 1])
    game = RemovalGame(Question.ask(model, rows, metric), None, "zero")
    monkeypatch.setattr("sonde.access.removal.game.HELD_BYTES", 3 * 4 * 4)
    other = RemovalGame(Question.ask(model, rows, metric), None, "zero")
    asked = coalitions(game, 9)
    assert torch.equal(torch.cat(game(asked)), torch.cat(other(asked)))


def test_a_picture_is_removed_by_squares():
    pictures, digits = held_out()
    model = sonde.load("specimen:digits")
    game = RemovalGame(Question.ask(model, pictures[:3], Logit(digits[:3])), 4, "zero")
    assert game.players.counts == [4] * 3
    hidden = pictures[:3].clone()
    hidden[..., :4, 4:] = 0
    asked = [torch.tensor([[True, False, True, True]])] * 3
    assert torch.allclose(torch.cat(game(asked)), model.run(hidden).logits[torch.arange(3), digits[:3]], atol=1e-5)


def test_an_inner_site_is_a_game_too():
    """Heads of one layer: the game at their outputs is the same as zeroing them."""
    model, metric = words(), LogitDifference(3, 5)
    question = Question.ask(model, "The keys on the cabinet", metric, at="blocks.2.attn.z")
    assert question.cells == ("pos", "head")
    length, heads = question.value.shape[1:3]
    by_head = torch.arange(heads).expand(length, heads)
    game = RemovalGame(question, by_head, "zero")
    expected = [metric(model.run("The keys on the cabinet", edits=sonde.Zero(f"blocks.2.attn.z[head={i}]"))) for i in range(heads)]
    assert torch.allclose(game([~torch.eye(heads, dtype=torch.bool)])[0], torch.cat(expected), atol=1e-5)


def test_coalitions_of_other_players(unchecked):
    model, rows = linear(examples=1)
    game = RemovalGame(Question.ask(model, rows, Logit([0])), None, "zero")
    with pytest.raises(InputError, match=r"don't fit examples with \[4\] players"):
        game([torch.ones(2, 3, dtype=torch.bool)])


def test_a_metric_that_breaks_under_removal_names_the_example():
    class Log(nn.Module):
        def forward(self, x):
            return x.log().sum(1, keepdim=True)

    game = RemovalGame(Question.ask(sonde.Model(Log()), torch.ones(2, 3), Logit(0)), None, torch.full((3,), -1.0))
    with pytest.raises(InputError, match="the metric is NaN in example 1 where parts are the values given"):
        game([torch.ones(1, 3, dtype=torch.bool), torch.tensor([[True, False, True]])])
