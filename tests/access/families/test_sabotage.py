"""The control of every proof: a family's file that states something wrong is found out, by the equation that it breaks."""

import dataclasses

import pytest
import tiny_families

import sonde
from sonde.access import architectures
from sonde.access.architectures import base
from sonde.access.architectures.transformer import transformer
from sonde.access.views import Heads, NormScale, Part


def sabotaged(monkeypatch, name, **stated):
    """A family's tiny model, as if its file stated something else: another law, other parts, other facts."""
    family = base_name(name)
    module = tiny_families.build(name)

    def other(family, law, module, parts, sizes, kernel, settings, **facts):
        own = {field.name for field in dataclasses.fields(parts)}
        parts = dataclasses.replace(parts, **{key: value for key, value in stated.items() if key in own})
        facts = {key: value for key, value in (facts | stated).items() if key not in own and key != "law"}
        return transformer(family, stated.get("law", law), module, parts, sizes, kernel, settings, **facts)

    monkeypatch.setattr(getattr(architectures, family), "transformer", other)
    return sonde.Model(module)


def base_name(name):
    return {"gemma2": "gemma", "gemma3": "gemma", "qwen3": "llama"}.get(name, name.partition("-")[0])


def failing(model):
    return {site.partition("blocks.1.")[2] or site for identity in model.prove() if not identity.holds for site in identity.sites}


@pytest.mark.parametrize(
    "name, stated, found",
    [
        ("gpt_neox", {"law": "pre"}, {"resid_mid"}),
        ("gpt_neox-sequential", {"law": "parallel"}, {"mlp.norm.scale", "mlp.in"}),
        ("gpt2", {"law": "post"}, {"attn.out", "resid_mid", "mlp.out"}),
        ("phi", {"law": "pre"}, {"resid_mid"}),
        ("gemma2", {"law": "pre", "attn_out": "", "mlp_out": ""}, {"attn.out", "resid_mid", "mlp.out"}),
        ("gemma2", {"softcap": 0.0}, {"logits"}),
        ("gemma2", {"norm_offset": 0.0}, {"attn.norm.scale", "attn.post_norm.scale", "final_norm.scale"}),
        ("bloom", {"attn_out": ""}, {"attn.out", "resid_mid", "attn.z"}),  # transformer-lens #1639
        ("bloom", {"embed_norm": ""}, {"embed"}),
        ("gpt_neox", {"packing": "fused"}, {"attn.v", "attn.q", "attn.k"}),
        ("falcon-grouped", {"packing": "fused"}, {"attn.v", "attn.q", "attn.k"}),
    ],
)
def test_a_wrong_statement_breaks_its_equation(monkeypatch, name, stated, found):
    """transformer-lens #1639 and #1317: the right name and shape, the wrong tensor."""
    assert found <= failing(sabotaged(monkeypatch, name, **stated))


def swapped(model, one, other):
    """The model with two sites of each block at each other's place, in other words with the packing stated in the wrong order."""
    sites = dict(model.architecture.sites)
    for i in range(model.n_layers):
        a, b = f"blocks.{i}.{one}", f"blocks.{i}.{other}"
        sites[a], sites[b] = (dataclasses.replace(sites[there], name=here, meaning=sites[here].meaning) for here, there in ((a, b), (b, a)))
    model.architecture = dataclasses.replace(model.architecture, sites=sites)
    return model


@pytest.mark.parametrize(
    "name, one, other",
    [
        ("gpt2", "attn.q", "attn.k"),
        ("gpt_neox", "attn.q", "attn.k"),
        ("bloom", "attn.q", "attn.k"),
        ("falcon-sequential", "attn.q", "attn.k"),
        ("gptj", "attn.q", "attn.k"),
        ("bloom", "attn.k", "attn.v"),
        ("phi3", "mlp.gate", "mlp.pre"),
        ("llama", "mlp.gate", "mlp.pre"),
    ],
)
def test_two_tensors_of_one_shape_are_told_apart(name, one, other):
    """No equation tells queries from keys where a rotation stands between; what an edit reaches does."""
    right = sonde.Model(tiny_families.build(name))
    assert not failing(right)
    assert {one, other} & failing(swapped(right, one, other))


@pytest.mark.parametrize(
    "name, site, view",
    [
        ("falcon-grouped", "attn.q", Heads(4, 4, 0, 1)),
        ("llama", "attn.norm.scale", NormScale(1.0)),
        ("phi3", "mlp.pre", Part(0, 24)),
    ],
)
def test_a_wrong_view_is_found_out(name, site, view):
    model = sonde.Model(tiny_families.build(name))
    wanted = f"blocks.1.{site}"
    sites = {**model.architecture.sites, wanted: dataclasses.replace(model.architecture.sites[wanted], view=view)}
    model.architecture = dataclasses.replace(model.architecture, sites=sites)
    assert site in failing(model)


def test_every_name_of_the_vocabulary_is_offered_or_explained():
    """No family forgets a site: what it has not, it says why."""
    for name in tiny_families.DECODERS:
        a = sonde.Model(tiny_families.build(name)).architecture
        offered = {base.unindexed(site) for site in a.sites}
        assert set(a.unavailable) | offered >= set(base.VOCABULARY), name
        assert not set(a.unavailable) & offered, name
