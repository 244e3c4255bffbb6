"""The randomisation test: gradients pass, what multiplies by the input keeps its outline, and a map that ignores the model is flagged."""

import math
from dataclasses import replace
from functools import cache, partial

import planted_tables as planted
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

import sonde
from sonde.attribution import gradient, gradient_x_input, guided_backpropagation, integrated_gradients
from sonde.attribution.evaluation import cascade, edge_detector, gallery, similarities, ssim
from sonde.nn.transformer import Transformer, TransformerConfig
from sonde.results import CheckRefused, InputError
from sonde.results import Result as AnyResult
from sonde.results.drawing import unpacked_map
from sonde.specimens.digits import held_out
from sonde.tasks import Logit


def constant(model, task, of=None):
    result = gradient_x_input(model, task, of)
    return replace(result, values=torch.ones_like(result.values), method="a constant")


@cache
def on_digits(method, n=24, **options):
    pictures, digits = held_out()
    return cascade(sonde.load("specimen:digits"), pictures[:n], METHODS[method], Logit(digits[:n]), **options)


METHODS = {
    "gradient": gradient,
    "gradient x input": gradient_x_input,
    "integrated gradients": partial(integrated_gradients, baseline="zero", steps=8, tolerance=math.inf),
    "guided backpropagation": guided_backpropagation,
    "edges": edge_detector,
    "constant": constant,
}


