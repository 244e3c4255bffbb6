"""The chapter on training data: there for the specimen, silent elsewhere, and its claims fail for documents that pull the other way."""

import pytest

import sonde
from sonde.evidence import permuted
from sonde.report.chapters import training_data as chapter
from sonde.report.material import gather
from tests.report.conftest import GIFT, KEYS

MODULE = "sonde.report.chapters.training_data"


def asked(model, prompt):
    return gather(model, prompt, None, (), None, None, 0)


@pytest.fixture(scope="module")
def material(words):
    return asked(words, KEYS)


def test_documents_are_told_and_a_step_on_them_helps(material):
    found = chapter(material)
    documents, steps = (drawing.data["rows"] for drawing in found.section.drawings)
    assert len(documents) == 5 and all(row[2] > 0 for row in documents) and steps[0][1] > steps[1][1]
    assert "agreement" in found.section.sentences[0].text and "2,000" in found.section.sentences[0].text
    assert [verdict.holds for verdict in found.verdicts] == [True, True] and all(verdict.n == 16 for verdict in found.verdicts)


def test_those_that_pull_away_do_not(material, monkeypatch):
    """The control: the same documents in the opposite order."""
    import sys

    module = sys.modules[MODULE]
    pulls = module._pulls
    monkeypatch.setattr(module, "_pulls", lambda *given: {i: -pull for i, pull in pulls(*given).items()})
    assert not any(verdict.holds for verdict in chapter(material).verdicts)


def test_of_another_specimen_its_own_training_is_told():
    found = chapter(asked(sonde.load("specimen:words-small"), GIFT))
    assert len(found.section.drawings) == 2 and "words-small" in found.section.sentences[0].text and len(found.verdicts) == 2


def test_elsewhere_it_says_why_not(words):
    broken = sonde.Model(permuted(words.module, 0), words.tokenizer, "specimen:words")
    for model, prompt, why in (
        (sonde.Model(words.module, words.tokenizer), KEYS, "nothing is shipped"),
        (broken, KEYS, "not the weights"), (words, "Blorp zindle quax", "of no kind"),
    ):  # fmt: skip
        found = chapter(asked(model, prompt))
        assert not found.verdicts and not found.section.drawings and why in found.section.sentences[0].text
