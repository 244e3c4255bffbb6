"""What SAELens' folders mean, against its equations written out here."""

import json

import pytest
import torch
from foreign_dictionaries import OUT, D, F, activations, draws, saelens

from sonde.dictionaries import Standardised, read
from sonde.results import LoadError

X = activations()


def weights(architecture="standard", out=D, **others):
    """Tensors of an architecture, and whatever else is given."""
    draw = draws()
    tensors = {"W_enc": draw(D, F), "W_dec": draw(F, out), "b_dec": draw(out), **others}
    if architecture == "gated":
        return {**tensors, "b_gate": draw(F), "b_mag": draw(F), "r_mag": draw(F) / 3}
    if architecture.startswith("jumprelu"):
        tensors["threshold"] = draw(F)  # below 0 too: ReLU goes first
    if "skip" in architecture:
        tensors["W_skip"] = draw(out, D)
    return {**tensors, "b_enc": draw(F)}


def settings(architecture="standard", **others):
    """A cfg.json of version 6."""
    about = {"model_name": "gpt2", "hook_name": "blocks.3.hook_resid_pre", "sae_lens_version": "6.54.12"}
    return {"architecture": architecture, "d_in": D, "d_sae": F, "dtype": "float32", "apply_b_dec_to_input": False, "normalize_activations": "none",
            "reshape_activations": "none", "metadata": about, **others}  # fmt: skip


def largest(z, k, by=None):
    """The k largest of each row, where they are: a mask."""
    by = z if by is None else by
    return torch.zeros_like(z).scatter(-1, by.topk(k).indices, 1.0)


def latents(tensors, chosen, x):
    """SAELens' encode."""
    x = x - tensors["b_dec"] if chosen["apply_b_dec_to_input"] else x
    architecture = chosen["architecture"]
    if architecture == "gated":
        pi = x @ tensors["W_enc"]
        return (pi + tensors["b_gate"] > 0) * torch.relu(x @ (tensors["W_enc"] * tensors["r_mag"].exp()) + tensors["b_mag"])
    z = x @ tensors["W_enc"] + tensors["b_enc"]
    if chosen.get("rescale_acts_by_decoder_norm"):
        z = z * tensors["W_dec"].norm(dim=-1)
    if architecture == "topk":
        return torch.relu(z) * largest(z, chosen["k"])
    if architecture == "abstopk":
        return z * largest(z, chosen["k"], z.abs())
    return torch.relu(z) * (z > tensors["threshold"] if architecture.startswith("jumprelu") else 1)


def written(tensors, chosen, f):
    """SAELens' decode."""
    if chosen.get("rescale_acts_by_decoder_norm"):
        f = f / tensors["W_dec"].norm(dim=-1)
    return f @ tensors["W_dec"] + tensors["b_dec"]


CASES = [
    settings("standard"),
    settings("standard", apply_b_dec_to_input=True),
    settings("gated"),
    settings("gated", apply_b_dec_to_input=True),
    settings("jumprelu"),
    settings("jumprelu", apply_b_dec_to_input=True),
    settings("topk", k=3),
    settings("topk", k=3, rescale_acts_by_decoder_norm=True, apply_b_dec_to_input=True),
    settings("abstopk", k=3, rescale_acts_by_decoder_norm=True),
]


@pytest.mark.parametrize("chosen", CASES, ids=lambda chosen: f"{chosen['architecture']} {chosen['apply_b_dec_to_input']}")
def test_an_autoencoder_gives_saelens_latents_and_outputs(chosen, tmp_path):
    tensors = weights(chosen["architecture"])
    sae = read(saelens(tmp_path, chosen, tensors))
    f = latents(tensors, chosen, X)
    assert torch.allclose(sae.encode(X), f, atol=1e-5) and 0 < (f != 0).float().mean() < 0.8
    assert torch.allclose(sae.reconstruct(X), written(tensors, chosen, f), atol=1e-4)
    assert (sae.reads[0].site, sae.metadata["model_name"], sae.transcodes) == ("blocks.3.hook_resid_pre", "gpt2", False)


@pytest.mark.parametrize("architecture", ["transcoder", "skip_transcoder", "jumprelu_transcoder", "jumprelu_skip_transcoder"])
def test_a_transcoder_gives_saelens_outputs(architecture, tmp_path):
    chosen, tensors = settings(architecture, d_out=OUT), weights(architecture, OUT)
    sae = read(saelens(tmp_path, chosen, tensors))
    expected = written(tensors, chosen, latents(tensors, chosen, X))
    if "skip" in architecture:
        expected = expected + X @ tensors["W_skip"].T
    assert torch.allclose(sae.reconstruct(X), expected, atol=1e-4)
    assert sae.transcodes


def test_a_transcoder_of_equal_widths_is_none_the_less_one(tmp_path):
    chosen = settings("transcoder", d_out=D)
    chosen["metadata"] |= {"hook_name": "blocks.1.ln2.hook_normalized", "hook_name_out": "blocks.1.hook_mlp_out"}
    sae = read(saelens(tmp_path / "named", chosen, weights("transcoder")))
    assert (sae.reads[0].site, sae.writes[0].site) == ("blocks.1.ln2.hook_normalized", "blocks.1.hook_mlp_out")
    assert read(saelens(tmp_path / "unnamed", {**chosen, "metadata": {}}, weights("transcoder"))).transcodes


