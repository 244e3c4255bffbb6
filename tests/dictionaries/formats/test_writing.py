"""What is written for SAELens is read back as the same function, whatever was folded into it."""

import json

import pytest
import torch
from foreign_dictionaries import OUT, D, F, activations, draws, saelens

from sonde.dictionaries import Dictionary, Gate, Normaliser, Part, Standardised, read, write
from sonde.results import InputError, SondeError

X = activations()
SITE = Part("blocks.3.resid_post", D)


def dictionary(activation="relu", out=D, seed=0, **others):
    """Random weights with all that can be folded."""
    draw = draws(seed)
    needs = {"relu": {}, "topk": {"k": 3}, "abstopk": {"k": 3}, "groupmax": {"k": 4}, "jumprelu": {"threshold": draw(F).abs()},
             "gated": {"gate": Gate(draw(F), draw(F) / 3)}}[activation]  # fmt: skip
    fitted = Normaliser(draw(D), draw(D).abs() + 0.5)
    return Dictionary(draw(F, D), draw(F), draw(F, out), draw(out), activation, **{"normaliser": fitted, "reads": (SITE,), **needs, **others})


@pytest.mark.parametrize("activation", ["relu", "topk", "abstopk", "jumprelu", "gated"])
@pytest.mark.parametrize("centred", [False, True])
def test_an_autoencoder_comes_back_as_the_same_function(activation, centred, tmp_path):
    sae = dictionary(activation, centred=centred, target=Normaliser(draws(1)(D), draws(2)(D).abs() + 0.5))
    again = read(write(sae, tmp_path))
    assert torch.allclose(again.reconstruct(X), sae.reconstruct(X), atol=1e-4)
    assert torch.allclose(again.encode(X), sae.encode(X), atol=1e-4)
    assert again.normaliser is again.target is None and not again.centred


@pytest.mark.parametrize("activation", ["relu", "jumprelu"])
@pytest.mark.parametrize("skip", [None, draws(6)(OUT, D)], ids=["plain", "skip"])
def test_a_transcoder_comes_back_as_the_same_function(activation, skip, tmp_path):
    sae = dictionary(activation, OUT, skip=skip, target=Normaliser(draws(1)(OUT), draws(2)(OUT).abs() + 0.5), writes=(Part("blocks.3.mlp.out", OUT),))
    again = read(write(sae, tmp_path))
    assert torch.allclose(again.reconstruct(X), sae.reconstruct(X), atol=1e-4)
    assert (again.reads[0].site, again.writes[0].site) == ("blocks.3.hook_resid_post", "blocks.3.hook_mlp_out")


@pytest.mark.parametrize("kind", ["layer_norm", "constant_norm"])
def test_an_activations_own_scale_comes_back(kind, tmp_path):
    sae = Standardised(dictionary("topk", centred=True, normaliser=None), kind)
    again = read(write(sae, tmp_path))
    assert isinstance(again, Standardised) and torch.allclose(again.reconstruct(X), sae.reconstruct(X), atol=1e-4)


def test_the_settings_are_those_of_version_6(tmp_path):
    write(dictionary("topk", metadata={"model_name": "gpt2"}), tmp_path)
    assert json.loads((tmp_path / "cfg.json").read_text()) == {
        "architecture": "topk", "d_in": D, "d_sae": F, "dtype": "float32", "device": "cpu", "apply_b_dec_to_input": False,
        "reshape_activations": "none", "normalize_activations": "none", "k": 3, "rescale_acts_by_decoder_norm": False,
        "metadata": {"model_name": "gpt2", "hook_name": "blocks.3.hook_resid_post", "sae_lens_version": "6.0.0"},
    }  # fmt: skip


@pytest.mark.parametrize(
    "site, hook, reshaped",
    [("embed", "hook_embed", "none"), ("blocks.0.attn.z", "blocks.0.attn.hook_z", "hook_z"), ("layer3.0:out", "layer3.0:out", "none")],
)
def test_sites_have_the_names_that_saelens_uses(site, hook, reshaped, tmp_path):
    write(dictionary(reads=(Part(site, D),)), tmp_path)
    settings = json.loads((tmp_path / "cfg.json").read_text())
    assert (settings["metadata"]["hook_name"], settings["reshape_activations"]) == (hook, reshaped)


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: dictionary("groupmax"), "SAELens has no groupmax; it has standard|SAELens has no groupmax; it has relu, gated"),
        (lambda: dictionary("topk", OUT, writes=(Part("y", OUT),)), "SAELens has no transcoders with topk"),
        (lambda: dictionary(reads=(Part("a", 2), Part("b", 4))), "reads 2 sites and writes 2: SAELens has no crosscoders; keep it with"),
    ],
)
def test_what_saelens_has_no_name_for_is_refused(make, message, tmp_path):
    with pytest.raises(InputError, match=message):
        write(make(), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_folder_that_holds_something_else_is_left_alone(tmp_path):
    (tmp_path / "thesis.tex").write_text("x")
    with pytest.raises(SondeError, match="holds something else; choose another folder"):
        write(dictionary(), tmp_path)
    assert [entry.name for entry in tmp_path.iterdir()] == ["thesis.tex"]
    with pytest.raises(InputError, match="format='onnx': choose from sonde, saelens"):
        write(dictionary(), tmp_path, format="onnx")


def test_a_disk_that_is_full_is_told_and_leaves_no_half_of_a_dictionary(tmp_path, monkeypatch):
    folder = saelens(tmp_path / "out", {}, {"W_enc": torch.ones(1)})

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("safetensors.torch.save_file", full)
    with pytest.raises(SondeError, match="out can't be written: No space left on device"):
        write(dictionary(), folder)
    assert not (folder / "cfg.json").exists()  # the old settings would have described other weights


def test_sondes_own_format_is_one_of_them(tmp_path):
    sae = dictionary("groupmax")
    assert read(write(sae, tmp_path / "own", format="sonde")).hash == sae.hash
