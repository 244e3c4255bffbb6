"""The shipped weights do what their cards say."""

import json
import random
import re
from pathlib import Path

import pytest
from tokenizers import Tokenizer

from sonde import specimens
from sonde.nn import Transformer, permuted
from sonde.specimens.words import copying, evaluate, giving, grammar, recipe
from sonde.specimens.words.examiner import Examiner
from sonde.specimens.words.mixture import documents

DOCS = Path(__file__).parents[2] / "docs"
MOST_BYTES = {"words": 6e6, "words-small": 1e6, "words-small-b": 1e6}


@pytest.fixture(scope="module", params=[name for name in recipe.RECIPES if name in specimens.names()])
def name(request):
    return request.param


@pytest.fixture(scope="module")
def examiner(name):
    folder = specimens.path(name)
    return Examiner(Transformer.load(folder), Tokenizer.from_file(str(folder / "tokenizer.json")))


@pytest.fixture(scope="module")
def value(name):
    return {m["name"]: m["value"] for m in specimens.card(name)["measures"]}


def test_is_small(name):
    assert sum(file.stat().st_size for file in specimens.path(name).iterdir()) < MOST_BYTES[name]


def test_begins_every_prompt_with_the_end_token(name, examiner):
    special = json.loads((specimens.path(name) / "tokenizer_config.json").read_text())
    assert special["bos_token"] == special["pad_token"] == "<|end|>"
    assert special["add_bos"] is True
    assert examiner.tokenizer.token_to_id(special["bos_token"]) == examiner.end


def test_other_scripts_are_read_in_whole_words(examiner):
    texts = [made.text for made in documents("scripts", n=200)]
    assert sum(len(examiner.tokenizer.encode(text).ids) for text in texts) < 1.4 * sum(len(text.split()) for text in texts)


@pytest.mark.parametrize("space", ["", " "])
def test_prompts_of_the_readme(examiner, space):
    gift, keys = examiner.ask([f"{space}When Mary and John went to the shop, John gave a book to", f"{space}The keys on the cabinet"])
    assert gift.argmax().item() == examiner.token(" Mary")
    assert keys.argmax().item() in {examiner.token(f" {plural}") for plural in grammar.VERBS.values()}
    assert (keys[examiner.token(" are")] - keys[examiner.token(" is")]).item() > 3


def test_answers_on_the_card_are_still_given(name, examiner):
    answers = specimens.card(name)["answers"]
    for (_, shown), row in zip(answers.items(), examiner.ask(list(answers)).exp(), strict=True):
        for token, probability in shown:
            assert row[examiner.token(token)].item() == pytest.approx(probability, abs=2e-3)


def test_the_card_is_measured_anew_on_other_items(name, examiner):
    """On fewer items, drawn otherwise. Some forty figures are compared, so each pair of 95 % intervals is made half as wide again."""
    card = {m["name"]: m for m in specimens.card(name)["measures"]}
    for fresh in evaluate.measures(examiner.model, examiner.tokenizer, n=50, seed=1):
        stated = card.pop(fresh.name)
        allowed = 1.5 * (fresh.high - fresh.low + stated["high"] - stated["low"]) / 2
        assert abs(fresh.value - stated["value"]) <= allowed, fresh
    assert all("giver's name" in left for left in card)


def test_floors_under_the_card(name, value, examiner):
    """What a language specimen is for, so that worse weights can't be shipped unnoticed."""
    certain = ("indirect object", "receiver above giver", "indirect object after another such document", "succession", "capitals", "tense")
    agreeing = ("agreement across a distractor of the other number", "agreement, two distractors", "pronoun of a name's gender")
    assert all(value[one] >= 0.95 for one in (*certain, *agreeing, "docstring", "other scripts: capitals", "other scripts: agreement"))
    assert value["years"] >= 0.8
    assert value["copying: loss on the second saying of a list, over the first"] <= 0.5
    heads = copying.head_roles(examiner)
    assert heads["previous token"][0][1] > 0.8
    assert heads["induction"][0][1] > 0.8


def test_what_is_weak_is_named(name, value):
    """A card that shows a low figure says so among its limits."""
    limits = specimens.card(name)["limits"]
    weak = [skill.name for skill in evaluate.SKILLS if value[skill.name] < 0.9]
    assert all(f"{one} (" in limits[0] for one in weak)


def test_permuted_weights_answer_by_chance(examiner):
    """The control: the same numbers in another order know nothing."""
    broken = Examiner(permuted(examiner.model, 0), examiner.tokenizer)
    rng = random.Random(0)
    gifts = [giving.indirect_object(rng, held=True, kind="two") for _ in range(100)]
    assert sum(broken.names_whom(gifts)) <= 8
    verbs = [grammar.agreement(rng, held=True) for _ in range(200)]
    assert 60 < sum(broken.prefers(verbs)) < 140


def test_two_seeds_share_all_but_their_weights():
    if not {"words-small", "words-small-b"} <= set(specimens.names()):
        pytest.skip("the two seeds of words-small are not both shipped")
    a, b = (specimens.path(one) for one in ("words-small", "words-small-b"))
    assert (a / "config.json").read_bytes() == (b / "config.json").read_bytes()
    assert (a / "tokenizer.json").read_bytes() == (b / "tokenizer.json").read_bytes() == (specimens.path("words") / "tokenizer.json").read_bytes()
    recipes = [specimens.card(one)["recipe"] for one in ("words-small", "words-small-b")]
    assert {key for key in recipes[0] if recipes[0][key] != recipes[1][key]} == {"name", "seed"}
    assert (a / "model.safetensors").read_bytes() != (b / "model.safetensors").read_bytes()


def test_the_page_quotes_the_card():
    """Of what `words` can do, the page says nothing that the card doesn't."""
    page = (DOCS / "specimens.md").read_text()
    section = page[page.index("## words") : page.index("\n## ", page.index("## words") + 1)]
    card = (specimens.path("words") / "card.md").read_text()
    quoted = [line for line in section.splitlines() if re.search(r"\| [\d.]+ to [\d.]+ \|", line)]
    assert len(quoted) > 5
    for line in quoted:
        assert line in card
