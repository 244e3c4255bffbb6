"""The section on representation: what shipped probes read of a prompt beside what is known of it, and what the answer loses without it."""

import sys
from dataclasses import replace

import pytest
import torch

import sonde
from sonde.probing import shipped
from sonde.report.chapters.representation import representation
from sonde.report.known import known
from sonde.report.material import gather
from sonde.report.readings import moved, readings

KEYS = "The keys on the cabinet"


@pytest.fixture(scope="module")
def probes():
    return shipped()


@pytest.fixture(scope="module")
def material(words):
    return gather(words, KEYS, None, [], None, None, 0)


def test_what_is_known_by_the_rule_and_by_the_words():
    asked = [(4, 8), (16, 23)]
    found = known(KEYS, "agreement", {"subject": [(4, 8)], "nearer noun": [(16, 23)]}, asked)
    assert found["the subject"] == [1, 0] and found["after a plural subject"] == [1, 1] and found["a plural noun"] == [1, 0]
    assert found["in the past tense"] == [None, None] and found["after a woman as subject"] == [-1, -1]
    assert found["in a document of agreement"] == [1, 1] and found["in a document of tense"] == [0, 0]
    single = known("The key on the cabinets", "agreement", {"subject": [(4, 7)]}, [(4, 7), (15, 23)])
    assert single["after a plural subject"] == [0, 0] and single["a plural noun"] == [0, 1]
    gift = "When Mary and John went to the shop, John gave a book to"
    roles = known(gift, "ioi", {"receiver": [(5, 9)], "giver": [(14, 18)], "giver again": [(37, 41)]}, [(5, 9), (14, 18), (37, 41), (49, 53)])
    assert roles["the giver"] == [0, 1, 1, 0] and roles["the receiver"] == [1, 0, 0, 0] and roles["in the past tense"] == [1] * 4
    assert roles["the gift"] == [None] * 4  # the template does not say what the gift is
    nothing = known("Blorp keys", "", {}, [(0, 5), (6, 10)])
    assert nothing["a country"] == [None, 0] and nothing["the subject"] == [None, None] and nothing["in a document of tense"] == [None, None]


def test_readings_stand_beside_the_truth(material, probes):
    found = {one.name: one for one in readings(material, probes)}
    assert "after a woman as subject" not in found  # it makes no sense here
    subject, plural, tense = found["the subject"], found["after a plural subject"], found["in the past tense"]
    assert (subject.word, subject.truth, subject.words) == ("keys", 1, 5)
    assert (plural.word, plural.truth, tense.truth, tense.words) == ("cabinet", 1, None, 0)
    run = material.model.run([material.ids], read=probes.sites, logits=False)
    for reading in found.values():
        i, at = probes.names.index(reading.name), material.prediction.tokens.index(f" {reading.word}")
        for j, site in enumerate(probes.sites):
            odds = float(run[site][0, at] @ probes.weight[i, j] + probes.bias[i, j])
            assert reading.yes[j] == pytest.approx(1 / (1 + torch.tensor(-odds).exp().item()), abs=1e-5)
    assert not found["a country"].here and subject.here and plural.here


def test_what_is_lost_is_what_the_edit_costs(material, probes):
    lost = moved(material, probes, ["the subject"])
    metric, site = material.contrasts[0].metric, probes.sites[1]
    base, without = (metric(material.model.run([material.ids], edits=edits)) for edits in ([], [probes.eraser("the subject", site).edit(site)]))
    assert lost[0, 1, 0] == pytest.approx(float(base - without), abs=1e-4)


def test_the_section(material):
    chapter = representation(material)
    read, used = chapter.section.drawings
    assert read.axes["col"]["labels"][0] == "truth" and "a country" not in read.axes["row"]["labels"]
    row = read.axes["row"]["labels"].index("the subject")
    assert read.data["values"][row][0] == 1 and "it holds" in read.data["details"][row][0] and "Elsewhere it tells" in read.data["details"][row][1]
    assert used.data["rows"][row][2] == "yes" and "a country" in chapter.section.sentences[1].text
    assert len(chapter.verdicts) == 2 and all(verdict.n >= 8 for verdict in chapter.verdicts)
    assert "of equal rank" in chapter.verdicts[0].claim and "as much variance" in chapter.verdicts[1].claim


def test_random_directions_in_the_place_of_the_probes_are_not_needed(material, probes, monkeypatch):
    """The control: erasers of nothing, which the table is said to have found used."""
    generator = torch.Generator().manual_seed(0)
    drawn = torch.nn.functional.normalize(torch.randn(probes.encoder.shape, generator=generator), dim=-1)
    nothing = replace(probes, encoder=drawn, decoder=drawn, used_at=[list(probes.sites)] * len(probes.names))
    monkeypatch.setattr(sys.modules["sonde.report.chapters.representation"], "represented", lambda model: nothing)
    assert not any(verdict.holds for verdict in representation(material).verdicts)


def test_without_probes_or_siblings_nothing_is_claimed(words):
    small = gather(sonde.load("specimen:words-small"), KEYS, None, [], None, None, 0)
    chapter = representation(small)
    assert not chapter.verdicts and "no probes are shipped for specimen:words-small" in chapter.section.sentences[0].text
    alone = representation(gather(words, "Xyzzy", None, [], None, None, 0))
    assert [verdict.holds for verdict in alone.verdicts] == [None] and "not known" in alone.section.sentences[0].text
