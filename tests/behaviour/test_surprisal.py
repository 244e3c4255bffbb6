"""Surprisal against sums by hand, on a tokenizer small enough to try every word, and on every kind of tokenizer."""

import itertools
import math

import pytest
import torch
from small_models import llama, words
from tiny_models import spread
from tokenizers import Tokenizer as Backend
from tokenizers import decoders, models, pre_tokenizers

import sonde
from sonde.behaviour import surprisal
from sonde.nn.transformer import Transformer, TransformerConfig
from sonde.results import InputError, Result
from sonde.specimens.wordlevel import word_tokenizer

END, LETTERS = 0, "ab"


@pytest.fixture(scope="module")
def letters():
    """A byte-pair tokenizer whose texts over a and b have one spelling each, and a random model of its tokens: the end, a, b, and both after a space.

    Its pairs need the bare space as a token, too; the model has no logit for it, so that all its texts can be told over.
    """
    vocabulary = {"<end>": END, "a": 1, "b": 2, "Ġa": 3, "Ġb": 4, "Ġ": 5}
    backend = Backend(models.BPE(vocab=vocabulary, merges=[("Ġ", "a"), ("Ġ", "b")]))
    backend.pre_tokenizer, backend.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False), decoders.ByteLevel()
    backend.add_special_tokens(["<end>"])
    module = spread(Transformer(TransformerConfig(n_layers=1, d_model=8, n_heads=2, d_vocab=5, n_ctx=12, d_mlp=16)), seed=2)
    return sonde.load(module, sonde.access.Tokenizer(backend, bos_id=END, eos_id=END, add_bos=True))


def spelt(length):
    return ["".join(word) for word in itertools.product(LETTERS, repeat=length)]


def probabilities(letters, texts, word, **options):
    """The probability of one word in each text."""
    found = surprisal(letters, texts, base="e", **options)
    return (-found.word_values[:, word].double()).exp()


def distributions(letters, texts):
    """The probability of each next token after each text's own tokens, by the module itself."""
    rows = [letters.tokenizer.encode(text, bos=True) for text in texts]
    with torch.no_grad():
        return torch.stack([letters.module(torch.tensor([row]))[0, -1].softmax(-1) for row in rows]).double()


@pytest.mark.parametrize("context", ["a", "ba ab", ""])
def test_all_next_words_sum_to_one(letters, context):
    """Words of up to four letters, what of the probability goes to longer ones, and the text's end: all there is."""
    before = f"{context} " if context else ""
    place = len(context.split())
    known = [before + word for length in range(1, 5) for word in spelt(length)]
    corrected = probabilities(letters, known, place).sum()
    # by hand: longer words are those whose four letters go on; the end is one token; both are shares of what may come at this boundary
    opening = distributions(letters, [context])[0] if context else distributions(letters, [""])[0]
    may = opening[[END, 3, 4]].sum() if context else opening[[END, 1, 2]].sum()
    longest = [before + word for word in spelt(4)]
    after = surprisal(letters, longest, base="e", correct_boundaries=False)
    told = (-after.word_values[:, place].double()).exp()
    longer = (told * distributions(letters, longest)[:, [1, 2]].sum(-1)).sum() / may
    assert corrected + longer + opening[END] / may == pytest.approx(1, abs=1e-5)
    # the control: sums of tokens, in which the probability of "ab" is a part of that of "a"
    plain = probabilities(letters, known, place, correct_boundaries=False).sum()
    assert abs(plain + longer + opening[END] / may - 1) > 0.08


def test_the_words_of_a_text_add_up_to_its_tokens(letters):
    """The factors cancel from word to word; the first and the last stay."""
    text = "ab a bba b"
    found = surprisal(letters, text, base="e")
    assert found.words == [[(0, 2), (3, 4), (5, 8), (9, 10)]] and found.word_of == [[-1, 0, 0, 1, 2, 2, 2, 3]]
    first, last = distributions(letters, ["", text])
    kept = first[[END, 1, 2]].sum().log() - last[[END, 3, 4]].sum().log()
    assert float(found.word_values.double().sum()) == pytest.approx(float(found.total[0] + kept), abs=1e-5)
    plain = surprisal(letters, text, base="e", correct_boundaries=False)
    assert float(plain.word_values.double().sum()) == pytest.approx(float(plain.total[0]), abs=1e-5)


