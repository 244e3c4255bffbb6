"""What is written in place of an activation: by hand on small tables, and refused where positions do not correspond."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from small_models import words

import sonde
from sonde.results import InputError
from sonde.tasks import Ablation, Task

VALUES = torch.arange(24.0).reshape(4, 3, 2)  # example pos d
RAGGED = torch.tensor([[True, True, True], [True, True, False], [True, False, False], [True, True, True]])


def test_each_kind_by_hand():
    assert torch.equal(Ablation().of(VALUES), VALUES)
    assert torch.equal(Ablation("zero").of(VALUES), torch.zeros(4, 3, 2))
    mean = Ablation("mean").of(VALUES)
    assert torch.equal(mean[0], torch.tensor([[9.0, 10], [11, 12], [13, 14]])) and torch.equal(mean[3], mean[0])
    over_all = Ablation("mean", over="all").of(VALUES, torch.ones(4, 3, dtype=torch.bool))
    assert torch.equal(over_all, torch.tensor([11.0, 12.0]).expand(4, 3, 2))


def test_a_mean_over_all_counts_real_tokens_only():
    spoilt = VALUES.masked_fill(~RAGGED[..., None], 1e6)
    expected = VALUES[RAGGED].mean(0)
    assert torch.allclose(Ablation("mean", over="all").of(spoilt, RAGGED), expected.expand(4, 3, 2))
    assert not torch.allclose(VALUES.mean((0, 1)), expected)  # the control: the mean over all columns is another


def test_template_means_are_those_of_the_examples_alone():
    groups = (7, 2, 7, 2)
    mean = Ablation("mean", "template", groups=groups).of(VALUES)
    for members in ([0, 2], [1, 3]):
        assert torch.equal(mean[members], Ablation("mean").of(VALUES[members]))
    # each template may have a length of its own
    real = torch.tensor([[True, True, True], [True, True, False]] * 2)
    assert torch.equal(Ablation("mean", "template", groups=groups).of(VALUES, real), mean)


@given(st.integers(2, 12), st.integers(0, 100))
def test_resampling_takes_every_other_once_and_never_its_own(n, seed):
    taken = Ablation("resample", seed=seed).of(torch.arange(float(n))).tolist()
    assert sorted(taken) == list(range(n)) and all(i != j for i, j in enumerate(taken))


@given(st.permutations(range(4)))
def test_means_do_not_depend_on_the_order_of_examples(order):
    for ablation in (Ablation("mean"), Ablation("mean", "template", groups=(0, 1, 1, 0))):
        other = ablation if ablation.groups is None else Ablation("mean", "template", groups=[ablation.groups[i] for i in order])
        assert torch.allclose(other.of(VALUES[order]), ablation.of(VALUES)[order])


def test_half_precision_is_summed_in_single():
    values = torch.full((1000, 1), 3.0, dtype=torch.bfloat16)
    values[0] = 1024.0
    assert Ablation("mean").of(values)[0].item() == values.float().mean().bfloat16().item()


def test_a_task_knows_its_templates():
    task = sonde.tasks.load("ioi", words(), n=12)
    assert len(task.frames) == 12 and task.select([3, 1]).frames == (task.frames[3], task.frames[1])
    groups = Ablation("mean", over="template").on(task).groups
    assert groups == task.frames and len(set(groups)) > 1
    assert Ablation("mean", over="template", groups=[0] * 12).on(task).groups == (0,) * 12
    assert Ablation("zero").on(task) == Ablation("zero")


def test_a_template_of_ones_own_knows_them_too(tmp_path):
    file = tmp_path / "mine.yaml"
    sonde.tasks.write_starter(file, "agreement")
    assert len(sonde.tasks.load(file, words(), n=6).frames) == 6


def test_a_task_of_pairs_does_not():
    task = Task.from_pairs(words(), [("The keys on the cabinet", "The key on the cabinet", " are", " is")])
    with pytest.raises(InputError, match="not known which template each example of 'pairs' was made from: give groups="):
        Ablation("mean", over="template").on(task)


def test_in_words():
    assert str(Ablation("zero")) == "zero"
    assert Ablation("mean").told(64) == "mean over 64 partners, position by position"
    assert Ablation("resample", seed=3).told(8) == "the value in another example's partner (one of 8, seed 3)"
    assert "same template" in str(Ablation("mean", "template"))


@pytest.mark.parametrize("kind", ["mean", "resample"])
def test_positions_that_do_not_correspond_are_refused(kind):
    with pytest.raises(InputError, match="the examples have 1 to 3 tokens, so their positions do not correspond: use over='all'"):
        Ablation(kind).of(VALUES, RAGGED)
    # what a chosen position holds corresponds
    assert Ablation(kind).of(VALUES[:, -1]).shape == (4, 2)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"kind": "zeros"}, "kind='zeros': choose one of counterfactual, zero, mean, resample, optimal"),
        ({"kind": "mean", "over": "prompt"}, "over='prompt': a mean is taken over 'position', 'all', 'template'"),
        ({"kind": "zero", "over": "all"}, "kind='zero' takes none"),
        ({"kind": "mean", "groups": (0, 1)}, "over='position' does not look at them"),
    ],
)
def test_mistakes_are_named(arguments, message):
    with pytest.raises(InputError, match=message):
        Ablation(**arguments)


@pytest.mark.parametrize(
    ("ablation", "message"),
    [
        (Ablation("optimal"), r"has to be learnt: sonde\.patching\.optimal_constant"),
        (Ablation("mean", "all"), "must know which of them are real: give real="),
        (Ablation("mean", "template"), "that of each of the 4 examples, and none were given"),
        (Ablation("mean", "template", groups=(0, 1)), "and 2 were given"),
    ],
)
def test_what_cannot_be_made_is_refused(ablation, message):
    with pytest.raises(InputError, match=message):
        ablation.of(VALUES)


def test_one_example_has_no_other():
    with pytest.raises(InputError, match="no other example"):
        Ablation("resample").of(VALUES[:1])
