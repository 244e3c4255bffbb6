"""Where attention looks, by hand, by brute force, and on every kind of model."""

import pytest
import torch
from small_models import words
from tiny_encoders import build as encoder
from tiny_encoders import inputs as images
from tiny_families import build
from tiny_models import bare
from torch import nn

import sonde
from sonde.attribution import attention_relevance, attention_rollout, attention_weights, value_weighted_norm, value_zeroing
from sonde.nn import permuted
from sonde.results import InputError, SiteUnavailable
from sonde.tasks import Logit, LogitDifference

METHODS = [attention_weights, attention_rollout, value_weighted_norm, value_zeroing, attention_relevance]
IDS = [[3, 1, 4, 1, 5], [9, 2, 6, 5, 3]]
METRIC = LogitDifference(3, 5)


@pytest.fixture(scope="module")
def grouped():
    """Two layers of four query heads that share two keys and values."""
    return sonde.Model(bare("native-gated"))


@pytest.fixture(scope="module")
def patterns(grouped):
    run = grouped.run(IDS, read="blocks.*.attn.pattern")
    return [run[f"blocks.{i}.attn.pattern"] for i in range(2)]


def test_weights_are_the_pattern(grouped, patterns):
    for layer in (0, 1, -1):
        assert torch.allclose(attention_weights(grouped, IDS, of=METRIC, layer=layer).values, patterns[layer].mean(1)[:, -1])
    assert torch.allclose(attention_weights(grouped, IDS, of=METRIC, heads="max").values, patterns[1].amax(1)[:, -1])
    assert torch.allclose(attention_weights(grouped, IDS, of=METRIC, heads=2, pos=3).values, patterns[1][:, 2, 3])
    result = attention_weights(grouped, IDS, of=METRIC)
    assert result.own_unit == "share of attention" == result.drawing().unit and "unsigned" in result.method


@pytest.mark.parametrize("heads", ["mean", "max"])
def test_rollout_is_the_product_and_sums_to_one(grouped, patterns, heads):
    steps = [p.mean(1) if heads == "mean" else p.amax(1) for p in patterns]
    first, second = ((step + torch.eye(5)) / (step + torch.eye(5)).sum(-1, keepdim=True) for step in steps)
    values = attention_rollout(grouped, IDS, of=METRIC, heads=heads).values
    assert torch.allclose(values, (second @ first)[:, -1], atol=1e-6) and torch.allclose(values.sum(-1), torch.ones(2), atol=1e-6)


