"""What there is to explain: the metric on both sides, its gap, and a refusal with the figures where there is none."""

import pytest
import torch
from small_models import words

from sonde.evidence import t_interval
from sonde.results import InputError, Result
from sonde.tasks import KL, Task, TaskCheck, check, load


@pytest.fixture(scope="module")
def task():
    return load("agreement", words(), n=16)


@pytest.fixture(scope="module")
def found(task):
    return check(words(), task)


def test_the_figures_are_those_of_the_runs(task, found):
    clean, corrupt = (task.metric(words().run(rows)) for rows in (task.clean, task.corrupt))
    assert torch.allclose(found.clean, clean, atol=1e-4) and torch.allclose(found.corrupt, corrupt, atol=1e-4)
    assert found.gap == pytest.approx(float((clean - corrupt).mean()), abs=1e-4)
    assert found.interval == pytest.approx(t_interval(clean - corrupt), abs=1e-3)
    assert found.holds is True and float(found.right.mean()) > 0.9 and float(found.still_right.mean()) < 0.1
    assert "there is a gap to explain" in repr(found)
    found.require_gap()


def test_where_clean_and_corrupt_change_places_the_gap_is_on_the_wrong_side(task):
    turned = Task(**{**vars(task), "clean": task.corrupt, "corrupt": task.clean})
    assert check(words(), turned).holds is False


def test_no_gap_is_refused_with_the_figures(task):
    """Counterfactuals that leave the answer alone: the example itself."""
    flat = check(words(), Task(**{**vars(task), "corrupt": task.clean}))
    assert flat.holds is False and "there is no gap to explain" in repr(flat)
    with pytest.raises(InputError, match=r"the task 'agreement' leaves nothing to explain: .* a gap of \+0 .* over 16 examples; choose") as refusal:
        flat.require_gap()
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("metric", ["rank", "cross_entropy", "accuracy", "probability_difference"])
def test_less_may_be_better(task, metric):
    found = check(words(), task.with_metric(metric))
    assert found.holds is True and (found.gap > 0) == (metric in ("accuracy", "probability_difference"))


def test_a_distance_from_the_clean_run(task):
    reference = words().run(task.clean, logits="last").last_logits
    found = check(words(), task.with_metric(KL(reference)))
    assert found.clean.abs().max() < 1e-3 and found.holds is True and found.better == -1


def test_one_example_says_nothing_about_its_spread(task):
    one = check(words(), task.select([0]))
    assert one.interval is None and one.holds is None and "too few examples to say" in repr(one)
    assert one.drawing().data["rows"][0][2] is None


def test_no_examples():
    with pytest.raises(InputError, match="the task 'none' has no examples: no word fits"):
        check(words(), Task.of([], "none", notes=["no word fits"]))


def test_drawn_tabled_and_kept(found, tmp_path):
    rows = found.drawing().data["rows"]
    assert rows[1][1] == pytest.approx(float(found.right.mean())) and rows[0][2] < rows[0][1] < rows[0][3]
    assert found.to_frame().shape == (16, 5)
    again = Result.load(found.save(tmp_path / "kept"))
    assert isinstance(again, TaskCheck) and torch.equal(again.clean, found.clean) and again.holds is True
