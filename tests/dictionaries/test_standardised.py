"""A dictionary at each activation's own scale is a basis: decoding is linear, and exact."""

import pytest
import torch
from foreign_dictionaries import D, F, activations, draws

from sonde import bases
from sonde.dictionaries import Dictionary, Part, Standardised
from sonde.results import InputError

X = activations()


def standardised(kind, **others):
    draw = draws()
    return Standardised(Dictionary(draw(F, D), draw(F), draw(F, D), draw(D), "topk", k=3, centred=True, **others), kind)


@pytest.mark.parametrize("kind, extra", [("layer_norm", 2), ("constant_norm", 1)])
def test_codes_coordinates_and_outputs_agree(kind, extra):
    sae = standardised(kind)
    assert sae.size == F + extra and isinstance(sae, bases.Basis)
    codes = bases.codes(sae, X)
    assert torch.allclose(codes.dense(), sae.encode(X), atol=1e-6)
    assert int(codes.counts.max()) == 3 + extra
    assert torch.allclose(sae.decode(sae.encode(X)), sae.reconstruct(X), atol=1e-4)
    assert torch.allclose(sae.decode(sae.encode(X[None])), sae.reconstruct(X)[None], atol=1e-4)


@pytest.mark.parametrize("kind", ["layer_norm", "constant_norm"])
def test_it_is_the_inner_dictionary_scaled_back(kind):
    sae = standardised(kind)
    mean = X.mean(1, keepdim=True) if kind == "layer_norm" else torch.zeros(len(X), 1)
    scale = X.std(1, keepdim=True) if kind == "layer_norm" else X.norm(dim=1, keepdim=True) / D**0.5
    inner = sae.dictionary.reconstruct((X - mean) / (scale + (1e-5 if kind == "layer_norm" else 0)))
    assert torch.allclose(sae.reconstruct(X), inner * scale + mean, atol=1e-4)


def test_a_larger_activation_has_larger_coordinates_and_the_same_latents():
    sae = standardised("constant_norm")
    assert torch.allclose(sae.encode(5 * X), 5 * sae.encode(X), atol=1e-3)


@pytest.mark.parametrize("kind", ["layer_norm", "constant_norm"])
def test_an_activation_without_scale_is_no_nan(kind):
    sae = standardised(kind)
    constant = torch.zeros(1, D) if kind == "constant_norm" else torch.full((1, D), 2.0)
    assert sae.reconstruct(constant).isfinite().all() and torch.allclose(sae.reconstruct(constant), constant, atol=1e-5)


def test_it_is_kept_and_read_back(tmp_path):
    sae = standardised("layer_norm")
    again = bases.load(sae.save(tmp_path / "sae"))
    assert again.hash == sae.hash != standardised("constant_norm").hash and torch.equal(again.reconstruct(X), sae.reconstruct(X))


def test_what_is_refused():
    with pytest.raises(InputError, match="the scale of one says nothing about the other"):
        standardised("layer_norm", writes=(Part("elsewhere", D),))
    with pytest.raises(InputError, match="kind='batch_norm': choose from layer_norm, constant_norm"):
        standardised("batch_norm")
