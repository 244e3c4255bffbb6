"""What the files of Gemma Scope 1 and 2 mean, and where their folders say they belong."""

import json

import numpy as np
import pytest
import torch
from foreign_dictionaries import OUT, D, F, activations, draws, gemma_scope
from safetensors.torch import save_file

from sonde.dictionaries import read
from sonde.results import LoadError

X = activations()


def weights(out=D):
    draw = draws()
    return {"W_enc": draw(D, F), "W_dec": draw(F, out), "b_enc": draw(F), "b_dec": draw(out), "threshold": draw(F).abs()}


def outputs(tensors, x=X):
    z = x @ tensors["W_enc"] + tensors["b_enc"]
    return (torch.relu(z) * (z > tensors["threshold"])) @ tensors["W_dec"] + tensors["b_dec"]


def second(folder, tensors, settings=None, file="params.safetensors"):
    """A folder of Gemma Scope 2."""
    folder.mkdir(parents=True, exist_ok=True)
    save_file({name.replace("W_", "w_"): tensor.contiguous() for name, tensor in tensors.items()}, folder / file)
    if settings is not None:
        (folder / "config.json").write_text(json.dumps(settings))
    return folder


@pytest.mark.parametrize("named", ["upper", "lower"])
@pytest.mark.parametrize(
    "release, reads, writes",
    [
        ("gemma-scope-2b-pt-res", "blocks.20.resid_post", "blocks.20.resid_post"),
        ("models--google--gemma-scope-9b-it-mlp/snapshots/ab", "blocks.20.mlp.out", "blocks.20.mlp.out"),
        ("gemma-scope-2b-pt-att", "blocks.20.attn.z", "blocks.20.attn.z"),
        ("gemma-scope-2b-pt-transcoders", "blocks.20.mlp.in", "blocks.20.mlp.out"),
        ("somewhere", "", ""),
    ],
)
def test_the_first(release, reads, writes, named, tmp_path):
    tensors = weights()
    folder = tmp_path / release / "layer_20" / "width_16k" / "average_l0_71"
    sae = read(gemma_scope(folder, {name.lower() if named == "lower" else name: tensor for name, tensor in tensors.items()}))
    assert torch.allclose(sae.reconstruct(X), outputs(tensors), atol=1e-4)
    assert (sae.reads[0].site, sae.writes[0].site) == (reads, writes)
    assert sae.metadata.get("model") == {"g": "google/gemma-2-2b", "m": "google/gemma-2-9b-it", "s": None}[release[0]]


def test_a_dictionary_of_the_embedding_has_the_scale_put_back(tmp_path):
    tensors = weights()
    sae = read(gemma_scope(tmp_path / "gemma-scope-2b-pt-res" / "embedding" / "width_4k" / "average_l0_21", tensors))
    assert torch.allclose(sae.reconstruct(X), outputs(tensors, X / D**0.5) * D**0.5, atol=1e-4) and sae.reads[0].site == "embed"


def test_arrays_of_objects_are_refused(tmp_path):
    np.savez(tmp_path / "params.npz", W_enc=np.array([{}], dtype=object))
    with pytest.raises(LoadError, match="it is damaged, cut off, or holds objects"):
        read(tmp_path)


@pytest.mark.parametrize(
    "folder, settings, reads, writes",
    [
        ("resid_post/layer_9_width_16k_l0_small", None, "blocks.9.resid_post", "blocks.9.resid_post"),
        ("x", {"architecture": "jump_relu", "hf_hook_point_in": "model.layers.7.output"}, "blocks.7.resid_post", "blocks.7.resid_post"),
        ("x", {"hf_hook_point_in": "model.layers.7.self_attn.o_proj.input"}, "blocks.7.attn.z", "blocks.7.attn.z"),
        ("mlp_out/layer_3_width", None, "blocks.3.mlp.out", "blocks.3.mlp.out"),
    ],
)
def test_the_second(folder, settings, reads, writes, tmp_path):
    tensors = weights()
    sae = read(second(tmp_path / folder, tensors, settings))
    assert torch.allclose(sae.reconstruct(X), outputs(tensors), atol=1e-4)
    assert (sae.reads[0].site, sae.writes[0].site) == (reads, writes)


@pytest.mark.parametrize("out", [D, OUT])
def test_the_seconds_skip_connection_is_turned(out, tmp_path):
    tensors, skip = weights(out), draws(4)(D, out)
    folder = second(tmp_path / "transcoder" / "layer_4_width_16k", {**tensors, "affine_skip_connection": skip})
    sae = read(folder)
    assert torch.allclose(sae.reconstruct(X), outputs(tensors) + X @ skip, atol=1e-4)
    assert (sae.reads[0].site, sae.writes[0].site) == ("blocks.4.mlp.in", "blocks.4.mlp.out")


def test_a_cross_layer_transcoder_is_refused_not_summed(tmp_path):
    tensors = weights() | {"W_dec": draws(2)(F, 3, D)}
    with pytest.raises(LoadError, match=r"w_dec has shape \(16, 3, 6\): a cross-layer transcoder writes to every layer above"):
        read(second(tmp_path, tensors, file="layer_2.safetensors"))


def test_another_architecture_of_the_second_is_refused(tmp_path):
    with pytest.raises(LoadError, match="architecture='topk' has no counterpart here"):
        read(second(tmp_path, weights(), {"architecture": "topk"}))
