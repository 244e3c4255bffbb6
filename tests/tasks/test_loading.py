"""Tasks from templates."""

import re
from dataclasses import replace

import pytest
import torch
from small_models import llama, planted, words

import sonde
from sonde.results import InputError
from sonde.tasks import TEMPLATES, Task, check, load
from sonde.tasks.parts import part_of, words_of


@pytest.mark.parametrize(("name", "kind"), [(name, kind) for name, template in TEMPLATES.items() for kind in template.counterfactuals])
def test_every_kind_of_every_template_makes_a_task(name, kind):
    task = load(name, words(), n=12, counterfactual=kind)
    assert len(task) == 12 == len(set(task.texts)) and task.name == name
    assert all(len(clean) == len(corrupt) for clean, corrupt in zip(task.clean, task.corrupt, strict=True)) and all(task.spans["changed"])
    assert all(not set(right) & set(wrong) for right, wrong in zip(task.answers, task.wrongs, strict=True))
    assert all(row and max(row) < len(clean) for span in task.spans.values() for row, clean in zip(span, task.clean, strict=True))
    assert load(name, words(), n=3, counterfactual=kind).texts == task.texts[:3] != load(name, words(), n=3, seed=1, counterfactual=kind).texts


@pytest.mark.parametrize("name", ["ioi", "agreement", "successor", "capital", "pronoun", "greater_than"])
def test_the_specimen_does_it(name):
    """The words and rules are those of the world that the specimen learnt: a right answer wins, and the gap is there in every metric."""
    task = load(name, words(), n=24)
    task = task.select([i for i, text in enumerate(task.texts) if not re.search(r"\b(10|20)\d\d\b", text)])  # its world has the years 1101 to 1999
    found = check(words(), task)
    assert found.holds and found.right.mean() >= 0.9
    probability = check(words(), task.with_metric("probability_difference"))
    assert probability.clean.mean() > 0.6 and probability.gap > 0.4


def test_shuffled_answers_leave_no_gap():
    """The control: with the answers of other examples there is nothing to explain."""
    task = load("capital", words(), n=24)
    moved = [(i + 1) % len(task) for i in range(len(task))]
    answers, wrongs = (tuple(rows[i] for i in moved) for rows in (task.answers, task.wrongs))
    other = replace(task, answers=answers, wrongs=wrongs).with_metric("probability_difference")
    assert check(words(), other).holds is not True


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
    task = load("capital", llama(), n=100)
    assert 0 < len(task) < 100 and any("only" in note for note in task.notes)


def test_frames_whose_words_are_no_single_tokens_are_told():
    """This tokenizer knows a few names whole, and no month."""
    frames = ("When {a:name} and {b:name} went to the park, {b} gave a ball to", "In {m:month} {a:name} and {b:name} met. {b} gave a ball to")
    task = load(replace(TEMPLATES["ioi"], frames=frames), llama(), n=3)
    assert any(note.startswith("1 of 2 frames gave no example, such as") and "only 0 words of the class 'month'" in note for note in task.notes)
    assert all(text.startswith("When ") for text in task.texts)


def test_a_tokenizer_that_fits_no_frame_is_refused_with_the_figures():
    model, _ = planted(0)
    message = r"no example of the task 'capital' suits this tokenizer: .*5 of 5 frames gave no example.*too few"
    with pytest.raises(InputError, match=message) as refusal:
        load("capital", model)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"template": "succession"}, "no task 'succession'; there are ioi, greater_than"),
        (
            {"template": "ioi", "counterfactual": "swop"},
            r"the task 'ioi' has no counterfactual 'swop'; it has 'swap' \(the other",
        ),
        ({"template": "ioi", "part": "test"}, "part='test': use 'search' to find something and 'evaluate' to judge it"),
    ],
)
def test_unknown_names(arguments, message):
    with pytest.raises(InputError, match=message):
        load(**arguments, model=words())


@pytest.mark.parametrize("name", ["agreement", "ioi", "induction"])
def test_what_is_searched_on_is_never_judged_on(name):
    """Tasks of different parts share no example, nor two of the same words in another order, number or form, whatever their seeds."""
    search, judge = load(name, words(), n=24, seed=0, part="search"), load(name, words(), n=24, seed=1, part="evaluate")
    assert len(search) == len(judge) == 24
    assert not {words_of(text) for text in search.texts} & {words_of(text) for text in judge.texts}
    assert {part_of(text) for text in search.texts} == {"search"} and {part_of(text) for text in judge.texts} == {"evaluate"}


def test_halves_share_no_words():
    """Splitting keeps "The dogs near the cat" with "The cats near the dog"; the control: dealing examples out one by one does not."""
    pairs = [(f"The {a} near the {b}", f"The {c} near the {b}", " is", " are") for a, b, c in (("dog", "cat", "dogs"), ("cat", "dog", "cats"))]
    pairs += [(f"The {a} near the {b}", f"The {c} near the {b}", " is", " are") for a, b, c in (("key", "book", "keys"), ("book", "key", "books"))]
    task = Task.from_pairs(words(), pairs)
    for seed in range(8):
        first, second = task.split(seed)
        assert (len(first), len(second)) == (2, 2)
        assert not {words_of(text) for text in first.texts} & {words_of(text) for text in second.texts}
    assert words_of(task.texts[0]) == words_of(task.texts[1]) != words_of(task.texts[2])
    one_by_one = task.select([0, 2]), task.select([1, 3])
    assert {words_of(text) for text in one_by_one[0].texts} & {words_of(text) for text in one_by_one[1].texts}


def test_a_template_of_ones_own():
    ioi = TEMPLATES["ioi"]
    mine = replace(ioi, name="mine", frames=("While {a:name} and {b:name} slept, {b} sent a {object} to",))
    task = load(mine, words(), n=10)
    assert len(task) == 10 and all(text.startswith("While ") for text in task.texts)
    assert torch.isfinite(task.metric(words().run(task.clean))).all()


def test_tasks_run_as_they_are():
    task = load("ioi", words(), n=4)
    base = words().run(task.corrupt, read="blocks.*.attn.z")
    run = words().run(task.clean, edits=[sonde.Patch("blocks.3.attn.z[head=1]", source=base)])
    assert task.metric(run).shape == (4,)