def test_the_norm_of_what_is_moved_by_head_and_key(grouped, patterns):
    block = grouped.module.blocks[1].attn
    v = grouped.run(IDS, read="blocks.1.attn.v")["blocks.1.attn.v"]
    W_O = block.o.weight.detach().T.view(4, 4, 16)
    expected = torch.zeros(2, 5)
    for row in range(2):
        for key in range(5):
            moved = sum(patterns[1][row, head, -1, key] * (v[row, key, head // 2] @ W_O[head]) for head in range(4))
            expected[row, key] = moved.norm()
    assert torch.allclose(value_weighted_norm(grouped, IDS, of=METRIC).values, expected, atol=1e-5)


def test_value_zeroing_is_one_run_for_each_position_and_layer(grouped):
    rolled = torch.eye(5)
    for layer in range(2):
        site = f"blocks.{layer}.resid_post"
        whole, matrix = grouped.run(IDS[:1], read=site)[site][0], torch.zeros(5, 5)
        for s in range(5):
            without = grouped.run(IDS[:1], edits=[sonde.Zero(f"blocks.{layer}.attn.v[pos={s}]")], read=site)[site][0]
            matrix[:, s] = 1 - torch.cosine_similarity(whole, without, dim=-1)
        matrix = matrix.tril()
        one = value_zeroing(grouped, IDS[:1], of=METRIC, layer=layer).values[0]
        assert torch.allclose(one, matrix[-1] / matrix[-1].sum(), atol=1e-4)
        rolled = matrix / matrix.sum(-1, keepdim=True) @ rolled
    assert torch.allclose(value_zeroing(grouped, IDS, of=METRIC).values[0], rolled[-1], atol=1e-4)


def test_relevance_keeps_what_speaks_for_the_metric(grouped, patterns):
    sites = [f"blocks.{i}.attn.pattern" for i in range(2)]
    slopes = grouped.grad(IDS, of=METRIC, at=sites)
    first, second = ((p * slopes[site]).relu().mean(1) for p, site in zip(patterns, sites, strict=True))
    expected = first + second + second @ first
    values = attention_relevance(grouped, IDS, of=METRIC).values
    assert torch.allclose(values, expected[:, -1], atol=1e-5)
    other = attention_relevance(grouped, IDS, of=LogitDifference(5, 3)).values
    assert not torch.allclose(values, other, atol=1e-3)  # the one of the five that knows the question
    assert torch.allclose(attention_rollout(grouped, IDS, of=METRIC).values, attention_rollout(grouped, IDS, of=LogitDifference(5, 3)).values)


@pytest.mark.parametrize("method", METHODS)
def test_padding_and_what_comes_later_do_not_count(method):
    model, prompts = words(), ["The keys on the cabinet", "The dog"]
    whole = method(model, prompts, of=LogitDifference(100, 101))
    for i, prompt in enumerate(prompts):
        alone = method(model, prompt, of=LogitDifference(100, 101)).values[0]
        assert torch.allclose(whole.values[i, : len(alone)], alone, rtol=1e-3, atol=1e-4) and whole.values[i, len(alone) :].isnan().all()
    early = method(model, "The keys on the cabinet", of=LogitDifference(100, 101, pos=2)).values[0]
    assert bool((early[3:] == 0).all()) and bool((early[:3] > 0).any())


@pytest.mark.parametrize("method", METHODS)
def test_a_randomised_model_looks_elsewhere(method):
    model = words()
    other = sonde.Model(permuted(model.module, 0), model.tokenizer)
    ours, theirs = (method(m, "The keys on the cabinet", of=LogitDifference(100, 101)).values for m in (model, other))
    assert not torch.allclose(ours / ours.sum(), theirs / theirs.sum(), atol=1e-2)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("name", ["vit", "deit", "clip", "bert-classes"])
def test_encoders(method, name):
    """Patches become a map over the picture; a classifier reads its class token."""
    model = sonde.load(encoder(name))
    result = method(model, images(model), of=Logit([0, 1]))
    assert result.values.shape == ((2, 7) if name.startswith("bert") else (2, 8, 8)) and torch.isfinite(result.values).all()
    if name == "bert-classes" and method is attention_weights:
        pattern = model.run(images(model), read="blocks.1.attn.pattern")["blocks.1.attn.pattern"]
        assert torch.allclose(result.values, pattern.mean(1)[:, 0], atol=1e-6)


@pytest.mark.parametrize(
    "call, error, message",
    [
        (lambda m: attention_weights(m, IDS, of=METRIC, layer=2), InputError, "layer=2: this model has 2 layers, 0 to 1"),
        (lambda m: attention_weights(m, IDS, of=METRIC, heads=4), InputError, "heads=4: there are 4 heads, 0 to 3"),
        (lambda m: attention_rollout(m, IDS, of=METRIC, heads="median"), InputError, "heads='median': use 'mean', 'max'"),
        (lambda m: attention_rollout(m, IDS, of=METRIC, pos=5), InputError, "pos=5: example 0 has 5 tokens"),
        (lambda m: attention_rollout(sonde.Model(nn.Linear(4, 2)), torch.randn(2, 4), of=METRIC), InputError, "has no attention that sonde knows"),
        (lambda m: value_weighted_norm(sonde.load(build("gemma2")), IDS, of=METRIC), SiteUnavailable, "stands between the heads and the residual"),
    ],
)
def test_refusals(call, error, message, grouped):
    with pytest.raises(error, match=message):
        call(grouped)


def test_an_encoder_without_a_class_token_needs_a_position():
    model = sonde.load(encoder("siglip-vision"))
    with pytest.raises(InputError, match="has no class token whose attention is read: name a position with pos="):
        attention_rollout(model, images(model), of=lambda run: run.logits.flatten(1).sum(1))