def brute(a, b, side):
    """SSIM by the formula, window by window."""
    bell = torch.tensor([[math.exp(-((r - side // 2) ** 2 + (c - side // 2) ** 2) / (2 * 1.5**2)) for c in range(side)] for r in range(side)])
    bell = (bell / bell.sum()).double()
    x, y = a.double() / a.abs().max(), b.double() / b.abs().max()
    found = []
    for r in range(a.shape[0] - side + 1):
        for c in range(a.shape[1] - side + 1):
            u, v = x[r : r + side, c : c + side], y[r : r + side, c : c + side]
            mu, nu = (bell * u).sum(), (bell * v).sum()
            su, sv, suv = (bell * (u - mu) ** 2).sum(), (bell * (v - nu) ** 2).sum(), (bell * (u - mu) * (v - nu)).sum()
            found.append(float((2 * mu * nu + 4e-4) * (2 * suv + 3.6e-3) / ((mu**2 + nu**2 + 4e-4) * (su + sv + 3.6e-3))))
    return sum(found) / len(found)


@given(st.integers(0, 1000), st.sampled_from([(8, 8, 7), (12, 9, 9), (13, 16, 11)]))
def test_ssim_is_its_formula(seed, shape):
    a, b = torch.randn(2, *shape[:2], generator=torch.Generator().manual_seed(seed))
    assert ssim(a, b) == pytest.approx(brute(a, b, shape[2]), abs=1e-6)
    assert ssim(a, a) == pytest.approx(1) and ssim(a, 5 * a) == pytest.approx(1) and ssim(a, b) == pytest.approx(ssim(b, a))


def test_a_constant_map_is_undefined_not_zero(unchecked):
    a, flat = torch.randn(8, 8), torch.full((8, 8), 2.0)
    assert math.isnan(ssim(a, flat)) and bool(similarities(a.flatten(), flat.flatten(), (8, 8)).isnan().all())
    with pytest.raises(InputError, match="place by place"):
        ssim(a, a[:4])


def test_gradients_follow_the_weights():
    found = on_digits("gradient")
    assert found.insensitive == []
    assert all(verdict.holds for verdict in found.check(sonde.load("specimen:digits")))
    assert found.similarity[:2, -1].nanmean(-1).tolist() == pytest.approx([0, 0], abs=0.25)
    assert torch.allclose(found.ceiling, torch.ones_like(found.ceiling)) and found.floor[0].mean().abs() < 0.25


@pytest.mark.parametrize("method", ["gradient x input", "integrated gradients"])
def test_the_input_factor_keeps_the_outline(method):
    """Signed ranks change, absolute ones stay: the verdict must name which was taken."""
    found = on_digits(method)
    signed, absolute, _ = found.similarity[:, -1].nanmean(-1).tolist()
    assert absolute > 0.7 and abs(signed) < 0.15
    assert found.insensitive == ["absolute rank correlation"]
    verdicts = {verdict.claim.rpartition("their ")[2]: verdict.holds for verdict in found.check(sonde.load("specimen:digits"))}
    assert verdicts["signed rank correlation."] is True and verdicts["absolute rank correlation."] is False


def test_guided_backpropagation_hardly_follows_the_weights():
    """It stays alike by every measure, for it restores the input's edges (Adebayo et al. 2018)."""
    found = on_digits("guided backpropagation")
    assert found.insensitive == list(found.measures)


def test_a_map_that_ignores_the_model_is_flagged():
    found = on_digits("edges")
    assert torch.allclose(found.similarity, torch.ones_like(found.similarity))
    assert found.insensitive == list(found.measures)
    assert "Insensitive by: signed rank correlation, absolute rank correlation, SSIM." in found.drawing().note


def test_a_constant_map_is_not_testable():
    found = on_digits("constant", n=4, draws=1)
    assert bool(found.similarity.isnan().all()) and found.undefined.tolist() == [1.0] * 4 and found.insensitive == []
    assert all(v.holds is None and "constant" in v.reason for v in found.check(sonde.load("specimen:digits")))


def test_one_part_at_a_time_differs_from_the_cascade():
    cascading, alone = on_digits("gradient", n=8, draws=1), on_digits("gradient", n=8, draws=1, order="independent")
    assert torch.allclose(cascading.similarity[0, 0], alone.similarity[0, 0]) and not torch.allclose(
        cascading.similarity[0, -1], alone.similarity[0, -1]
    )
    assert "One part" not in alone.drawing().note and "alone drawn afresh" in alone.drawing().note


def test_parts_of_a_transformer_are_its_blocks_and_the_model_is_left_alone():
    torch.manual_seed(0)
    config = TransformerConfig(n_layers=2, d_model=16, n_heads=2, d_vocab=50, n_ctx=8, d_mlp=32)
    model = sonde.Model(Transformer(config).eval())
    before = model.hash
    found = cascade(model, [[1, 2, 3, 4], [5, 6, 7]], gradient_x_input, Logit([3, 4]), draws=1)
    assert [part for part in found.parts if "blocks" in part] == ["blocks.1", "blocks.0"] and found.parts[-1] == "embed"
    assert found.known == ["signed rank correlation", "absolute rank correlation"] and bool(found.similarity[2].isnan().all())
    assert model.hash == before


def test_norms_are_reset_with_their_statistics():
    net = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 2)).eval()
    net[1].running_mean.fill_(3.0)
    model = sonde.Model(net)
    found = cascade(model, torch.randn(9, 4), gradient_x_input, planted.OF, parts=["3", "1"], draws=1)
    assert found.parts == ["3", "1"] and float(net[1].running_mean[0]) == 3.0
    with pytest.raises(InputError, match="'2' is no module with weights"):
        cascade(model, torch.randn(9, 4), gradient_x_input, planted.OF, parts=["2"])


def test_stochastic_methods_have_a_ceiling_of_their_own():
    def noisy(model, task, of=None, seed=0):
        result = gradient_x_input(model, task, of)
        noise = torch.randn(result.values.shape, generator=torch.Generator().manual_seed(seed))
        return replace(result, values=result.values + noise, recipe=replace(result.recipe, seed=seed))

    model, rows = planted.linear([1.0, 0.2, 0.4, 0.1, 0.3], n=9)
    ceiling = cascade(model, rows, noisy, planted.OF, draws=1).ceiling[0]
    assert bool((ceiling < 1).all())


def test_it_is_kept_and_refuses_another_model(tmp_path):
    found = on_digits("gradient", n=8, draws=1)
    back = AnyResult.load(found.save(tmp_path / "cascade"))
    assert torch.allclose(back.similarity, found.similarity) and back.parts == found.parts and found.to_frame().height == 12
    with pytest.raises(CheckRefused):
        found.check(planted.linear([1.0])[0])


def test_edges_are_of_pictures():
    model, rows = planted.linear([1.0, 2.0])
    with pytest.raises(InputError, match="found in pictures"):
        edge_detector(model, rows, planted.OF)
    with pytest.raises(InputError, match="draws=0"):
        cascade(model, rows, gradient_x_input, planted.OF, draws=0)


def test_the_maps_of_several_methods_stand_in_one_gallery():
    found = [on_digits(name, 6, draws=1) for name in list(METHODS)[:2]]
    drawn = gallery(found, example=2)
    kept = unpacked_map(drawn.data["maps"][1][-1])
    assert drawn.axes["col"]["labels"] == ["nothing", *found[0].parts] and len(drawn.data["maps"]) == 2
    assert torch.allclose(torch.tensor(kept), found[1].maps[-1, 2], atol=1e-4 * float(found[1].maps.abs().max()))
    assert f"{float(found[0].similarity[0, -1, 2]):+.2f}" in drawn.data["details"][0][-1]
    with pytest.raises(InputError, match="give 0 to 5"):
        gallery(found, example=6)
    with pytest.raises(InputError, match="different pictures or parts"):
        gallery([found[0], replace(found[1], pictures=found[1].pictures.flip(0))])
    with pytest.raises(InputError, match="not of pictures"):
        gallery([replace(found[0], maps=None)])
