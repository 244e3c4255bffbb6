"""Each reader is told first what that reader needs, in words that say no more than the evidence; the evidence itself is the same for all."""

import re
from dataclasses import replace

import pytest

import sonde
from sonde.report import PROFILES
from sonde.report.featured import featured
from sonde.report.profiles import REST, arranged
from sonde.results import InputError

PARTS = re.compile(r"\b(head|layer|block|MLP|neuron|residual|logit|token)s?\b", re.IGNORECASE)

# these are there where they are asked for
ASKED = ["minimal_pair"] if featured(sonde.load("specimen:words")) else ["minimal_pair", "features"]
USUAL = [key for key in REST if key not in ASKED]


def told(section):
    """All that a section says before it is opened further."""
    return [*section.lead.split("\n\n"), *(sentence.text for sentence in section.sentences)]


@pytest.mark.parametrize("name", PROFILES)
def test_nothing_is_hidden(gift, name):
    sections = arranged(replace(gift, profile=name))
    assert set(USUAL) <= {section.key for section in sections}
    for section in sections:
        if section.key in USUAL:
            assert replace(section, folded=False) == replace(gift.section(section.key), folded=False)


def test_the_order_is_the_reader_s(gift):
    first = {name: [s.key for s in arranged(replace(gift, profile=name)) if not s.folded] for name in PROFILES}
    assert first["researcher"] == USUAL
    assert first["auditor"][:3] == ["reader", "summary", "verification"]
    assert first["expert"][:2] == ["reader", "task"] and first["affected"] == ["reader"]


@pytest.mark.parametrize("name", ["expert", "affected"])
def test_who_is_no_developer_reads_no_names_of_parts_and_no_bare_numbers(gift, keys, name):
    for explanation in (gift, keys):
        section = arranged(replace(explanation, profile=name))[0]
        for paragraph in told(section):
            quoted = re.sub(r"“[^”]*”|`[^`]*`", "", paragraph)
            assert not PARTS.search(quoted), quoted
            assert not re.search(r"\d", quoted), "a number without its uncertainty"
            assert len(quoted.split()) <= 60
        assert any("not show" in paragraph.lower() for paragraph in told(section))


def test_nothing_is_said_more_strongly_than_it_was_shown(gift):
    """The control: the same report with its verdicts taken away."""
    verdict = gift.claims["attribution"][0]
    failed = replace(verdict, interval=(-1.0, 1.0))
    unsure = replace(gift, claims=gift.claims | {"attribution": [failed]}, profile="affected")
    assert any(text.startswith("What mattered most") for text in told(arranged(replace(gift, profile="affected"))[0]))
    assert not any(text.startswith("What mattered most") for text in told(arranged(unsure)[0]))
    assert any("was not shown" in text for text in told(arranged(unsure)[0]))
    nothing = replace(gift, sections=[replace(s, sentences=[]) if s.key == "summary" else s for s in gift.sections], profile="affected")
    assert arranged(nothing)[0].lead.startswith("Unverified")


def test_the_auditor_reads_what_failed_first_and_the_data_sheet(gift):
    failed = replace(gift.verdicts[1], interval=(-1.0, 1.0))
    summary = gift.section("summary")
    sentences = [replace(one, verdict=failed) if i == 1 else one for i, one in enumerate(summary.sentences)]
    with_failure = replace(gift, sections=[replace(s, sentences=sentences) if s.key == "summary" else s for s in gift.sections], profile="auditor")
    section = arranged(with_failure)[0]
    assert section.sentences[0].text.startswith("Does not hold") and section.sentences[0].verdict == failed
    sheet = dict(section.drawings[0].data["rows"])
    assert {"scope", "access", "timing", "form", "causality", "target of the explanation"} <= set(sheet)
    assert gift.model_hash in sheet["model"] and sheet["made again by"] == gift.command


def test_the_expert_sees_examples_with_both_answers(gift):
    section = arranged(replace(gift, profile="expert"))[0]
    rows = section.drawings[0].data["rows"]
    assert len(rows) == 6 and all(row[3] is True and row[4] is False for row in rows)


def test_a_reader_that_is_none(gift):
    with pytest.raises(InputError, match="profile 'boss' is none: choose researcher, auditor, expert, affected"):
        replace(gift, profile="boss").document()
