"""Training the models of a study; interrupted, it goes on where it was."""

from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float, Int
from torch import Tensor

from sonde.nn import Transformer, TransformerConfig
from sonde.nn.training import Training, TrainingConfig
from sonde.results import InputError
from sonde.weights.attention_only.texts import Source

LOOKS = 30  # points of a training curve


@dataclass(frozen=True)
class SmallConfig:
    """The models of a study: all alike but for their depth."""

    layers: tuple[int, ...] = (0, 1, 2)
    """Blocks of each model."""
    d_model: int = 64
    """Width of the residual stream."""
    n_heads: int = 8
    """Heads in each block."""
    n_ctx: int = 48
    """Tokens of a row."""
    rows: int = 16
    """Rows in an update."""
    steps: int = 3000
    """Updates."""
    lr: float = 6e-3
    """Highest learning rate."""

    def __post_init__(self) -> None:
        if not self.layers or sorted(set(self.layers)) != list(self.layers) or self.layers[0] < 0:
            raise InputError(f"layers={self.layers}: give depths in rising order, such as (0, 1, 2)")
        if self.n_ctx < 20:
            raise InputError(f"n_ctx={self.n_ctx}: take at least 20 tokens, of which a tenth is two")

    def shape(self, n_layers: int, d_vocab: int) -> TransformerConfig:
        """One of the models: attention only, no norm, rotary positions, an unembedding of its own."""
        return TransformerConfig(
            n_layers=n_layers, d_model=self.d_model, n_heads=self.n_heads, d_vocab=d_vocab, n_ctx=self.n_ctx, d_mlp=0, norm=None, tied=False,
            bias=False, positional="rotary",
        )  # fmt: skip


def trained(
    config: SmallConfig, n_layers: int, source: Source, seed: int, folder: Path | None
) -> tuple[Transformer, Float[Tensor, " look"]]:  # fmt: skip
    """One model, and the mean training loss between one look and the next.

    Arguments:
        config: of the study.
        n_layers: of this model.
        source: the text.
        seed: of first weights and rows.
        folder: where a checkpoint is kept and looked for, and the model in the end; None keeps nothing.
    """
    torch.manual_seed(seed)
    network = Transformer(config.shape(n_layers, len(source.vocabulary)))
    training = Training(network, TrainingConfig(steps=config.steps, lr=config.lr, warmup_steps=min(100, config.steps // 10)))
    checkpoint = None if folder is None else folder / f"{n_layers}-layers-checkpoint"
    if checkpoint is not None and checkpoint.exists():
        training.restore(checkpoint)
    losses: list[float] = training.notes.setdefault("losses", [])
    for step in training.remaining(checkpoint, every=max(1, config.steps // LOOKS), label=f"{n_layers} layers"):
        ids = source.rows(config.rows, config.n_ctx, f"{seed}/{step}")
        losses.append(training.update(token_losses(network, ids).mean()))
    if folder is not None:
        network.save(folder / f"{n_layers}-layers")
    looks = torch.tensor(losses).tensor_split(min(LOOKS, len(losses)))
    return network.eval(), torch.stack([part.mean() for part in looks])


def token_losses(network: Transformer, ids: Int[Tensor, "row pos"]) -> Float[Tensor, "row next_pos"]:
    """The loss of each token but the first, in nats.

    Arguments:
        network: a language model.
        ids: rows of tokens.
    """
    logits: Tensor = network(ids[:, :-1])
    return -logits.log_softmax(-1).gather(-1, ids[:, 1:, None])[..., 0]
