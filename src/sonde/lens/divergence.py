"""KL(final || reading) and its slope by what the unembedding reads, without a table of log-probabilities and without autograd through the vocabulary.

    d KL / d x = (softmax(W_U x) - p_final) W_U

Two products with the unembedding are what cannot be avoided; between them the logits are gone through in pieces that stay in the cache.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from sonde.access import Model
from sonde.lens.measures import CELLS
from sonde.lens.projecting import plain_unembedding


@dataclass(frozen=True, eq=False)
class Answer:
    """What a reading should say: what the model says in the end, or what is true.

    Arguments:
        p: the probabilities, a row for each entry of the vocabulary.
        entropy: theirs, in nats.
    """

    p: Float[Tensor, "vocab token"]
    entropy: Float[Tensor, " token"]

    @staticmethod
    def of(logits: Float[Tensor, "token vocab"]) -> "Answer":
        """The probabilities of some logits, in float32."""
        p = torch.empty(logits.shape[::-1], device=logits.device)
        entropy = torch.empty(len(logits), device=logits.device)
        for part in _pieces(logits):
            logs = logits[part].float().log_softmax(-1)
            own = logs.exp()
            entropy[part] = -torch.where(own > 0, own * logs, 0).sum(-1)
            p[:, part] = own.T
        return Answer(p, entropy)

    @staticmethod
    def true(ids: Int[Tensor, " token"], vocab: int) -> "Answer":
        """All probability on one token each: the divergence from that is the cross-entropy.

        Arguments:
            ids: of the tokens.
            vocab: how many there are to choose from.
        """
        p = torch.zeros(vocab, len(ids), device=ids.device).scatter_(0, ids[None], 1.0)
        return Answer(p, torch.zeros(len(ids), device=ids.device))


class Divergence:
    """KL(final || reading) of states, and its slopes; holds the space for one table of logits.

    Arguments:
        model: whose unembedding reads.
    """

    def __init__(self, model: Model):
        self.model = model
        self._unembed = plain_unembedding(model)
        self._space: Tensor | None = None

    def slopes(self, normed: Float[Tensor, "token d_read"], answer: Answer) -> tuple[Float[Tensor, " token"], Float[Tensor, "token d_read"]]:
        """The divergence of each token's reading, and its slope by what the unembedding reads.

        Arguments:
            normed: what `Model.final` gives.
            answer: what the model says there.
        """
        return self.by_autograd(normed, answer) if self._unembed is None else self._by_products(normed.detach(), answer)

    def by_autograd(self, normed: Float[Tensor, "token d_read"], answer: Answer) -> tuple[Float[Tensor, " token"], Float[Tensor, "token d_read"]]:
        """The same by autograd, through whatever the model's unembedding is.

        Arguments:
            normed, answer: as for `slopes`.
        """
        with torch.enable_grad():
            leaf = normed.detach().requires_grad_()
            logs = self.model.read_out(leaf).float().log_softmax(-1)
            divergence = -(answer.p.T * logs).sum(-1) - answer.entropy
            return divergence.detach(), torch.autograd.grad(divergence.sum(), leaf)[0]

    @torch.no_grad()
    def _by_products(self, normed: Tensor, answer: Answer) -> tuple[Tensor, Tensor]:
        unembed, scale = self._unembed, self.model.architecture.logit_scale
        assert isinstance(unembed, nn.Linear)
        # a row for each entry of the vocabulary: this product takes three quarters of the time of the one with a row for each token
        z = self._room(unembed.out_features, normed)
        torch.mm(unembed.weight, normed.T, out=z)
        for part in _pieces(z):
            if unembed.bias is not None:
                z[part] += unembed.bias[part, None]
            if scale != 1:
                z[part] *= scale
        largest = z.amax(0)
        said, total = torch.zeros_like(largest), torch.zeros_like(largest)
        for part in _pieces(z):
            one = z[part].sub_(largest)
            said += (answer.p[part] * one).sum(0)
            total += one.exp_().sum(0)
        for part in _pieces(z):
            z[part].div_(total).sub_(answer.p[part])
        slopes = z.T @ unembed.weight
        return total.log() - said - answer.entropy, slopes if scale == 1 else slopes * scale

    def _room(self, vocab: int, normed: Tensor) -> Tensor:
        """A table that is used again: fresh memory of this size costs as much as a pass over it."""
        if self._space is None or self._space.shape != (vocab, len(normed)) or self._space.device != normed.device:
            self._space = torch.empty(vocab, len(normed), device=normed.device)
        return self._space


def _pieces(table: Tensor) -> list[slice]:
    rows = max(1, CELLS // table.shape[-1])
    return [slice(start, start + rows) for start in range(0, len(table), rows)]
