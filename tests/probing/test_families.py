"""States of every shape of model: decoders, encoders with tokens around the text, pictures."""

import pytest
import tiny_encoders
import tiny_families
import torch
from tiny_models import VOCAB
from tiny_tokenizer import words as word_tokenizer
from tokenizers import Tokenizer, models, pre_tokenizers, processors

from sonde.access import Model
from sonde.probing import Labelled, read_states

TEXTS = ["w4 w5 w6", "w7 w8", "w9 w10 w11 w12"]
DATA = Labelled.of(TEXTS, [0, 1, 0], spans=[[(3, 5)], [(0, 2)], [(7, 10)]])
TOKENS = [1, 0, 2]


@pytest.mark.parametrize("family", ["gpt2", "llama", "gpt_neox", "gemma2"])
def test_decoders(family):
    model = Model(tiny_families.build(family), tokenizer=word_tokenizer())
    states = read_states(model, DATA)
    for i, (text, token) in enumerate(zip(TEXTS, TOKENS, strict=True)):
        run = model.run(text, read=states.sites)
        for site in states.sites:
            torch.testing.assert_close(states[site][i], run[site][0, token], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", ["bert", "bert-body", "distilbert", "roberta", "t5", "clip-text"])
def test_encoders_by_token_ids(name):
    model = Model(tiny_encoders.build(name))
    rows = [[4, 5, 6, 3], [7, 8, 9, 3], [9, 10, 11, 3]]
    states = read_states(model, Labelled.of(rows, [0, 1, 0], spans=[[(1, 2)], [(0, 1)], [(2, 3)]]), "blocks.*.resid_post")
    for i, (row, token) in enumerate(zip(rows, TOKENS, strict=True)):
        run = model.run([row], read=states.sites)
        for site in states.sites:
            torch.testing.assert_close(states[site][i], run[site][0, token], rtol=1e-4, atol=1e-5)


def bert_tokenizer():
    """Words between [CLS] and [SEP], a word in pieces."""
    names = ["[PAD]", "[CLS]", "[SEP]", "[UNK]", "play", "##ing", "dogs", "are", *(f"w{i}" for i in range(VOCAB - 8))]
    backend = Tokenizer(models.WordPiece({name: i for i, name in enumerate(names)}, unk_token="[UNK]"))
    backend.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    backend.add_special_tokens(["[PAD]", "[CLS]", "[SEP]"])
    backend.post_processor = processors.TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 1), ("[SEP]", 2)])
    return backend


@pytest.mark.parametrize(("pooling", "pieces"), [("first", [0]), ("last", [1]), ("mean", [0, 1])])
def test_words_in_pieces_between_special_tokens(pooling, pieces):
    model = Model(tiny_encoders.build("bert"), tokenizer=bert_tokenizer())
    data = Labelled.of(["dogs are playing", "playing dogs"], [0, 1], spans=[[(9, 16)], [(0, 7)]])
    states = read_states(model, data, ["embed", "blocks.1.resid_post"], pooling)
    for i, (text, start) in enumerate(zip(data.texts, [3, 1], strict=True)):
        run = model.run(text, read=states.sites)
        assert run.tokens[0][start : start + 2] == ["play", "##ing"]
        for site in states.sites:
            expected = run[site][0, [start + piece for piece in pieces]].mean(0)
            torch.testing.assert_close(states[site][i], expected, rtol=1e-4, atol=1e-5)


def test_a_whole_text_is_without_its_special_tokens_and_they_can_be_named():
    model = Model(tiny_encoders.build("bert"), tokenizer=bert_tokenizer())
    data = Labelled.of(["dogs are", "dogs"], [0, 1])
    x = read_states(model, data, ["blocks.1.resid_post", "blocks.1.resid_post[pos=0]"], "mean")
    run = model.run(["dogs are", "dogs"], read="blocks.1.resid_post")["blocks.1.resid_post"]
    torch.testing.assert_close(x["blocks.1.resid_post"], torch.stack([run[0, 1:3].mean(0), run[1, 1]]), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(x["blocks.1.resid_post[pos=0]"], run[:, 0], rtol=1e-4, atol=1e-5)


def test_a_row_of_ids_is_whole_without_special_tokens_which_a_span_may_name():
    model = Model(tiny_encoders.build("bert"), tokenizer=bert_tokenizer())
    whole = read_states(model, Labelled.of([[1, 6, 7, 2], [1, 6, 2]], [0, 1]), "blocks.1.resid_post", "mean")
    texts = read_states(model, Labelled.of(["dogs are", "dogs"], [0, 1]), "blocks.1.resid_post", "mean")
    torch.testing.assert_close(whole["blocks.1.resid_post"], texts["blocks.1.resid_post"], rtol=1e-4, atol=1e-5)
    first = read_states(model, Labelled.of([[1, 6, 7, 2]], [0, 1], text=[0, 0], spans=[[(0, 1)], [(3, 4)]]), "blocks.1.resid_post")
    run = model.run([[1, 6, 7, 2]], read="blocks.1.resid_post")["blocks.1.resid_post"][0]
    torch.testing.assert_close(first["blocks.1.resid_post"], run[[0, 3]], rtol=1e-4, atol=1e-5)


def test_pictures_of_a_transformer():
    model = Model(tiny_encoders.build("vit"))
    images = tiny_encoders.inputs(model)
    data = Labelled.of(images, [0, 1])
    states = read_states(model, data, ["blocks.1.resid_post", "blocks.1.resid_post[pos=0]"], "mean")
    run = model.run(images, read="blocks.1.resid_post")["blocks.1.resid_post"]
    torch.testing.assert_close(states["blocks.1.resid_post"], run.mean(1), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(states["blocks.1.resid_post[pos=0]"], run[:, 0], rtol=1e-4, atol=1e-5)
