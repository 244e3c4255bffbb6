"""What a document of the small world is: its text, the latent truth behind it, and the one word in it that can be predicted."""

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Document:
    """A short text that carries its truth.

    Arguments:
        family: which phenomenon it is about.
        prompt: the text up to the predictable word; the whole text where none is singled out.
        answer: the predictable word with the space before it, as it stands in the text; empty where none is singled out.
        ending: what follows the answer.
        truth: what the text says, as data (who gives, who gets, which number the subject has, ...).
    """

    family: str
    prompt: str
    answer: str = ""
    ending: str = ""
    truth: Mapping[str, Any] = field(default_factory=dict)

    @property
    def text(self) -> str:
        """The whole document."""
        return self.prompt + self.answer + self.ending


Family = Callable[[random.Random], Document]
"""Draws one training document."""