def test_by_the_module_itself(letters):
    text = "ab a"
    ids = torch.tensor([[END, 1, 2, 3]])
    with torch.no_grad():
        told = letters.module(ids).log_softmax(-1)[0]
    by_hand = [-float(told[i, ids[0, i + 1]]) for i in range(3)]
    for base, unit, nat in ((2, "bits", math.log(2)), ("e", "nats", 1.0)):
        found = surprisal(letters, text, base=base)
        assert found.unit == unit and found.values[0, 0].isnan() and found.tokens == [["<end>", "a", "b", " a"]]
        assert found.values[0, 1:].tolist() == pytest.approx([value / nat for value in by_hand], abs=1e-5)


def test_without_a_token_before_it_the_first_word_is_missing(letters):
    found = surprisal(letters, "ab a bb", bos=False)
    assert found.values[0].isnan().tolist() == [True, False, False, False, False]
    assert found.word_values[0].isnan().tolist() == [True, False, False] and found.total.isnan().all()
    assert "nothing stands before the first token, so it and its word have no surprisal (NaN); bos=True puts a special token there" in found.notes
    later = surprisal(letters, "ab a bb", bos=True)
    assert "the first word has a surprisal" in later.notes[0] and not later.word_values.isnan().any()


def test_batches_and_neighbours_change_nothing(letters):
    texts = ["a", "ab a bba b", "b b", "ab ab ab"]
    together = surprisal(letters, texts)
    for options in ({"batch_size": 1}, {"batch_size": 3}):
        assert torch.allclose(surprisal(letters, texts, **options).values, together.values, atol=1e-5, equal_nan=True)
    for i, text in enumerate(texts):
        alone = surprisal(letters, text)
        n = len(alone.words[0])
        assert torch.allclose(alone.word_values[0], together.word_values[i, :n], atol=1e-5) and together.word_values[i, n:].isnan().all()


TEXT = "The keys  on the cabinet. é 😀"


@pytest.mark.parametrize("model", [words, llama], ids=["bytes", "sentencepiece"])
def test_words_of_any_tokenizer(model):
    found = surprisal(model(), TEXT, correct_boundaries=False, bos=True)
    assert [TEXT[slice(*span)] for span in found.words[0]] == ["The", "keys", "on", "the", "cabinet.", "é", "😀"]
    strings, of = found.tokens[0], found.word_of[0]
    for word in range(7):
        spelling = "".join(piece for piece, own in zip(strings, of, strict=True) if own == word)
        wanted = TEXT[slice(*found.words[0][word])]
        assert spelling.strip() == wanted or set(spelling.strip()) <= set("\ufffd<0xF9843CA>")
    assert of[0] == -1 and sorted(of[1:]) == of[1:] and set(of[1:]) == set(range(7))
    assert float(found.word_values.double().sum()) == pytest.approx(float(found.total[0]), rel=1e-5)
    assert surprisal(model(), TEXT, bos=True).word_values.isfinite().all()


def test_lines_are_parted_by_white_space_too():
    found = surprisal(words(), "The key\nis old \n")
    assert found.words == [[(0, 3), (4, 7), (8, 10), (11, 14)]] and found.word_values.isfinite().all()
    assert found.word_of[0][-1] == -1  # what stands after the last word is no part of it


def test_a_tokenizer_without_spaces_needs_no_correction():
    module = spread(Transformer(TransformerConfig(n_layers=1, d_model=8, n_heads=2, d_vocab=4, n_ctx=12, d_mlp=16)))
    model = sonde.load(module, word_tokenizer(["<unk>", "red", "square", "blue"], ["<unk>"], unknown="<unk>"))
    found = surprisal(model, "red green square")
    assert not found.corrected and found.word_values[0].isnan().tolist() == [True, False, False]
    assert any("no token of this tokenizer spells a space" in note for note in found.notes)
    assert any("1 tokens stand for words that the vocabulary lacks" in note for note in found.notes)
    assert "bos=True puts" not in " ".join(found.notes)  # there is no such token


