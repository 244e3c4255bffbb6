"""Documents as sequences: nothing is lost, nothing comes twice, and every place can be gone on from."""

import json
import random

import numpy as np
import polars as pl
import pytest
import torch
from hypothesis import given as drawn
from hypothesis import settings
from hypothesis import strategies as st
from safetensors.torch import save_file
from tiny_tokenizer import words
from tokenizers import processors
from transformers import PreTrainedTokenizerFast

from sonde.access import Tokenizer
from sonde.dictionaries.store import Corpus, corpus
from sonde.dictionaries.store.documents import Listed, Parts, Stream
from sonde.results import InputError, LoadError
from sonde.specimens.words import documents

BOS = 39
TOKENIZER = Tokenizer(words(), bos_id=BOS)
DOCUMENTS = st.lists(st.lists(st.integers(1, 30), max_size=12), min_size=1, max_size=12)


def joined(rows):
    return [token for row in rows for token in row]


def sequences(made, epoch=0):
    return list(made.sequences(made.beginning(epoch)))


def tokens(made, epoch=0):
    return [sequence.tokens for sequence in sequences(made, epoch)]


def texts(made):
    """The documents of a corpus of texts, in their own order, by what their tokens spell."""
    return [" ".join(f"w{i}" for i in row) for row in tokens(made)]


class Handle:
    """As much of a model as a corpus asks for."""

    tokenizer = TOKENIZER

    class architecture:
        n_ctx = 16
        d_vocab = 40


@drawn(DOCUMENTS, st.integers(2, 9), st.sampled_from(["both", "document", "context", "none"]), st.booleans(), st.booleans())
def test_nothing_is_lost(rows, length, bos, packed, shuffled):
    made = Corpus(Listed(rows), TOKENIZER, length, bos, packed, shuffled)
    found = tokens(made)
    own = [[i for i in row if i != BOS] for row in found]
    assert sorted(joined(own)) == sorted(joined(rows))
    assert all(0 < len(row) <= length for row in found)
    if not shuffled:
        assert joined(own) == joined(rows)
    if packed:
        assert all(len(row) == length for row in found[:-1])


@settings(max_examples=25)
@drawn(DOCUMENTS, st.integers(2, 9), st.sampled_from(["both", "document", "context", "none"]), st.booleans(), st.integers(0, 2))
def test_goes_on_from_every_place(rows, length, bos, packed, epoch):
    made = Corpus(Listed(rows), TOKENIZER, length, bos, packed)
    found = sequences(made, epoch)
    for i, sequence in enumerate(found):
        assert list(made.sequences(sequence.after)) == found[i + 1 :]
        assert sequence.after[:2] == (epoch, i + 1)


def test_where_the_special_token_stands():
    rows = [[1, 2, 3], [4, 5], [6]]
    made = {bos: tokens(Corpus(Listed(rows), TOKENIZER, 4, bos, shuffled=False)) for bos in ("both", "document", "context", "none")}
    assert made["both"] == [[BOS, 1, 2, 3], [BOS, 4, 5, BOS], [BOS, 6]]
    assert made["document"] == [[BOS, 1, 2, 3], [BOS, 4, 5, BOS], [BOS, 6]]
    assert made["context"] == [[BOS, 1, 2, 3], [BOS, 4, 5, 6]]
    assert made["none"] == [[1, 2, 3, 4], [5, 6]]
    long = tokens(Corpus(Listed([[1, 2, 3, 4, 5]]), TOKENIZER, 4, "document", shuffled=False))
    assert long == [[BOS, 1, 2, 3], [4, 5]], "the context that goes on with a document does not begin with the token"
    alone = tokens(Corpus(Listed(rows), TOKENIZER, 4, "both", packed=False, shuffled=False))
    assert alone == [[BOS, 1, 2, 3], [BOS, 4, 5], [BOS, 6]]


def test_every_epoch_and_seed_has_its_order():
    rows = [[i] for i in range(1, 30)]
    orders = [tokens(Corpus(Listed(rows), TOKENIZER, 40, "none", seed=seed), epoch) for seed, epoch in ((0, 0), (0, 1), (1, 0), (0, 0))]
    assert orders[0] == orders[3] and orders[0] != orders[1] != orders[2] != orders[0]
    assert tokens(Corpus(Listed(rows), TOKENIZER, 40, "none", shuffled=False), 1) == [joined(rows)]


