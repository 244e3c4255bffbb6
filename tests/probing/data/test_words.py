"""The small world's words have the properties that its documents say."""

import pytest

from sonde.probing import words
from sonde.results import InputError
from sonde.specimens.words import documents, world


def test_a_country_is_a_country():
    data = words("a country", n=150, seed=3)
    assert data.counts["yes"] == data.counts["no"]
    assert all((word in world.COUNTRIES) == bool(label) for word, label in zip(data.types, data.targets.tolist(), strict=True))


def test_the_giver_is_the_one_who_gives():
    drawn = {document.text: document.truth for document in documents("indirect_object", n=100, seed=2)}
    data = words("the giver", n=100, seed=2, family="indirect_object")
    for i, label in enumerate(data.targets.tolist()):
        if label:
            told = drawn[data.texts[data.text[i]]].spans
            assert data.spans[i][0] in [span for name, span in told.items() if name.startswith("giver")]


def test_properties_of_whole_documents_and_of_what_was_said_before():
    data = words("after a plural subject", n=60, seed=1, family="agreement")
    truth = {document.text: document.truth for document in documents("agreement", n=60, seed=1)}
    for i, label in enumerate(data.targets.tolist()):
        told = truth[data.texts[data.text[i]]]
        assert (told.number == "plural") == bool(label)
        assert data.spans[i][0][1] >= told.spans["subject"][1]
    assert words("in a document of tense", n=60).counts["yes"] > 5


def test_mistakes():
    with pytest.raises(InputError, match="knows no property 'a verb'; it knows \"a woman's name\""):
        words("a verb")
    with pytest.raises(InputError, match="all words in 20 documents of capital"):
        words("in a document of capital", n=20, family="capital")
    with pytest.raises(InputError, match="no word in 20 documents of capital has the property 'a colour'"):
        words("a colour", n=20, family="capital")
