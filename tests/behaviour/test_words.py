"""Which word a token belongs to, for every kind of tokenizer: no model is needed."""

import itertools
import os
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer as Backend
from tokenizers import decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

from sonde.access import Tokenizer
from sonde.behaviour.reading import Reading
from sonde.behaviour.words import SPACE, beginning, owners, spelling, whitespace_words, whole

TEXTS = ["The keys on the cabinet are old, and the key is new.", "Mary and John went to the shop; John gave a book to Mary."] * 8


def byte_level(trim):
    """As GPT-2 (`trim`: its places leave the leading space out), as newer ones."""
    backend = Backend(models.BPE())
    backend.pre_tokenizer, backend.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    backend.train_from_iterator(TEXTS, trainers.BpeTrainer(vocab_size=330, initial_alphabet=alphabet, show_progress=False))
    backend.post_processor = processors.ByteLevel(trim_offsets=trim)
    return backend


def sentence_piece(scheme):
    """As Llama and T5: a mark in the place of a space, before the first word too or not; bytes for what is not known."""
    backend = Backend(models.BPE(unk_token="<unk>", byte_fallback=True))
    backend.pre_tokenizer, backend.decoder = pre_tokenizers.Metaspace(prepend_scheme=scheme), decoders.Metaspace(prepend_scheme=scheme)
    bytes_ = [f"<0x{i:02X}>" for i in range(256)]
    backend.train_from_iterator(TEXTS, trainers.BpeTrainer(vocab_size=400, special_tokens=["<unk>", *bytes_], show_progress=False))
    return backend


def word_piece():
    """As BERT: lower case, continuations after ##."""
    backend = Backend(models.WordPiece({piece: i for i, piece in enumerate(["[UNK]", "the", "key", "##s", "on", *"abcdefghijklmnopqrstuvwxyz"])},
                                       unk_token="[UNK]"))  # fmt: skip
    backend.normalizer, backend.pre_tokenizer = normalizers.BertNormalizer(), pre_tokenizers.BertPreTokenizer()
    return backend


KINDS = {
    "gpt2": byte_level(True), "bytes": byte_level(False), "llama": sentence_piece("first"), "t5": sentence_piece("always"),
    "no prefix": sentence_piece("never"), "bert": word_piece(),
}  # fmt: skip
WRAPPED = {f"{name} in transformers": PreTrainedTokenizerFast(tokenizer_object=backend) for name, backend in KINDS.items()}


def read(backend, text):
    tokenizer = Tokenizer(backend)
    ids = tokenizer.encode(text)
    return Reading(text, ids, tokenizer.strings(ids), tokenizer.located(text), torch.zeros(len(ids)), torch.zeros(0, len(ids)))


@pytest.mark.parametrize("kind", [*KINDS, *WRAPPED])
def test_every_word_has_its_own_tokens(kind):
    text = "  The unhappy keys,  on\tthe\n\ncabinet's (old) shelf. naïve 東京 😀!  "
    reading, words = read((KINDS | WRAPPED)[kind], text), whitespace_words(text)
    assert [text[slice(*span)] for span in words] == text.split()
    owner = owners(reading, words)
    spelt = spelling(owner, len(words))
    assert all(spelt) and all(whole(reading, own, span) for own, span in zip(spelt, words, strict=True))
    assert [i for own in spelt for i in own] == [i for i, of in enumerate(owner) if of >= 0]  # in order, none twice
    left = [reading.tokens[i] for i, of in enumerate(owner) if of < 0]
    assert not "".join(left).strip(SPACE)  # only white space at the end belongs to no word


texts = st.text(st.sampled_from("aKey s,.é東😀\n\t-'"), min_size=1, max_size=24).filter(str.strip)


@given(text=texts, kind=st.sampled_from(list(KINDS)))
def test_a_token_belongs_to_the_word_of_its_first_character(text, kind):
    """By another way: the word that holds the first character of a token's place that is no white space."""
    reading, words = read(KINDS[kind], text), whitespace_words(text)
    holds = {i: word for word, (start, end) in enumerate(words) for i in range(start, end)}
    for span, of in zip(reading.spans, owners(reading, words), strict=True):
        after = next((i for i in range(span[0], len(text)) if text[i] not in SPACE), None)
        assert of == holds.get(after, -1)


def test_words_of_ones_own_leave_tokens_over():
    reading = read(KINDS["bytes"], "The keys on the cabinet")
    assert owners(reading, [(4, 8), (16, 23)])[:4] == [-1, 0, -1, -1]
    assert spelling([-1, 0, 0, 2], 3) == [range(1, 3), range(0), range(3, 4)]
    assert not whole(reading, range(0), (0, 3))


@pytest.mark.parametrize("kind, marks", [("gpt2", True), ("llama", True), ("no prefix", True), ("bert", False)])
def test_which_tokens_begin_a_word(kind, marks):
    tokenizer = Tokenizer(KINDS[kind], eos_id=3)
    sets = beginning(tokenizer, tokenizer.vocab_size + 2)  # models round their vocabulary up
    assert (sets is not None) == marks
    if marks:
        strings = tokenizer.strings(range(tokenizer.vocab_size + 2))
        for i, piece in enumerate(strings):
            assert bool(sets[0, i]) == (piece[0] in SPACE or i == 3) and bool(sets[1, i]) == (piece[0] not in SPACE or i == 3)


ROOT = Path(__file__).parents[2]
PARALLEL = Path(os.environ.get("SONDE_DATA", ROOT.parent / "shared" / "data")) / "pud_parallel" / "pud.tsv"


@pytest.mark.skipif(not PARALLEL.is_file(), reason=f"no {PARALLEL}; set SONDE_DATA")
@pytest.mark.parametrize("kind", ["gpt2", "llama", "t5"])
def test_sentences_of_eight_languages(kind):
    """Arabic, Hindi, Chinese and others: most characters are several tokens, and every word still has its own."""
    with PARALLEL.open(encoding="utf-8") as lines:
        rows = [line.rstrip("\n").split("\t")[1:] for line in itertools.islice(lines, 1, 31)]
    assert {len(row) for row in rows} == {8}
    for text in itertools.chain(*rows):
        reading, words = read(KINDS[kind], text), whitespace_words(text)
        spelt = spelling(owners(reading, words), len(words))
        assert all(whole(reading, own, span) for own, span in zip(spelt, words, strict=True)), text