@pytest.mark.parametrize("normalised", ["layer_norm", "constant_norm_rescale"])
def test_an_activation_that_is_scaled_by_itself_is_scaled_back(normalised, tmp_path):
    tensors, chosen = weights("standard"), settings("standard", normalize_activations=normalised, apply_b_dec_to_input=True)
    sae = read(saelens(tmp_path, chosen, tensors))
    if normalised == "layer_norm":
        mean, scale = X.mean(-1, keepdim=True), X.std(-1, keepdim=True)
        standard = (X - mean) / (scale + 1e-5)
    else:
        mean, scale = 0.0, X.norm(dim=-1, keepdim=True) / D**0.5
        standard = X / scale
    f = latents(tensors, chosen, standard)
    assert isinstance(sae, Standardised)
    assert torch.allclose(sae.reconstruct(X), written(tensors, chosen, f) * scale + mean, atol=1e-4)
    assert torch.allclose(sae.encode(X)[:, :F], f * scale, atol=1e-5)


def test_settings_from_before_version_6(tmp_path):
    tensors = weights("standard")
    about = {"hook_point": "blocks.2.hook_resid_pre", "d_in": D, "d_sae": F, "dtype": "torch.float32", "normalize_activations": False}
    sae = read(saelens(tmp_path / "v1", {**about, "activation_fn_str": "relu"}, tensors))
    assert sae.centred and sae.activation == "relu" and sae.reads[0].site == "blocks.2.hook_resid_pre"  # as the peer's defaults were
    sae = read(saelens(tmp_path / "v5", {**about, "activation_fn_str": "topk", "activation_fn_kwargs": {"k": 4}}, tensors))
    assert (sae.activation, sae.k) == ("topk", 4)  # never ReLU, which has an L0 many times that


def test_a_finetuned_scale_multiplies_the_latents(tmp_path):
    tensors = weights("standard", scaling_factor=draws(3)(F).abs() + 1)
    chosen = settings(finetuning_scaling_factor=True)
    sae = read(saelens(tmp_path, chosen, tensors))
    assert torch.allclose(sae.reconstruct(X), written(tensors, chosen, latents(tensors, chosen, X) * tensors["scaling_factor"]), atol=1e-4)
    with pytest.raises(LoadError, match="scaling_factor is not 1"):
        read(saelens(tmp_path, settings(), tensors))


def test_a_scale_beside_the_weights_is_applied_on_both_sides(tmp_path):
    tensors, chosen = weights(), settings(normalize_activations="expected_average_only_in", apply_b_dec_to_input=True)
    folder = saelens(tmp_path, chosen, tensors)
    with pytest.raises(LoadError, match=r"the scale is not in the weights nor in a activation_scaler\.json"):
        read(folder)
    (folder / "activation_scaler.json").write_text(json.dumps({"scaling_factor": 2.5, "has_whitening": False}))
    sae = read(folder)
    expected = written(tensors, chosen, latents(tensors, chosen, 2.5 * X)) / 2.5
    assert torch.allclose(sae.reconstruct(X), expected, atol=1e-4) and torch.allclose(sae.folded().reconstruct(X), expected, atol=1e-4)
    assert not torch.allclose(sae.reconstruct(X), written(tensors, chosen, latents(tensors, chosen, X)), atol=0.1)  # what leaving it out gives


@pytest.mark.parametrize(
    "chosen, tensors, message",
    [
        (settings("temporal"), {}, "architecture='temporal' has no counterpart here; read are standard, "),
        (settings("matching_pursuit"), {}, "architecture='matching_pursuit'"),
        (settings(activation_fn="tanh-relu"), {}, "activation_fn='tanh-relu' has no counterpart"),
        (settings("transcoder", normalize_activations="layer_norm"), {}, "SAELens does not undo that"),
        (settings(normalize_activations="covariance_whitening"), {}, "normalize_activations='covariance_whitening', and the scale is not"),
        (settings("jumprelu"), {}, "lacks threshold; wanted are W_enc, W_dec"),
        (settings(), {"W_skip": torch.ones(D, D)}, "holds W_skip, which is not known here"),
        (settings("topk"), {}, "k=None of 16 latents"),
        (settings(), {"W_enc": torch.ones(D)}, r"encoder has shape \(6,\): a matrix is wanted"),
        (settings(), {"W_enc": torch.ones(F, D)}, "encoder_bias has shape"),
        (settings(), {"b_dec": torch.full((D,), torch.nan)}, "and finite"),
    ],
)
def test_what_is_refused(chosen, tensors, message, tmp_path, unchecked):
    with pytest.raises(LoadError, match=message) as refused:
        read(saelens(tmp_path, chosen, weights() | tensors))
    assert str(tmp_path) in str(refused.value) and "\n" not in str(refused.value)
