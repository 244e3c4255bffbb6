"""The planted model does what was planted, by the planted heads, and not without them."""

import json

import pytest
import torch

from sonde.nn import Transformer, eager_attention_forward
from sonde.results import InputError
from sonde.specimens import planted

SEEDS = pytest.mark.parametrize("seed", range(4))


def lists_said_twice(tokenizer, words, rows=20, length=10, seed=0):
    """Rows: the beginning, `length` different words, the same words but the last; so each position of the second copy has a known next word."""
    generator = torch.Generator().manual_seed(seed)
    ids = torch.tensor([tokenizer.token_to_id(word) for word in words])
    once = torch.stack([ids[torch.randperm(len(ids), generator=generator)[:length]] for _ in range(rows)])
    bos = torch.full((rows, 1), tokenizer.token_to_id(planted.BOS))
    return torch.cat([bos, once, once[:, :-1]], dim=1), once[:, 1:]


def accuracy(model, tokenizer, truth):
    ids, following = lists_said_twice(tokenizer, truth["words"])
    return (model(ids)[:, -following.shape[1] :].argmax(-1) == following).float().mean().item()


def patterns_of(model, ids):
    """[layer batch head query key], through a kernel that keeps what it computes."""
    kept = []

    def watch(*arguments, **options):
        out, pattern = eager_attention_forward(*arguments, **options)
        kept.append(pattern)
        return out, pattern

    for block in model.blocks:
        block.attn.kernel = watch
    model(ids)
    return torch.stack(kept)


@SEEDS
@torch.no_grad()
def test_continues_what_was_said(seed):
    model, tokenizer, truth = planted.induction(seed)
    ids, following = lists_said_twice(tokenizer, truth["words"])
    logits = model(ids)[:, -following.shape[1] :]
    right = logits.gather(-1, following[..., None])[..., 0]
    others = logits.scatter(-1, following[..., None], -torch.inf).amax(-1)
    assert (right - others).min() > 6


@SEEDS
@torch.no_grad()
def test_patterns_are_as_planted(seed):
    model, tokenizer, truth = planted.induction(seed)
    ids, _ = lists_said_twice(tokenizer, truth["words"])
    pattern = patterns_of(model, ids)
    every, second = torch.arange(1, 20), torch.arange(11, 20)  # words stand at 1 to 10 and again at 11 to 19
    previous = pattern[..., every, every - 1].amin((1, 3))
    induced = pattern[..., second, second - 9].amin((1, 3))
    layer, head = map(int, truth["previous_token"].split("."))
    assert layer == 0
    assert previous[layer, head] > 0.99
    layer, head = map(int, truth["induction"].split("."))
    assert layer == 1
    assert induced[layer, head] > 0.95
    # where nothing matches, the induction head rests on the beginning
    assert pattern[layer, :, head, 1:11, 0].min() > 0.9
    for role, scores in (("previous_token", previous), ("induction", induced)):
        layer, head = map(int, truth[role].split("."))
        scores[layer, head] = 0
        assert scores.max() < 0.5, f"another head than {truth[role]} looks like {role}"


@SEEDS
@torch.no_grad()
@pytest.mark.parametrize("role", ["previous_token", "induction"])
def test_each_planted_head_is_needed_and_no_other(seed, role):
    model, tokenizer, truth = planted.induction(seed)
    assert accuracy(model, tokenizer, truth) == 1
    planted_heads = {truth["previous_token"], truth["induction"]}
    d_head = model.config.head_dim
    for layer, block in enumerate(model.blocks):
        for head in range(model.config.n_heads):
            if f"{layer}.{head}" not in planted_heads:
                block.attn.o.weight[:, head * d_head : (head + 1) * d_head] = 0
        block.mlp.down.weight.zero_()
    assert accuracy(model, tokenizer, truth) == 1
    layer, head = map(int, truth[role].split("."))
    model.blocks[layer].attn.o.weight[:, head * d_head : (head + 1) * d_head] = 0
    assert accuracy(model, tokenizer, truth) < 0.2


@SEEDS
@torch.no_grad()
def test_permuted_weights_do_nothing(seed):
    model, tokenizer, truth = planted.induction(seed)
    generator = torch.Generator().manual_seed(seed)
    for weight in model.parameters():
        weight.copy_(weight.flatten()[torch.randperm(weight.numel(), generator=generator)].view_as(weight))
    assert accuracy(model, tokenizer, truth) < 0.2


def test_places_of_the_heads_depend_on_the_seed():
    places = {(truth["previous_token"], truth["induction"]) for _, _, truth in map(planted.induction, range(20))}
    assert len(places) > 8


def test_has_gradients_through_the_patterns():
    model, tokenizer, _ = planted.induction()
    model(torch.tensor([tokenizer.encode("<bos> dog cat boy dog").ids]))[0, -1, tokenizer.token_to_id("cat")].backward()
    assert all(block.attn.q.weight.grad.abs().max() > 1e-4 for block in model.blocks)


def test_saved_as_a_local_folder(tmp_path):
    truth = planted.save(tmp_path, seed=3, n_words=20, n_ctx=16)
    model, tokenizer, expected = planted.induction(seed=3, n_words=20, n_ctx=16)
    assert truth == expected == json.loads((tmp_path / "truth.json").read_text())
    ids, _ = lists_said_twice(tokenizer, truth["words"], length=7)
    assert torch.equal(Transformer.load(tmp_path)(ids), model(ids))
    assert (tmp_path / "tokenizer.json").exists()
    assert json.loads((tmp_path / "tokenizer_config.json").read_text())["bos_token"] == planted.BOS


def test_more_words_than_there_are():
    with pytest.raises(InputError, match="n_words=1000: choose from 2 to"):
        planted.induction(n_words=1000)
