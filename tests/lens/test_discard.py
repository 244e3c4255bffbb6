"""What becomes of the input token: echoed where embeddings are tied, gone from the readout where blocks turn it away, and still there for a probe."""

import pytest
import torch
from small_models import words

import sonde
from sonde.lens import input_discard
from sonde.nn import Transformer, TransformerConfig
from sonde.results import CheckRefused, InputError
from sonde.specimens.words import documents

VOCAB = WIDTH = 24


def turned():
    """Tied orthogonal embeddings, and a block whose MLP turns every token into the next one: the readout loses the token, a probe does not."""
    module = Transformer(
        TransformerConfig(n_layers=1, d_model=WIDTH, n_heads=2, d_vocab=VOCAB, n_ctx=16, d_mlp=WIDTH, norm=None, activation="relu", positional=None)
    ).eval()
    with torch.no_grad():
        for weight in module.parameters():
            weight.zero_()
        module.embed.weight.copy_(torch.eye(VOCAB))
        module.blocks[0].mlp.up.weight.copy_(torch.eye(WIDTH))
        module.blocks[0].mlp.down.weight.copy_(torch.roll(torch.eye(WIDTH), 1, 0) - torch.eye(WIDTH))
    return sonde.Model(module)


def test_gone_from_the_readout_and_still_there():
    model = turned()
    rows = torch.randint(0, 12, (30, 12), generator=torch.Generator().manual_seed(0)).tolist()
    found = input_discard(model, rows)
    assert found.layers == ["embed", "model"] and len(found.classes) == 12
    assert found.first.mean(1).tolist() == [1, 0]
    assert bool((found.probed == 1).all()) and found.shuffled.mean() < 0.4
    assert found.check(model)[0].holds
    with pytest.raises(CheckRefused):
        found.check(words())


def test_the_specimen(tmp_path):
    found = input_discard(words(), [document.text for document in documents(n=24, seed=3)])
    frame = found.to_frame()
    assert frame["first"][0] > 0.9 > 0.5 > frame["first"][-1], "its embeddings are tied"
    assert frame["linear"][-1] > frame["chance"][-1] + 0.2
    assert type(found).load(found.save(tmp_path / "kept")).to_frame().equals(frame) and found.drawing().to_json()


def test_too_little_text_is_refused():
    with pytest.raises(InputError, match="fewer than two tokens that occur 5 times"):
        input_discard(turned(), [[1, 2, 3]])
