"""Siblings are the same sentence about other things: every token in its place, every answer right."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from small_models import llama, planted, words

from sonde.tasks import counterfactuals, english, siblings

PROMPTS = [
    "When Mary and John went to the shop, John gave a book to",
    "The keys on the cabinet",
    "The capital of France is",
    "For Anna, after Monday comes",
    "Anna said: one, two, three,",
    "Mary dog lamp river road dog",
    "The war lasted from 1732 to 17",
    "Mary went home because",
    "John went to the shop and",
]


def family(text, model=None, n=40, seed=0):
    model = model or words()
    found = counterfactuals(text, model)
    pair = found.best.pair
    return found, siblings(pair.clean, pair.corrupt, pair.target, pair.foil, model, n=n, seed=seed)


@pytest.mark.parametrize("text", PROMPTS)
def test_every_token_keeps_its_place(text):
    found, task = family(text)
    assert len(task) >= 16
    assert task.length == len(found.tokens) and task.labels == found.tokens
    assert len(set(task.texts)) == len(task) and text not in task.texts
    assert all(changed == found.best.pair.changed for changed in task.spans["changed"])
    assert [words().tokenizer.encode(t) for t in task.texts] == [list(row) for row in task.clean]
    assert [words().tokenizer.encode(t) for t in task.corrupt_texts] == [list(row) for row in task.corrupt]


@pytest.mark.parametrize("text", [*PROMPTS[:5], *PROMPTS[7:8]])
def test_the_template_gives_every_sibling_the_same_answers(text):
    """Ground truth that siblings() does not use: each renamed prompt, read by the rule afresh, has the renamed target."""
    _, task = family(text)
    strings = words().tokenizer.strings
    for sibling, target in zip(task.texts, strings(task.targets.tolist()), strict=True):
        assert counterfactuals(sibling, words()).target == target


def test_years_move_with_their_century():
    _, task = family("The war lasted from 1732 to 17")
    for clean, corrupt in zip(task.texts, task.corrupt_texts, strict=True):
        start, end = clean.split()[4], clean.split()[6]
        assert start == f"{end}32" and corrupt.split()[4] == f"{end}01" and end != "17"
    later = [int(text) for text in words().tokenizer.strings(task.targets.tolist())]
    assert min(later) > 32 and len(set(later)) == 1


def test_a_thing_gives_way_to_its_own_kind_where_the_kind_is_asked_for():
    """The control: in another sentence the ball gives way to any object."""
    toys = {form for entry in english().kind_of("ball").members for form in entry.forms}
    found, task = family("A ball is a kind of")
    assert found.best.template == "hypernymy" and len(task) >= 2
    assert {text.split()[1] for text in task.texts} <= toys and {text.split()[1] for text in task.corrupt_texts}.isdisjoint(toys)
    _, other = family("The ball near the dog")
    assert not {text.split()[1] for text in other.texts} <= toys


def test_names_are_balanced():
    """Both roles are taken by women and men alike, so that no gender is an answer."""
    _, task = family(PROMPTS[0], n=100)
    women = {entry.forms[0] for entry in english()["woman"].entries}
    for answers in (task.targets, task.foils):
        names = [name.strip() for name in words().tokenizer.strings(answers.tolist())]
        assert 0.3 < sum(name in women for name in names) / len(names) < 0.7
        assert len(set(names)) > 30


def test_names_keep_their_gender_where_a_word_tells_it():
    prompt, corrupt = "Mary went home because she saw the dog near the", "Anna went home because she saw the dog near the"
    task = siblings(prompt, corrupt, " house", " river", words(), n=20)
    women = {entry.forms[0] for entry in english()["woman"].entries}
    assert {text.split()[0] for text in task.texts} <= women


def test_articles_fit():
    texts = family(PROMPTS[0], n=100)[1].texts
    assert not any(" a apple" in text or " an book" in text for text in texts)


def test_forms_go_along():
    _, task = family("The keys on the cabinet", n=60)
    for clean, corrupt in zip(task.texts, task.corrupt_texts, strict=True):
        plural, singular = clean.split()[1], corrupt.split()[1]
        assert english().sense(plural).entry.forms == (singular, plural)


def test_words_that_are_fixed_stay():
    _, task = family("The keys on the cabinet", n=60)
    assert {text.split()[2] for text in task.texts} == {"on"}
    assert set(words().tokenizer.strings(task.targets.tolist())) == {" are"}


def test_weekdays_stay_where_they_are_unless_they_are_the_answer():
    prompt = "When Mary and John went to the shop on Monday, John gave a book to"
    _, task = family(prompt)
    assert all(" on Monday," in text for text in task.texts)


def test_without_words_of_a_class_there_is_a_reason():
    task = siblings("It was there when he went", "It was there when she went", " to", " in", words())
    assert len(task) == 0 and "no word of the prompt can be exchanged" in task.notes[0]
    assert [len(half) for half in task.split(0)] == [0, 0]


def test_an_exchange_that_cannot_be_renamed_is_not_tested_on_itself():
    """Names can be renamed, but all siblings would share the exchange that was chosen."""
    task = siblings("Mary went to the shop", "Mary hurried to the shop", " and", ".", words())
    assert len(task) == 0 and "the exchanged words ('went' and 'hurried') are of no class" in task.notes[0]


def test_fewer_than_asked_for_is_said():
    _, task = family("For Anna, after Monday comes", n=5000)
    assert 0 < len(task) < 5000 and f"only {len(task)} distinct siblings of the 5000" in task.notes[0]


def test_repeated_words_of_no_class_are_renamed_by_their_shape():
    task = siblings("Zu Be Ko Da Zu", "Zu Be Ko Da Ko", " Be", " Da", llama(False), n=20)
    for text, row in zip(task.texts, task.clean, strict=True):
        said = text.split()
        assert said[0] == said[4] and said[0][0].isupper() and len(row) == task.length


def test_a_tokenizer_of_whole_words_gets_only_words_that_it_knows():
    model, truth = planted(0)
    _, task = family("dog lamp river road dog", model)
    assert {word for text in (*task.texts, *task.corrupt_texts) for word in text.split()} <= set(truth["words"])
    # the truth of the planted circuit: it does the task on every sibling
    assert bool((task.metric(model.run(task.clean)) > 5).all())
    assert bool((task.metric(model.run(task.corrupt)) < 1).all())


@pytest.mark.parametrize("bos", [True, False])
def test_a_llama_with_another_tokenizer(bos):
    model = llama(bos)
    found, task = family("When Lily and Tom went to the park, Tom gave a ball to", model, n=20)
    assert task.length == len(found.tokens) and len(task) == 20
    assert torch.isfinite(task.metric(model.run(task.clean))).all()


@settings(max_examples=10)
@given(st.integers(0, 2**32), st.sampled_from(PROMPTS))
def test_seeds(seed, text):
    _, one = family(text, n=6, seed=seed)
    _, same = family(text, n=6, seed=seed)
    assert one.texts == same.texts
    search, judge = one.split(seed)
    assert not set(search.texts) & set(judge.texts) and set(search.texts) | set(judge.texts) == set(one.texts)
