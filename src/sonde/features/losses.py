"""What edits cost elsewhere: the loss on text that has nothing to do with them."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from sonde.access import Edit, Model
from sonde.results import InputError

ROWS = 8  # of a pass


def losses(model: Model, texts: Sequence[str] | Sequence[Sequence[int]], edits: Sequence[Edit] = ()) -> Float[Tensor, " text"]:
    """The mean cross-entropy of each text's tokens but the first, in nats, under edits of every token.

    Arguments:
        model: a causal language model.
        texts: texts, or rows of token ids, of at least two tokens each.
        edits: what to write where.

    Raises:
        InputError: a text of a single token, or no causal language model.

    >>> import sonde
    >>> model = sonde.load("specimen:words")
    >>> plain = losses(model, ["The keys are here.", "The dog sleeps."])
    >>> bool((losses(model, ["The keys are here.", "The dog sleeps."], [sonde.Zero("blocks.0.resid_post")]) > plain).all())
    True
    """
    if not model.architecture.causal or not model.architecture.unembed:
        raise InputError(f"{model.name} is no causal language model of a known family, so text has no loss")
    found = []
    for start in range(0, len(texts), ROWS):
        run = model.run(texts[start : start + ROWS], edits=list(edits))
        assert run.mask is not None
        ids, both = run.ids[:, 1:], run.mask[:, 1:] & run.mask[:, :-1]
        short = (~both.any(1)).nonzero().flatten().tolist()
        if short:
            raise InputError(f"text {start + short[0]} has a single token, and no token after it whose loss could be measured: leave it out")
        logs = run.logits[:, :-1].float().log_softmax(-1).gather(-1, ids[..., None]).squeeze(-1)
        found.append(-(logs * both).sum(1) / both.sum(1))
    return torch.cat(found).cpu() if found else torch.zeros(0)
