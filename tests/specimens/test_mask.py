"""The shipped masked model fills blanks of combinations it never saw better than counting words does; a shuffled one does not."""

import pytest
import torch

import sonde
from sonde import specimens
from sonde.nn import permuted
from sonde.specimens import mask
from sonde.specimens.words.mixture import documents


@pytest.fixture(scope="module")
def model():
    return sonde.load("specimen:mask")


@pytest.fixture(scope="module")
def fresh(model):
    return {m.name: m for m in mask.measures(model.module, n=100, seed=5)}


def test_the_card_holds(fresh):
    card = {m["name"]: m for m in specimens.card("mask")["measures"]}
    assert card.keys() == fresh.keys()
    for name, measure in fresh.items():
        assert measure.high > card[name]["low"] and measure.low < card[name]["high"], name


LEARNT = ("agreement across a distractor", "pronoun of a name's gender", "tense", "capitals", "kinds")


def test_it_fills_better_than_counting_words(fresh):
    counted = {m.name: m for m in mask._skills(mask.word_counts, n=100, seed=5)}
    for name in LEARNT:
        assert fresh[name].low > 0.9 > 0.75 > counted[name].high, name


def test_a_shuffled_model_fills_nothing(model):
    shuffled = {m.name: m for m in mask._skills(lambda batch: mask.fill(permuted(model.module, 0), batch), n=100, seed=5)}
    for name in LEARNT:
        assert shuffled[name].high < 0.75, name


def test_fills_a_blank_in_a_text(model):
    run = model.run("The capital of France is [MASK] .")
    (place,) = (i for i, token in enumerate(run.tokens[0]) if token == "[MASK]")
    assert model.tokenizer.decode([run.logits[0, place].argmax().item()]) == "Paris"


def test_counting_words_is_what_it_says():
    batch = documents("pronoun", n=50, seed=9)
    counts = mask.word_counts(batch)
    token = mask.tokenizer().token_to_id
    assert counts.shape == (50, mask.tokenizer().get_vocab_size())
    assert counts[0].sum() == 2000 and set(counts[0].nonzero().flatten().tolist()) == {token("he"), token("she")}


def test_what_training_sees():
    recipe = mask.Recipe(rows=200)
    seen, ids, asked = mask._batch(recipe, step=3)
    assert seen.shape == ids.shape == asked.shape
    assert torch.equal(seen[~asked], ids[~asked])
    assert not asked[ids < len(mask.SPECIAL)].any()
    hidden = (seen == mask.tokenizer().token_to_id(mask.MASK)) & asked
    assert 0.75 < hidden.sum() / asked.sum() < 1
    again = mask._batch(recipe, step=3)
    assert all(torch.equal(a, b) for a, b in zip((seen, ids, asked), again, strict=True))


def test_the_answer_is_what_is_hidden():
    batch = documents("capital", n=30, seed=4)
    ids, places = mask._encoded(batch)
    for row, place, document in zip(ids, places, batch, strict=True):
        assert mask.tokenizer().decode([row[place].item()]) == document.answer.strip()


def test_the_stored_tokenizer_is_the_recipes(model):
    assert model.tokenizer.encode("The keys are old.") == mask.tokenizer().encode("The keys are old.").ids


def test_the_recipe_writes_a_specimen(monkeypatch, tmp_path):
    monkeypatch.setattr(mask, "measures", lambda model: mask._skills(lambda batch: mask.fill(model, batch), n=5, seed=0))
    threads = torch.get_num_threads()
    try:
        mask.train(tmp_path, steps=2)
    finally:
        torch.set_num_threads(threads)
    assert {file.name for file in (tmp_path / "mask").iterdir()} == {file.name for file in specimens.path("mask").iterdir()}
