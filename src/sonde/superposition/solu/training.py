"""Language models that differ in their neurons alone: the same shape, first weights, documents and updates, with GELU, SoLU or SoLU and a norm."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float
from tokenizers import Tokenizer
from torch import Tensor

from sonde.jobs import track
from sonde.nn import Transformer, TransformerConfig
from sonde.nn.training import Training, TrainingConfig
from sonde.specimens.words.mixture import NORMAL_MIX
from sonde.specimens.words.packing import Packer
from sonde.specimens.words.recipe import next_token_loss

ACTIVATIONS = ("gelu", "solu", "ln_solu")
HELD_OUT = 32
"""Rows on which the loss is measured."""


@dataclass(frozen=True)
class LanguageTraining:
    """How the language models are trained."""

    steps: int = 400
    """Updates."""
    rows: int = 8
    """Rows of an update."""
    n_ctx: int = 48
    """Tokens of a row."""
    lr: float = 4e-3
    """Highest learning rate."""


@dataclass(frozen=True)
class Size:
    """The shape of a model.

    Arguments:
        n_layers: blocks.
        d_model: width; a block has four times as many neurons.
    """

    n_layers: int
    d_model: int

    def __str__(self) -> str:
        return f"{self.n_layers} x {self.d_model}"


def train_language_model(
    size: Size, activation: str, tokenizer: Tokenizer, config: LanguageTraining, seed: int, folder: Path | None = None, progress: bool = False,
) -> tuple[Transformer, Float[Tensor, " row"]]:  # fmt: skip
    """Train one model on the small world's documents.

    Arguments:
        size: its shape.
        activation: of its neurons.
        tokenizer: the specimens'.
        config: of the training.
        seed: of the first weights and of the documents; all activations begin with the same weights.
        folder: where a checkpoint is kept, from which an interrupted training goes on.
        progress: show a bar.

    Returns:
        The model, in evaluation mode, and its loss on each of some rows that it has not seen, in nats a token.
    """
    shape = TransformerConfig(
        n_layers=size.n_layers, d_model=size.d_model, n_heads=4, d_mlp=4 * size.d_model, d_vocab=tokenizer.get_vocab_size(), n_ctx=128,
        activation=activation,  # type: ignore[arg-type]
    )  # fmt: skip
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = Transformer(shape)
    training = Training(model, TrainingConfig(config.steps, config.lr, warmup_steps=min(100, config.steps // 4 + 1)))
    if folder is not None and folder.exists():
        training.restore(folder)
    packer = Packer(tokenizer, NORMAL_MIX, config.n_ctx + 1)
    every = max(1, config.steps // 5)
    for step in track(range(training.step, config.steps), f"training {activation}, {size}", shown=progress):
        training.update(next_token_loss(model, packer.rows(config.rows, f"{seed}/{step}"), None))
        if folder is not None and (training.step % every == 0 or training.step == config.steps):
            training.save(folder)
    model.eval()
    with torch.no_grad():
        losses = torch.stack([next_token_loss(model, row[None], None) for row in packer.rows(HELD_OUT, f"held out of {seed}")])
    return model, losses


def refused(sizes: Sequence[Size], activations: Sequence[str], config: LanguageTraining) -> str:
    """Why such models can't be trained; empty where they can."""
    if not sizes or not activations or set(activations) - set(ACTIVATIONS) or len(set(activations)) < len(activations):
        return f"sizes {[*map(str, sizes)]}, activations {list(activations)}: give one of each at least, of {', '.join(ACTIVATIONS)}, each once"
    if any(size.n_layers < 1 or size.d_model < 4 or size.d_model % 4 for size in sizes):
        return f"sizes {[*map(str, sizes)]}: give one layer or more, and a width that four heads share"
    if min(config.steps, config.rows) < 1 or not 2 <= config.n_ctx <= 127:
        return f"{config}: give one step and one row at least, and 2 to 127 tokens of context"
    return ""
