"""The game that all methods of removal play: which players stay, and what the metric then is.

    v(S) = mean over draws of F(x with the cells of players outside S as the baseline has them)

Each coalition is asked of the model once and remembered; a game that several methods share pays for none twice.
"""

from collections.abc import Iterator, Sequence

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from sonde.access.removal.baselines import Baseline, Given, baseline_of
from sonde.access.removal.players import Grouping, Players, players_of
from sonde.access.removal.prefix import Prefix
from sonde.access.removal.question import BatchSize, Question
from sonde.jobs import track
from sonde.results import InputError

HELD_BYTES = 64 * 2**20  # of values of the site that wait for their turn


class RemovalGame:
    """Coalitions of players in, values of the metric out.

    Arguments:
        question: the inputs, the metric and the site.
        players: the parts that are removed, or what `players_of` takes.
        baseline: what stands for what is removed.
        batch_size: rows per pass.

    >>> import sonde
    >>> model = sonde.load("specimen:words")
    >>> question = Question.ask(model, "The keys on the cabinet", sonde.tasks.LogitDifference(5, 6))
    >>> game = RemovalGame(question, None, "pad")
    >>> [values.shape for values in game([torch.eye(5, dtype=torch.bool)])], game.evaluations
    ([torch.Size([5])], [5])
    """

    def __init__(self, question: Question, players: Grouping, baseline: Given, batch_size: BatchSize = "auto"):
        self.question, self.batch_size = question, batch_size
        self.players: Players = players_of(question, players)
        self.baseline: Baseline = baseline_of(baseline)
        self.evaluations = [0] * len(question)
        """How many inputs of each example the model was asked about."""
        self.metric: Float[Tensor, " example"] = question.metric.cpu()
        """The metric where nothing is removed."""
        self._known: list[dict[bytes, Tensor]] = [
            {bytes([1] * n): value.repeat(self.baseline.draws)} for n, value in zip(self.players.counts, self.metric, strict=True)
        ]
        self._prefix = Prefix(question)

    def __len__(self) -> int:
        return len(self.question)

    @property
    def removed(self) -> Float[Tensor, " example"]:
        """The metric where everything is removed."""
        return torch.cat(self([torch.zeros(1, n, dtype=torch.bool) for n in self.players.counts]))

    @property
    def indifferent(self) -> list[bool]:
        """For each example whether the metric was the same, to the last bit, in all coalitions that were asked about."""
        return [all(bool((found == value).all()) for found in own.values()) for own, value in zip(self._known, self.metric, strict=True)]

    def __call__(self, coalitions: Sequence[Bool[Tensor, "_set _player"]]) -> list[Float[Tensor, " _set"]]:
        """The metric, its mean over the draws of the baseline.

        Arguments:
            coalitions: for each example sets of players, true at those that stay.
        """
        return [values.mean(-1) for values in self.drawn(coalitions)]

    def drawn(self, coalitions: Sequence[Bool[Tensor, "_set _player"]]) -> list[Float[Tensor, "_set draw"]]:
        """The metric for each draw of the baseline. A draw is the same in all coalitions, so each is a game of its own.

        Arguments:
            coalitions: for each example sets of players, true at those that stay.

        Raises:
            InputError: coalitions of other examples or players.
        """
        if [given.shape[1:] for given in coalitions] != [torch.Size([n]) for n in self.players.counts]:
            got = [tuple(given.shape) for given in coalitions]
            raise InputError(
                f"coalitions of shapes {got} don't fit examples with {self.players.counts} players: give sets x players for each example"
            )
        keys = [[bytes(row) for row in given.to("cpu", torch.uint8).numpy()] for given in coalitions]
        self._ask([list(dict.fromkeys(key for key in own if key not in known)) for own, known in zip(keys, self._known, strict=True)])
        empty = torch.zeros(0, self.baseline.draws)
        return [
            torch.stack([known[key] for key in own]) if own else empty
            for own, known in zip(keys, self._known, strict=True)
        ]  # fmt: skip

    def _ask(self, missing: list[list[bytes]]) -> None:
        """Ask the model about coalitions that are not known yet."""
        pieces = list(self._pieces(missing))
        for piece in track(pieces, "removing", shown=len(pieces) > 1):
            rows, places = [], []
            owners: list[int] = []
            for example, keys in piece:
                values, which = self._values(example, keys)
                places.append(len(owners) + which)
                rows.append(values)
                owners += [example] * len(values)
                self.evaluations[example] += len(values)
            found = self._prefix.metric_at(torch.cat(rows), owners, self.batch_size).cpu()
            if bool(found.isnan().any()):
                example = owners[int(found.isnan().int().argmax())]
                raise InputError(
                    f"the metric is NaN in example {example} where parts are {self.baseline.described(self.question)}: use another metric or baseline"
                )
            for (example, keys), place in zip(piece, places, strict=True):
                self._known[example] |= dict(zip(keys, found[place], strict=True))

    def _pieces(self, missing: list[list[bytes]]) -> Iterator[list[tuple[int, list[bytes]]]]:
        """Coalitions whose values fit into memory together: for each piece examples with some of theirs."""
        row = self.question.value[0].numel() * self.question.value.element_size() * self.baseline.draws
        most = max(1, HELD_BYTES // row)
        piece: list[tuple[int, list[bytes]]] = []
        held = 0
        for example, keys in enumerate(missing):
            while keys:
                taken, keys = keys[: most - held], keys[most - held :]
                piece.append((example, taken))
                held += len(taken)
                if held == most:
                    yield piece
                    piece, held = [], 0
        if piece:
            yield piece

    def _values(self, example: int, keys: list[bytes]) -> tuple[Float[Tensor, "row *axis"], Tensor]:
        """Different values of the site, and for each coalition and draw which of them is meant."""
        whole = self.question.value[example]
        coalitions = torch.tensor([list(key) for key in keys], dtype=torch.bool)
        present = self.players.present(example, coalitions).to(whole.device)
        absent = self.baseline.values(self.question, example, present)
        shaped = self.question.along_cells(present).unsqueeze(1)
        values = torch.where(shaped, whole, absent.to(whole)).flatten(0, 1)
        which = torch.arange(len(values))
        if absent.shape[1] > 1:  # draws often agree, above all in small coalitions' complements
            seen: dict[bytes, int] = {}
            which = torch.tensor([seen.setdefault(row.tobytes(), len(seen)) for row in values.contiguous().cpu().view(torch.uint8).numpy()])
            first = torch.full((len(seen),), len(values)).scatter_reduce(0, which, torch.arange(len(values)), "amin")
            values = values[first.to(values.device)]
        return values, which.view(len(keys), absent.shape[1])
