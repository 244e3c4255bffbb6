"""Causal bases: a planted subspace is recovered and random directions are not in it; what the lens alone reads is told from what the model uses."""

import math

import pytest
import torch
from small_models import words

import sonde
from sonde.lens import CausalBasis, TunedTraining, aitchison_similarity, causal_basis, train
from sonde.lens.extraction import Influence, ablated, extract
from sonde.nn import Transformer, TransformerConfig
from sonde.results import CheckRefused, InputError, SiteUnavailable

VOCAB, WIDTH, READ = 120, 12, 3


def planted(strengths=(2.0, 1.0, 0.5), width=WIDTH):
    """Blocks that add nothing, states that vary alike in all directions, and an unembedding that reads some directions with given strengths; the last
    one shifts all logits alike, which softmax forgets, however much it is. Gives the model, and all directions with those that are read first."""
    module = Transformer(TransformerConfig(
        n_layers=2, d_model=width, n_heads=1, d_vocab=VOCAB, n_ctx=VOCAB, d_mlp=8, tied=False, norm=None, positional=None,
    )).eval()  # fmt: skip
    generator = torch.Generator().manual_seed(0)
    turned = torch.linalg.qr(torch.randn(width, width, generator=generator))[0]
    states = torch.randn(VOCAB, width, generator=generator)
    states -= states.mean(0)
    states = states @ torch.linalg.inv(torch.linalg.cholesky(states.T @ states / VOCAB)).T
    with torch.no_grad():
        for weight in module.parameters():
            weight.zero_()
        module.embed.weight.copy_(states)
        says = torch.linalg.qr(torch.randn(VOCAB, len(strengths), generator=generator))[0] * VOCAB**0.5
        module.unembed.weight.copy_((says * torch.tensor(strengths)) @ turned[: len(strengths)] + (5 * turned[-1] if width > len(strengths) else 0))
    return sonde.Model(module), turned


def rows(n):
    """Each holds every token once, so that the states of any rows vary alike in all directions."""
    generator = torch.Generator().manual_seed(0)
    return [torch.randperm(VOCAB, generator=generator).tolist() for _ in range(n)]


@pytest.fixture(scope="module")
def found():
    model, _ = planted()
    return model, causal_basis(model, rows(24), "0", k=READ, draws=6, tokens=240)


def test_a_planted_subspace_is_recovered():
    """The third moments of 120 states, which turn the optimum, are of the order 1 / sqrt(120): twice that angle is allowed for."""
    model, turned = planted()
    vectors, energy = extract(Influence(model, model.module.embed.weight.detach(), lambda h: h), 5, 0, False)
    angle = 2 / VOCAB**0.5
    inside = (vectors @ turned[:READ].T).norm(dim=1)
    assert bool((inside[:READ] > math.cos(angle)).all()) and bool((inside[READ:] < angle).all()), inside
    assert bool((energy[READ:] < energy[0] * angle**2).all()) and energy[READ - 1] > 5 * energy[READ] and bool((energy.diff() <= 0).all()), energy
    assert torch.allclose(vectors @ vectors.T, torch.eye(5), atol=1e-4)
    assert float((vectors[:READ] @ turned[-1]).abs().max()) < angle, "what shifts all logits alike matters to nothing"
    drawn = torch.nn.functional.normalize(torch.randn(50, WIDTH, generator=torch.Generator().manual_seed(1)), dim=1)
    assert float((drawn @ turned[:READ].T).norm(dim=1).max()) < 0.9, "control: random directions do not lie in it"


def test_where_blocks_add_nothing_the_model_answers_as_the_lens_says(found):
    model, basis = found
    assert torch.allclose(basis.stimulus, basis.response, atol=1e-4) and torch.allclose(basis.alignment, torch.ones(READ, 8), atol=1e-3)
    matters, alike = basis.check(model)
    assert matters.holds and alike.holds and alike.measured > 0.99 > 0.6 > alike.control


def test_what_only_the_lens_reads_is_not_what_the_model_uses():
    """A lens that hears a direction to which the unembedding is blind: it matters to the lens, and to nothing in the model."""
    model, turned = planted(strengths=(2.0,))
    lens = train(model, rows(2), TunedTraining(steps=1, tokens=8, lr=1e-30))
    lens.weight[:] = torch.outer(turned[0], turned[1] - turned[0])
    basis = causal_basis(model, rows(24), "0", lens, k=1, draws=6, tokens=240)
    angle = 2 * (WIDTH / 240) ** 0.5  # of the covariance of 240 tokens drawn from all
    assert float((basis.vectors[0] @ turned[1]).abs()) > math.cos(angle) and basis.stimulus.mean() > 0.5
    assert basis.response.mean() < angle**2 * basis.stimulus.mean()
    assert not basis.check(model)[0].holds
    plain = causal_basis(model, rows(24), "0", k=1, draws=6, tokens=240)
    assert [verdict.holds for verdict in plain.check(model)] == [True, True], "control: the logit lens hears what the model does"


