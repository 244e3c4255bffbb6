"""Activations of a live model: they are the model's own, no padding and no special token is among them, and sites stay aligned."""

import itertools
import json

import pytest
import torch
from small_models import words
from store_inputs import BOS, SITE, rows_of_ids, tiny
from tiny_models import CONTEXT, D_MODEL
from torch import nn

import sonde
from sonde.dictionaries.store import Inputs, Live, columns, corpus
from sonde.results import InputError, SiteUnavailable, UnknownSite
from sonde.specimens.words import documents


@pytest.fixture(scope="module")
def model():
    return tiny()


def blocks(source):
    return list(source.blocks(source.beginning(0)))


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("bos", ["both", "none"])
def test_rows_are_the_models_own(model, packed, bos):
    """Every kept row is what the model computes for that token of that sequence alone; every token but the special ones is there, once."""
    text = corpus(rows_of_ids(20), model, bos=bos, packed=packed)
    sequences = [sequence.tokens for sequence in text.sequences(text.beginning(0))]
    source = Live(model, text, [SITE, "blocks.1.mlp.out"], batch_size=7, sinks=None)
    found = {}
    for block in blocks(source):
        for row, token, sequence, position in zip(block.rows, block.tokens, block.sequences, block.positions, strict=True):
            assert sequences[sequence][position] == token != BOS
            found[int(sequence), int(position)] = row
    assert set(found) == {(i, j) for i, row in enumerate(sequences) for j, token in enumerate(row) if token != BOS}
    for i, sequence in enumerate(sequences):
        run = model.run([sequence], read=[SITE, "blocks.1.mlp.out"])
        alone = torch.cat([run[SITE], run["blocks.1.mlp.out"]], dim=-1)[0]
        mine = [(j, row) for (number, j), row in found.items() if number == i]
        torch.testing.assert_close(torch.stack([row for _, row in mine]), alone[[j for j, _ in mine]])


