"""The labels of the small world's tokens say what its documents' truth says."""

import pytest

import sonde
from sonde.specimens.words import documents, labelled, world


@pytest.fixture(scope="module")
def tokenizer():
    return sonde.load("specimen:words-small").tokenizer


def test_every_token_has_one_of_three_labels(tokenizer):
    drawn = documents(n=80, seed=2)
    found = labelled(drawn, tokenizer)
    assert [len(row) for row in found.rows] == [len(tokenizer.encode(document.text)) for document in drawn]
    for name, rows in found.labels.items():
        assert [len(row) for row in rows] == [len(row) for row in found.rows], name
        assert {label for row in rows for label in row} <= {-1, 0, 1}
        assert all(row[0] == -1 for row in rows)  # the token in front is no text
    assert len(found.labels) > 25
    assert labelled([], tokenizer).labels == {}


def test_words_and_roles_stand_where_they_stand(tokenizer):
    document = documents("indirect_object", n=1, seed=0)[0]
    found = labelled([document], tokenizer)
    tokens = tokenizer.strings(found.rows[0])
    for part, holders in (("giver", document.truth.givers), ("receiver", document.truth.receivers)):
        marked = [tokens[i].strip() for i, label in enumerate(found.labels[f"the {part}"][0]) if label == 1]
        assert marked and set(marked) <= set(holders)
    women = [tokens[i].strip() for i, label in enumerate(found.labels["a woman's name"][0]) if label == 1]
    assert all(name in world.WOMEN for name in women)


def test_a_property_of_the_subject_makes_no_sense_before_it(tokenizer):
    for document in documents("agreement", n=20, seed=1):
        row = labelled([document], tokenizer).labels["after a plural subject"][0]
        first = next(i for i, label in enumerate(row) if label >= 0)
        assert all(label == -1 for label in row[:first]) and set(row[first:]) == {int(document.truth.number == "plural")}
