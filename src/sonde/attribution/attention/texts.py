"""Labelled texts as lists of words, and as the padded rows of numbers that a classifier takes."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from sonde.results import InputError, content_hash, shown

PAD, UNKNOWN = 0, 1
SPECIAL = ("<pad>", "<unknown>")


@dataclass(frozen=True, eq=False)
class Texts:
    """Texts, cut into words, and the class of each.

    Arguments:
        words: the words of each text; none may be empty.
        labels: the class of each text, by its number.
        questions: the words of the question that is asked of each text, where there is one.
        deciding: the position of the word that decides the class, where it is known.
    """

    words: Sequence[Sequence[str]]
    labels: Sequence[int]
    questions: Sequence[Sequence[str]] | None = None
    deciding: Sequence[int] | None = None

    def __post_init__(self) -> None:
        for name in ("labels", "questions", "deciding"):
            given = getattr(self, name)
            if given is not None and len(given) != len(self.words):
                raise InputError(f"{len(given)} {name} for {len(self.words)} texts: give one for each")
        if not len(self.words):
            raise InputError("there are no texts: give at least one")
        for i, row in enumerate(self.words):
            if isinstance(row, str):
                raise InputError(f"text {i} is {shown(row)}, not a list of words: split it first")
            if not len(row):
                raise InputError(f"text {i} has no words: leave it out")

    def __len__(self) -> int:
        return len(self.words)

    def first(self, n: int) -> "Texts":
        """The first so many texts, or all of them where there are fewer."""
        return self._part(slice(n))

    def only(self, text: int) -> "Texts":
        """One text alone."""
        return self._part(slice(text, text + 1))

    def _part(self, part: slice) -> "Texts":
        questions = None if self.questions is None else self.questions[part]
        return Texts(self.words[part], self.labels[part], questions, None if self.deciding is None else self.deciding[part])

    @property
    def hash(self) -> str:
        """A content hash."""
        questions = None if self.questions is None else [list(row) for row in self.questions]
        return content_hash([[list(row) for row in self.words], list(self.labels), questions])


@dataclass(frozen=True, eq=False)
class Corpus:
    """Texts to train on and texts to look at.

    Arguments:
        name: what it is called in results.
        classes: the names of the classes, by their numbers.
        train: what classifiers are trained on.
        test: what they are judged and explained on.
    """

    name: str
    classes: tuple[str, ...]
    train: Texts
    test: Texts

    def __post_init__(self) -> None:
        for part in ("train", "test"):
            labels = set(getattr(self, part).labels)
            if strange := labels - set(range(len(self.classes))):
                raise InputError(f"{self.name}, {part}: label {min(strange)} is none of the {len(self.classes)} classes (numbers from 0)")
            if len(labels) < 2:
                raise InputError(f"{self.name}, {part}: every text is of the class {self.classes[min(labels)]!r}; nothing can be told apart")

    def vocabulary(self, least: int = 2) -> tuple[str, ...]:
        """The words that occur at least so often in training, the most frequent first; padding and the unknown word stand before them.

        >>> texts = Texts([["a", "b"], ["b", "c"]], [0, 1])
        >>> Corpus("tiny", ("no", "yes"), texts, texts).vocabulary()
        ('<pad>', '<unknown>', 'b')
        """
        rows = [*self.train.words, *(self.train.questions or ())]
        counts = Counter(word for row in rows for word in row)
        return SPECIAL + tuple(word for word, n in sorted(counts.items(), key=lambda item: (-item[1], item[0])) if n >= least and word not in SPECIAL)


@dataclass(frozen=True, eq=False)
class Rows:
    """Texts as numbers, padded on the right.

    Arguments:
        ids: the words; 0 where a row has none.
        labels: the classes.
        questions: the words of the questions, padded likewise.
    """

    ids: Int[Tensor, "row pos"]
    labels: Int[Tensor, " row"]
    questions: Int[Tensor, "row word"] | None

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def mask(self) -> Bool[Tensor, "row pos"]:
        """True where there is a word."""
        return self.ids != PAD

    def take(self, chosen: Int[Tensor, " chosen"]) -> "Rows":
        """Some of the rows, as wide as the longest of them."""
        ids = self.ids[chosen]
        width = int((ids != PAD).sum(1).max())
        return Rows(ids[:, :width], self.labels[chosen], None if self.questions is None else self.questions[chosen])

    def batches(self, size: int) -> Iterator[tuple[Int[Tensor, " chosen"], "Rows"]]:
        """All rows in order, so many at a time, each batch with the numbers of its rows."""
        for chosen in torch.arange(len(self)).split(size):
            yield chosen, self.take(chosen)


def encode(texts: Texts, vocabulary: Sequence[str]) -> Rows:
    """Texts as numbers.

    Arguments:
        texts: the texts.
        vocabulary: the words by their numbers, `SPECIAL` first; others become the unknown word.
    """
    numbers = {word: i for i, word in enumerate(vocabulary)}
    questions = None if texts.questions is None else _padded(texts.questions, numbers)
    return Rows(_padded(texts.words, numbers), torch.tensor(list(texts.labels)), questions)


def one_hot(texts: Texts) -> Float[Tensor, "row pos"]:
    """All weight on the word that decides the class: the best advice that weights can give.

    Raises:
        InputError: it is not known which word decides.
    """
    if texts.deciding is None:
        raise InputError("which word decides is not known of these texts, so there is no oracle: leave it out")
    return torch.eye(max(map(len, texts.words)))[list(texts.deciding)]


def _padded(rows: Sequence[Sequence[str]], numbers: dict[str, int]) -> Int[Tensor, "row pos"]:
    ids = [torch.tensor([max(numbers.get(word, UNKNOWN), UNKNOWN) for word in row]) for row in rows]
    return torch.nn.utils.rnn.pad_sequence(ids, batch_first=True, padding_value=PAD)
