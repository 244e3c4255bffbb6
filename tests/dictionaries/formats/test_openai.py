"""What OpenAI's state dicts mean, against its equations written out here."""

import pytest
import torch
from foreign_dictionaries import D, F, activations, draws

from sonde.dictionaries import Standardised, read
from sonde.results import LoadError

X = activations()


def state(**others):
    """A state dict, with the statistics that it keeps beside the weights."""
    draw = draws()
    return {"pre_bias": draw(D), "latent_bias": draw(F), "encoder.weight": draw(F, D), "decoder.weight": draw(D, F),
            "stats_last_nonzero": torch.zeros(F, dtype=torch.long), "latents_activation_frequency": torch.ones(F),
            "latents_mean_square": torch.zeros(F), **others}  # fmt: skip


def pre_activations(held, x):
    return (x - held["pre_bias"]) @ held["encoder.weight"].T + held["latent_bias"]


def test_a_relu_model(tmp_path):
    held = state(activation="ReLU", activation_state_dict={})
    torch.save(held, tmp_path / "0.pt")
    expected = torch.relu(pre_activations(held, X)) @ held["decoder.weight"].T + held["pre_bias"]
    assert torch.allclose(read(tmp_path).reconstruct(X), expected, atol=1e-4)


def test_a_topk_model_reads_each_activation_at_its_own_scale(tmp_path):
    held = state(activation="TopK", activation_state_dict={"k": 3, "postact_fn": "ReLU"})
    torch.save(held, tmp_path / "0.pt")
    sae = read(tmp_path / "0.pt")
    mean, deviation = X.mean(-1, keepdim=True), X.std(-1, keepdim=True)
    z = pre_activations(held, (X - mean) / (deviation + 1e-5))
    f = torch.zeros_like(z).scatter(-1, z.topk(3).indices, torch.relu(z.topk(3).values))
    assert isinstance(sae, Standardised)
    assert torch.allclose(sae.reconstruct(X), (f @ held["decoder.weight"].T + held["pre_bias"]) * deviation + mean, atol=1e-4)
    assert torch.allclose(sae.encode(X)[:, :F] / deviation, f, atol=1e-4)


@pytest.mark.parametrize(
    "others, message",
    [
        ({"activation": "Identity"}, "activation='Identity' with {} has no counterpart here; read are ReLU, and TopK with ReLU"),
        ({"activation": "TopK", "activation_state_dict": {"k": 3, "postact_fn": "Identity"}}, "'postact_fn': 'Identity'"),
        ({"activation": "TopK"}, "TopK without its k"),
        ({"gain": torch.ones(F)}, "holds gain, which is not known here"),
        ({"decoder.weight": torch.ones(F, D)}, r"decoder has shape \(6, 16\)"),
    ],
)
def test_what_is_refused(others, message, tmp_path, unchecked):
    torch.save(state(**others), tmp_path / "0.pt")
    with pytest.raises(LoadError, match=message):
        read(tmp_path)
