"""The section on a minimal pair: there where a foil sentence is given, with the log-probabilities of both."""

import pytest
import torch
from small_models import words

import sonde
from sonde.results import InputError
from tests.report.conftest import KEYS

FOIL = "The keys on a cabinet"


@pytest.fixture(scope="module")
def paired():
    return sonde.explain(words(), KEYS, foil_sentence=FOIL)


def test_it_compares_what_the_model_gives_to_all_tokens(paired):
    found = paired.results["minimal_pair"]
    totals = []
    for text in (KEYS, FOIL):
        run = words().run(text)
        ids = run.ids[0]
        totals.append(float(run.logits[0, :-1].log_softmax(-1).gather(1, ids[1:, None]).sum()))
    assert found.margin == pytest.approx(totals[0] - totals[1], abs=1e-4)
    assert torch.isfinite(torch.tensor(totals)).all() and "minimal_pair" in paired.to_json()["sections"]
    assert [section.key for section in paired.sections][:4] == ["summary", "prediction", "task", "minimal_pair"]
    assert f"--foil-sentence '{FOIL}'" in paired.command


def test_without_a_foil_sentence_there_is_no_such_section(keys):
    assert "minimal_pair" not in [section.key for section in keys.sections]


def test_an_equal_pair_is_refused():
    with pytest.raises(InputError, match="the foil sentence is the prompt"):
        sonde.explain(words(), KEYS, foil_sentence=KEYS)
