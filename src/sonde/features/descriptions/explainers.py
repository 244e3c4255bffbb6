"""Who describes a latent: a search for simple rules, or a language model that is shown examples."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch

from sonde.features.descriptions import prompts
from sonde.features.descriptions.clients import Client
from sonde.features.descriptions.examples import Examples
from sonde.features.descriptions.offline import found
from sonde.features.descriptions.offline.search import Table
from sonde.features.descriptions.windows import Grid

WORDS = 400
"""Tokens that an explainer may write, thoughts included."""
TOGETHER = 16
"""Latents that a client is asked about at a time: what came before a budget is spent is kept."""


@dataclass(frozen=True)
class Description:
    """What a latent stands for, in somebody's words.

    Arguments:
        latent: its number.
        text: the words; empty where there are none.
        author: who wrote them.
        error: why there are none; empty where there are some.
    """

    latent: int
    text: str
    author: str
    error: str = ""


class Explainer(Protocol):
    """Whoever describes latents."""

    @property
    def name(self) -> str:
        """The author of the descriptions."""
        ...

    def explain(self, grid: Grid, cases: Sequence[Examples]) -> Iterator[Description]:
        """One description for each latent, in order, as they are made.

        Arguments:
            grid: the texts that the explainer may see.
            cases: the latents with their examples.
        """
        ...


@dataclass(frozen=True)
class OfflineExplainer:
    """A search for simple rules, without any language model; see `sonde.features.descriptions.offline`.

    It searches two thirds of the texts that it may see, and keeps what holds in the others.

    Arguments:
        seed: of the draw of these thirds.
    """

    seed: int = 0

    @property
    def name(self) -> str:
        """The author of the descriptions."""
        return "offline rules"

    def explain(self, grid: Grid, cases: Sequence[Examples]) -> Iterator[Description]:
        """One description for each latent, in order, as they are made.

        Arguments:
            grid: the texts that it may see.
            cases: the latents.
        """
        table = Table.of(grid)
        recording = grid.recording
        texts = torch.randperm(len(recording.starts), generator=torch.Generator().manual_seed(self.seed))
        searching = torch.isin(recording.text, texts[: (2 * len(texts) + 2) // 3])
        for case in cases:
            yield Description(case.latent, str(found(table, recording.activations(case.latent), searching, case.promoted)), self.name)


@dataclass(frozen=True)
class AskingExplainer:
    """A language model that is shown the strongest examples and some weaker ones.

    Arguments:
        client: who is asked.
    """

    client: Client

    @property
    def name(self) -> str:
        """The author of the descriptions."""
        return self.client.name

    def explain(self, grid: Grid, cases: Sequence[Examples]) -> Iterator[Description]:
        """One description for each latent, in order, as they are made; without words, and with the reason, where the answer gives none.

        Arguments:
            grid: the texts; what is shown of them stands in the cases.
            cases: the latents with their examples.
        """
        for i in range(0, len(cases), TOGETHER):
            yield from self._asked(cases[i : i + TOGETHER])

    def _asked(self, cases: Sequence[Examples]) -> Iterator[Description]:
        asked = [case for case in cases if case.shown]
        answers = iter(self.client.complete([prompts.explain(case.shown, case.most, case.promoted) for case in asked], WORDS))
        for case in cases:
            if not case.shown:
                yield Description(case.latent, "", self.name, "never active in the texts shown")
                continue
            answer = next(answers)
            text = None if answer.error else prompts.description_in(answer.text)
            yield Description(case.latent, text or "", self.name, "" if text else answer.error or "the answer gives no description")
