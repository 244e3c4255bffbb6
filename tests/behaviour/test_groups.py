"""Group metrics against counts made by hand, against published figures, and against groups that mean nothing."""

import os
from pathlib import Path

import pytest
import torch

from sonde.behaviour import group_metrics, read_table
from sonde.evidence import newcombe
from sonde.results import InputError, Result

DATA = Path(os.environ.get("SONDE_DATA", Path(__file__).parents[3] / "shared" / "data"))


def test_measures_are_the_counts():
    """By hand, group a: 2 of 4 predicted, of its 2 positive 1, of its 2 negative 1, so half of everything; group b: all predicted, 1 positive."""
    scores = torch.tensor([0.9, 0.1, 0.8, 0.2, 0.7, 0.9])
    labels = torch.tensor([1, 1, 0, 0, 1, 0])
    found = group_metrics(scores, labels, ["a"] * 4 + ["b"] * 2, least=1)
    assert [found.share(measure, "a") for measure in ("positive rate", "true positive rate", "false positive rate", "accuracy")] == [0.5] * 4
    assert found.share("positive predictive value", "b") == 0.5 and found.share("true positive rate", "b") == 1
    assert found.criteria() == {
        "demographic parity": 0.5, "equal opportunity": 0.5, "equalised odds": 0.5, "predictive parity": 0.0, "accuracy": 0.0,
    }  # fmt: skip


@pytest.mark.skipif(not (DATA / "compas").is_dir(), reason=f"no compas in {DATA}; set SONDE_DATA")
def test_the_published_rates_of_compas():
    """ProPublica 2016: of those not charged again 44.9 % of African-American and 23.5 % of white defendants were scored medium or high."""
    table = read_table(DATA / "compas" / "compas_two_years_deidentified.csv", "compas")
    scores = torch.tensor(table.column("decile_score"))
    pair = ["African-American", "Caucasian"]
    found = group_metrics(scores, table.labels, table.column("race"), above=4, probabilities=False, order=pair, draws=100)
    assert [100 * found.share("false positive rate", race) for race in pair] == pytest.approx([44.9, 23.5], abs=0.06)
    gaps = {gap.measure: gap for gap in found.gaps}
    assert gaps["false positive rate"].interval[0] > 0.15 > gaps["false positive rate"].chance
    # and the criterion that its makers pointed at nearly holds
    assert gaps["positive predictive value"].gap < 0.05
    assert not found.calibrations


def test_groups_that_mean_nothing_are_within_chance():
    generator = torch.Generator().manual_seed(3)
    scores = torch.rand(2000, generator=generator)
    labels = (torch.rand(2000, generator=generator) < scores).long()
    groups = [("a", "b", "c")[i] for i in torch.randint(3, (2000,), generator=generator)]
    found = group_metrics(scores, labels, groups, draws=100)
    assert min(gap.p for gap in found.gaps) > 0.05
    told = group_metrics(scores, labels, ["high" if score > 0.6 else "low" for score in scores], draws=100)
    assert {gap.measure: gap.p for gap in told.gaps}["positive rate"] < 0.05


def test_a_score_that_means_another_thing_in_one_group_is_seen():
    generator = torch.Generator().manual_seed(0)
    scores = torch.rand(3000, generator=generator)
    groups = ["a" if i % 2 else "b" for i in range(3000)]
    truth = torch.tensor([float(s) if g == "a" else float(s) ** 3 for s, g in zip(scores, groups, strict=True)])
    found = group_metrics(scores, (torch.rand(3000, generator=generator) < truth).long(), groups, draws=50)
    fair, unfair = found.calibrations["a"], found.calibrations["b"]
    assert fair.interval[0] < fair.expected * 2 and unfair.interval[0] > 3 * unfair.expected


def test_newcombes_published_example():
    """Newcombe 1998, table II, (a): 56/70 against 48/80, method 10: 0.0524 to 0.3339."""
    assert newcombe(56, 70, 48, 80) == pytest.approx((0.0524, 0.3339), abs=6e-5)


def test_it_is_kept_and_drawn(tmp_path):
    found = group_metrics(torch.tensor([0.9, 0.2, 0.8, 0.7]), torch.tensor([1, 0, 1, 0]), ["a", "a", "b", "b"], draws=20, least=1)
    again = Result.load(found.save(tmp_path / "groups"))
    assert again.criteria() == found.criteria() and again.calibrations == found.calibrations
    assert found.drawing().data["parts"][-1]["label"] == "calibration"
    assert found.to_frame().filter(measure="calibration error").height == 2


def test_a_group_of_one_class_is_named():
    found = group_metrics(torch.tensor([0.9, 0.2, 0.8, 0.7]), torch.tensor([1, 0, 1, 1]), ["a", "a", "b", "b"], draws=20, least=1)
    assert "false positive rate of b: none to count" in found.notes
    assert (
        "false positive rate" not in {gap.measure for gap in found.gaps} and found.criteria()["equalised odds"] != found.criteria()["equalised odds"]
    )


def test_a_tiny_group_is_shown_and_not_compared():
    generator = torch.Generator().manual_seed(0)
    labels = (torch.rand(203, generator=generator) < 0.5).long()
    groups = ["a"] * 100 + ["b"] * 100 + ["few"] * 3
    scores = torch.cat([torch.rand(200, generator=generator), torch.ones(3)])
    found = group_metrics(scores, labels, groups, draws=50)
    assert found.share("positive rate", "few") == 1.0 and "positive rate of few: 3 cases, too few to compare" in found.notes
    assert all("few" not in (gap.highest, gap.lowest) for gap in found.gaps)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"labels": torch.ones(4).long()}, "both classes are needed"),
        ({"groups": ["a"] * 4}, "nothing to compare it with"),
        ({"order": ["a", "c"]}, "'c' has no members"),
        ({"groups": ["a", "b"]}, "one of each for every case"),
        ({"scores": torch.tensor([0.1, float("nan"), 0.2, 0.3])}, "not finite"),
        ({"scores": torch.tensor([0.1, 7.0, 0.2, 0.3])}, "no probabilities, such as 7"),
    ],
)
def test_mistakes_are_named(changed, message):
    given = {"scores": torch.tensor([0.9, 0.2, 0.8, 0.7]), "labels": torch.tensor([1, 0, 1, 0]), "groups": ["a", "a", "b", "b"], **changed}
    with pytest.raises(InputError, match=message):
        group_metrics(**given)
