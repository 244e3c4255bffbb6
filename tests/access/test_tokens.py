"""The tokenizer's face, over every kind of tokenizer, plain and as transformers wraps it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer as Backend
from tokenizers import decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

from sonde.access import Tokenizer
from sonde.results import InputError

TEXTS = ["The keys on the cabinet are old and the key is new.", "Mary and John went to the shop, and John gave a book to Mary."] * 8
WORDS = ["the", "The", "keys", "key", "on", "cabinet", "are", "is", "Mary", "John", "and", "shop", "a", "book"]
SPECIAL = ["<unk>", "<s>", "</s>"]


def byte_level():
    """As GPT-2: every byte is a character, the space a part of its word."""
    backend = Backend(models.BPE())
    backend.pre_tokenizer, backend.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    backend.train_from_iterator(TEXTS, trainers.BpeTrainer(vocab_size=340, special_tokens=SPECIAL, initial_alphabet=alphabet))
    return backend


def llama():
    """As Llama: SentencePiece's merges with its mark for spaces, and bytes for what it does not know."""
    pieces = [*SPECIAL, *(f"<0x{byte:02X}>" for byte in range(256)), "▁", *"adehikoprstuwyMJTbc.,gn"]
    backend = Backend(models.BPE(vocab={piece: i for i, piece in enumerate(pieces)}, merges=[], unk_token="<unk>", byte_fallback=True, fuse_unk=True))
    backend.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    backend.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)])
    merges = []
    for word in [f"▁{word}" for word in WORDS]:
        for end in range(2, len(word) + 1):
            if word[:end] not in pieces:
                pieces.append(word[:end])
                merges.append((word[: end - 1], word[end - 1]))
    backend.model = models.BPE(
        vocab={piece: i for i, piece in enumerate(pieces)}, merges=merges, unk_token="<unk>", byte_fallback=True, fuse_unk=True
    )
    backend.add_special_tokens(SPECIAL)
    backend.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    return backend


def unigram():
    """As SentencePiece's unigram models."""
    pieces = [*((piece, 0.0) for piece in SPECIAL), *((f"▁{word}", -2.0) for word in WORDS), *((c, -9.0) for c in "▁adehikoprstuwyMJTbcgn")]
    backend = Backend(models.Unigram(pieces, unk_id=0))
    backend.pre_tokenizer, backend.decoder = pre_tokenizers.Metaspace(), decoders.Metaspace()
    backend.add_special_tokens(SPECIAL)
    return backend


def word_piece():
    """As BERT: words, and their continuations after ##."""
    pieces = [*SPECIAL, *WORDS, "##s", "##book", "new"]
    backend = Backend(models.WordPiece({piece: i for i, piece in enumerate(pieces)}, unk_token="<unk>"))
    backend.pre_tokenizer, backend.decoder = pre_tokenizers.Whitespace(), decoders.WordPiece()
    backend.add_special_tokens(SPECIAL)
    backend.post_processor = processors.TemplateProcessing(single="<s> $A </s>", special_tokens=[("<s>", 1), ("</s>", 2)])
    return backend


def word_level():
    """Whole words, as in small made-up worlds."""
    backend = Backend(models.WordLevel({piece: i for i, piece in enumerate([*SPECIAL, *WORDS])}, unk_token="<unk>"))
    backend.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    backend.add_special_tokens(SPECIAL)
    return backend


KINDS = {make.__name__: make() for make in (byte_level, llama, unigram, word_piece, word_level)}


@pytest.fixture(params=["plain", "transformers"])
def wrap(request):
    """A tokenizer of a kind, bare or wrapped by transformers; both must behave alike."""
    if request.param == "plain":
        return lambda kind: Tokenizer(KINDS[kind], bos_id=1, eos_id=2)
    return lambda kind: Tokenizer(PreTrainedTokenizerFast(tokenizer_object=KINDS[kind], bos_token="<s>", eos_token="</s>", unk_token="<unk>"))


@pytest.mark.parametrize(
    "kind, strings",
    [
        ("byte_level", ["The", " keys", " on", " the", " cabinet"]),
        ("llama", [" The", " keys", " on", " the", " cabinet"]),
        ("unigram", [" The", " keys", " on", " the", " cabinet"]),
        ("word_piece", ["The", "keys", "on", "the", "cabinet"]),
        ("word_level", ["The", "keys", "on", "the", "cabinet"]),
    ],
)
def test_the_text_of_each_token(wrap, kind, strings):
    tokenizer = wrap(kind)
    ids = tokenizer.encode("The keys on the cabinet", bos=False)
    assert tokenizer.strings(ids) == strings
    assert tokenizer.decode(ids) == "The keys on the cabinet"


@pytest.mark.parametrize("kind", KINDS)
def test_one_token_as_it_stands_in_a_sentence(wrap, kind):
    tokenizer = wrap(kind)
    sentence = tokenizer.encode("the keys", bos=False)
    assert tokenizer.single(" keys") == sentence[-1]
    assert tokenizer.strings([tokenizer.single(" keys")])[0].strip() == "keys"


@pytest.mark.parametrize(
    "kind, text", [("byte_level", " zebra"), ("llama", " zebra"), ("word_piece", " keybook"), ("word_piece", "the keys"), ("unigram", "")]
)
def test_several_tokens_are_shown(wrap, kind, text):
    tokenizer = wrap(kind)
    with pytest.raises(InputError) as error:
        tokenizer.single(text)
    assert f"{text!r} is {len(tokenizer.encode(text, bos=False))} tokens in this tokenizer" in str(error.value)


