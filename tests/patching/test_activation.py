"""Activation patching: each cell is one plain patched forward, and the planted circuit is where it was planted."""

import pytest
import torch
from small_models import llama, planted, words

import sonde
from sonde.patching import activation_patching, head_sites, mlp_sites, residual_sites
from sonde.results import InputError
from sonde.tasks import Task, counterfactuals, siblings

TEXT = "dog lamp river road horse tree lamp"  # <bos> before it, so that lamp stands at 2 and 7, and river at 3


def family(model, text, n=12):
    pair = counterfactuals(text, model).best.pair
    return siblings(pair.clean, pair.corrupt, pair.target, pair.foil, model, n=n)


@pytest.mark.parametrize("direction", ["denoising", "noising"])
@pytest.mark.parametrize("make", [words, llama])
def test_every_cell_is_one_patched_forward(direction, make):
    model = make()
    task = family(model, "When Lily and Tom went to the park, Tom gave a ball to" if make is llama else "The keys on the cabinet", n=3)
    sites = ["blocks.1.attn.z[head=2]", "blocks.2.resid_pre[pos=2]", ["blocks.0.mlp.out", "blocks.2.attn.z[head=0, pos=-1]"], "embed[pos=1]"]
    result = activation_patching(model, task, sites, direction)
    source, target = (task.clean, task.corrupt) if direction == "denoising" else (task.corrupt, task.clean)
    for cell, value in zip(sites, result.values, strict=True):
        group = [cell] if isinstance(cell, str) else cell
        run = model.run(source, read=[site.split("[")[0] for site in group])
        plain = task.metric(model.run(target, edits=[sonde.Patch(site, source=run) for site in group]))
        assert torch.allclose(value, plain, atol=1e-4)
    assert torch.allclose(result.clean, task.metric(model.run(task.clean)), atol=1e-4)
    assert torch.allclose(result.corrupt, task.metric(model.run(task.corrupt)), atol=1e-4)


def test_the_effect_is_a_ratio_of_means():
    task = sonde.tasks.load("ioi", words(), n=5)
    result = activation_patching(words(), task, mlp_sites(words()))
    expected = (result.values - result.corrupt).mean(-1) / (result.clean.mean() - result.corrupt.mean())
    assert torch.allclose(result.effect, expected, atol=1e-6)
    noising = activation_patching(words(), task, mlp_sites(words()), "noising")
    assert torch.allclose(noising.effect, (noising.clean - noising.values).mean(-1) / noising.gap, atol=1e-6)
    assert result.gap == pytest.approx(noising.gap, abs=1e-4)


@pytest.mark.parametrize("direction", ["denoising", "noising"])
def test_the_whole_state_carries_all_and_nothing_carries_nothing(direction):
    model = words()
    task = family(model, "The keys on the cabinet", n=4)
    n = task.length
    last = f"blocks.3.resid_pre[pos=0:{n}]"
    whole, never = activation_patching(model, task, [last, "blocks.0.resid_pre[pos=1]"], direction).effect.tolist()
    assert whole == pytest.approx(1, abs=1e-4) and never == pytest.approx(0, abs=1e-5)  # position 1 is the same word in both


@pytest.mark.parametrize("seed", range(3))
def test_the_planted_heads_and_only_they_carry_the_answer(seed):
    model, truth = planted(seed)
    task = family(model, TEXT)
    names = [f"{layer}.{head}" for layer in range(2) for head in range(4)]
    for direction in ("denoising", "noising"):
        effect = dict(zip(names, activation_patching(model, task, head_sites(model), direction).effect.tolist(), strict=True))
        assert effect.pop(truth["previous_token"]) > 0.8 and effect.pop(truth["induction"]) > 0.8
        assert max(map(abs, effect.values())) < 0.1


def test_the_planted_previous_token_head_works_where_the_answer_stands():
    """Restored at the token after the match it brings the answer back; at the asking token it does nothing."""
    model, truth = planted(0)
    layer, head = truth["previous_token"].split(".")
    task = family(model, TEXT)
    there, here = activation_patching(model, task, [f"blocks.{layer}.attn.z[head={head}, pos={pos}]" for pos in (3, 7)]).effect.tolist()
    assert there > 0.8 and abs(here) < 0.1


def test_the_planted_answer_moves_from_the_match_to_the_end():
    model, _ = planted(0)
    task = family(model, TEXT)
    effect = activation_patching(model, task, residual_sites(model, task.length)).effect.view(2, 8)
    assert effect[0].argmax() == 2 and effect[0, 2] > 0.9  # into block 0: the word itself
    assert effect[1, 3] > 0.8  # into block 1: written at the token after it
    assert effect[1, [0, 1, 4, 5, 6]].abs().max() < 0.1
    end = activation_patching(model, task, ["blocks.1.resid_post[pos=7]", "blocks.1.resid_post[pos=3]"]).effect
    assert end[0] == pytest.approx(1, abs=1e-4) and end[1] == pytest.approx(0, abs=1e-5)


def test_intervals_hold_the_effect_and_shrink_with_examples():
    task = sonde.tasks.load("ioi", words(), n=64)
    few, many = (activation_patching(words(), part, head_sites(words())) for part in (task.select(range(8)), task))
    assert bool((few.intervals()[:, 0] <= few.effect).all()) and bool((few.effect <= few.intervals()[:, 1]).all())
    assert (many.intervals()[:, 1] - many.intervals()[:, 0]).mean() < 0.6 * (few.intervals()[:, 1] - few.intervals()[:, 0]).mean()
    assert activation_patching(words(), task.select([0]), ["blocks.0.mlp.out"]).intervals() is None


def test_sites():
    assert len(head_sites(words())) == 16 and len(mlp_sites(words())) == 4 and len(residual_sites(words(), 6)) == 24
    assert str(head_sites(llama())[5]) == "blocks.1.attn.z[head=1]"
    torch.manual_seed(0)
    attention_only = sonde.Model(sonde.nn.Transformer(sonde.nn.TransformerConfig(n_layers=1, d_model=8, n_heads=2, d_vocab=9, n_ctx=8, d_mlp=0)))
    assert mlp_sites(attention_only) == []


def test_drawings_tables_and_files(tmp_path):
    model = words()
    task = family(model, "The keys on the cabinet", n=4)
    result = activation_patching(model, task, residual_sites(model, task.length))
    grid = result.grid([str(i) for i in range(4)], "block", result.tokens, "position")
    assert grid.kind == "matrix" and len(grid.data["values"]) == 4 and len(grid.data["values"][0]) == 6
    assert result.drawing().kind == "bars" and result.to_frame().height == 24 * 4
    back = type(result).load(result.save(tmp_path / "patches"))
    assert torch.equal(back.effect, result.effect) and back.sites == result.sites


@pytest.mark.parametrize(
    ("sites", "direction", "message"),
    [
        (["blocks.0.mlp.out"], "sideways", "direction='sideways': use 'denoising'"),
        ([], "denoising", "nothing to patch"),
        ([[]], "denoising", "nothing to patch"),
    ],
)
def test_refusals(sites, direction, message):
    with pytest.raises(InputError, match=message):
        activation_patching(words(), sonde.tasks.load("agreement", words(), n=2), sites, direction)


def test_where_the_metric_does_not_move_there_is_nothing_to_explain():
    task = Task.from_pairs(words(), [("The keys on the cabinet", "The key on the cabinet", " are", " is")])
    flat = Task(**{**vars(task), "corrupt": task.clean})
    with pytest.raises(InputError, match="the metric is the same in both runs"):
        _ = activation_patching(words(), flat, ["blocks.0.mlp.out"]).effect
