"""A little assembly language: the residual stream as named spaces, heads and MLPs as instructions that read some and write others.

Nothing is normalised and every space has coordinates of its own, so an instruction reads exactly what it names: the weight between a writer and
a reader of other spaces is zero, and so is the effect of that edge. (Weiss et al. 2021, RASP; Lindner et al. 2023, Tracr.)

What no instruction uses holds small random weights: such heads and neurons read the whole stream, and write into a space that only they read.
"""

import random
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from tokenizers import Tokenizer as Backend
from tokenizers import models, pre_tokenizers
from torch import Tensor

from sonde.access import Tokenizer
from sonde.nn import Transformer, TransformerConfig
from sonde.specimens.compiled.graph import MLP, Head

BOS, UNKNOWN = "<bos>", "<unk>"
NOISE = 0.03
"""Deviation of the weights that do nothing."""
_D_NOISE = 8

Matrices = Mapping[str, Tensor]
"""By space: [space width] where it is read, [width space] where it is written. Read, the space "one" is the constant 1."""


def word_tokenizer(words: Sequence[str]) -> Tokenizer:
    """A tokenizer of whole words between spaces, which begins every text with `<bos>`.

    Arguments:
        words: all that it knows.
    """
    backend = Backend(models.WordLevel({word: i for i, word in enumerate((BOS, UNKNOWN, *words))}, unk_token=UNKNOWN))
    backend.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    backend.add_special_tokens([BOS, UNKNOWN])
    return Tokenizer(backend, bos_id=0, pad_id=0, add_bos=True)


class Assembly:
    """A network being written.

    Arguments:
        words: those that it knows; the space "token" holds the token, one-hot.
        n_ctx: longest input, in tokens; the space "place" holds the position, one-hot.
        spaces: further spaces and their widths.
        n_heads: heads in each of its two layers.
        d_head: width of a head.
        d_mlp: neurons in each layer.
        seed: decides which head of its layer an instruction becomes, and the weights that do nothing.
        noise: deviation of the weights that do nothing.
    """

    def __init__(
        self, words: Sequence[str], n_ctx: int, spaces: Mapping[str, int], n_heads: int = 3, d_head: int = 8, d_mlp: int = 16,
        seed: int = 0, noise: float = NOISE,
    ) -> None:  # fmt: skip
        self.tokenizer = word_tokenizer(words)
        self._spaces: dict[str, slice] = {}
        end = 0
        for name, width in {"token": len(words) + 2, "place": n_ctx, **spaces, "noise": _D_NOISE}.items():
            self._spaces[name] = slice(end, end + width)
            end += width
        self.config = TransformerConfig(
            n_layers=2, d_model=end, n_heads=n_heads, d_vocab=len(words) + 2, n_ctx=n_ctx, d_mlp=d_mlp, d_head=d_head,
            activation="relu", norm=None, tied=False,
        )  # fmt: skip
        self.model = Transformer(self.config).eval()
        self._noise(seed, noise)
        self.model.embed.weight.data[:, self._spaces["token"]] = torch.eye(len(words) + 2)
        self.model.pos_embed.weight.data[:, self._spaces["place"]] = torch.eye(n_ctx)
        order = random.Random(seed)
        self._free = [order.sample(range(n_heads), n_heads) for _ in range(2)]
        self._neurons = [0, 0]

    def _noise(self, seed: int, deviation: float) -> None:
        generator = torch.Generator().manual_seed(seed)
        for name, weight in self.model.named_parameters():
            weight.data.zero_()
            if name.endswith(("q.weight", "k.weight", "v.weight", "up.weight")):
                weight.data.normal_(std=deviation, generator=generator)
            if name.endswith(("o.weight", "down.weight")):
                weight.data[self._spaces["noise"]].normal_(std=deviation, generator=generator)

    def word(self, *words: str) -> Tensor:
        """A column [token 1] that is 1 at these words.

        Arguments:
            words: of the vocabulary, or `<bos>`.
        """
        column = torch.zeros(self.config.d_vocab, 1)
        column[[self.tokenizer.single(word) for word in words]] = 1
        return column

    def head(self, layer: int, score: Sequence[tuple[float, Matrices, Matrices]], value: Matrices, output: Matrices) -> Head:
        """Write a head: it looks where the score is high, and moves what it reads there.

        Arguments:
            layer: 0 or 1.
            score: terms (strength, query, key) that add up: strength x <what the query reads at its position, what the key reads at its own>.
            value: what is read at the position looked at.
            output: where that is written.

        Returns:
            Which head it has become.
        """
        head = Head(layer, self._free[layer].pop())
        attn, d_head = self.model.attentions[layer], self.config.head_dim
        own = slice(head.head * d_head, (head.head + 1) * d_head)
        for part in (attn.q, attn.k, attn.v):
            part.weight.data[own] = part.bias.data[own] = 0
        attn.o.weight.data[:, own] = 0
        row = own.start
        for strength, query, key in score:
            width = next(iter(query.values())).shape[1]
            self._read(attn.q, row, query, strength * d_head**0.5)  # undoes the division by sqrt(d_head)
            self._read(attn.k, row, key)
            row += width
        self._read(attn.v, own.start, value)
        self._write(attn.o, own.start, output)
        return head

    def mlp(self, layer: int, read: Matrices, write: Matrices) -> MLP:
        """Write neurons: relu of what is read, times what is written.

        Arguments:
            layer: 0 or 1.
            read: what each neuron reads.
            write: what each neuron writes when it is 1.

        Returns:
            The MLP that they belong to.
        """
        blocks: Any = self.model.blocks
        mlp, first = blocks[layer].mlp, self._neurons[layer]
        self._neurons[layer] += next(iter(read.values())).shape[1]
        own = slice(first, self._neurons[layer])
        mlp.up.weight.data[own] = mlp.up.bias.data[own] = 0
        mlp.down.weight.data[:, own] = 0
        self._read(mlp.up, first, read)
        self._write(mlp.down, first, write)
        return MLP(layer)

    def unembed(self, read: Matrices) -> None:
        """Write the logits: [space token] of each space that is read."""
        self._read(self.model.unembed, 0, read)

    def _read(self, linear: torch.nn.Linear, row: int, matrices: Matrices, factor: float = 1.0) -> None:
        for space, matrix in matrices.items():
            rows = slice(row, row + matrix.shape[1])
            if space == "one":
                linear.bias.data[rows] += factor * matrix[0]
            else:
                linear.weight.data[rows, self._spaces[space]] += factor * matrix.T

    def _write(self, linear: torch.nn.Linear, column: int, matrices: Matrices) -> None:
        for space, matrix in matrices.items():
            linear.weight.data[self._spaces[space], column : column + matrix.shape[0]] += matrix.T
