"""The parts of an input that are removed or stay together: the players of a game whose prize is the metric."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from sonde.access.removal import groupings
from sonde.access.removal.question import Question
from sonde.results import InputError, shown


@dataclass(frozen=True, eq=False)
class Players:
    """Which place belongs to which player.

    Arguments:
        groups: the player of each cell of the site, counted from 0 in every example; -1 at cells that always stay.
        names: what the players of each example are called.
        single: every player is one cell, so that its value is that of the cell.
    """

    groups: Int[Tensor, "example *cell"]
    names: tuple[tuple[str, ...], ...]
    single: bool = False

    @property
    def counts(self) -> list[int]:
        """How many players each example has."""
        return [len(names) for names in self.names]

    def present(self, example: int, coalitions: Bool[Tensor, "set player"]) -> Bool[Tensor, "set *cell"]:
        """The cells that stay when only some players do.

        Arguments:
            example: the index of the example.
            coalitions: for each set true at the players that stay.
        """
        staying = torch.cat([coalitions, coalitions.new_ones(len(coalitions), 1)], 1)  # the last column is that of -1
        return staying[:, self.groups[example]]


Grouping = str | int | Tensor | Sequence[str] | Mapping[str, str | Sequence[int] | Sequence[Sequence[int]]] | Players | None
"""What `players_of` takes."""


def players_of(question: Question, grouping: Grouping = None, special: bool = False) -> Players:
    """The players of a question's inputs.

    Arguments:
        question: the inputs.
        grouping: `None`: every cell by itself (a token, a pixel with its channels, a feature); "words": tokens without white space between;
            "sentences"; a number: squares of a picture with so many pixels on a side; whole numbers in the shape of the cells, of one example
            or of each: cells with the same number go together, those with -1 stay; a name for each feature; names with the places that each
            holds (as `spans=` of `Model.run` takes them; indices of features), where the others stay.
        special: let special tokens be players too, and not always stay.

    Raises:
        InputError: a grouping that the inputs have not; an example without players.

    >>> import sonde
    >>> question = Question.ask(sonde.load("specimen:words"), "The keys on the cabinet", sonde.tasks.Logit(5))
    >>> players_of(question).names[0], players_of(question, {"subject": [[1, 2]]}).names[0]
    (('The', ' keys', ' on', ' the', ' cabinet'), ('subject',))
    """
    made = grouping if isinstance(grouping, Players) else Players(*_made(question, grouping, special), single=grouping is None)
    if made.groups.shape != (shape := groupings.shape(question)):
        raise InputError(f"the players have places of shape {tuple(made.groups.shape)}, and {question.site!r} has {shape}")
    for example, names in enumerate(made.names):
        if not names:
            raise InputError(f"example {example} has nothing that could be removed: all its places stay (special tokens do, unless special=True)")
    return made


def _made(question: Question, grouping: Grouping, special: bool) -> groupings.Made:
    tokens = groupings.of_tokens(question)
    if grouping is None:
        return groupings.tokens(question, special) if tokens else groupings.every(question)
    if isinstance(grouping, str) and grouping in ("words", "sentences"):
        return groupings.words(question, special) if grouping == "words" else groupings.sentences(question, special)
    if isinstance(grouping, int) and not isinstance(grouping, bool):
        return groupings.squares(question, grouping)
    if isinstance(grouping, Tensor):
        return groupings.labelled(question, grouping)
    if isinstance(grouping, Mapping):
        return groupings.spans(question, grouping) if tokens else groupings.features(question, grouping)
    if isinstance(grouping, Sequence) and not isinstance(grouping, str) and all(isinstance(name, str) for name in grouping):
        return groupings.named(question, grouping)
    raise InputError(
        f"players={shown(grouping)}: give None (every place by itself), 'words', 'sentences', the side of a picture's squares, whole numbers as a "
        "tensor, or names with their places"
    )
