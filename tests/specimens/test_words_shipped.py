"""The shipped weights do what their card says."""

import json
import random
import re
from pathlib import Path

import pytest
import torch
from tokenizers import Tokenizer

from sonde import specimens
from sonde.nn import Transformer
from sonde.results import LoadError
from sonde.specimens.words import copying, evaluate, giving, grammar
from sonde.specimens.words.examiner import Examiner

DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture(scope="module")
def examiner():
    pytest.skip("these weights were trained before the world was enriched; the new ones are on their way")
    folder = specimens.path("words")
    return Examiner(Transformer.load(folder), Tokenizer.from_file(str(folder / "tokenizer.json")))


def test_is_found_by_name():
    assert "words" in specimens.names()
    assert (specimens.path("words") / "model.safetensors").exists()
    assert specimens.card("words")["name"] == "words"


@pytest.mark.parametrize("ask", [specimens.path, specimens.card])
@pytest.mark.parametrize("name", ["word", "", "../words", "words/weights"])
def test_unknown_names_are_refused(ask, name):
    with pytest.raises(LoadError, match=f"unknown specimen '{re.escape(name)}': there is words"):
        ask(name)


def test_is_small_and_in_half_precision():
    folder = specimens.path("words")
    assert sum(file.stat().st_size for file in folder.iterdir()) < 6e6
    header = (folder / "model.safetensors").read_bytes()[8:2000].decode("utf-8", "ignore")
    assert '"dtype":"F16"' in header
    assert '"F32"' not in header


def test_begins_every_prompt_with_the_end_token(examiner):
    special = json.loads((specimens.path("words") / "tokenizer_config.json").read_text())
    assert special["bos_token"] == special["pad_token"] == "<|end|>"
    assert special["add_bos"] is True
    assert examiner.tokenizer.token_to_id(special["bos_token"]) == examiner.end


@pytest.mark.parametrize("space", ["", " "])
def test_prompts_of_the_readme(examiner, space):
    gift, keys = examiner.ask([f"{space}When Mary and John went to the shop, John gave a book to", f"{space}The keys on the cabinet"])
    assert gift.argmax().item() == examiner.token(" Mary")
    assert keys.argmax().item() in {examiner.token(f" {plural}") for plural in grammar.VERBS.values()}
    assert (keys[examiner.token(" are")] - keys[examiner.token(" is")]).item() > 3


def test_answers_on_the_card_are_still_given(examiner):
    answers = specimens.card("words")["answers"]
    for (_, shown), row in zip(answers.items(), examiner.ask(list(answers)).exp(), strict=True):
        for token, probability in shown:
            assert row[examiner.token(token)].item() == pytest.approx(probability, abs=2e-3)


def test_the_card_is_measured_anew_on_other_items(examiner):
    """Each share on 100 fresh items, within what chance allows beside the card's interval."""
    card = {m["name"]: m for m in specimens.card("words")["measures"]}
    for fresh in evaluate.measures(examiner.model, examiner.tokenizer, n=100, seed=1):
        stated = card.pop(fresh.name)
        assert stated["low"] - 0.08 <= fresh.value <= stated["high"] + 0.08, fresh.name
    assert not card


def test_floors_under_the_card(examiner):
    """So that worse weights can't be shipped unnoticed."""
    value = {m["name"]: m["value"] for m in specimens.card("words")["measures"]}
    certain = ("indirect object", "receiver above giver", "indirect object after another such document", "succession", "capitals")
    assert all(value[name] >= 0.95 for name in (*certain, "agreement across a distractor of the other number", "pronoun of a name's gender"))
    assert value["years"] >= 0.7
    assert value["copying: loss on the second saying of a list, over the first"] <= 0.35
    heads = copying.head_roles(examiner)
    assert heads["previous token"][0][1] > 0.8
    assert heads["induction"][0][1] > 0.8


@pytest.mark.skip(reason="these weights were trained before the world was enriched; the new ones are on their way")
@torch.no_grad()
def test_permuted_weights_answer_by_chance():
    """The control: the same numbers in another order know nothing."""
    folder = specimens.path("words")
    model = Transformer.load(folder)
    generator = torch.Generator().manual_seed(0)
    for weight in model.parameters():
        weight.copy_(weight.flatten()[torch.randperm(weight.numel(), generator=generator)].view_as(weight))
    permuted = Examiner(model, Tokenizer.from_file(str(folder / "tokenizer.json")))
    rng = random.Random(0)
    gifts = [giving.indirect_object(rng, held=True, kind="two") for _ in range(100)]
    assert sum(permuted.names_whom(gifts)) <= 8
    verbs = [grammar.agreement(rng, held=True) for _ in range(200)]
    assert 60 < sum(permuted.prefers(verbs)) < 140


def test_the_page_quotes_the_card():
    page, card = (DOCS / "specimens.md").read_text(), (specimens.path("words") / "card.md").read_text()
    quoted = [line for line in page.splitlines() if re.search(r"\| [\d.]+ to [\d.]+ \|", line)]
    assert len(quoted) > 5
    for line in quoted:
        assert line in card
