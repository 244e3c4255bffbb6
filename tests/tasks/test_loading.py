"""Tasks from templates."""

import pytest
import torch
from small_models import llama, words

import sonde
from sonde.results import InputError
from sonde.tasks import TEMPLATES, Template, load


@pytest.mark.parametrize("name", TEMPLATES)
def test_every_template_makes_a_task(name):
    task = load(name, words(), n=40)
    assert len(task) == 40 == len(set(task.texts)) and task.name == name
    assert all(len(clean) == len(corrupt) for clean, corrupt in zip(task.clean, task.corrupt, strict=True))
    assert bool((task.targets != task.foils).all())
    assert load(name, words(), n=40).texts == task.texts != load(name, words(), n=40, seed=1).texts


@pytest.mark.parametrize("name", ["ioi", "agreement", "succession", "capital"])
def test_the_specimen_does_it(name):
    """The words and rules are those of the world that the specimen learnt: the target wins, and loses under the counterfactual."""
    task = load(name, words(), n=40)
    clean, corrupt = (task.metric(words().run(rows, logits="last")) for rows in (task.clean, task.corrupt))
    assert (clean > 0).float().mean() >= 0.9
    assert clean.mean() - corrupt.mean() > 3


def test_the_order_of_names_is_no_answer():
    task = load("ioi", words(), n=200)
    names = words().tokenizer.strings(task.targets.tolist())
    first = [
        text.index(target.strip()) < text.index(foil.strip())
        for text, target, foil in zip(task.texts, names, words().tokenizer.strings(task.foils.tolist()), strict=True)
    ]
    assert 0.4 < sum(first) / len(first) < 0.6


def test_spans_name_the_words_that_matter():
    task = load("ioi", words(), n=20)
    assert set(task.spans) == {"changed", "receiver", "giver", "giver again"}
    assert task.spans["giver again"] == task.spans["changed"]
    for row, receiver, target in zip(task.clean, task.spans["receiver"], task.targets.tolist(), strict=True):
        strings = words().tokenizer.strings
        assert strings([row[i] for i in receiver])[0].strip() == strings([target])[0].strip()


def test_words_that_are_left_out_are_told():
    task = load("ioi", words(), n=8)
    assert any(note.startswith("62 of 142 words of the class 'name' are several tokens here and were left out: Anne, Barbara") for note in task.notes)


def test_few_words_give_few_examples_or_none():
    task = load("capital", llama(), n=500)
    assert 0 < len(task) < 500 and any("only" in note for note in task.notes)
    with pytest.raises(InputError, match="only 0 words of the class 'month' are single tokens here"):
        load("succession", llama(), n=100)


def test_unknown_names():
    with pytest.raises(InputError, match="no task 'docstring'; there are ioi, agreement"):
        load("docstring", words())


def test_a_template_of_ones_own():
    ioi = TEMPLATES["ioi"]
    mine = Template("mine", ioi.question, ("While {a:name} and {b:name} slept, {b} sent a {object} to",), ioi.rule)
    task = load(mine, words(), n=10)
    assert len(task) == 10 and all(text.startswith("While ") for text in task.texts)
    assert torch.isfinite(task.metric(words().run(task.clean))).all()


def test_tasks_run_as_they_are():
    task = load("ioi", words(), n=4)
    base = words().run(task.corrupt, read="blocks.*.attn.z")
    run = words().run(task.clean, edits=[sonde.Patch("blocks.3.attn.z[head=1]", source=base)])
    assert task.metric(run).shape == (4,)
