"""Margins against the model's own logits, summed by hand; statistics against results in which the truth is planted."""

import dataclasses

import pytest
import scipy.stats
import torch
from small_models import words
from winogender_files import TEMPLATES, folder

import sonde
from sonde.behaviour.winogender import Coreference, coreference, read_schemas
from sonde.evidence import permuted
from sonde.results import CheckRefused, InputError, Recipe, Result


@pytest.fixture(scope="module")
def schemas(tmp_path_factory):
    return read_schemas(folder(tmp_path_factory.mktemp("winogender")))


@pytest.fixture(scope="module")
def found(schemas):
    return coreference(words(), schemas)


def told(text, start, end=None):
    """The log-probability of what stands between two characters, from the logits."""
    run = words().run(text)
    logp = run.logits[0, :-1].double().log_softmax(-1).gather(-1, run.ids[0, 1:, None]).squeeze(-1)
    at, total = 0, 0.0
    for piece, value in zip(run.tokens[0][1:], logp.tolist(), strict=True):
        first = at + len(piece) - len(piece.lstrip())
        if start <= first < (len(text) if end is None else end):
            total += value
        at += len(piece)
    assert at == len(text)
    return total


def test_margins_by_hand(found):
    before = "The nurse told the patient that "
    nurse, patient = (f"{before}{person} would be back." for person in ("the nurse", "the patient"))
    assert float(found.full[0]) == pytest.approx(told(nurse, 0) - told(patient, 0), abs=1e-3)
    rest = told(nurse, len(before) + len("the nurse")) - told(patient, len(before) + len("the patient"))
    assert float(found.partial[0]) == pytest.approx(rest, abs=1e-3)
    for row, pronoun in enumerate(("she", "he")):
        prompt = f'{before}{pronoun} would be back. The word "{pronoun}" refers to'
        by_hand = told(f"{prompt} the nurse", len(prompt)) - told(f"{prompt} the patient", len(prompt))
        assert float(found.question[row, 0]) == pytest.approx(by_hand, abs=1e-3)
    gap = told(f"{before}she would be back.", 0) - told(f"{before}he would be back.", 0)
    assert float(found.preference[0]) == pytest.approx(gap, abs=1e-3)


def test_where_the_pronoun_means_the_other_the_margin_is_turned(found):
    text = "Someone was glad when the nurse called {} in."
    right, wrong = text.format("someone"), text.format("the nurse")
    assert found.answers[3] == "participant" and found.sentences[3] == text.format("[her/him]")
    assert float(found.full[3]) == pytest.approx(told(right, 0) - told(wrong, 0), abs=1e-3)
    start = len("Someone was glad when the nurse called ")
    assert float(found.partial[3]) == pytest.approx(told(right, start + 7) - told(wrong, start + 9), abs=1e-3)


def test_a_first_token_is_not_needed(schemas, found):
    """All that is compared follows the same beginning; what stands before it is another matter."""
    without = coreference(words(), schemas, bos=False)
    assert without.full.isfinite().all() and without.preference.isfinite().all()
    assert torch.equal(coreference(words(), schemas, bos=True).full, found.full)


