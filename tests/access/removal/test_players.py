"""Who is removed: every place by itself, and the ways to group them."""

import pytest
import torch
from small_models import llama, words
from torch import nn

import sonde
from sonde.access.removal import Players, Question, players_of
from sonde.results import InputError
from sonde.specimens.digits import held_out
from sonde.tasks import Logit

TEXT = "The keys on the cabinet. A dog, and Mary are here. Yes"


def ask(inputs=TEXT, model=None, of=None, **more):
    """A question about a text."""
    return Question.ask(model or words(), inputs, of or Logit(5), **more)


def table(rows=2, features=5):
    """A question about a table."""
    return Question.ask(sonde.Model(nn.Sequential(nn.Linear(features, 3))), torch.randn(rows, features), Logit(0))


def test_tokens_one_by_one_leave_special_ones_in_place():
    players = players_of(ask())
    assert players.names[0][:3] == ("The", " keys", " on") and players.single
    assert players.groups[0, :3].tolist() == [-1, 0, 1]  # the beginning of the text stays
    whole = players_of(ask(), special=True)
    assert whole.counts[0] == players.counts[0] + 1 and whole.names[0][0] == "<|end|>"


def test_a_masked_model_keeps_its_marks():
    model = sonde.load("specimen:mask")
    players = players_of(ask("Mary and John went to the [MASK]", model, Logit(5, pos=-2)))
    staying = {
        model.tokenizer.strings([i])[0]
        for i, player in zip(model.prepare("Mary and John went to the [MASK]").ids[0].tolist(), players.groups[0], strict=True)
        if player < 0
    }
    assert staying == {"[CLS]", "[MASK]", "[SEP]"} and players.names[0][:3] == ("Mary", "and", "John")


def test_words_join_tokens_without_white_space():
    model = llama()
    players = players_of(ask("When Lily went to Timbuktu, Tom slept.", model))
    by_word = players_of(ask("When Lily went to Timbuktu, Tom slept.", model), "words")
    assert players.counts[0] > by_word.counts[0]
    assert [name.strip() for name in by_word.names[0]] == ["When", "Lily", "went", "to", "Timbuktu,", "Tom", "slept."]
    assert by_word.groups[0].tolist()[0] == -1 and sorted(set(by_word.groups[0].tolist())) == [-1, *range(7)]


def test_sentences():
    assert [name.strip() for name in players_of(ask(), "sentences").names[0]] == ["The keys on the cabinet.", "A dog, and Mary are here.", "Yes"]


def test_rows_of_different_length_have_their_own_players():
    question = ask(["The keys", "Mary and John went"])
    players = players_of(question)
    assert players.counts == [2, 4]
    real = question.mask.cpu()
    assert bool((players.groups[~real] == -1).all()) and players.groups[0, real[0]].tolist() == [-1, 0, 1]


def test_spans_are_named_players():
    players = players_of(ask("The keys on the cabinet"), {"subject": [[1, 2]], "place": " cabinet"})
    assert players.names == (("subject", "place"),) and players.groups[0].tolist() == [-1, 0, 0, -1, -1, 1]
    assert not players.single


def test_squares_of_a_picture():
    pictures, digits = held_out()
    players = players_of(Question.ask(sonde.load("specimen:digits"), pictures[:2], Logit(digits[:2])), 3)
    assert players.counts == [9, 9] and players.groups.shape == (2, 8, 8)
    assert torch.bincount(players.groups[0].flatten()).tolist() == [9, 9, 6, 9, 9, 6, 6, 6, 4]
    assert players.names[0][1] == "row 0 col 3"


def test_labels_may_differ_between_examples():
    labels = torch.tensor([[7, 7, 3, -1, 3], [1, 2, 3, 4, 5]])
    players = players_of(table(), labels)
    assert players.counts == [2, 5] and players.groups[0].tolist() == [1, 1, 0, -1, 0] and players.names[0] == ("3", "7")
    assert players_of(table(), labels[0]).counts == [2, 2]


def test_columns_of_one_category_go_together():
    players = players_of(table(), {"age": 0, "job": [2, 3, 4]})
    assert players.names == (("age", "job"),) * 2 and players.groups[0].tolist() == [0, -1, 1, 1, 1]
    assert players_of(table(), ["a", "b", "c", "d", "e"]).names[1] == ("a", "b", "c", "d", "e")


def test_present_keeps_those_who_stay_and_those_who_are_nobody():
    players = Players(torch.tensor([[0, -1, 1, 1]]), (("a", "b"),))
    assert players.present(0, torch.tensor([[True, False], [False, False]])).tolist() == [[True, True, False, False], [False, True, False, False]]


@pytest.mark.parametrize(
    ("make", "grouping", "message"),
    [
        (table, "words", "made of tokens and their texts"),
        (table, 4, "asks for squares of pictures"),
        (table, torch.zeros(2, 5), "torch.float32 of shape"),
        (table, torch.zeros(3, dtype=torch.long), r"shape \(3,\): give whole numbers of shape \(5,\)"),
        (table, {"a": [0, 1], "b": [1]}, "'b' holds a place that another one holds too"),
        (table, {"a": [5]}, "give indices of features, 0 to 4"),
        (table, ["a", "b"], "2 names were given for 5 places"),
        (table, 3.5, "players=3.5"),
        (table, torch.full((5,), -1), "example 0 has nothing that could be removed"),
        (ask, {"a": [[1, 2]], "b": [[2]]}, "'b' holds a place that another one"),
        (lambda: ask([[words().tokenizer.bos_id]]), None, "example 0 has nothing that could be removed"),
    ],
)
def test_refusals(make, grouping, message, unchecked):
    with pytest.raises(InputError, match=message):
        players_of(make(), grouping)


def test_too_many_places():
    model = sonde.Model(nn.Sequential(nn.Flatten(), nn.Linear(3 * 40 * 40, 2)))
    question = Question.ask(model, torch.zeros(1, 3, 40, 40), Logit(0))
    with pytest.raises(InputError, match="1,600 places, too many"):
        players_of(question)
    assert players_of(question, 10).counts == [16]
