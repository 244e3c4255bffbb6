"""What stands for an absent token. There is no neutral answer, so it is an argument, and every result says which was taken."""

import torch
from jaxtyping import Float
from torch import Tensor

from sonde.access import Model
from sonde.results import InputError

Absent = str | int | Float[Tensor, " d_model"]


def absent_embedding(model: Model, absent: Absent) -> tuple[Float[Tensor, " d_model"], str]:
    """The embedding that stands for an absent token, and its description.

    Arguments:
        model: a language model of a known family.
        absent: "pad": the padding token (the mean embedding where the tokenizer has none); "zero": the zero vector; "mean": the mean embedding
            of the vocabulary; any other text: that token; a number: the token with that id; a tensor: itself.

    Raises:
        InputError: no such token, or a tensor of another width.
    """
    if isinstance(absent, Tensor):
        if absent.shape != (model.d_model,):
            raise InputError(f"the embedding given has shape {tuple(absent.shape)}, and the model's embeddings have ({model.d_model},)")
        return absent.to(model.device), "the embedding given"
    pad = None if model.tokenizer is None else model.tokenizer.pad_id
    if absent == "zero":
        return torch.zeros(model.d_model, device=model.device), "the zero vector"
    with torch.no_grad():
        if absent == "mean" or (absent == "pad" and pad is None):
            # not the zero vector: an RMSNorm jumps there, so that no path to it can be integrated
            vectors = model.embed(torch.arange(model.architecture.d_vocab, device=model.device))
            return vectors.mean(0), "the mean embedding" + (" (there is no padding token)" if absent == "pad" else "")
        token = pad if absent == "pad" else _token(model, absent)
        vector = model.embed(torch.tensor(token, device=model.device))
    name = str(token) if model.tokenizer is None else repr(model.tokenizer.strings([token or 0])[0])
    return vector, f"the padding token {name}" if absent == "pad" else f"the token {name}"


def _token(model: Model, absent: str | int) -> int:
    if isinstance(absent, str):
        if model.tokenizer is None:
            raise InputError(f"{absent!r} names a token, and this model was loaded without a tokenizer: use 'zero', 'mean' or a token id")
        return model.tokenizer.single(absent)
    if not 0 <= absent < model.architecture.d_vocab:
        raise InputError(f"token {absent} is not in the model's vocabulary of {model.architecture.d_vocab}")
    return absent
