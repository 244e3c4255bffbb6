"""Formats are told from files and names; what is unknown, damaged or one of many is told in one line."""

import json

import pytest
import torch
from foreign_dictionaries import D, F, dictionary_learning, draws, gemma_scope, saelens, sparsify

from sonde.bases import Neurons
from sonde.bases import save as save_basis
from sonde.dictionaries import Dictionary, parts, read
from sonde.results import InputError, LoadError


def small():
    draw = draws()
    return Dictionary(draw(F, D), draw(F), draw(F, D), draw(D))


SAELENS = {"architecture": "standard", "d_in": D, "d_sae": F, "apply_b_dec_to_input": False}


def lens_weights():
    d = small()
    return {"W_enc": d.encoder.T, "b_enc": d.encoder_bias, "W_dec": d.decoder, "b_dec": d.decoder_bias}


def test_sondes_own_are_read_too(tmp_path):
    small().save(tmp_path / "own")
    assert read(tmp_path / "own").hash == small().hash
    save_basis(Neurons(3), tmp_path / "neurons")
    with pytest.raises(LoadError, match=r"which is no dictionary; read it with sonde\.bases\.load"):
        read(tmp_path / "neurons")


def test_one_of_several_is_named(tmp_path):
    saelens(tmp_path / "blocks.0.hook_resid_pre", SAELENS, lens_weights())
    small().save(tmp_path / "own" / "deep")
    gemma_scope(tmp_path / "layer_20" / "width_16k" / "average_l0_71", {**lens_weights(), "threshold": torch.zeros(F)})
    assert parts(tmp_path) == ["blocks.0.hook_resid_pre", "layer_20/width_16k/average_l0_71", "own/deep"]
    with pytest.raises(LoadError, match=r"holds 3 dictionaries below it: give part='blocks\.0\.hook_resid_pre', 'layer_20/width_16k/average_l0_71'"):
        read(tmp_path)
    assert read(tmp_path, "blocks.0.hook_resid_pre").size == read(tmp_path, part="own/deep").size == F
    with pytest.raises(LoadError, match=r"does not exist; it has 'blocks\.0\.hook_resid_pre'"):
        read(tmp_path, "blocks.1.hook_resid_pre")


def test_checkpoints_of_one_training_are_several(tmp_path):
    tensors = {"encoder.weight": torch.ones(F, D), "decoder.weight": torch.ones(D, F), "encoder.bias": torch.ones(F), "bias": torch.ones(D)}
    for step in (1, 2):
        dictionary_learning(tmp_path, {"dict_class": "AutoEncoder"}, tensors, f"checkpoints/ae_{step}.pt")
    assert parts(tmp_path) == ["checkpoints/ae_1.pt", "checkpoints/ae_2.pt"]
    with pytest.raises(LoadError, match=r"holds 2 dictionaries: give part='ae_1\.pt', 'ae_2\.pt'"):
        read(tmp_path / "checkpoints")
    assert read(tmp_path, "checkpoints/ae_2.pt").size == F


def test_what_stands_beside_the_weights_does_not_confuse(tmp_path):
    """SAELens' checkpoints hold trainer states, sparsify's optimizers: pickles that must not be opened."""
    saelens(tmp_path / "a", SAELENS, lens_weights())
    (tmp_path / "a" / "trainer_state.pt").write_bytes(b"no pickle at all")
    assert read(tmp_path / "a").size == F
    d = small()
    sparsify(tmp_path / "b", {"k": 2}, {"encoder.weight": d.encoder, "encoder.bias": d.encoder_bias, "W_dec": d.decoder, "b_dec": d.decoder_bias})
    (tmp_path / "b" / "state.pt").write_bytes(b"no pickle at all")
    assert read(tmp_path / "b").activation == "topk"


def test_half_precision_is_read_as_float32(tmp_path):
    sae = read(saelens(tmp_path, SAELENS, {name: tensor.bfloat16() for name, tensor in lens_weights().items()}))
    assert sae.encoder.dtype == torch.float32 and torch.equal(sae.encoder, small().encoder.bfloat16().float())


@pytest.mark.parametrize(
    "files, message",
    [
        ({}, "is in no format that is known here: it is empty; known are cfg.json with sae_weights.safetensors; "),
        ({"readme.txt": b"x"}, "it holds 'readme.txt'; known are"),
        ({"sae_weights.safetensors": b"x"}, "it holds 'sae_weights.safetensors'; known are"),  # without its cfg.json
        ({"cfg.json": b"{}", "sae_weights.safetensors": b"x"}, "sae_weights.safetensors can't be read as tensors and plain data: it is damaged"),
        ({"cfg.json": b"{", "sae_weights.safetensors": b"x"}, "cfg.json can't be read as JSON"),
        ({"cfg.json": b"[]", "sae_weights.safetensors": b"x"}, "cfg.json holds a list, no settings by name"),
        ({"params.npz": b"x"}, "params.npz can't be read as tensors and plain data: it is damaged"),
        ({"weights.pt": b"x"}, "weights.pt can't be read as tensors and plain data: it is damaged"),
    ],
)
def test_what_is_no_dictionary(files, message, tmp_path):
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    with pytest.raises(LoadError, match=message) as refused:
        read(tmp_path)
    assert "\n" not in str(refused.value)


def test_a_file_that_was_cut_off_is_told(tmp_path):
    folder = saelens(tmp_path, SAELENS, lens_weights())
    file = folder / "sae_weights.safetensors"
    file.write_bytes(file.read_bytes()[:-40])
    with pytest.raises(LoadError, match=r"sae_weights\.safetensors can't be read"):
        read(folder)


def test_a_whole_module_is_no_state_dict(tmp_path):
    torch.save([1, 2], tmp_path / "x.pt")
    with pytest.raises(LoadError, match="holds a list, no tensors by name"):
        read(tmp_path)


def test_places_that_are_none(tmp_path):
    with pytest.raises(LoadError, match=r"nowhere does not exist$"):
        read(tmp_path / "nowhere")
    (tmp_path / "x.json").write_text(json.dumps({}))
    with pytest.raises(InputError, match="is no folder"):
        parts(tmp_path / "x.json")
    with pytest.raises(LoadError, match=r"a file 'x\.json'; known are"):
        read(tmp_path / "x.json")
