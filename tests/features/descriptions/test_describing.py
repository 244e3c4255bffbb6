"""From a recording to judged descriptions: planted rules, clients that fail, budgets, what is always reported."""

import math
import re

import pytest
import torch
from planted_rules import RULES, planted
from scripted_clients import Scripted

from sonde.features import Descriptions, describe
from sonde.features.descriptions import Answer, BudgetSpent, Description, Detection, Fuzzing, Intruder, OfflineExplainer, Simulation, Usage
from sonde.results import InputError


@pytest.fixture(scope="module")
def recording():
    return planted(texts=160)


@pytest.fixture(scope="module")
def found(recording):
    return describe(recording, scorers=[Detection(), Fuzzing(), Simulation(), Intruder()], window=12, n=20)


def test_rules_score_and_chance_does_not(found):
    random = len(RULES)
    for name in found.scorers:
        own = {score.latent: score for score in found.values(name)}
        # a window may begin right after the " to" that makes its first token fire: no judge can see that
        assert all(own[i].value > own[i].chance + 0.8 * (1 - own[i].chance) for i in range(random)), name
        assert own[random].value == pytest.approx(own[random].chance, abs=0.02)
    assert found.text(random) == "no simple rule found"


def test_what_is_always_reported(found):
    for score in found.scores:
        assert score.n > 0 and score.failures == 0 and not math.isnan(score.shuffled) and score.chance in (0.5, 0.0, 0.2)
    frame = found.to_frame()
    assert frame.height == len(found.scores) and {"n", "failures", "chance", "shuffled", "details"} <= set(frame.columns)
    assert found.usage.requests == 0 and found.failures == 0 and "shuffled" in repr(found)


def test_descriptions_beat_those_of_others(found, recording):
    class Model:
        hash = recording.model_hash

    verdicts = {verdict.claim: verdict for verdict in found.check(Model())}
    assert len(verdicts) == 4 and all(
        verdict.n == 7 and verdict.holds is None for verdict in verdicts.values()
    )  # seven latents are too few for a verdict
    assert all(verdict.interval[0] > 0 for verdict in verdicts.values())


def test_shuffled_descriptions_fail(recording):
    """The control of all: an explainer that gives every latent another one's description."""

    class Shuffling(OfflineExplainer):
        def explain(self, grid, cases):
            own = list(super().explain(grid, cases))
            yield from (Description(d.latent, own[(i + 2) % len(own)].text, d.author) for i, d in enumerate(own))

    wrong = describe(recording, scorers=[Simulation()], explainer=Shuffling(), window=12, latents=range(6), n=20)
    right = describe(recording, scorers=[Simulation()], window=12, latents=range(6), n=20)
    assert sum(s.value for s in wrong.scores) < 0.4 * sum(s.value for s in right.scores)


def test_kept_and_drawn(found, tmp_path):
    found.save(tmp_path / "kept")
    again = Descriptions.load(tmp_path / "kept")
    assert again.descriptions == found.descriptions and again.to_frame().equals(found.to_frame())
    assert found.drawing().kind == "tabs"
    record = found.records()[0]
    assert record["text"] == found.text(0) and record["scores"]["detection"] == found.scores[0].value and "chance" in record["note"]


def test_a_language_model_explains_and_judges(recording):
    """A scripted one that knows the rule of latent 0: it is asked everything, and its cost is told."""

    def mary(tokens):
        return [token == " Mary" for token in tokens]

    client = Scripted(mary, "perfect", lambda text: re.findall(r" ?[^\s.,]+|[.,]", text))
    told = describe(recording, latents=[0], client=client, n=10, window=12, scorers=[Detection(), Simulation()])
    assert told.text(0) == "the planted rule" and told.judge == "scripted"
    assert told.values("detection")[0].value == 1.0
    # one latent alone: the control is the description of another one, which this client gives in the same words
    assert math.isnan(told.scores[0].shuffled)


class Limited:
    """Answers so many prompts, then the budget is spent."""

    name = "limited"

    def __init__(self, prompts):
        self.left, self.usage = prompts, Usage()

    def complete(self, prompts, max_tokens):
        if self.left < len(prompts):
            raise BudgetSpent("the budget of 1 tokens is spent: raise it")
        self.left -= len(prompts)
        self.usage = Usage(self.usage.requests + len(prompts))
        return [Answer(f"Description: {len(prompt)}" if "Description:'" in prompt else "10") for prompt in prompts]


def test_a_spent_budget_keeps_what_was_done(recording):
    told = describe(recording, latents=range(4), client=Limited(4 + 2 * 20 * 2), n=10, scorers=[Detection()], window=12)
    assert len(told.descriptions) == 4 and len(told.scores) == 2 and any("budget" in note for note in told.notes)
    assert told.usage.requests == 4 + 2 * 20 * 2
    assert told.to_frame().height == 4
    with pytest.raises(BudgetSpent):
        describe(recording, latents=range(4), client=Limited(0), n=10)


def test_descriptions_that_fail_are_counted(recording):
    class Silent(Limited):
        def complete(self, prompts, max_tokens):
            return [Answer("", "refused") for _ in prompts]

    told = describe(recording, latents=[0, 1], client=Silent(0), n=10, scorers=[Detection()], window=12)
    assert told.failures == 2 + 40 and [score.value for score in told.scores] == [0.5, 0.5]
    assert [d.error for d in told.descriptions] == ["refused"] * 2 and told.records()[0]["text"] == ""


def test_latents_that_never_fire_have_no_score(recording):
    quiet = type(recording)(recording.ids, recording.starts, recording.vocabulary, recording.codes)
    silent = torch.tensor([latent == 1 for latent in quiet.codes.latents.tolist()])
    counts = torch.bincount(quiet.codes.rows[~silent], minlength=len(quiet))
    codes = type(quiet.codes)(quiet.codes.values[~silent], quiet.codes.latents[~silent], counts.cumsum(0) - counts, quiet.size)
    told = describe(type(quiet)(quiet.ids, quiet.starts, quiet.vocabulary, codes), latents=[0, 1], scorers=[Detection()], window=12)
    assert math.isnan(told.scores[1].value) and told.scores[1].n == 0 and any("never fire" in note for note in told.notes)
    assert told.drawing().kind == "tabs"


def test_mistakes(recording):
    for latents in ([], [0, 0], [99], [-1]):
        with pytest.raises(InputError, match="give at least one from 0 to"):
            describe(recording, latents=latents)
    with pytest.raises(InputError, match="at least one scorer"):
        describe(recording, scorers=[])
    with pytest.raises(InputError, match="each once"):
        describe(recording, scorers=[Detection(), Detection()])
    with pytest.raises(InputError, match="was not described"):
        describe(recording, latents=[0], scorers=[Detection()], n=5).text(3)
