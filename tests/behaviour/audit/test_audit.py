"""The audit against models whose dependence is known, because it was written."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

import sonde
from sonde.attribution import gradient_x_input
from sonde.behaviour import Profiles, audit, credit, pictures, texts
from sonde.behaviour.audit.changes import jointly
from sonde.evidence import permuted, spearman
from sonde.results import CheckRefused, InputError, Result
from sonde.tasks import Logit

ROWS = [{"age": float(a), "gender": g, "name": n} for a in range(4) for g in (0.0, 1.0) for n in (0.0, 1.0)]
IMPLIED = {"name": {"gender": {0.0: 0.0, 1.0: 1.0}}}


class Scorer(nn.Module):
    """A score of three columns: age, gender, name."""

    def __init__(self, score):
        super().__init__()
        self.score, self.scale = score, nn.Parameter(torch.ones(()))

    def forward(self, x):
        return (self.scale * self.score(x))[:, None]


def columns(rows):
    return torch.tensor([[row["age"], row["gender"], row["name"]] for row in rows])


def audited(score, attributes=("age", "gender", "name"), rows=ROWS, **options):
    model = sonde.load(Scorer(score))
    profiles = Profiles(rows, columns, lambda model, row: {"age": [0], "gender": [1], "name": [2]})
    return audit(model, profiles, attributes, Logit([0]), progress=False, **options)


def test_a_linear_scorer_gives_its_weights():
    """Only age has a weight, 0.5 a year: its effects are exact, and no other attribute has any."""
    found = audited(lambda x: 0.5 * x[:, 0])
    assert torch.equal(found.effects("age"), 0.5 * (torch.arange(4.0) - columns(ROWS)[:, :1]))
    assert found.shares() == {"age": 1.0, "gender": 0.0, "name": 0.0}
    assert all(one.effect == 0 and one.interval == (0, 0) for one in found.contrasts() if one.attribute != "age")
    assert [one.effect for one in found.contrasts() if one.attribute == "age"] == [0.5, 1.0, 1.5, 0.5, 1.0, 0.5]
    assert not found.interactions("age", "gender").any() and found.non_additive() == 0


def test_an_interaction_is_the_second_difference():
    found = audited(lambda x: x[:, 0] + 3 * x[:, 1] * x[:, 2])
    second = found.interactions("gender", "name")
    changed = (columns(ROWS)[:, 1] == 0) & (columns(ROWS)[:, 2] == 0)
    # from (0, 0) to (1, 1) neither change does anything alone
    assert torch.equal(second[changed][:, 1, 1], torch.full((4,), 3.0))
    assert torch.equal(found.interactions("name", "gender"), second.mT)
    assert not found.interactions("age", "name").any()
    assert found.non_additive() > 0.1


def test_a_hidden_dependence_is_found_together_only():
    """The score falls only where both the word and the name say a woman; all audited profiles are consistent men."""
    men = [{"age": float(a), "gender": 0.0, "name": 0.0} for a in range(4)]
    values = {"age": [0.0, 1.0, 2.0, 3.0], "gender": [0.0, 1.0], "name": [0.0, 1.0]}
    found = audited(lambda x: -x[:, 1] * x[:, 2], values, men, implied=IMPLIED)
    assert not found.effects("gender").any() and not found.effects("name").any()
    assert torch.equal(found.effects("gender", joint=True)[:, 1], -torch.ones(4))
    assert found.shares(joint=True) == {"age": 0.0, "gender": 1.0}


def test_gender_through_the_name():
    found = audited(lambda x: -x[:, 2], implied=IMPLIED)
    assert found.shares()["gender"] == 0 and found.shares(joint=True)["gender"] == 1


def test_the_slides_explainer_is_flagged_where_a_rank_correlation_is_not():
    """Age and gender decide alike; an explainer that says .92 for age has the right order of the rest, and hides half of the truth."""
    rows = [{"age": float(a), "gender": float(g), "job": 0.0, "city": 0.0} for a in (0, 1) for g in (0, 1)]
    names = ("age", "gender", "job", "city")
    profiles = Profiles(rows, lambda given: torch.tensor([[row[name] for name in names] for row in given]))
    claims = {"slide": dict(zip(names, (0.92, 0.03, 0.03, 0.02), strict=True)), "honest": dict(zip(names, (0.45, 0.45, 0.05, 0.05), strict=True))}
    values = {name: [0.0, 1.0] for name in names}
    found = audit(sonde.load(Scorer(lambda x: x[:, 0] - x[:, 1])), profiles, values, Logit([0]), claims=claims, progress=False)
    assert list(found.shares().values()) == [0.5, 0.5, 0, 0]
    slide, honest = found.faithfulness()
    assert slide.flagged and slide.attribute == "gender" and slide.gap == pytest.approx(0.47) and slide.distance == pytest.approx(0.94)
    assert not honest.flagged and honest.gap == pytest.approx(0.05)
    orders = (torch.tensor(list(shares.values())) for shares in (found.shares(), found.claimed_shares("slide")))
    assert float(spearman(*orders)) == pytest.approx(0.71, abs=0.005)


@settings(max_examples=12)
@given(st.lists(st.floats(-2, 2), min_size=3, max_size=3))
def test_shares_of_any_linear_scorer(weights):
    """Binary attributes: every share is the size of its weight, and a gradient times change claims just that."""
    rows = [{"age": 1.0, "gender": 1.0, "name": 1.0}, {"age": 0.0, "gender": 0.0, "name": 0.0}]
    w = torch.tensor(weights)
    claims = {"weights": lambda model, inputs, of: w.expand(len(inputs), 3)}
    found = audited(lambda x: x @ w, rows=rows, claims=claims)
    whole = float(w.abs().sum())
    if whole < 1e-3:
        return
    assert list(found.shares().values()) == pytest.approx((w.abs() / whole).tolist(), abs=1e-4)
    assert found.faithfulness()[0].distance == pytest.approx(0, abs=1e-3)


def test_a_model_that_ignores_everything_has_no_shares_and_flags_nobody():
    found = audited(lambda x: 0 * x[:, 0] + 1, claims={"stated": {"age": 1.0, "gender": 0.0, "name": 0.0}})
    assert all(share != share for share in found.shares().values()) and found.faithfulness() == []
    assert found.drawing().kind == "tabs"


def test_impossible_profiles_are_counted_and_not_asked_about():
    asked = []

    def render(rows):
        asked.extend(rows)
        return columns(rows)

    profiles = Profiles(ROWS[:4], render)
    model = sonde.load(Scorer(lambda x: x[:, 0]))
    found = audit(
        model, profiles, {"age": [0.0, 16.0, 40.0], "gender": [0.0, 1.0]}, Logit([0]), possible=lambda row: row["age"] != 16, progress=False
    )
    assert all(row["age"] != 16 for row in asked)
    assert found.impossible == 4 and bool(found.effects("age")[:, 1].isnan().all())
    assert found.contrasts()[1].effect == 40.0
    assert len(asked) == len({tuple(sorted(row.items())) for row in asked}), "a profile was computed twice"


def test_a_profile_that_the_model_cannot_be_shown_is_named_and_the_rest_goes_on():
    def render(rows):
        if any(row["age"] == 3 for row in rows):
            raise InputError("the prompt has 900 tokens and the model's context is 128")
        return columns(rows)

    model = sonde.load(Scorer(lambda x: x[:, 0]))
    claims = {"gradient": lambda model, inputs, of: torch.ones(len(inputs), 3)}
    profiles = Profiles(ROWS, render, lambda model, row: {"age": [0], "gender": [1], "name": [2]})
    found = audit(model, profiles, {"age": [0.0, 1.0], "gender": [0.0, 1.0]}, Logit([0]), claims=claims, progress=False)
    assert len(found.refused) == 4 and "900 tokens" in found.refused[0] and "'age': 3.0" in found.refused[0]
    (contrast,) = [one for one in found.contrasts() if one.attribute == "age"]
    assert (contrast.effect, contrast.n) == (1.0, 12)
    assert found.claims["gradient"].shape == (12, 2) and found.shares()["age"] == 1.0
    assert "4 could not be shown" in found.drawing().note
    with pytest.raises(InputError, match="900 tokens"):
        audit(model, Profiles(ROWS[-4:], render), {"gender": [0.0, 1.0]}, Logit([0]), progress=False)


def test_flips_count_profiles_whose_decision_turns():
    found = audited(lambda x: x[:, 0] - 2 + 2 * x[:, 1], ["gender"], decision=0.0)
    flipped, n, (low, high) = found.flips("gender")
    assert (flipped, n) == (8, 16) and low < 0.5 < high  # ages 1 and 2: above 0 only for the one gender


@pytest.fixture(scope="module")
def example():
    return credit()


@pytest.fixture(scope="module")
def credited(example):
    claims = {"gradient x input": lambda model, inputs, of: gradient_x_input(model, inputs, of=of)}
    few = example.profiles.select(range(0, 162, 7))
    return audit(example.model, few, example.attributes, example.of, implied=example.implied, claims=claims, progress=False)


def test_the_credit_example_hides_gender_from_the_gradient(credited):
    (alone,), (joint,) = credited.faithfulness(), credited.faithfulness(joint=True)
    assert alone.flagged and alone.attribute == "name"
    assert joint.flagged and joint.attribute == "gender" and joint.gap > 0.5
    assert credited.claimed_shares("gradient x input", joint=True)["age"] > 0.8


def test_its_scores_are_the_closed_form(example):
    scores = example.of(example.model.run(example.profiles.render(example.profiles.rows)))
    ages, jobs = {"25": -1.0, "40": 0.0, "60": 1.0}, {"nurse": 0.0, "teacher": 0.5, "engineer": 1.0}
    women = {"Suzan", "Mary", "Anna"}
    wanted = [1.5 + ages[row["age"]] + 0.2 * jobs[row["job"]] - 2 * (row["name"] in women) for row in example.profiles.rows]
    assert torch.allclose(scores, torch.tensor(wanted), atol=1e-5)


def test_claims_hold_on_other_profiles_and_not_of_permuted_weights(example, credited):
    others = example.profiles.select(range(3, 162, 7))
    verdicts = {verdict.claim.split()[0]: verdict for verdict in credited.check(example.model, others, example.of, example.implied)}
    assert [verdicts[name].holds for name in ("gender", "age", "city")] == [True, True, None]
    with pytest.raises(CheckRefused, match="computed on the model"):
        credited.check(sonde.load(permuted(example.model.module, seed=0)), others, example.of, example.implied)
    with pytest.raises(InputError, match="give implied="):
        credited.check(example.model, others, example.of)


def test_a_scorer_of_noise_supports_no_claim():
    """The control: outputs that depend on all attributes at random have contrasts in the audit, and none that holds on other profiles."""
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(4, 2, 2, generator=generator)
    score = lambda x: noise[x[:, 0].long(), x[:, 1].long(), x[:, 2].long()] * torch.where(x[:, 0] > 1, 1, -1)
    model = sonde.load(Scorer(score))
    found = audit(model, Profiles(ROWS[:8], columns), ["gender", "name"], Logit([0]), progress=False)
    assert not any(verdict.holds for verdict in found.check(model, Profiles(ROWS[8:], columns), Logit([0])))


def test_pictures_with_the_group_swapped():
    day = torch.rand(5, 1, 4, 4, generator=torch.Generator().manual_seed(0))
    night = day.clone()
    night[:, :, 0] = 0

    class Top(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(torch.ones(()))

        def forward(self, images):
            return (images[:, 0, 0].sum(-1) * self.weight)[:, None]

    found = audit(sonde.load(Top()), pictures("light", {"day": day, "night": night}), {"light": ["day", "night"]}, Logit([0]), progress=False)
    assert torch.allclose(found.effects("light")[:, 1], -day[:, 0, 0].sum(-1))
    with pytest.raises(InputError, match="where attributes stand"):
        profiles = pictures("light", {"day": day, "night": night})
        audit(sonde.load(Top()), profiles, {"light": ["day", "night"]}, Logit([0]), claims={"x": lambda *a: day}, progress=False)


def test_it_is_kept_and_drawn(credited, tmp_path):
    again = Result.load(credited.save(tmp_path / "audit"))
    assert again.shares(joint=True) == credited.shares(joint=True)
    assert credited.to_frame().height == 26
    assert [part["label"] for part in credited.drawing().data["parts"]] == [
        "effects", "with what implies it", "claims: gradient x input", "pairs", "two at once", "values", "decisions",
    ]  # fmt: skip


def test_names_change_with_the_gender_that_they_imply():
    names = {"name": {"gender": {"John": "man", "Mark": "man", "Suzan": "woman"}}}
    assert jointly({"name": "Mark", "gender": "man"}, "gender", "woman", names)["name"] == "Suzan"
    assert jointly({"name": "Kim", "gender": "man"}, "gender", "woman", names)["name"] == "Kim"
    with pytest.raises(InputError, match="no name implies gender='none'"):
        jointly({"name": "Mark", "gender": "man"}, "gender", "none", names)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"joint_cases": 0}, "joint_cases=0"),
        ({"possible": lambda row: False}, "none of the profiles can exist"),
        ({"attributes": []}, "give the names of one attribute or more"),
        ({"attributes": ["height"]}, "no attribute 'height'"),
        ({"attributes": {"age": [1.0]}}, "give the values to try"),
        ({"attributes": {"age": [float(i) for i in range(30)]}}, "30 values; give up to 20"),
        ({"implied": {"nickname": {"gender": {}}}}, "no attribute 'nickname'"),
        ({"claims": {"short": {"age": 1.0}}}, "'short' says nothing about 'gender'"),
        ({"claims": {"flat": lambda *a: torch.ones(3)}}, "one number per case and place"),
        ({"score": lambda x: x[:, 0] / 0}, "the output is"),
    ],
)
def test_mistakes_are_named(options, message):
    score, attributes = options.pop("score", lambda x: x[:, 0]), options.pop("attributes", ("age", "gender", "name"))
    with pytest.raises(InputError, match=message):
        audited(score, attributes, **options)


def test_mistakes_in_profiles_are_named():
    for make, message in (
        (lambda: texts("no slot", [{"age": 1}]), "has no slot"),
        (lambda: texts("{job}", [{"age": 1}]), r"slot \{job\}"),
        (lambda: Profiles([], columns), "no profiles"),
        (lambda: Profiles([{"a": 1.0}, {"b": 1.0}], columns), "profile 1 has the attributes b"),
        (lambda: pictures("light", {"day": torch.ones(1, 1, 2, 2)}), "1 group"),
        (lambda: pictures("light", {"day": torch.ones(1, 1, 2, 2), "night": torch.ones(2, 1, 2, 2)}), "give one for one"),
    ):
        with pytest.raises(InputError, match=message):
            make()


def test_a_value_that_stands_twice_has_no_place(example):
    twice = texts("{name} is {name} and a nurse from {city}", [{"name": "John", "city": "Leeds"}])
    with pytest.raises(InputError, match="stands 2 times"):
        twice.places(example.model, twice.rows[0])
