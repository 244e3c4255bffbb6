"""Documents packed into rows of tokens, as training reads them."""

import random
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Int
from tokenizers import Tokenizer
from torch import Tensor

from sonde.specimens.words.document import Document
from sonde.specimens.words.mixture import FAMILIES
from sonde.specimens.words.tokenizer import end_id

LEADING_SPACE = 0.15
"""Share of documents that begin with a space, as a continued text would."""


@dataclass(frozen=True)
class Packed:
    """A document as it lies in a row.

    Arguments:
        document: with its truth.
        begin: the place of its first token; the end token stands before it.
        ids: its tokens and the end token after them, as far as the row goes.
    """

    document: Document
    begin: int
    ids: tuple[int, ...]


class Packer:
    """Packs documents into rows of tokens: every row begins with the end token and a fresh document, and goes on with others.

    Arguments:
        tokenizer: the specimen's.
        mix: share of tokens of each family.
        length: tokens in a row.

    A row depends on the seed alone, so training can be interrupted and resumed anywhere.
    """

    def __init__(self, tokenizer: Tokenizer, mix: Mapping[str, float], length: int) -> None:
        self.tokenizer, self.length = tokenizer, length
        self.end = end_id(tokenizer)
        self.families = [name for name, share in mix.items() if share > 0]
        # documents are drawn, tokens are shared out: a family of long documents is drawn less often
        self.weights = [mix[name] / self._mean_length(name) for name in self.families]

    def _mean_length(self, family: str, sample: int = 200) -> float:
        rng = random.Random(f"length of {family}")
        return sum(len(ids) for ids in self._encode([FAMILIES[family](rng).text for _ in range(sample)])) / sample

    def _encode(self, texts: list[str]) -> list[list[int]]:
        return [[*encoding.ids, self.end] for encoding in self.tokenizer.encode_batch(texts)]

    def rows(self, n: int, seed: str) -> Int[Tensor, "row pos"]:
        """Draw rows.

        Arguments:
            n: how many.
            seed: the same seed gives the same rows.

        Returns:
            Token ids, `length` a row.
        """
        rows = [[self.end, *(token for packed in row for token in packed.ids)] for row in self.documents(n, seed)]
        return torch.tensor(rows)

    def documents(self, n: int, seed: str) -> list[list[Packed]]:
        """The documents of the same rows.

        Arguments:
            n: how many rows.
            seed: of the rows.
        """
        rng = random.Random(seed)
        return [self._row(rng) for _ in range(n)]

    def _row(self, rng: random.Random) -> list[Packed]:
        row, begin = list[Packed](), 1
        while begin < self.length:
            for family in rng.choices(self.families, self.weights, k=4):
                document = FAMILIES[family](rng)
                text = document.text
                spaced = text if text.startswith(" ") or rng.random() > LEADING_SPACE else f" {text}"
                ids = (*self.tokenizer.encode(spaced).ids, self.end)
                if begin < self.length:
                    row.append(Packed(document, begin, ids[: self.length - begin]))
                begin += len(ids)
        return row
