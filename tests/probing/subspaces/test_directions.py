"""Directions that are made: closed forms, and steering and watching along them through the same edits as features."""

import pytest
import torch
from small_models import words

import sonde
from sonde.features import Guard, Rule
from sonde.probing import Labelled, difference_in_means, probe_direction, read_states, span_of
from sonde.results import InputError

SITE = "blocks.2.resid_post"


@pytest.fixture(scope="module")
def number():
    """The direction of a subject's number in `words`, read at the last word."""
    model = words()
    task = sonde.tasks.load("agreement", model, n=24)
    texts = [*task.texts, *task.corrupt_texts]
    plural = [model.tokenizer.strings(list(row))[0] in (" are", " were", " have") for row in (*task.answers, *task.wrongs)]
    states = read_states(model, Labelled.of(texts, ["plural" if one else "singular" for one in plural]), SITE)
    return task, states, difference_in_means(states[SITE], states.y, of=0, name="plural")


def test_closed_form():
    x = torch.tensor([[1.0, 0.0, 2.0], [3.0, 0.0, 2.0], [1.0, 4.0, 2.0], [3.0, 4.0, 2.0]])
    line = difference_in_means(x, torch.tensor([0, 0, 1, 1]))
    assert line.direction.tolist() == [0, 1, 0] and (line.low, line.high) == (0, 4) and line.step.tolist() == [0, 4, 0]
    back = difference_in_means(x, torch.tensor([0, 0, 1, 1]), of=0, name="first")
    assert back.direction.tolist() == [0, -1, 0] and back.basis.names == ("first",)


def test_adding_the_step_moves_one_mean_onto_the_other():
    draw = torch.Generator().manual_seed(0)
    x, y = torch.randn(60, 5, generator=draw), torch.arange(60) % 2
    line = difference_in_means(x, y)
    assert torch.allclose(x[y == 0].mean(0) + line.step, x[y == 1].mean(0), atol=1e-5)


def test_a_probe_reads_along_its_weights():
    x, y = torch.tensor([[0.0, 1.0], [0.0, -1.0], [2.0, 1.0]]), torch.tensor([0, 1, 0])
    line = probe_direction(torch.tensor([0.0, -3.0]), x, y, name="probe")
    assert line.direction.tolist() == [0, -1] and (line.low, line.high) == (-1, 1)
    both = span_of([line, probe_direction(torch.tensor([1.0, 1.0]), x, y, of=0, name="other")])
    assert both.size == 2 and both.names == ("probe", "other")


def test_steering_flips_the_verb_and_a_random_direction_does_not(number):
    task, _, line = number
    model = words()
    draw = sonde.bases.Subspace.random(model.d_model, 1, seed=3)
    answers = {}
    for name, basis in (("difference", line.basis), ("random", draw)):
        values = [line.low, line.high]
        edits = [sonde.Clamp(f"{SITE}[pos=-1]", value, basis=basis) for value in values]
        signs = model.sweep(task.clean, edits, task.metric).values.sign()
        answers[name] = (signs[0] != signs[1]).float().mean()
    assert answers["difference"] > 0.9 > 0.1 > answers["random"]


def test_a_guard_watches_along_it(number):
    task, _, line = number
    attached = words().attach(SITE, line.basis, "number")
    of_plural = Rule("plural", f"{SITE}.number", feature=0, least=(line.low + line.high) / 2)
    same = Rule("by direction", SITE, direction=line.direction)
    guard = Guard.calibrate(attached, [of_plural, same], list(task.texts), rate=0.2, confidence=0.5)
    run = attached.run(list(task.texts), read=[SITE, f"{SITE}.number"])
    assert torch.allclose(run[f"{SITE}.number"][..., 0], run[SITE] @ line.direction, atol=1e-4)
    assert torch.allclose(guard.scores[0], guard.scores[1], atol=1e-3)


@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        (torch.eye(3), torch.tensor([1, 1, 1]), "3 of 3 examples"),
        (torch.eye(3), torch.tensor([0, 1]), "one of each"),
        (torch.ones(4, 2), torch.tensor([0, 1, 0, 1]), "no length"),
    ],
)
def test_mistakes_are_named(x, y, message):
    with pytest.raises(InputError, match=message):
        difference_in_means(x, y)


def test_weights_of_another_site_are_refused():
    with pytest.raises(InputError, match="weights of 2 entries"):
        probe_direction(torch.ones(2), torch.eye(3), torch.tensor([0, 1, 0]))
