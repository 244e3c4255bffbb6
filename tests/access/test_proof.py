"""A site is offered only where it is what it says: models that compute something else at the same paths are found out."""

import pytest
import torch
from tiny_models import FAMILIES, bare
from torch import nn

import sonde
from sonde.results import SiteUnavailable


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_is_what_it_says(family, dtype):
    """Far from the bound, so that rounding refuses no one."""
    identities = sonde.Model(bare(family).to(dtype)).prove()
    assert len(identities) > 10
    assert all(identity.off < identity.bound / 5 for identity in identities), [str(i) for i in identities if not i.off < i.bound / 5]


def half_attention(module):
    """The block adds half of attention's output."""
    block = type(module.transformer.h[1].attn)
    module.transformer.h[1].attn.__class__ = type(
        "Halved", (block,), {"forward": lambda self, *a, **k: (block.forward(self, *a, **k)[0] * 0.5, None)}
    )


def gated_stream(module):
    """The block scales the stream itself, which no part of it shows."""
    block = type(module.transformer.h[1])
    module.transformer.h[1].__class__ = type("Scaled", (block,), {"forward": lambda self, h, *a, **k: block.forward(self, h, *a, **k) + 0.1 * h})


def shifted_norm(module):
    """Its weight counts from one, as Gemma's does."""
    norm = module.transformer.ln_f
    norm.forward = lambda h: nn.functional.layer_norm(h, norm.normalized_shape, norm.weight + 1, norm.bias, norm.eps)


def noisy_projection(module):
    """An adapter that is a linear map by its type."""

    class Adapted(nn.Linear):
        def forward(self, x):
            return super().forward(x) + 0.1 * x

    projection = Adapted(16, 16)
    projection.weight, projection.bias = nn.Parameter(module.transformer.h[0].attn.c_proj.weight.T.clone()), nn.Parameter(torch.zeros(16))
    module.transformer.h[0].attn.c_proj = projection


@pytest.mark.parametrize(
    "change, refused, kept",
    [
        (half_attention, ["blocks.1.attn.z"], ["blocks.1.attn.out", "blocks.1.resid_mid", "blocks.0.attn.z", "blocks.1.attn.q"]),
        (
            gated_stream,
            ["blocks.1.attn.out", "blocks.1.resid_mid", "blocks.1.mlp.out"],
            ["blocks.1.resid_pre", "blocks.1.attn.z", "blocks.0.mlp.out"],
        ),
        (shifted_norm, ["final_norm.scale"], ["blocks.1.mlp.norm.scale", "logits"]),
        (noisy_projection, ["blocks.0.attn.result"], ["blocks.0.attn.z", "blocks.0.attn.out", "blocks.1.attn.result"]),
    ],
)
def test_what_fails_is_not_offered(change, refused, kept):
    """transformer-lens #1317 and #1639: right name, wrong tensor."""
    module = bare("gpt2")
    change(module)
    model = sonde.Model(module)
    for site in refused:
        with pytest.raises(SiteUnavailable, match=r"is not what it says in this model: .* FAILS, off by .* name a module's input or output instead"):
            model.run([[1, 2]], read=site)
        with pytest.raises(SiteUnavailable, match="is not what it says"):
            model.run([[1, 2]], edits=[sonde.Add(site, 1.0)])
    model.run([[1, 2]], read=kept)
    assert {site for identity in model.prove() if not identity.holds for site in identity.sites} >= set(refused)


def test_the_proof_is_made_once(ids):
    model = sonde.Model(bare("gpt2"))
    calls = []
    forward = model.module.transformer.forward
    model.module.transformer.forward = lambda *args, **kwargs: calls.append(1) or forward(*args, **kwargs)
    model.run(ids)
    assert len(calls) == 1  # nothing of the vocabulary was used
    model.run(ids, read="blocks.0.attn.z")
    assert len(calls) == 3
    model.run(ids, read="blocks.*.mlp.out", edits=[sonde.Zero("embed")])
    model.run(ids, read="transformer.h.0.attn:out")
    assert len(calls) == 5


def test_hooks_of_the_users_own_prove_nothing(ids):
    """Steering by a hook adds to a block's output; the sites are still what they say."""
    model = sonde.Model(bare("llama"))
    handle = model.module.model.layers[0].register_forward_hook(lambda module, args, output: output + 1)
    run = model.run(ids, read=["blocks.0.resid_mid", "blocks.0.resid_post"])
    assert not torch.allclose(run["blocks.0.resid_post"], run["blocks.0.resid_mid"])
    handle.remove()
    model.run(ids, read="blocks.0.resid_mid")
    assert all(identity.holds for identity in model.prove())


def test_broken_weights_and_unknown_modules_have_no_proof(ids):
    module = bare("llama")
    with torch.no_grad():
        module.lm_head.weight.fill_(torch.nan)
    model = sonde.Model(module)
    assert model.prove() == []
    assert model.run(ids, read="blocks.0.resid_mid")["blocks.0.resid_mid"].isfinite().all()
    assert sonde.Model(nn.Linear(2, 2)).prove() == []


def test_printed():
    identity = sonde.Model(bare("native")).prove()[0]
    assert str(identity).startswith("embed + pos_embed = the first resid_pre (embed): holds, off by 0.0e+00")