def test_in_a_plane_the_search_finds_what_trying_all_angles_does():
    model, _ = planted(strengths=(2.0, 1.0), width=2)
    influence = Influence(model, model.module.embed.weight.detach(), lambda h: h)
    angles = torch.arange(0, math.pi, math.pi / 180)
    tried = [influence.of(torch.stack([a.cos(), a.sin()]))[0] for a in angles]
    vectors, energy = extract(influence, 2, 0, False)
    assert energy[0] >= max(tried) * (1 - 1e-5) and energy[0] > 1.5 * min(tried)
    assert abs(float(vectors[0] @ vectors[1])) < 1e-5


def test_influence_is_its_definition_and_its_slope_that_of_differences():
    model, turned = planted()
    states = torch.randn(9, WIDTH, generator=torch.Generator().manual_seed(0))
    influence = Influence(model, states, lambda h: h)
    v = torch.nn.functional.normalize(turned[0] + 0.5 * turned[1], dim=0)
    with torch.no_grad():
        p, q = model.unembed(states).log_softmax(-1), model.unembed(ablated(states, states.mean(0), v)).log_softmax(-1)
    value, slope = influence.of(v)
    assert value == pytest.approx(float((p.exp() * (p - q)).sum(-1).mean()), rel=1e-4)
    step = torch.nn.functional.normalize(torch.randn(WIDTH, generator=torch.Generator().manual_seed(1)), dim=0)
    ahead, behind = (influence.of(v + sign * 1e-2 * step)[0] for sign in (1, -1))
    assert float(slope @ step) == pytest.approx((ahead - behind) / 2e-2, rel=0.02)
    moved = ablated(states, states.mean(0), v)
    assert torch.allclose(moved @ v, (states @ v).mean().expand(9), atol=1e-5)
    other = step - (step @ v) * v
    assert torch.allclose(moved @ other, states @ other, atol=1e-5)


def test_similarity_is_blind_to_what_softmax_forgets():
    x, y = torch.randn(2, 5, VOCAB, generator=torch.Generator().manual_seed(0))
    w = torch.randn(5, VOCAB, generator=torch.Generator().manual_seed(1)).softmax(-1)
    similar = aitchison_similarity(x, y, w)
    assert torch.allclose(aitchison_similarity(3 * x + 100, y - 7, w), similar, atol=1e-4) and bool((similar.abs() <= 1).all())
    assert torch.equal(aitchison_similarity(x, torch.zeros_like(x), w), torch.zeros(5)), "no change is like no other"
    mean = (w * x).sum(-1, keepdim=True)
    assert torch.allclose(aitchison_similarity(x, x - mean, w), torch.ones(5), atol=1e-5)


def test_tables_files_and_refusals(found, tmp_path):
    model, basis = found
    back = CausalBasis.load(basis.save(tmp_path / "basis"))
    assert back.to_frame().equals(basis.to_frame()) and basis.drawing().to_json()
    again = causal_basis(model, rows(24), "0", k=READ, draws=6, tokens=240)
    assert torch.equal(again.vectors, basis.vectors), "the same seed gives the same result"
    with pytest.raises(CheckRefused):
        basis.check(words())
    for given, match in (
        ({"layer": "model"}, "the lens reads embed, 0, and then the model itself"), ({"layer": "0", "k": 13}, "find 1 to 12"),
        ({"layer": "0", "draws": 1}, "at least 2 random"), ({"layer": "0", "tokens": 1}, "2 tokens or more"),
        ({"layer": "0", "rows": [[1, 2, 3]]}, "one row of text"),
    ):  # fmt: skip
        with pytest.raises(InputError, match=match):
            causal_basis(model, **{"rows": rows(6), **given})
    with pytest.raises(CheckRefused, match="this lens belongs"):
        causal_basis(model, rows(6), "0", train(words(), [[1, 2]], TunedTraining(steps=1, tokens=2)))
    from tiny_encoders import build

    with pytest.raises(SiteUnavailable, match="has no unembedding"):
        causal_basis(sonde.Model(build("bert-body")), rows(6), "0")


@pytest.mark.parametrize("name", ["gpt2", "llama", "gemma2"])
def test_families(name):
    from tiny_families import build

    model = sonde.Model(build(name))
    given = torch.randint(0, 20, (6, 5), generator=torch.Generator().manual_seed(0)).tolist()
    basis = causal_basis(model, given, "embed", k=2, draws=2)
    assert basis.energy[0] >= basis.energy[1] > 0 and bool(basis.response.isfinite().all())
