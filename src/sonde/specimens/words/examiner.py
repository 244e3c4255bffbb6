"""A model of the small world, asked in batches."""

from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float
from tokenizers import Tokenizer
from torch import Tensor

from sonde.nn import Transformer
from sonde.specimens.words import world
from sonde.specimens.words.document import Document
from sonde.specimens.words.tokenizer import end_id


class Examiner:
    """A model and its tokenizer.

    Arguments:
        model: the specimen.
        tokenizer: its tokenizer.
    """

    def __init__(self, model: Transformer, tokenizer: Tokenizer) -> None:
        self.model, self.tokenizer = model, tokenizer
        self.end = end_id(tokenizer)
        self.people = [self.token(f" {name}") for name in (*world.NAMES, "them")]

    def token(self, text: str) -> int:
        """The id of a text that is one token."""
        (single,) = self.tokenizer.encode(text).ids
        return single

    @torch.no_grad()
    def ask(self, prompts: Sequence[str], before: Sequence[str] | None = None) -> Float[Tensor, "prompt vocab"]:
        """Log-probabilities of the token after each prompt.

        Arguments:
            prompts: each is read as a document of its own.
            before: one other document for each prompt, to stand before it.
        """
        rows = [[self.end, *self.tokenizer.encode(prompt).ids] for prompt in prompts]
        if before is not None:
            rows = [[self.end, *self.tokenizer.encode(text).ids, *row] for text, row in zip(before, rows, strict=True)]
        length = max(map(len, rows))
        input_ids = torch.full((len(rows), length), self.end)
        mask = torch.zeros_like(input_ids)
        for i, row in enumerate(rows):  # on the left, so that all prompts end in the last column
            input_ids[i, length - len(row) :], mask[i, length - len(row) :] = torch.tensor(row), 1
        parts = [self.model(ids, attention_mask=m, logits_to_keep=1)[:, -1] for ids, m in zip(input_ids.split(100), mask.split(100), strict=True)]
        return torch.cat(parts).float().log_softmax(-1)

    def names_whom(self, documents: Sequence[Document], before: Sequence[str] | None = None) -> list[bool]:
        """Whether the answer is above all other names and "them"."""
        scores = self.ask([d.prompt for d in documents], before)[:, self.people]
        return [self.people[best] == self.token(d.answer) for best, d in zip(scores.argmax(-1).tolist(), documents, strict=True)]

    def prefers(self, documents: Sequence[Document], wrong: Callable[[Document], str] = lambda d: d.truth.wrong or "") -> list[bool]:
        """Whether the answer is above the wrong one, by default the truth's."""
        scores = self.ask([d.prompt for d in documents])
        return [bool(row[self.token(d.answer)] > row[self.token(wrong(d))]) for row, d in zip(scores, documents, strict=True)]

    def tops(self, documents: Sequence[Document]) -> list[bool]:
        """Whether the answer is at the top of the whole vocabulary."""
        best = self.ask([d.prompt for d in documents]).argmax(-1).tolist()
        return [b == self.token(d.answer) for b, d in zip(best, documents, strict=True)]