STORY = ["w1 w2 w3", "w4 w5", "w6 w7 w8 w9"]


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "one.txt").write_text("<|end|>".join(STORY) + "<|end|>\n")
    (tmp_path / "some.jsonl").write_text("\n".join(json.dumps({"text": text, "n": 1}) for text in STORY) + "\n\n")
    pl.DataFrame({"text": STORY, "n": [1, 2, 3]}).write_parquet(tmp_path / "some.parquet")
    np.save(tmp_path / "rows.npy", np.array([[1, 2, 3], [4, 5, 6]], dtype=np.uint16))
    save_file({"long": torch.arange(1, 8), "other": torch.ones(2)}, tmp_path / "long.safetensors")
    (tmp_path / "empty.txt").write_text("")
    return tmp_path


def read(given, **options):
    return corpus(given, Handle, **({"bos": "none", "packed": False, "shuffled": False} | options))


@pytest.mark.parametrize("name, options", [("one.txt", {"separator": "<|end|>"}), ("some.jsonl", {}), ("some.parquet", {})])
def test_files_of_texts(folder, name, options):
    for given in (folder / name, str(folder / name), [folder / name]):
        assert texts(read(given, **options)) == STORY
    assert texts(read(folder / "one.txt", length=16)) != STORY  # without its separator a file is one document


def test_other_forms_of_texts():
    class Streamed:
        """As a data set that is streamed: it begins anew, and leaves out what it is told to."""

        def __iter__(self):
            return iter({"story": text} for text in STORY)

    for given in (STORY, tuple(STORY), [{"text": text} for text in STORY], iter(STORY)):
        assert texts(read(given)) == STORY
    assert texts(read(Streamed(), field="story")) == STORY


class Held:
    """As much of a data set as `datasets` keeps on disk."""

    _fingerprint = "3f2a"

    def __len__(self):
        return len(STORY)

    def __getitem__(self, number):
        return {"text": STORY[number]}


class Streaming:
    """As much of a data set as `datasets` streams: it begins anew, and skips by itself."""

    def __init__(self, begun=0):
        self.begun = begun

    def __iter__(self):
        return iter({"text": text} for text in STORY[self.begun :])

    def skip(self, n):
        return Streaming(self.begun + n)


def test_data_sets():
    held, streamed = read(Held()), read(Streaming())
    assert texts(held) == texts(streamed) == STORY and held.identity["documents"] == "3f2a"
    found = sequences(streamed)
    assert list(streamed.sequences(found[0].after)) == found[1:], "a stream that begins anew can be gone on with"


def test_several_files(folder):
    (folder / "more.jsonl").write_text(json.dumps({"text": "w11"}), encoding="utf-8-sig")
    assert texts(read(f"{folder}/*.jsonl")) == ["w11", *STORY]
    with pytest.raises(InputError, match="files of one kind"):
        read([folder / "one.txt", folder / "some.jsonl"])


def test_arrays_are_contexts_already(folder):
    for given in (folder / "rows.npy", np.array([[1, 2, 3], [4, 5, 6]]), torch.tensor([[1, 2, 3], [4, 5, 6]])):
        assert tokens(corpus(given, Handle, shuffled=False)) == [[1, 2, 3], [4, 5, 6]]
    for given in (folder / "long.safetensors", torch.arange(1, 8)):
        assert tokens(corpus(given, Handle, shuffled=False, length=3, field="long")) == [[1, 2, 3], [4, 5, 6], [7]]
    with pytest.raises(InputError, match="'text', only 'long', 'other'"):
        corpus(folder / "long.safetensors", Handle)


def test_the_small_world():
    found = documents("capital", n=3)
    made = corpus(found, Handle)
    assert [made.documents[i] for i in range(3)] == [document.text for document in found]


def test_a_document_that_cannot_be_read_is_named_and_the_rest_goes_on(folder):
    (folder / "bad.jsonl").write_text('{"text": "w1 w2"}\n{"text": "w3\n{"story": "w4"}\n{"text": 7}\n{"text": "w5"}\n')
    made = read(folder / "bad.jsonl")
    assert texts(made) == ["w1 w2", "w5"] == texts(made)
    assert "3 documents could not be read and were left out, the first: document 2 of bad.jsonl" in made.notes[-1]
    (folder / "bad.txt").write_bytes(b"w1\n\nw2 \xff\n\nw3")
    made = read(folder / "bad.txt", separator="\n\n")
    assert texts(made) == ["w1", "w3"] and "document 2 of bad.txt" in made.notes[-1]
    made = read([[1, 2], None, [3.5], [4], [5, 40], [-1], np.array([6, 7]), [np.int64(8)]])
    assert tokens(made) == [[1, 2], [4], [6, 7], [8]] and "4 documents" in made.notes[-1]
    made = read([[5, 40], [1]])
    assert tokens(made) == [[1]] and "a document holds token 40, and the model's vocabulary has 40: [5, 40]" in made.notes[-1]


