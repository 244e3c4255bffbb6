"""Any text is read and written back; the world's words are whole."""

import random

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sonde.specimens.words import world
from sonde.specimens.words.mixture import FAMILIES, NORMAL_MIX
from sonde.specimens.words.packing import Packer
from sonde.specimens.words.recipe import own_document_mask
from sonde.specimens.words.tokenizer import END, VOCABULARY, end_id, single_tokens


@settings(max_examples=300, deadline=None)
@given(text=st.text())
def test_any_text_comes_back(tokenizer, text):
    assert tokenizer.decode(tokenizer.encode(text).ids, skip_special_tokens=False) == text


@pytest.mark.parametrize("text", ["", " ", "\n\n\t x", "naïve 日本語 🙂\u200d", "1 22 333 4444 55555", "<|end|>a<|end|>", "ab\x00\x7f", "Ġ"])
def test_odd_texts_come_back(tokenizer, text):
    assert tokenizer.decode(tokenizer.encode(text).ids, skip_special_tokens=False) == text


def test_words_of_the_world_are_whole(tokenizer):
    assert tokenizer.get_vocab_size() == VOCABULARY
    assert all(len(tokenizer.encode(word).ids) == 1 for word in single_tokens())


def test_years_are_two_tokens(tokenizer):
    assert [tokenizer.decode([i]) for i in tokenizer.encode(" from 1732 to 1745").ids] == [" from", " 17", "32", " to", " 17", "45"]


@pytest.mark.parametrize("word", list(world.CLASS_OF))
def test_every_member_of_a_class_is_whole(tokenizer, word):
    assert len(tokenizer.encode(f" {word}").ids) == 1


def test_the_readme_prompts_are_whole_words(tokenizer):
    for prompt in ("When Mary and John went to the shop, John gave a book to Mary", "The keys on the cabinet are"):
        assert len(tokenizer.encode(prompt).ids) == len(prompt.replace(",", " ,").split())


@pytest.mark.parametrize("family", FAMILIES)
def test_an_answer_is_one_token_that_the_prompt_leaves_alone(tokenizer, family):
    """Else a prompt would be read otherwise alone than inside its document."""
    rng = random.Random(0)
    for _ in range(50):
        document = FAMILIES[family](rng)
        if document.answer:
            prompt, whole = tokenizer.encode(document.prompt).ids, tokenizer.encode(document.text).ids
            assert whole[: len(prompt)] == prompt
            assert tokenizer.encode(document.answer).ids == whole[len(prompt) : len(prompt) + 1]


def test_rows_begin_afresh_and_keep_the_shares(tokenizer):
    packer = Packer(tokenizer, NORMAL_MIX, length=128)
    rows = packer.rows(200, seed="a")
    assert rows.shape == (200, 128)
    assert (rows[:, 0] == end_id(tokenizer)).all()
    assert torch.equal(rows, packer.rows(200, seed="a"))
    assert not torch.equal(rows, packer.rows(200, seed="b"))


def test_tokens_are_shared_out_by_the_mix(tokenizer):
    """Lists are several times longer than sentences about capitals, so equal shares of tokens mean unequal numbers of documents."""
    packer = Packer(tokenizer, {"repeats": 0.5, "capital": 0.5}, length=512)
    documents = tokenizer.decode(packer.rows(200, seed="a").flatten().tolist(), skip_special_tokens=False).split(END)
    tokens = {
        is_list: sum(len(tokenizer.encode(d).ids) for d in documents if d.startswith(" ") and (";" in d or d.count(" ") > 14) == is_list)
        for is_list in (True, False)
    }
    assert 0.4 < tokens[True] / 200 / 512 < 0.6


def test_mask_shows_each_document_only_itself(tokenizer):
    end = end_id(tokenizer)
    mask = own_document_mask(torch.tensor([[end, 7, 8, end, 9]]), end)[0, 0] == 0
    assert mask.int().tolist() == [[1, 0, 0, 0, 0], [1, 1, 0, 0, 0], [1, 1, 1, 0, 0], [0, 0, 0, 1, 0], [0, 0, 0, 1, 1]]
