"""The induction program does what was written, by the written heads, and not without them."""

import pytest
import torch

from sonde.nn import eager_attention_forward, permuted
from sonde.results import InputError
from sonde.specimens.compiled import induction

SEEDS = pytest.mark.parametrize("seed", range(4))


def lists_said_twice(program, rows=20, length=10, seed=0):
    """Rows: the beginning, `length` different words, the same words but the last; so each position of the second copy has a known next word."""
    generator = torch.Generator().manual_seed(seed)
    ids = torch.arange(2, program.model.config.d_vocab)
    once = torch.stack([ids[torch.randperm(len(ids), generator=generator)[:length]] for _ in range(rows)])
    bos = torch.full((rows, 1), program.tokenizer.bos_id)
    return torch.cat([bos, once, once[:, :-1]], dim=1), once[:, 1:]


def accuracy(program, model=None):
    ids, following = lists_said_twice(program)
    return ((model or program.model)(ids)[:, -following.shape[1] :].argmax(-1) == following).float().mean().item()


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
    program = induction(seed)
    ids, following = lists_said_twice(program)
    logits = program.model(ids)[:, -following.shape[1] :]
    right = logits.gather(-1, following[..., None])[..., 0]
    others = logits.scatter(-1, following[..., None], -torch.inf).amax(-1)
    assert (right - others).min() > 6


@SEEDS
@torch.no_grad()
def test_patterns_are_as_planted(seed):
    program = induction(seed)
    ids, _ = lists_said_twice(program)
    pattern = patterns_of(program.model, ids)
    every, second = torch.arange(1, 20), torch.arange(11, 20)  # words stand at 1 to 10 and again at 11 to 19
    previous = pattern[..., every, every - 1].amin((1, 3))
    induced = pattern[..., second, second - 9].amin((1, 3))
    noted, matched = program.heads["previous_token"], program.heads["induction"]
    assert noted.layer == 0 and previous[0, noted.head] > 0.99
    assert matched.layer == 1 and induced[1, matched.head] > 0.95
    # where nothing matches, the induction head rests on the beginning
    assert pattern[1, :, matched.head, 1:11, 0].min() > 0.9
    for head, scores in ((noted, previous), (matched, induced)):
        scores[head.layer, head.head] = 0
        assert scores.max() < 0.5, f"another head looks like {head}"


@SEEDS
@torch.no_grad()
@pytest.mark.parametrize("role", ["previous_token", "induction"])
def test_each_written_head_is_needed_and_no_other(seed, role):
    program = induction(seed)
    model, d_head = program.model, program.model.config.head_dim
    for layer, block in enumerate(model.blocks):
        for head in range(model.config.n_heads):
            if f"{layer}.{head}" not in map(str, program.heads.values()):
                block.attn.o.weight[:, head * d_head : (head + 1) * d_head] = 0
        block.mlp.down.weight.zero_()
    assert accuracy(program) == 1
    needed = program.heads[role]
    model.blocks[needed.layer].attn.o.weight[:, needed.head * d_head : (needed.head + 1) * d_head] = 0
    assert accuracy(program) < 0.2


@SEEDS
@torch.no_grad()
def test_permuted_weights_do_nothing(seed):
    program = induction(seed)
    assert accuracy(program) == 1
    assert accuracy(program, permuted(program.model, seed)) < 0.2


def test_has_gradients_through_the_patterns():
    program = induction()
    ids = torch.tensor([program.tokenizer.encode("dog cat boy dog")])
    program.model(ids)[0, -1, program.tokenizer.single("cat")].backward()
    assert all(block.attn.q.weight.grad.abs().max() > 0 for block in program.model.blocks)


@pytest.mark.parametrize("n_words", [9, 1000])
def test_too_many_words_or_too_few(n_words):
    with pytest.raises(InputError, match=f"n_words={n_words}: choose from 10 to"):
        induction(n_words=n_words)
