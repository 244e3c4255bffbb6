"""Gradients against finite differences in double precision, at every kind of site, with edits and selections."""

import copy

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_models import FAMILIES
from torch.nn.functional import one_hot

import sonde
from sonde.results import InputError, UnknownSite

STEP, TOLERANCE = 1e-6, 1e-5
ROUGH = {"llama": (1e-3, 5e-3)}  # it takes norms and softmaxes in float32, whatever its weights are


@pytest.fixture(scope="module")
def exact(loaded):
    """Every family in float64."""
    return {family: sonde.Model(copy.deepcopy(model.module).double()) for family, model in loaded.items()}


class Curved:
    """A metric that is not linear in the logits and differs between the examples."""

    pos = -1

    def __call__(self, run):
        return run.last_logits.log_softmax(-1)[:, 3] * torch.arange(1, len(run.last_logits) + 1)


def slope(model, ids, metric, site, edits, entry, step):
    """The change of the metric with one entry of a site, by central differences."""
    ends = []
    for sign in (1, -1):
        nudge = lambda old, sign=sign: old + sign * step * one_hot(torch.tensor(entry), old.numel()).view_as(old)
        run = model.run(ids, edits=[*edits, sonde.Apply(site, nudge)], read="blocks.0.attn.scores", logits="last")
        ends.append(metric(run).sum().item())
    return (ends[0] - ends[1]) / (2 * step)


SITES = [
    *("embed", "pos_embed", "blocks.0.resid_pre", "blocks.0.resid_mid", "blocks.1.resid_post", "final_norm.scale", "final_norm", "logits"),
    *(f"blocks.0.attn.{part}" for part in ("norm.scale", "in", "q", "k", "v", "q_rot", "k_rot", "scores", "pattern", "z", "result", "out")),
    *(f"blocks.0.mlp.{part}" for part in ("norm.scale", "in", "pre", "gate", "post", "out")),
    *("blocks.1.attn.z[head=1]", "blocks.0.attn.result[head=2, pos=-1]", "blocks.0.resid_mid[pos=[0,-1]]", "blocks.0.attn.pattern[query=-1]"),
    *("blocks.0.mlp.norm.scale[pos=2:4]", "embed[batch=1, pos=::2]"),
]
EDITS = [
    [],
    [sonde.Scale("blocks.0.mlp.norm.scale", 1.5), sonde.Zero("blocks.0.attn.result[head=0]")],
    [sonde.Add("blocks.0.resid_mid", torch.linspace(-0.3, 0.3, 16))],
    [sonde.Scale("blocks.1.attn.pattern", 0.7), sonde.Apply("embed", torch.tanh)],
]


@settings(max_examples=50)
@given(st.sampled_from(FAMILIES), st.sampled_from(SITES), st.integers(0, len(EDITS) - 1), st.data())
def test_gradients_are_slopes(exact, family, site, which, data):
    model = exact[family]
    names = {sonde.Site.parse(site).name, *(edit.site.name for edit in EDITS[which])}
    if not names <= model.architecture.sites.keys():
        return
    ids = torch.tensor([[3, 1, 0, 4, 7], [9, 2, 6, 5, 0]])
    metric = Curved()
    grads = model.grad(ids, metric, at=[site, "embed"], edits=EDITS[which])
    gradient = grads[site]
    entry = data.draw(st.integers(0, gradient.numel() - 1))
    step, tolerance = ROUGH.get(family, (STEP, TOLERANCE))
    measured = slope(model, ids, metric, site, EDITS[which], entry, step)
    assert abs(gradient.flatten()[entry].item() - measured) < tolerance * max(1.0, gradient.abs().max().item())
    run = model.run(ids, edits=EDITS[which], read=[site, "blocks.0.attn.scores"])
    assert torch.allclose(grads.values[site], run[site], atol=tolerance)
    assert torch.allclose(grads.metric, metric(run), atol=tolerance)


