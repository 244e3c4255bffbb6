"""TransformerLens' names: the tensors that they mean there, from the same places, with a warning exactly where the two differ."""

import warnings

import pytest
import torch
from tiny_families import build
from tiny_models import bare

import sonde
from sonde.access import translation
from sonde.results import SiteUnavailable, UnknownSite

IDS = torch.tensor([[3, 1, 0, 4, 7]])


@pytest.fixture(scope="module")
def gpt2():
    return sonde.Model(bare("gpt2"))


@pytest.fixture(scope="module")
def llama():
    return sonde.Model(bare("llama"))


def read(model, name):
    return model.run(IDS, read=name)[name]


def test_heads_and_streams_are_those_of_the_module(gpt2):
    """Against the module's own parts, not against sonde's names."""
    module, block = gpt2.module, gpt2.module.transformer.h[0]
    hidden = (module.transformer.wte(IDS) + module.transformer.wpe(torch.arange(5))).detach()
    with torch.no_grad():
        normed = block.ln_1(hidden)
        q = block.attn.c_attn(normed)[..., :16].view(1, 5, 4, 4)
        mid = hidden + block.attn(normed)[0]
        pre = block.mlp.c_fc(block.ln_2(mid))
    close = lambda name, want: torch.allclose(read(gpt2, name), want, atol=1e-5)
    assert close("hook_embed", module.transformer.wte(IDS))
    assert close("blocks.0.hook_resid_pre", hidden)
    assert close("blocks.0.ln1.hook_normalized", normed)
    assert close("blocks.0.attn.hook_q", q)
    assert close("blocks.0.hook_resid_mid", mid)
    assert close("blocks.0.mlp.hook_pre", pre)
    assert close("blocks.0.mlp.hook_post", block.mlp.act(pre))
    assert close("blocks.0.hook_mlp_out", block.mlp.c_proj(block.mlp.act(pre)))


def test_the_gate_of_a_gated_mlp_is_called_pre(llama):
    mlp, reading = llama.module.model.layers[0].mlp, llama.run(IDS, read=["blocks.0.mlp.in", "blocks.0.mlp.hook_pre", "blocks.0.mlp.hook_pre_linear"])
    assert torch.allclose(reading["blocks.0.mlp.hook_pre"], mlp.gate_proj(reading["blocks.0.mlp.in"]), atol=1e-5)
    assert torch.allclose(reading["blocks.0.mlp.hook_pre_linear"], mlp.up_proj(reading["blocks.0.mlp.in"]), atol=1e-5)
    assert not torch.allclose(reading["blocks.0.mlp.hook_pre"], reading["blocks.0.mlp.hook_pre_linear"], atol=1e-2)


def test_every_verb_takes_them(gpt2):
    theirs, ours = "blocks.1.attn.hook_z", "blocks.1.attn.z"
    metric = lambda run: run.last_logits[:, 3]
    assert torch.equal(gpt2.run(IDS, edits=sonde.Zero(f"{theirs}[head=1]")).logits, gpt2.run(IDS, edits=sonde.Zero(f"{ours}[head=1]")).logits)
    assert torch.equal(gpt2.grad(IDS, metric, at=theirs)[theirs], gpt2.grad(IDS, metric, at=ours)[ours])
    sweeps = [gpt2.sweep(IDS, [sonde.Zero(f"{name}[head={h}]") for h in range(4)], metric).values for name in (theirs, ours)]
    assert torch.equal(*sweeps)
    source = gpt2.run(IDS.flip(1), read=theirs)
    patched = gpt2.run(IDS, edits=sonde.Patch(f"{theirs}[pos=-1]", source), read=theirs)
    assert torch.equal(patched[f"{theirs}[pos=-1]"], source[theirs][:, -1])
    with gpt2.edited(sonde.Zero(theirs)):
        edited = gpt2.run(IDS).logits
    assert torch.equal(edited, gpt2.run(IDS, edits=sonde.Zero(ours)).logits)


def test_globs(gpt2):
    run = gpt2.run(IDS, read="blocks.*.hook_resid_p*")
    assert run.sites == [f"blocks.{i}.hook_resid_{end}" for i in range(2) for end in ("pre", "post")]
    assert not any("hook" in name for name in gpt2.run(IDS, read="blocks.*.attn.*").sites)  # each place once
    assert len(gpt2.sites("blocks.*.attn.hook_z").each(head=range(4))) == 8


def test_warned_exactly_where_the_meaning_differs(gpt2, llama):
    gemma = sonde.Model(build("gemma2"))
    differing = {
        (gpt2, "blocks.0.attn.hook_attn_scores"): "hidden keys keep the mask's own lowest number, not -inf",
        (gpt2, "ln_final.hook_scale"): "without TransformerLens' last axis of length one",
        (llama, "ln_final.hook_normalized"): "with its weight, which TransformerLens multiplies with after this place",
        (gemma, "blocks.0.hook_mlp_out"): "what is added to the residual stream, after the norm",
    }
    for (model, name), difference in differing.items():
        with pytest.warns(UserWarning, match=difference):
            model.locate(name)
    for model in (gpt2, llama):
        for name in translation.foreign_names(model.architecture):
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                model.locate(name)
            expected = name.endswith(("hook_attn_scores", "hook_scale")) or (model is llama and name.endswith("hook_normalized"))
            assert bool(caught) == expected, name


@pytest.mark.parametrize(
    "family, name, error, message",
    [
        ("gpt2", "blocks.0.hook_q_input", SiteUnavailable, "no counterpart: sonde keeps no copy of the stream for each head: edit 'attn.q' by head"),
        ("gpt2", "blocks.0.hook_mlp_in", SiteUnavailable, "use 'resid_mid', or 'mlp.in'"),
        ("gpt2", "blocks.0.mlp.hook_pre_linear", SiteUnavailable, "the MLPs of this model are not gated; use 'blocks.0.mlp.pre'"),
        ("gpt2", "blocks.0.mlp.hook_mid", UnknownSite, "is no name that sonde knows of TransformerLens"),
        ("gpt2", "hook_resid_pre", UnknownSite, "is no name that sonde knows of TransformerLens"),
        ("gpt2", "blocks.7.attn.hook_z", UnknownSite, "the blocks are 0 to 1"),
        ("llama", "hook_pos_embed", SiteUnavailable, "'pos_embed' does not exist in this llama model"),
        ("gpt_neox", "blocks.0.hook_resid_mid", SiteUnavailable, "attention and MLP both read what enters the block"),
        ("opt-post", "blocks.0.hook_resid_mid", SiteUnavailable, "cuts the stream of a post-norm model at other places"),
    ],
)
def test_refused(family, name, error, message):
    with pytest.raises(error) as raised:
        sonde.Model(build(family)).locate(name)
    assert message in str(raised.value)


def test_other_networks_have_none():
    with pytest.raises(SiteUnavailable, match="Sequential is no known family"):
        sonde.Model(torch.nn.Sequential(torch.nn.Linear(2, 2))).run(torch.ones(1, 2), read="blocks.0.hook_resid_pre")
