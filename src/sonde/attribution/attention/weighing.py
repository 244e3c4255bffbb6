"""What gives each word its weight. Weights sum to 1 over the words of a text; padding has exactly 0."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

States = Float[Tensor, "row pos d_hidden"]
Mask = Bool[Tensor, "row pos"]
Question = Float[Tensor, "row d_embed"] | None
Weights = Float[Tensor, "row pos"]


class Additive(nn.Module):
    """v . tanh(W h + Q q) (Bahdanau et al. 2015)."""

    def __init__(self, d_hidden: int, d_embed: int, asks: bool) -> None:
        super().__init__()
        self.state = nn.Linear(d_hidden, d_hidden // 2)
        self.question = nn.Linear(d_embed, d_hidden // 2, bias=False) if asks else None
        self.score = nn.Linear(d_hidden // 2, 1, bias=False)

    def forward(self, states: States, mask: Mask, question: Question) -> Weights:
        inner = self.state(states)
        if self.question is not None:
            inner = inner + self.question(question)[:, None]
        return _softmax(self.score(torch.tanh(inner))[..., 0], mask)


class Dot(nn.Module):
    """h . Q q / sqrt(d) (Vaswani et al. 2017); without a question h meets a vector that is learnt."""

    def __init__(self, d_hidden: int, d_embed: int, asks: bool) -> None:
        super().__init__()
        self.query = nn.Linear(d_embed, d_hidden, bias=False) if asks else nn.Linear(d_hidden, 1, bias=False)
        self.asks = asks

    def forward(self, states: States, mask: Mask, question: Question) -> Weights:
        scores = states @ self.query(question)[..., None] if self.asks else self.query(states)
        return _softmax(scores[..., 0] / states.shape[-1] ** 0.5, mask)


class Uniform(nn.Module):
    """1 / length: attention that is frozen and learns nothing."""

    def __init__(self, d_hidden: int, d_embed: int, asks: bool) -> None:
        super().__init__()

    def forward(self, states: States, mask: Mask, question: Question) -> Weights:
        return equal(mask)


WEIGHINGS: dict[str, type[Additive] | type[Dot] | type[Uniform]] = {"additive": Additive, "dot": Dot, "uniform": Uniform}


def equal(mask: Mask) -> Weights:
    """The same weight on every word of a text."""
    return mask / mask.sum(1, keepdim=True)


def _softmax(scores: Float[Tensor, "row pos"], mask: Mask) -> Weights:
    return scores.masked_fill(~mask, -torch.inf).softmax(-1)
