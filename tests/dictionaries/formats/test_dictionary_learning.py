"""What the files of dictionary_learning mean, against its equations written out here."""

import pytest
import torch
from foreign_dictionaries import D, F, activations, dictionary_learning, draws

from sonde.dictionaries import read
from sonde.results import LoadError

X = activations()


def linear(draw):
    """The two matrices as nn.Linear keeps them."""
    return {"encoder.weight": draw(F, D), "decoder.weight": draw(D, F)}


def plain(draw):
    """The two matrices as parameters."""
    return {"W_enc": draw(D, F), "W_dec": draw(F, D), "b_enc": draw(F), "b_dec": draw(D)}


def auto_encoder(draw):
    t = {**linear(draw), "encoder.bias": draw(F), "bias": draw(D)}
    return t, torch.relu((X - t["bias"]) @ t["encoder.weight"].T + t["encoder.bias"]) @ t["decoder.weight"].T + t["bias"]


def auto_encoder_new(draw):
    t = {**linear(draw), "encoder.bias": draw(F), "decoder.bias": draw(D)}
    return t, torch.relu(X @ t["encoder.weight"].T + t["encoder.bias"]) @ t["decoder.weight"].T + t["decoder.bias"]


def gated(draw):
    t = {**linear(draw), "decoder_bias": draw(D), "r_mag": draw(F) / 3, "gate_bias": draw(F), "mag_bias": draw(F)}
    pi = (X - t["decoder_bias"]) @ t["encoder.weight"].T
    f = (pi + t["gate_bias"] > 0) * torch.relu(t["r_mag"].exp() * pi + t["mag_bias"])
    return t, f @ t["decoder.weight"].T + t["decoder_bias"]


def jump_relu(draw):
    t = {**plain(draw), "threshold": draw(F).abs()}
    z = X @ t["W_enc"] + t["b_enc"]
    return t, torch.relu(z * (z > t["threshold"])) @ t["W_dec"] + t["b_dec"]


def top_k(draw):
    t = {**linear(draw), "encoder.bias": draw(F), "b_dec": draw(D), "k": torch.tensor(3), "threshold": torch.tensor(1.5)}
    z = torch.relu((X - t["b_dec"]) @ t["encoder.weight"].T + t["encoder.bias"])
    f = torch.zeros_like(z).scatter(-1, z.topk(3).indices, z.topk(3).values)  # its threshold plays no part
    return t, f @ t["decoder.weight"].T + t["b_dec"]


def batch_top_k(draw):
    t = {**linear(draw), "encoder.bias": draw(F), "b_dec": draw(D), "k": torch.tensor(3), "threshold": torch.tensor(1.5)}
    z = torch.relu((X - t["b_dec"]) @ t["encoder.weight"].T + t["encoder.bias"])
    return t, (z * (z > 1.5)) @ t["decoder.weight"].T + t["b_dec"]


def matryoshka(draw):
    t = {**plain(draw), "k": torch.tensor(3), "threshold": torch.tensor(1.5), "group_sizes": torch.tensor([4, 12])}
    z = torch.relu((X - t["b_dec"]) @ t["W_enc"] + t["b_enc"])
    return t, (z * (z > 1.5)) @ t["W_dec"] + t["b_dec"]


CLASSES = {
    "AutoEncoder": auto_encoder, "AutoEncoderNew": auto_encoder_new, "GatedAutoEncoder": gated, "JumpReluAutoEncoder": jump_relu,
    "AutoEncoderTopK": top_k, "BatchTopKSAE": batch_top_k, "MatryoshkaBatchTopKSAE": matryoshka,
}  # fmt: skip


@pytest.mark.parametrize("kind", CLASSES)
@pytest.mark.parametrize("file", ["ae.pt", "checkpoints/ae_100.pt"])
def test_outputs_are_the_librarys(kind, file, tmp_path):
    tensors, expected = CLASSES[kind](draws())
    about = {"dict_class": kind, "k": 3, "layer": 8, "lm_name": "gpt2", "submodule_name": "resid_post_layer_8"}
    folder = dictionary_learning(tmp_path / "trainer_0", about, tensors, file)
    sae = read(folder / file)
    assert torch.allclose(sae.reconstruct(X), expected, atol=1e-4)
    assert (sae.reads[0].site, sae.metadata["dict_class"], sae.transcodes) == ("blocks.8.resid_post", kind, False)


def test_a_threshold_that_was_never_estimated_is_refused(tmp_path):
    tensors = batch_top_k(draws())[0] | {"threshold": torch.tensor(-1.0)}
    with pytest.raises(LoadError, match="a threshold of -1 says that it was not yet estimated"):
        read(dictionary_learning(tmp_path, {"dict_class": "BatchTopKSAE", "k": 3}, tensors))


def test_what_is_refused(tmp_path):
    with pytest.raises(LoadError, match="dict_class='CrossCoder' has no counterpart here; read are AutoEncoder, "):
        read(dictionary_learning(tmp_path, {"dict_class": "CrossCoder"}, {}))
    with pytest.raises(LoadError, match=r"lacks bias and holds decoder\.bias, which is not known here; wanted are"):
        read(dictionary_learning(tmp_path, {"dict_class": "AutoEncoder"}, auto_encoder_new(draws())[0]))
    (tmp_path / "config.json").write_text('{"buffer": {}}')
    with pytest.raises(LoadError, match="has no part 'trainer'"):
        read(tmp_path)


class Payload:
    """An object whose unpickling would run code."""

    def __reduce__(self):
        return exec, ("raise SystemExit('code in a file was run')",)


def test_code_in_a_file_is_never_run(tmp_path):
    with pytest.raises(LoadError, match="it is damaged, cut off, or holds objects") as refused:
        read(dictionary_learning(tmp_path, {"dict_class": "AutoEncoder"}, {"encoder.weight": Payload()}))
    assert "\n" not in str(refused.value)
