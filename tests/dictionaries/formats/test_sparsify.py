"""What sparsify's folders mean, against its equations written out here."""

import pytest
import torch
from foreign_dictionaries import D, F, activations, draws, sparsify

from sonde.dictionaries import read
from sonde.results import LoadError

X = activations()


def weights(width=F, **others):
    """The tensors of version 1.3.3."""
    draw = draws()
    return {"encoder.weight": draw(width, D), "encoder.bias": draw(width), "W_dec": draw(width, D), "b_dec": draw(D), **others}


def settings(**others):
    """Its cfg.json."""
    return {"activation": "topk", "expansion_factor": 2, "normalize_decoder": True, "num_latents": 0, "k": 4, "multi_topk": False,
            "skip_connection": False, "transcode": False, "d_in": D, **others}  # fmt: skip


def outputs(tensors, chosen):
    """Its forward."""
    x = X if chosen["transcode"] else X - tensors["b_dec"]
    z = torch.relu(x @ tensors["encoder.weight"].T + tensors["encoder.bias"])
    if chosen["activation"] == "topk":
        chosen_latents = z.topk(chosen["k"]).indices
    else:
        groups = z.view(len(z), chosen["k"], -1)
        chosen_latents = groups.argmax(-1) + torch.arange(chosen["k"]) * groups.shape[-1]
    f = torch.zeros_like(z).scatter(-1, chosen_latents, z.gather(-1, chosen_latents))
    y = f @ tensors["W_dec"] + tensors["b_dec"]
    return y + X @ tensors["W_skip"].T if chosen["skip_connection"] else y


@pytest.mark.parametrize("width", [F, D], ids=["wide", "square"])  # square: a decoder that was turned would fit, and be wrong
@pytest.mark.parametrize(
    "others", [{}, {"activation": "groupmax", "k": 2}, {"transcode": True}, {"transcode": True, "skip_connection": True}], ids=str
)
def test_outputs_are_sparsifys(others, width, tmp_path):
    chosen = settings(**others)
    tensors = weights(width, **({"W_skip": draws(5)(D, D)} if chosen["skip_connection"] else {}))
    sae = read(sparsify(tmp_path / "layers.5.mlp", chosen, tensors))
    assert torch.allclose(sae.reconstruct(X), outputs(tensors, chosen), atol=1e-4)
    if width == D:
        assert not torch.allclose(sae.reconstruct(X), outputs({**tensors, "W_dec": tensors["W_dec"].T}, chosen), atol=1e-2)
    assert sae.transcodes == chosen["transcode"] and sae.writes[0].site == "layers.5.mlp:out"
    assert sae.reads[0].site == ("layers.5.mlp:in" if chosen["transcode"] else "layers.5.mlp:out")


@pytest.mark.parametrize(
    "others, message",
    [
        ({"activation": "relu"}, "activation='relu' has no counterpart here; read are topk and groupmax"),
        ({"signed": True}, "signed=true"),
        ({"k": None}, "k=None: cfg.json should say"),
        ({"skip_connection": True}, "lacks W_skip"),
        ({"k": 17}, "k=17 of 16 latents"),
    ],
)
def test_what_is_refused(others, message, tmp_path):
    with pytest.raises(LoadError, match=message):
        read(sparsify(tmp_path, settings(**others), weights()))


def test_a_skip_connection_that_the_settings_do_not_name_is_not_left_out(tmp_path):
    with pytest.raises(LoadError, match="holds W_skip, which is not known here"):
        read(sparsify(tmp_path, settings(), weights(W_skip=torch.ones(D, D))))