@pytest.mark.parametrize("kind, text", [("word_level", " zebra"), ("word_piece", "zebra"), ("unigram", "é")])
def test_an_unknown_word_is_no_token(wrap, kind, text):
    with pytest.raises(InputError, match=f"'{text}' is not in this tokenizer's vocabulary|tokens in this tokenizer"):
        wrap(kind).single(text)


@pytest.mark.parametrize("kind, default", [("byte_level", ([], [])), ("llama", ([1], [])), ("word_piece", ([1], [2]))])
def test_special_tokens_follow_the_tokenizers_default(wrap, kind, default):
    tokenizer = wrap(kind)
    own = tokenizer.encode("the keys", bos=False)
    assert tokenizer.encode("the keys") == [*default[0], *own, *default[1]]
    assert tokenizer.encode("the keys", bos=True) == [1, *own]
    assert tokenizer.strings([1, 2]) == ["<s>", "</s>"]
    assert (tokenizer.bos_id, tokenizer.eos_id) == (1, 2)
    assert tokenizer.decode([1, *own, 2]) == "the keys"


def test_a_plain_tokenizer_may_be_told_to_add_a_token():
    assert Tokenizer(KINDS["byte_level"], bos_id=1, add_bos=True).encode("the")[0] == 1
    with pytest.raises(InputError, match="bos=True, but this tokenizer has no beginning-of-sequence token; leave bos out"):
        Tokenizer(KINDS["byte_level"]).encode("the", bos=True)


@given(st.text())
def test_bytes_lose_nothing(text):
    tokenizer = Tokenizer(KINDS["byte_level"])
    ids = tokenizer.encode(text)
    assert tokenizer.decode(ids) == text
    assert len("".join(tokenizer.strings(ids))) >= len(text)


@pytest.mark.parametrize("kind", ["byte_level", "llama"])
def test_a_character_in_pieces_is_shown_as_such(wrap, kind):
    tokenizer = wrap(kind)
    ids = tokenizer.encode("é", bos=False)
    assert tokenizer.strings(ids)[-2:] == ["\N{REPLACEMENT CHARACTER}"] * 2
    assert tokenizer.decode(ids) == "é"


def test_a_tokenizer_that_was_saved_with_truncation_cuts_nothing():
    """Many tokenizer.json on the Hub hold a length at which they cut every text without a word."""
    cutting = byte_level()
    cutting.enable_truncation(3)
    cutting.enable_padding(length=50)
    whole = Tokenizer(KINDS["byte_level"]).encode("The keys on the cabinet")
    assert len(cutting.encode("The keys on the cabinet").ids) == 50  # the control
    assert Tokenizer(cutting).encode("The keys on the cabinet") == whole
    assert Tokenizer(PreTrainedTokenizerFast(tokenizer_object=cutting)).encode("The keys on the cabinet") == whole
    assert cutting.truncation["max_length"] == 3  # the user's own is as it was


def test_tokens_beyond_the_vocabulary_have_a_name(wrap):
    """Models round their vocabulary up, so that a prediction may be a token that the tokenizer does not have."""
    assert wrap("byte_level").strings([5000]) == ["<no token 5000>"]


def test_added_tokens_are_spelt_as_they_are():
    backend = byte_level()
    backend.add_tokens(["été chaud"])
    tokenizer = Tokenizer(backend)
    assert tokenizer.strings(tokenizer.encode("été chaud")) == ["été chaud"]
    assert tokenizer.vocab_size == KINDS["byte_level"].get_vocab_size() + 1


def test_a_word_without_an_id_is_refused_in_one_line():
    """A word-level tokenizer without a token for unknown words raises a plain exception."""
    from sonde.specimens.wordlevel import word_tokenizer

    reader = Tokenizer(word_tokenizer(["1", "2"]))
    assert reader.encode("2 1") == [1, 0]
    with pytest.raises(InputError, match=r"the tokenizer can't read '1 \+ 2' \(.*\): give text of its vocabulary"):
        reader.encode("1 + 2")


LOCATED = "The keys  on the\ncabinet. é 😀"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("text", [LOCATED, " the keys "])
def test_where_the_tokens_stand(wrap, kind, text):
    """What a token spells stands where it says; a character in several tokens is counted in each; nothing but spaces is left over."""
    tokenizer = wrap(kind)
    ids, spans = tokenizer.encode(text), tokenizer.located(text)
    assert len(ids) == len(spans) and [i in (1, 2) for i in ids] == [span is None for span in spans]
    covered = set()
    for piece, span in zip(tokenizer.strings(ids), spans, strict=True):
        if span is None:
            continue
        spelt = text[slice(*span)]
        covered |= set(range(*span))
        assert piece.strip() in (spelt.strip(), "<unk>", "\ufffd")
    assert all(text[i].isspace() for i in set(range(len(text))) - covered)
    assert [span[0] for span in spans if span] == sorted(span[0] for span in spans if span)


def test_where_the_tokens_stand_follows_bos(wrap):
    tokenizer = wrap("llama")
    assert tokenizer.located("the keys", bos=False) == [(0, 3), (3, 8)]
    assert tokenizer.located("the keys", bos=True) == tokenizer.located("the keys") == [None, (0, 3), (3, 8)]
