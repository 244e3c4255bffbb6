"""A task is examples, partners, answers and a metric that stay together."""

import pytest
import torch
from small_models import llama, words

import sonde
from sonde.results import InputError
from sonde.results.hashing import content_hash
from sonde.tasks import KL, LogitDifference, Rank, Task

PAIRS = [
    ("The keys on the cabinet", "The key on the cabinet", " are", " is"),
    ("The dog near the tree", "The dogs near the tree", " is", " are"),
    ("The dogs", "The dog", " are", " is"),
]


def task():
    return Task.from_pairs(words(), PAIRS, name="number")


def test_from_pairs():
    made = task()
    assert len(made) == 3 and made.texts == tuple(p[0] for p in PAIRS) and made.length is None
    assert words().tokenizer.strings(made.targets.tolist()) == [" are", " is", " are"]
    assert made.spans["changed"] == ((2,), (2,), (2,))
    clean, corrupt = (made.metric(words().run(rows)) for rows in (made.clean, made.corrupt))
    assert bool((clean > 0).all()) and bool((corrupt < 0).all())
    assert "3 examples" in repr(made) and "The dogs" in repr(made)


def test_a_part_has_the_values_of_the_whole():
    made = task()
    whole = made.metric(words().run(made.clean))
    part = made.select([2, 0])
    assert torch.allclose(part.metric(words().run(part.clean)), whole[[2, 0]], atol=1e-4)
    assert part.texts == (PAIRS[2][0], PAIRS[0][0]) and part.targets.tolist() == made.targets[[2, 0]].tolist()
    assert part.spans["changed"] == ((2,), (2,))


def test_halves_are_disjoint_and_whole():
    made = sonde.tasks.load("ioi", words(), n=15)
    search, judge = made.split(seed=1)
    assert (len(search), len(judge)) == (7, 8)
    assert set(search.texts) | set(judge.texts) == set(made.texts) and not set(search.texts) & set(judge.texts)
    assert made.split(seed=1)[0].texts == search.texts != made.split(seed=2)[0].texts


def test_its_content_tells_tasks_apart():
    assert content_hash(task().content) == content_hash(task().content) != content_hash(task().select([0, 1]).content)


def test_a_metric_that_cannot_be_divided():
    from dataclasses import replace

    made = replace(task(), metric=lambda run: run.last_logits[:, 0])
    with pytest.raises(InputError, match=r"has no select\(examples\)"):
        made.split()


def test_any_metric_may_be_used():
    from dataclasses import replace

    made = task()
    reference = words().run(made.clean, logits="last").last_logits
    swapped = replace(made, metric=KL(reference))
    assert torch.allclose(swapped.metric(words().run(made.clean)), torch.zeros(3), atol=1e-4)
    assert isinstance(made.metric, LogitDifference)


@pytest.mark.parametrize(
    ("pair", "message"),
    [
        (("The keys", "The key", " are is", " is"), "is 2 tokens"),
        (("The keys", "The key", " are", " are"), "same token"),
        (("The keys", "The keys", " are", " is"), "the prompt itself"),
        (("The keys", "The old key", " are", " is"), r"has 4 tokens and the prompt 3.*<\|end\|>\|The\| old\| key against"),
    ],
)
def test_pairs_that_do_not_fit(pair, message):
    with pytest.raises(InputError, match=message):
        Task.from_pairs(words(), [pair])


def test_a_model_without_a_tokenizer():
    with pytest.raises(InputError, match="loaded without a tokenizer"):
        Task.from_pairs(sonde.Model(words().module), PAIRS)


SETS = [("The keys on the cabinet", "The key on the cabinet", [" are", " were"], [" is", " was"]), ("The dog", "The dogs", [" is"], " are")]


def test_several_answers():
    made = Task.from_pairs(words(), SETS, metric="probability_difference")
    strings = words().tokenizer.strings
    assert [strings(row) for row in made.answers] == [[" are", " were"], [" is"]] and [strings(row) for row in made.wrongs] == [
        [" is", " was"],
        [" are"],
    ]
    assert strings(made.targets.tolist()) == [" are", " is"] and strings(made.foils.tolist()) == [" is", " are"]
    run = words().run(made.clean)
    p = run.last_logits.softmax(-1)
    assert made.metric(run)[0] == pytest.approx(float(p[0, list(made.answers[0])].sum() - p[0, list(made.wrongs[0])].sum()), abs=1e-5)
    second = made.select([1])
    assert second.answers == made.answers[1:] and second.metric(words().run(second.clean)) == pytest.approx(float(made.metric(run)[1]), abs=1e-4)
    assert content_hash(made.content) != content_hash(Task.from_pairs(words(), SETS).content), "the metric is part of what is asked"


def test_the_metric_can_be_exchanged():
    made = Task.from_pairs(words(), SETS)
    assert type(made.with_metric("rank").metric) is Rank and made.with_metric("rank").answers == made.answers
    assert made.with_metric(made.metric).metric is made.metric
    with pytest.raises(InputError, match="no metric 'f1'; there are logit_difference, probability_difference"):
        made.with_metric("f1")


@pytest.mark.parametrize(
    ("right", "wrong", "message"),
    [
        ([" are", " were"], [" is", " were"], "a right and a wrong answer are the same token, ' were'"),
        ([], " is", "no right or no wrong answer"),
        ([" are", " have been"], " is", "' have been' is 2 tokens"),
    ],
)
def test_answers_that_do_not_fit(right, wrong, message):
    with pytest.raises(InputError, match=message):
        Task.from_pairs(words(), [("The keys", "The key", right, wrong)])


def test_special_tokens_can_be_left_out():
    with_, without = (Task.from_pairs(words(), PAIRS, bos=bos) for bos in (True, False))
    assert [row[1:] for row in with_.clean] == list(without.clean)
    assert Task.from_pairs(llama(False), [("The dogs", "The dog", " are", " is")]).clean[0] == tuple(llama(False).tokenizer.encode("The dogs"))