@pytest.mark.parametrize(
    "given, error, told",
    [
        ("nowhere.txt", LoadError, "no file nowhere.txt; texts by themselves are given as a list"),
        (7, InputError, "7 is no corpus"),
        (torch.ones(3, 4), InputError, "whole numbers"),
        (torch.ones(2, 2, 2).long(), InputError, r"\[row, pos\]"),
    ],
)
def test_what_is_no_corpus(given, error, told, unchecked):
    with pytest.raises(error, match=told):
        corpus(given, Handle)


def test_files_that_are_something_else(folder):
    (folder / "table.parquet").write_text("no table")
    (folder / "array.npy").write_text("no array")
    (folder / "picture.png").write_text("")
    with pytest.raises(LoadError, match="Parquet"):
        corpus(folder / "table.parquet", Handle)
    with pytest.raises(LoadError, match="array of token ids"):
        corpus(folder / "array.npy", Handle)
    with pytest.raises(InputError, match=r"picture.png: give files of one kind"):
        corpus(folder / "picture.png", Handle)
    with pytest.raises(InputError, match="no column 'story', only 'text', 'n'"):
        corpus(folder / "some.parquet", Handle, field="story")
    with pytest.raises(InputError, match="length=99 is beyond the model's context of 16"):
        corpus(STORY, Handle, length=99)
    with pytest.raises(InputError, match="length=1"):
        corpus(STORY, Handle, length=1)
    with pytest.raises(InputError, match="bos='always'"):
        corpus(STORY, Handle, bos="always")
    with pytest.raises(InputError, match="without a tokenizer"):
        tokens(corpus(STORY))
    with pytest.raises(InputError, match="bos='none'"):
        corpus(STORY, bos="both")
    assert tokens(corpus(folder / "empty.txt", Handle)) == []


def test_a_tokenizer_of_an_encoder():
    """Its model expects tokens around a text; which contexts it should read, whoever asks must say."""
    backend = words()
    backend.post_processor = processors.TemplateProcessing(single="w1 $A w2", special_tokens=[("w1", 1), ("w2", 2)])

    class Encoder(Handle):
        tokenizer = Tokenizer(PreTrainedTokenizerFast(tokenizer_object=backend, unk_token="w0"))

    with pytest.raises(InputError, match=r"puts special tokens around a text \('w1', 'w2'\).*say bos='none'"):
        corpus(STORY, Encoder)
    assert texts(corpus(STORY, Encoder, bos="none", packed=False, shuffled=False)) == STORY
    assert tokens(corpus(torch.tensor([[1, 5, 2]]), Encoder)) == [[1, 5, 2]]


def test_a_stream_that_cannot_be_rewound():
    made = corpus(iter(STORY), Handle, bos="none")
    assert tokens(made) and "keeps its own order" in made.notes[1]
    with pytest.raises(InputError, match="can't be rewound"):
        tokens(made)
    with pytest.raises(InputError, match="can't be rewound"):
        list(Stream(iter(STORY)).after(1))


def test_a_file_that_changed_has_another_hash(folder):
    before = Parts([folder / "one.txt"], None, bytes.decode).hash
    (folder / "one.txt").write_text("w1 w1")
    assert Parts([folder / "one.txt"], None, bytes.decode).hash != before
    assert corpus(STORY, Handle).identity != corpus(STORY[::-1], Handle).identity


def test_files_are_split_as_text_is(tmp_path):
    """Against Python's own split, on random texts of few letters."""
    draw, path = random.Random(0), tmp_path / "some.txt"
    for _ in range(40):
        text = "".join(draw.choice("ab|") for _ in range(draw.randrange(30)))
        path.write_text(text)
        parts = Parts([path], b"||", bytes.decode)
        assert [parts[i] for i in range(len(parts))] == [part for part in text.split("||") if part]
