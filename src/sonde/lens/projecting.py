"""The logits of many tokens, in space that is used again: the product with the unembedding, a block of the vocabulary at a time.

On a processor the product with a row for each entry of the vocabulary takes two thirds of the time of the one with a row for each token (of 128
tokens and GPT-2's vocabulary), and gives the same numbers; a block of it is turned round while it is in the cache. An unembedding that is more than a
matrix of float32 and a bias, or on another device, is asked itself.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from sonde.access import Model

BLOCK = 1024  # entries of the vocabulary


def plain_unembedding(model: Model) -> nn.Linear | None:
    """The unembedding, where nothing but its own product and a factor makes logits; else `None`.

    Arguments:
        model: whose.
    """
    unembed = model.module.get_submodule(model.architecture.unembed)
    hooked = unembed._forward_hooks or unembed._forward_pre_hooks
    plain = type(unembed) is nn.Linear and unembed.weight.dtype == torch.float32 and not hooked and not model.architecture.softcap
    return unembed if plain and isinstance(unembed, nn.Linear) else None


class Projection:
    """What reads states of a model on its vocabulary; the logits that it gives may be written into, and last until the call after the next.

    Arguments:
        model: that reads.
    """

    def __init__(self, model: Model):
        self.model, self._unembed = model, plain_unembedding(model)
        if self._unembed is not None and self._unembed.weight.device.type != "cpu":
            self._unembed = None
        self._rooms: list[Tensor | None] = [None, None]

    @torch.no_grad()
    def logits(self, states: Float[Tensor, "token d_model"]) -> Float[Tensor, "token vocab"]:
        """The logits of states, through the final norm.

        Arguments:
            states: of the residual stream.
        """
        if self._unembed is None:
            return self.model.unembed(states)
        normed, weight = self.model.final(states), self._unembed.weight
        found = self._room(len(states), len(weight))
        space = torch.empty(BLOCK, len(states))
        for start in range(0, len(weight), BLOCK):
            part = slice(start, start + BLOCK)
            rows = weight[part]
            found[:, part] = torch.mm(rows, normed.T, out=space[: len(rows)]).T
        if self._unembed.bias is not None:
            found += self._unembed.bias
        scale = self.model.architecture.logit_scale
        return found if scale == 1 else found.mul_(scale)

    def copied(self, logits: Float[Tensor, "token vocab"]) -> Float[Tensor, "token vocab"]:
        """Logits that are known already, in space that may be written into.

        Arguments:
            logits: such as the model's own.
        """
        return logits.clone() if self._unembed is None or logits.dtype != torch.float32 else self._room(*logits.shape).copy_(logits)

    def _room(self, tokens: int, vocab: int) -> Tensor:
        """The table that was given the longer ago; fresh memory costs as much as a pass over it."""
        room = self._rooms.pop(0)
        if room is None or room.shape[1] != vocab or len(room) < tokens:
            room = torch.empty(tokens, vocab)
        self._rooms.append(room)
        return room[:tokens]
