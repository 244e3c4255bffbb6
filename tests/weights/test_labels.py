"""Names of heads: those that were written down or published, none where nothing was learnt, and each with a verdict that can fail."""

import pytest
import torch
from small_models import offset_head, planted, words
from two_layers import needs_two_layers, two_layers

import sonde
from sonde.nn import permuted
from sonde.results import InputError, Result
from sonde.weights import head_scores, label_heads


@pytest.fixture(scope="module")
def of_induction():
    return label_heads(sonde.load("specimen:induction"), networks=2)


def test_the_planted_heads_get_their_names_and_no_others_do():
    model, truth = planted(0)
    found = label_heads(model, n=16, networks=2)
    assert found.named("previous token") == [truth["previous_token"]]
    assert found.named("induction") == found.named("copying") == [truth["induction"]]
    assert {label.head for label in found.labels()} == {truth["previous_token"], truth["induction"]}
    assert all(verdict.holds for verdict in found.check(model))
    other = next(head for head in found.heads if head not in truth.values())
    assert found.describe(other).startswith("no name")
    assert "no ordered class" in found.left_out["successor"] and "Not measured: successor" in found.drawing().note


def test_on_one_period_a_head_that_looks_a_fixed_way_back_would_be_an_induction_head():
    model, head = offset_head(9)
    found = label_heads(model, n=32, networks=2)
    layer, number = map(int, head.split("."))
    by_row = found.values[found.scores.index("induction")][layer, number]
    assert by_row.max() > 0.9, "on its own period"
    assert head not in found.named("induction") and not found.verdicts[head, "induction"].holds


@needs_two_layers
def test_the_published_heads():
    """Its README names 1.1, 1.2 and 1.3 (.48, at places 40 to 55) and 0.2.

    Where its context begins they look back half as much: over rows from there on too little for a name, and still far above any chance.
    """
    model = two_layers()
    found = label_heads(model, networks=3)
    assert found.named("previous token") == ["0.2"]
    leaning = [head for head in found.heads if any(said.startswith("induction") for said in found.leanings(head))]
    assert leaning == ["1.1", "1.2", "1.3"] and "induction 0.2" in found.describe("1.1")
    assert "successor" in found.left_out, "a vocabulary without ordinals says so"


@needs_two_layers
def test_permuted_weights_of_the_published_model_label_no_heads():
    assert label_heads(sonde.Model(permuted(two_layers().module, 50)), networks=2).labels() == []


@pytest.mark.parametrize("seed", [100, 101])
def test_permuted_weights_label_no_heads(seed):
    trained = sonde.load("specimen:induction")
    assert label_heads(sonde.Model(permuted(trained.module, seed), trained.tokenizer), n=16, networks=2).labels() == []


def test_permuted_weights_of_the_specimen_label_no_heads():
    assert label_heads(sonde.Model(permuted(words().module, 100), words().tokenizer), n=16, networks=2).labels() == []


def test_the_more_claims_the_wider_the_intervals(of_induction):
    alone = of_induction._judged("1.3", "induction")
    together = of_induction.verdicts["1.3", "induction"]
    assert together.interval[0] < alone.interval[0] and together.measured == alone.measured
    assert together.control == pytest.approx(float(of_induction.control[3].mean()))
    # what is named here is named by the plain scores
    assert set(of_induction.named("induction")) == set(head_scores(sonde.load("specimen:induction")).named("induction"))


def test_forms(of_induction, tmp_path):
    frame = of_induction.to_frame()
    assert frame.height == 8 * len(of_induction.scores) and frame["name"].drop_nulls().len() == len(of_induction.labels())
    assert ((frame["low"] <= frame["value"]) & (frame["value"] <= frame["high"])).all()
    drawn = of_induction.drawing()
    assert drawn.kind == "head_grid" and drawn.data["attention"]["tokens"] == of_induction.tokens
    assert of_induction.table().kind == "table" and "induction" in of_induction.head_page("1.3").data["labels"]
    back = Result.load(of_induction.save(tmp_path / "labels"))
    assert [str(label) for label in back.labels()] == [str(label) for label in of_induction.labels()]


def test_refusals():
    with pytest.raises(InputError, match="at least 2 networks"):
        label_heads(words(), networks=1)
    with pytest.raises(InputError, match="known family"):
        label_heads(sonde.Model(torch.nn.Linear(2, 2)))
