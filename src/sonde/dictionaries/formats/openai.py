"""OpenAI's sparse autoencoders: one `.pt` file with a state dict.

Its TopK models read each activation at mean 0 and deviation 1, and scale what they write back: `Standardised` does that here. Its ReLU models do not.
"""

from pathlib import Path

from sonde.dictionaries.dictionary import Dictionary
from sonde.dictionaries.formats.files import matrices, naming, read_tensors, taken
from sonde.dictionaries.formats.format import Format
from sonde.dictionaries.standardised import Standardised
from sonde.results import InputError, shown

NAMES = {"encoder.weight": "encoder", "latent_bias": "encoder_bias", "decoder.weight": "decoder", "pre_bias": "decoder_bias"}
STATISTICS = ("stats_last_nonzero", "latents_activation_frequency", "latents_mean_square")
ACTIVATIONS = {"ReLU": "relu", "TopK": "topk"}


def read(file: Path) -> Dictionary | Standardised:
    """The dictionary in a state dict of OpenAI's.

    Arguments:
        file: the `.pt` file.
    """
    with naming(file):
        held = read_tensors(file)
        activation, state = held.pop("activation", "ReLU"), held.pop("activation_state_dict", {})
        if activation not in ACTIVATIONS or (activation == "TopK" and state.get("postact_fn", "ReLU") != "ReLU"):
            raise InputError(f"activation={shown(activation)} with {shown(dict(state))} has no counterpart here; read are ReLU, and TopK with ReLU")
        tensors = taken(held, NAMES, STATISTICS)
        matrices(tensors, "encoder", "decoder")
        tensors["decoder"] = tensors["decoder"].T.contiguous()
        k = int(state["k"]) if "k" in state else None
        if activation == "TopK" and k is None:
            raise InputError("TopK without its k: the file's activation_state_dict should hold it")
        found = Dictionary(**tensors, activation=ACTIVATIONS[activation], k=k, centred=True, metadata={"format": "openai"})  # type: ignore[arg-type]
        return Standardised(found, "layer_norm") if activation == "TopK" else found


def _fits(file: Path) -> bool:
    return file.suffix in (".pt", ".pth") and {"pre_bias", "latent_bias"} <= {*read_tensors(file)}


FORMAT = Format("openai", "a .pt file of OpenAI's (pre_bias, latent_bias, encoder.weight, decoder.weight)", _fits, read)