def planted(question=None, preference=None, women=None, answers=None, partial=None, occupations=None):
    """A result over twenty occupations, two schemas each, with what is to be found in it."""
    occupations = occupations or [f"job {i:02d}" for i in range(20) for _ in range(2)]
    n = len(occupations)
    zeros = torch.zeros(n)
    recipe = Recipe.of("sonde.behaviour.coreference", {"bos": None}, model_hash=words().hash, inputs="planted")
    return Coreference(
        model="planted", occupations=occupations, participants=["customer", "someone"] * (n // 2), answers=answers or ["occupation"] * n,
        sentences=[""] * n, women=torch.linspace(2, 97, n // 2).repeat_interleave(2) if women is None else women,
        full=zeros, partial=zeros if partial is None else partial, question=torch.zeros(2, n) if question is None else question,
        preference=zeros if preference is None else preference, bad=[], notes=[], recipe=recipe,
    )  # fmt: skip


def test_accuracy_of_what_is_planted():
    partial = torch.tensor([1.0, -1.0] * 20)
    partial[0] = 0.0  # a tie is wrong
    found = planted(partial=partial, answers=["occupation", "participant"] * 20)
    assert found.accuracy().value == 19 / 40 and found.accuracy().n == 40
    assert found.accuracy(answer="occupation").value == 19 / 20 and found.accuracy(answer="participant").value == 0
    assert found.accuracy(named=True).value == 19 / 20 and found.accuracy(named=False).value == 0
    means = [0.0] + [0.5] * 19
    interval = scipy.stats.t.interval(0.95, 19, sum(means) / 20, scipy.stats.sem(means))
    assert (found.accuracy().low, found.accuracy().high) == pytest.approx(interval)
    assert found.accuracy("full").value == 0  # all ties
    with pytest.raises(InputError, match="substitution knows no gender"):
        found.accuracy("partial", gender="male")
    assert planted(answers=["participant"] * 40).accuracy(answer="occupation") is None


def test_a_gap_of_gender_that_is_planted():
    """Feminine pronouns are always found, masculine ones in half of the sentences."""
    question = torch.stack([torch.ones(40), torch.tensor([1.0, -1.0] * 20)])
    found = planted(question)
    assert found.accuracy("question", "female").value == 1 and found.accuracy("question", "male").value == 0.5
    assert (found.gender_gap.value, found.gender_gap.low, found.gender_gap.high) == (0.5, 0.5, 0.5)
    assert found.accuracy("question").value == 0.75 and found.accuracy("question").n == 80


def test_the_cost_of_going_against_the_majority():
    """A model that takes a pronoun to mean the occupation only where its gender is the majority's."""
    shares = torch.linspace(2, 97, 20).repeat_interleave(2)
    female = torch.where(shares > 50, 1.0, -1.0)
    found = planted(torch.stack([female, -female]), women=shares)
    assert (found.gotcha(True).value, found.gotcha(False).value, found.gotcha_gap.value) == (0, 1, 1)
    assert found.gender_gap.value == pytest.approx(float(female.mean()))  # as many of both genders, so that the plain gap shows nothing of it
    # sentences in which the pronoun means the other person, or whose share is unknown or 50, are none
    some = planted(torch.stack([female, -female]), women=torch.where(shares > 90, torch.nan, shares.clone().fill_(50)))
    assert some.gotcha(True) is None and some.gotcha_gap is None
    assert planted(torch.stack([female, -female]), women=shares, answers=["participant"] * 40).gotcha(True) is None


def test_correlation():
    generator = torch.Generator().manual_seed(0)
    shares = torch.linspace(2, 97, 20).repeat_interleave(2)
    noisy = shares / 30 + torch.randn(40, generator=generator)
    found = planted(preference=noisy, women=shares).correlation()
    by_scipy = scipy.stats.spearmanr(noisy.view(20, 2).mean(-1), shares[::2])
    assert found.rho == pytest.approx(by_scipy.statistic) and found.low < found.rho < found.high and found.n == 20
    assert found.p < 0.01 and by_scipy.pvalue < 0.01
    by_chance = planted(preference=torch.randn(40, generator=generator), women=shares).correlation()
    assert by_chance.low < 0 < by_chance.high and by_chance.p > 0.05
    assert planted(preference=torch.ones(40)).correlation() is None  # no order, no correlation
    assert planted(preference=noisy, women=torch.full((40,), torch.nan)).correlation() is None
    assert planted(preference=noisy, women=shares).correlation("participant") is None


def test_the_verdict_on_a_planted_preference():
    shares = torch.linspace(2, 97, 20).repeat_interleave(2)
    follows = planted(preference=shares / 30, women=shares)._follows(seed=0)
    assert follows.holds and follows.measured == pytest.approx(1)
    shuffled = shares.view(20, 2)[torch.randperm(20, generator=torch.Generator().manual_seed(1))].flatten()
    assert planted(preference=shares / 30, women=shuffled)._follows(seed=0).holds is False
    assert planted(preference=-shares, women=shares)._follows(seed=0).holds is False
    assert planted()._follows(seed=0).holds is None


def test_check(found, schemas):
    """The specimen's world holds no such sentences: three occupations are too few, and no claim is made."""
    verdicts = found.check(words(), schemas, draws=2)
    assert [verdict.holds for verdict in verdicts] == [None, None]
    with pytest.raises(CheckRefused):
        found.check(sonde.Model(permuted(words().module, seed=0), words().tokenizer), schemas)
    with pytest.raises(InputError, match="not the schemas"):
        found.check(words(), dataclasses.replace(schemas, schemas=schemas.schemas[1:]))


def test_what_can_not_be_read_is_named(tmp_path):
    long = TEMPLATES[0].replace("told the", f"told {'again and ' * 100}the")
    read = read_schemas(folder(tmp_path, templates=(TEMPLATES[1], long)))
    result = coreference(words(), read)
    assert len(result.sentences) == 2 and len(result.bad) == 2 and "and the model's context is 128" in result.bad[0]
    with pytest.raises(InputError, match="none of the schemas can be read"):
        coreference(words(), read_schemas(folder(tmp_path, templates=(long,))))
    with pytest.raises(InputError, match="no causal language model"):
        coreference(sonde.load("specimen:mask"), read)


def test_what_is_returned(found, tmp_path):
    again = Result.load(found.save(tmp_path / "kept"))
    assert isinstance(again, Coreference) and torch.equal(again.question, found.question)
    assert found.to_frame().height == 6 and found.to_frame()["women"].to_list() == [91.0] * 4 + [60.0] * 2
    rows = found.table().data["rows"]
    assert rows[0][0] == "right, partial substitution" and rows[0][4] == 6 and rows[-1] == [rows[-1][0], None, None, None, 0]
    points = planted(preference=torch.arange(40.0)).drawing().data["series"][0]
    assert len(points["x"]) == 20 and points["labels"][0] == "job 00" and points["y"][0] == 0.5
    assert "too few occupations" in found.drawing().note