def test_one_call_gives_what_single_calls_give(exact):
    model = exact["llama"]
    ids, metric = torch.tensor([[3, 1, 4], [9, 2, 6]]), Curved()
    names = [name for name in model.architecture.sites if "scores" not in name]
    together = model.grad(ids, metric, at=[*names, "blocks.0.attn.z[head=1]", "blocks.0.attn.z[pos=-1]"])
    for name in names:
        assert torch.allclose(together[name], model.grad(ids, metric, at=[name, "blocks.0.attn.pattern"])[name], atol=1e-9), name
    assert torch.allclose(together["blocks.0.attn.z[head=1]"], together["blocks.0.attn.z"][:, :, 1], atol=1e-9)
    assert torch.allclose(together["blocks.0.attn.z[pos=-1]"], together["blocks.0.attn.z"][:, -1], atol=1e-9)


def test_rows_of_different_length(exact):
    metric, rows = Curved(), [[3, 1, 4, 1], [9, 2]]
    for model in exact.values():
        grads = model.grad(rows, metric, at=["blocks.0.resid_post", "blocks.0.resid_post[pos=-1]"])
        assert torch.allclose(grads["blocks.0.resid_post[pos=-1]"][1], grads["blocks.0.resid_post"][1, 1], atol=1e-12)
        assert (grads["blocks.0.resid_post"][1, 2:] == 0).all()  # padding matters to nothing
        alone = model.grad(rows[1:], Curved(), at="blocks.0.resid_post")["blocks.0.resid_post"]
        assert torch.allclose(grads["blocks.0.resid_post"][1, :2], 2 * alone[0], atol=1e-9)


def test_a_site_that_does_not_matter_has_gradient_zero(model, ids, metric):
    grads = model.grad(ids, metric, at=["blocks.0.resid_post", "logits[pos=0]"])
    assert (grads["logits[pos=0]"] == 0).all()
    assert (grads["blocks.0.resid_post"] != 0).any()


def test_weights_are_frozen_meanwhile_and_thawed_after(model, ids, metric):
    """transformer-lens and nnsight compute every weight's gradient and drop it; the fixture checks that none is left."""
    some = next(model.module.parameters())
    some.requires_grad_(False)
    seen = []
    model.grad(ids, lambda run: seen.append(any(p.requires_grad for p in model.module.parameters())) or metric(run))
    assert seen == [False]
    assert not some.requires_grad
    some.requires_grad_(True)


def test_the_graph_begins_at_the_first_site(model, ids, metric):
    """The metric's graph from a late site knows nothing of the blocks below."""
    sizes = []

    def of(run):
        value = metric(run)
        seen, todo = set(), [value.grad_fn]
        while todo:
            node = todo.pop()
            if node is not None and node not in seen:
                seen.add(node)
                todo.extend(following for following, _ in node.next_functions)
        sizes.append(len(seen))
        return value

    for site in ("embed", "blocks.1.resid_post"):
        model.grad(ids, of, at=site)
    assert sizes[1] < sizes[0] / 3


def test_globs_and_repr(model, ids, metric):
    grads = model.grad(ids, metric, at="blocks.*.attn.z")
    assert list(grads) == ["blocks.0.attn.z", "blocks.1.attn.z"]
    assert repr(grads).splitlines()[0] == "Gradients of a metric on 2 examples, 2 sites"


@pytest.mark.parametrize(
    "of, at, error, message",
    [
        (lambda run: run.last_logits, "embed", InputError, r"a metric gives one number per example, here a tensor of shape \(2,\)"),
        (lambda run: run.last_logits.sum(), "embed", InputError, "a metric gives one number per example"),
        (lambda run: 1.0, "embed", InputError, "gave float"),
        (lambda run: run.last_logits[:, 0].detach(), "embed", InputError, "the metric does not depend on embed by any differentiable path"),
        (lambda run: run.last_logits.argmax(-1), "embed", InputError, "by any differentiable path"),
        (lambda run: run.last_logits[:, 0], [], InputError, r"grad needs at least one site in at="),
        (lambda run: run.last_logits[:, 0], "blocks.*.foo", UnknownSite, "matches no site of this model"),
    ],
)
def test_refused(model, ids, of, at, error, message):
    with pytest.raises(error, match=message):
        model.grad(ids, of, at=at)