def test_words_of_ones_own():
    model = words()
    found = surprisal(model, "The keys are", words=[[(0, 2), (2, 8), (8, 9)]])
    # "The" begins in the first and ends in the second; the space before "are" holds no token of its own
    assert found.word_of == [[-1, 0, 1, -1]] and found.word_values.isnan().all()
    assert "3 words begin or end within a token, which belongs to where it begins: 'Th', and has no surprisal" in found.notes[-1]
    plain = surprisal(model, "The keys are", words=[[(0, 2), (2, 8), (8, 9)]], correct_boundaries=False)
    assert torch.equal(plain.word_values[0, :2], plain.values[0, 1:3]) and plain.word_values[0, 2].isnan()
    fitting = surprisal(model, "The keys are", words=[[(4, 8)]])
    assert fitting.word_of == [[-1, -1, 0, -1]] and fitting.word_values[0, 0] == surprisal(model, "The keys are").word_values[0, 1]
    for spans, said in (([(0, 3), (2, 4)], "not one after 3"), ([(0, 99)], "12 characters"), ([(3, 3)], r"its word \(3, 3\)")):
        with pytest.raises(InputError, match=said):
            surprisal(model, "The keys are", words=[spans])
    with pytest.raises(InputError, match="give the words of each text"):
        surprisal(model, ["The", "keys"], words=[[(0, 3)]])


def test_texts_beyond_the_context(letters):
    text = " ".join(["ab", "b", "aab", "a", "ba", "b", "bb", "a"])  # 14 tokens and the first one, where 12 fit
    with pytest.raises(InputError, match=r"text 1 has 14 tokens and the model's context is 12: .* give stride=, .*such as 6"):
        surprisal(letters, ["a", text])
    found = surprisal(letters, text, base="e", stride=2, correct_boundaries=False)
    ids = letters.tokenizer.encode(text)
    assert len(ids) == 14
    with torch.no_grad():
        told = [letters.module(torch.tensor([ids[begin:end]])).log_softmax(-1)[0] for begin, end in ((0, 12), (2, 14))]
    by_hand = [-float(told[0][i - 1, ids[i]]) for i in range(1, 12)] + [-float(told[1][i - 3, ids[i]]) for i in range(12, 14)]
    assert found.values[0, 1:].tolist() == pytest.approx(by_hand, abs=1e-5)
    assert any("in windows of 2 new tokens: each has at least 10 before it" in note for note in found.notes)
    one = surprisal(letters, text, base="e", stride=1)
    assert one.word_values.isfinite().all()  # what ends a word and what begins the next is one number, also between two windows
    first, last = distributions(letters, [""])[0], None
    with torch.no_grad():
        last = letters.module(torch.tensor([ids[2:]]))[0, -1].double().softmax(-1)
    kept = first[[END, 1, 2]].sum().log() - last[[END, 3, 4]].sum().log()
    assert float(one.word_values.double().sum()) == pytest.approx(float(one.total[0] + kept), abs=1e-5)
    for stride in (0, 12, -3):
        with pytest.raises(InputError, match="holds between 1 and 11 new ones"):
            surprisal(letters, text, stride=stride)


def test_refusals(letters, unchecked):
    with pytest.raises(InputError, match=r"no causal language model: .*pseudo-log-likelihood"):
        surprisal(sonde.load("specimen:mask"), "the key")
    for given in (5, ["a", None]):
        with pytest.raises(InputError, match="is no text: give one"):
            surprisal(letters, given)
    with pytest.raises(InputError, match="no text"):
        surprisal(letters, [])
    with pytest.raises(InputError, match="text 1 is ' ': give a text of at least one word"):
        surprisal(letters, ["a", "  "])
    with pytest.raises(InputError, match=r"the words of text 0 are \[5\]: give spans"):
        surprisal(letters, "a", words=[[5]])
    with pytest.raises(InputError, match=r"batch_size=0: use .auto. or a number"):
        surprisal(letters, "a", batch_size=0)
    with pytest.raises(InputError, match="base=10: use 2"):
        surprisal(letters, "a", base=10)
    with pytest.raises(InputError, match="without a tokenizer"):
        surprisal(sonde.load(letters.module), "a")
    with pytest.raises(InputError, match="no causal language model"):
        surprisal(sonde.load(torch.nn.Linear(2, 2), letters.tokenizer), "a")


def test_what_is_returned(letters, tmp_path):
    found = surprisal(letters, ["ab a", "b"])
    tokens, by_word = found.to_frame(), found.words_frame()
    assert tokens.height == 6 and by_word["string"].to_list() == ["ab", "a", "b"] and by_word["tokens"].to_list() == [2, 1, 1]
    assert tokens.filter(text=0, word=0)["token"].to_list() == ["a", "b"]
    again = Result.load(found.save(tmp_path / "kept"))
    assert torch.equal(again.word_values.nan_to_num(-1), found.word_values.nan_to_num(-1)) and again.words == found.words
    assert found.drawing().data["tokens"] == ["<end>", "a", "b", " a"] and found.drawing(by="word").data["tokens"] == ["ab", " a"]
    assert found.check(letters) == []
