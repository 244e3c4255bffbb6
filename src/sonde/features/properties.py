"""Properties of what a model says: of the next token's distribution (metrics), or of text that it writes.

`TokenSet` is a metric like those of `sonde.tasks`; a `TextProperty` looks at samples, and so costs their generation.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from sonde.access import Model, Run
from sonde.results import InputError, shown


@dataclass(frozen=True)
class TokenSet:
    """The log-probability that the next token is one of a set: log of the sum of their probabilities, in nats.

    Arguments:
        ids: the tokens.

    >>> import sonde
    >>> model = sonde.load("specimen:words")
    >>> are = TokenSet.of(model, [" are", " were"])
    >>> bool((are(model.run("The keys")) > are(model.run("The key"))).all())
    True
    """

    ids: tuple[int, ...]
    pos: ClassVar[int] = -1
    rows: ClassVar[None] = None  # the normaliser needs all of them
    unit: ClassVar[str] = "nats"
    better: ClassVar[str] = "more"

    def __post_init__(self) -> None:
        if not self.ids:
            raise InputError("no token: give at least one")

    @staticmethod
    def of(model: Model, tokens: Sequence[str]) -> "TokenSet":
        """From the texts of tokens, each of them a single token of the model.

        Arguments:
            model: whose tokenizer reads them.
            tokens: such as " are", with its space.
        """
        if model.tokenizer is None:
            raise InputError(f"{model.name} has no tokenizer: give token ids, TokenSet((3, 5))")
        return TokenSet(tuple(dict.fromkeys(model.tokenizer.single(token) for token in tokens)))

    def __call__(self, run: Run) -> Float[Tensor, " batch"]:
        logs = run.logits_at(self.pos).log_softmax(-1)
        found: Tensor = logs[:, torch.tensor(self.ids, device=logs.device)].logsumexp(-1)
        return found


@dataclass(frozen=True)
class TextProperty:
    """A number about a text that was written.

    Arguments:
        name: what it is, with its unit.
        of: from the text to the number.
    """

    name: str
    of: Callable[[str], float]


def matching(pattern: str) -> TextProperty:
    """Whether a regular expression is found in a text: averaged over samples, its rate.

    Arguments:
        pattern: as `re` reads it.

    Raises:
        InputError: no regular expression.

    >>> matching(r"\\bthe\\b").of("over the hill")
    1.0
    """
    try:
        found = re.compile(pattern)
    except re.error as error:
        raise InputError(f"{shown(pattern)} is no regular expression: {error}") from None
    return TextProperty(f"share of texts with {pattern!r}", lambda text: float(found.search(text) is not None))


def share_of(words: Sequence[str]) -> TextProperty:
    """The share of a text's words that are among some; 0 for a text without words.

    Arguments:
        words: without regard to capitals.

    Raises:
        InputError: no word.

    >>> share_of(["good", "fine"]).of("A good day, and a fine one.")
    0.2857142857142857
    """
    wanted = {word.strip().lower() for word in words} - {""}
    if not wanted or isinstance(words, str):
        raise InputError("no words: give a list with at least one")

    def share(text: str) -> float:
        written = re.findall(r"\w+(?:['\u2019-]\w+)*", text.lower())
        return sum(word in wanted for word in written) / max(1, len(written))

    listed = ", ".join(sorted(wanted))
    return TextProperty(f"share of words in {listed}" if len(listed) < 60 else f"share of words in {len(wanted)} listed ones", share)
