"""The character networks: the figures of their README, their gates, and what is refused."""

import itertools
import math

import pytest
import torch
from data_models.shared import DATA, needs
from safetensors.torch import save_file

from sonde.behaviour import char_lstm, sentence_scores
from sonde.results import InputError, LoadError

# bits per character on 1,500 of the text that each was trained on, with the forget bias and without
FIGURES = {"charlotte_bronte": ("bronte.txt", 1.80, 1.93), "darwin": ("darwin.txt", 2.42, 2.49)}


@needs("char_lstm", "books")
@pytest.mark.parametrize("name", FIGURES)
def test_the_published_bits_per_character(name):
    book, with_bias, without = FIGURES[name]
    scorer = char_lstm(DATA / "char_lstm", name)
    text = (DATA / "books" / book).read_text(encoding="utf-8")[500_000:501_501]

    def bits():
        ((_, *values),) = scorer.score([[scorer.vocabulary[character] for character in text]])
        return -math.fsum(values) / len(values) / math.log(2)

    assert bits() == pytest.approx(with_bias, abs=0.005)
    for lstm in (scorer.model.module.lstm0, scorer.model.module.lstm1):
        lstm.bias_ih_l0.data[128:256] -= 1
    assert bits() == pytest.approx(without, abs=0.015)


@pytest.fixture
def folder(tmp_path):
    """A network of three characters and random weights, in the form of the stored ones."""
    generator = torch.Generator().manual_seed(0)
    shapes = {"embedding": (3, 4), "softmax.weight": (4, 3), "softmax.bias": (3,)}
    shapes |= {f"lstm{i}.{part}": shape for i in (0, 1) for part, shape in (("kernel", (8, 16)), ("bias", (16,)))}
    save_file({name: torch.randn(shape, generator=generator) for name, shape in shapes.items()}, tmp_path / "tiny.safetensors")
    (tmp_path / "tiny_vocab.json").write_text('{"\\n": 0, "a": 1, "b": 2}', encoding="utf-8")
    return tmp_path


def test_the_cell_step_by_step(folder):
    from safetensors.torch import load_file

    stored, scorer = load_file(folder / "tiny.safetensors"), char_lstm(folder)
    ids, total = [0, 1, 2, 2, 1], 0.0
    h, c = [torch.zeros(4)] * 2, [torch.zeros(4)] * 2
    for now, following in itertools.pairwise(ids):
        x = stored["embedding"][now]
        for layer in (0, 1):
            i, j, f, o = (torch.cat([x, h[layer]]) @ stored[f"lstm{layer}.kernel"] + stored[f"lstm{layer}.bias"]).chunk(4)
            c[layer] = c[layer] * torch.sigmoid(f + 1) + torch.sigmoid(i) * torch.tanh(j)
            x = h[layer] = torch.tanh(c[layer]) * torch.sigmoid(o)
        total += float((x @ stored["softmax.weight"] + stored["softmax.bias"]).log_softmax(0)[following])
    assert sentence_scores(scorer, ["abba"]).item() == pytest.approx(total, abs=1e-5)
    assert scorer.control(0).hash != scorer.hash == char_lstm(folder, "tiny").hash


def test_mistakes(folder):
    with pytest.raises(InputError, match="holds 'c', which tiny does not know"):
        sentence_scores(char_lstm(folder), ["abc"])
    with pytest.raises(LoadError, match="it holds tiny: name one"):
        char_lstm(folder, "other")
    (folder / "tiny_vocab.json").write_text('{"\\n": 0, "a": 1}', encoding="utf-8")
    with pytest.raises(LoadError, match="does not number the 3 characters"):
        char_lstm(folder)
    (folder / "tiny.safetensors").write_bytes(b"?")
    with pytest.raises(LoadError, match="can't be read"):
        char_lstm(folder)