def test_parts_are_aligned_and_named(model):
    source = Live(model, rows_of_ids(20), ["blocks.*.resid_post", "blocks.1.attn.z", "blocks.1.attn.z[head=2]"], buffer=64)
    assert [(part.site, part.width) for part in source.parts] == [
        ("blocks.0.resid_post", D_MODEL), ("blocks.1.resid_post", D_MODEL), ("blocks.1.attn.z", D_MODEL), ("blocks.1.attn.z[head=2]", D_MODEL // 4),
    ]  # fmt: skip
    batch = next(source.batches(50))
    heads = batch[:, columns(source.parts, ["blocks.1.attn.z"])]
    assert torch.equal(heads[:, 8:12], batch[:, columns(source.parts, ["blocks.1.attn.z[head=2]"])])
    # what one site of a row says of its token, the other says too: they are rows of one token
    one = Live(model, rows_of_ids(20), "blocks.1.resid_post", buffer=64)
    assert torch.equal(next(one.batches(50)), batch[:, columns(source.parts, ["blocks.1.resid_post"])])


def test_several_models_read_the_same_tokens(model):
    other = tiny(seed=1)
    source = Live({"one": model, "other": other}, rows_of_ids(20), SITE, buffer=64)
    assert [part.site for part in source.parts] == [f"one/{SITE}", f"other/{SITE}"]
    batch = next(source.batches(50))
    for name, single in (("one", model), ("other", other)):
        alone = next(Live(single, rows_of_ids(20), SITE, buffer=64).batches(50))
        assert torch.equal(batch[:, columns(source.parts, [f"{name}/{SITE}"])], alone)


def test_models_with_other_words_are_refused(model):
    with pytest.raises(InputError, match="'other' has another vocabulary than 'one'"):
        Live({"one": model, "other": words()}, rows_of_ids(3), SITE)


@pytest.mark.parametrize("stop", [0, 1, 3, 6, 11])
def test_goes_on_exactly(model, stop):
    def made():
        return Live(model, rows_of_ids(40), [SITE, "blocks.1.attn.out"], rows=900, batch_size=5, buffer=96)

    source = made()
    list(itertools.islice(source.batches(60), stop))
    again = made()
    again.load_state_dict(json.loads(json.dumps(source.state_dict())))
    rest, expected = list(again.batches(60)), list(source.batches(60))
    assert len(rest) == len(expected) == 15 - stop and all(map(torch.equal, rest, expected))
    assert "the text was read 2 times, because 900 rows were asked for" in source.notes


def test_a_state_of_another_model_or_text(model):
    state = Live(model, rows_of_ids(20), SITE).state_dict()
    for other, told in [
        (Live(tiny(seed=1), rows_of_ids(20), SITE), "models"),
        (Live(model, rows_of_ids(20, seed=1), SITE), "text"),
        (Live(model, rows_of_ids(20), "blocks.1.resid_post"), "parts"),
        (Live(model, rows_of_ids(20), SITE, batch_size=3), "batch_size"),
    ]:
        with pytest.raises(InputError, match=f"a source with {told}"):
            other.load_state_dict(state)


def test_attention_sinks_are_left_out_and_told():
    model = tiny()
    with torch.no_grad():
        model.module.transformer.wte.weight[7] *= 200
    text = [[1, 7, 2, 3, 4, 5, 6, 8]] * 4
    usual = Live(model, text, "embed")
    assert not any((block.tokens == 7).any() for block in blocks(usual))
    assert "of 39 rows 7 of special tokens and 4 of attention sinks were left out" in usual.notes[-1]
    assert any((block.tokens == 7).any() for block in blocks(Live(model, text, "embed", sinks=None)))


def test_rows_that_differ_from_nothing_are_no_sinks():
    """Where most rows are zero every other one is many times the median."""
    model = tiny()
    with torch.no_grad():
        model.module.transformer.wte.weight[1:] = 0
        model.module.transformer.wte.weight[7] = 1
    (block,) = blocks(Live(model, [[1, 7, 2, 3, 4, 5, 6, 8]], "embed"))
    assert 7 in block.tokens and len(block.rows) == 8


def test_special_tokens_can_be_kept_or_named(model):
    text = corpus([[1, 2, 3, 4]] * 3, model, packed=False)
    assert {int(t) for block in blocks(Live(model, text, SITE)) for t in block.tokens} == {1, 2, 3, 4}
    assert {int(t) for block in blocks(Live(model, text, SITE, skip=())) for t in block.tokens} == {BOS, 1, 2, 3, 4}
    assert {int(t) for block in blocks(Live(model, text, SITE, skip={3}, sinks=None)) for t in block.tokens} == {BOS, 1, 2, 4}


def test_the_forward_ends_after_the_last_site(model):
    seen = []
    hook = model.module.transformer.h[1].register_forward_hook(lambda *_: seen.append(1))
    try:
        list(Live(model, rows_of_ids(5), SITE, buffer=64).batches(50))
        assert not seen
        list(Live(model, rows_of_ids(5), "blocks.1.resid_post", buffer=64).batches(50))
        assert seen
    finally:
        hook.remove()


def test_rows_that_are_not_finite_are_named():
    model = tiny()
    with torch.no_grad():
        model.module.transformer.wpe.weight[5] = float("nan")
    with pytest.raises(InputError, match=r"activations of the model are not finite at sequence 0, position 5 \(token 5\); leave this text out"):
        blocks(Live(model, [[1, 2, 3, 4, 5, 6]], "blocks.0.resid_pre"))


def test_an_infinite_row_is_no_attention_sink():
    model = tiny()
    with torch.no_grad():
        model.module.transformer.wte.weight[7] = float("inf")
    with pytest.raises(InputError, match=r"position 2 \(token 7\)"):
        blocks(Live(model, [[1, 7, 2, 3, 4, 5, 6, 8]], "embed"))


def test_what_cannot_be_read(model, unchecked):
    for wrong, error, told in [
        ({"sites": []}, InputError, "at least one site"),
        ({"sites": "blocks.7.resid_post"}, UnknownSite, "blocks.7"),
        ({"sites": "blocks.0.attn.pattern"}, SiteUnavailable, "batch head query key"),
        ({"sites": [SITE, f"{SITE}[pos=-1]"]}, SiteUnavailable, "no rows in common"),
        ({"sinks": 0.5}, InputError, "sinks=0.5"),
        ({"batch_size": 0}, InputError, "batch_size=0"),
        ({"model": model.module}, InputError, "is no model"),
        ({"text": 3}, InputError, "no corpus"),
    ]:
        with pytest.raises(error, match=told):
            Live(**({"model": model, "text": rows_of_ids(3), "sites": SITE} | wrong))
    with pytest.raises(InputError, match="vocabulary has 40"):
        next(Live(model, [[1, 99]], SITE).batches(4))
    with pytest.raises(InputError, match="not one row"):
        next(Live(model, [[BOS, BOS]], SITE).batches(4))


def test_text_through_a_tokenizer_and_the_last_token_alone(model):
    text = corpus(["w3 w4 w5", "w6"], model, shuffled=False)
    source = Live(model, text, f"{SITE}[pos=-1]", buffer=64)
    assert torch.equal(next(source.batches(9)), model.run([[BOS, 3, 4, 5, BOS, 6]], read=SITE)[SITE][:, -1])


def test_no_document_is_longer_than_the_context(model):
    text = corpus([list(range(1, 30))], model)
    assert text.length == CONTEXT and max(int(block.positions.max()) for block in blocks(Live(model, text, SITE))) == CONTEXT - 1


class Pictures(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.head = nn.Conv2d(1, 3, 3), nn.Linear(3, 2)

    def forward(self, x):
        return self.head(torch.relu(self.conv(x)).mean((2, 3)))


def test_any_module():
    torch.manual_seed(0)
    model, pictures = sonde.load(Pictures()), torch.randn(10, 1, 5, 5)
    source = Live(model, Inputs(pictures), "conv:out", batch_size=4, sinks=None, buffer=20)
    with torch.no_grad():
        maps = model.module.conv(pictures)
    came = torch.cat(list(source.batches(10)))
    expected = maps.movedim(1, -1).reshape(-1, 3)
    torch.testing.assert_close(came[came[:, 0].argsort()], expected[expected[:, 0].argsort()])
    again = Live(model, Inputs(pictures), "conv:out", batch_size=4, sinks=None, buffer=20)
    again.load_state_dict(source.state_dict())
    assert not list(again.batches(10))
    assert next(Live(model, Inputs(pictures), "head:out", buffer=20).batches(10)).shape == (10, 2)


def test_the_specimen():
    source = Live(words(), documents(n=30), "blocks.1.resid_post", rows=300, buffer=128)
    assert sum(len(batch) for batch in source.batches(64)) == 300
    assert "of special tokens" in source.notes[-1] and "'<|end|>' before every context" in source.notes[0]
