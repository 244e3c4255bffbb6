"""From examples as text to a task: what a tokenizer can take is kept, what it cannot is dropped, counted and told.

An example fits where its prompt and its counterfactual are spelled without loss and have as many tokens, and where some right answer and some wrong
one are single tokens. Of a set of answers the members that are several tokens are left out; an example that loses all of them is dropped.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from sonde.access import Model, Tokenizer
from sonde.results import InputError
from sonde.tasks.pair import Pair
from sonde.tasks.prompt import Prompt, Word, tokenizer_of
from sonde.tasks.task import Row, Task

SHOWN = 4  # words that are named where many are left out
WIDTH = 8  # tokens that are shown of two texts where they part


@dataclass(frozen=True)
class Example:
    """One example before a tokenizer has seen it.

    Arguments:
        clean, corrupt: the prompt and its counterfactual.
        answers: what is right after the prompt, each with its leading space if it has one; the first stands for all where one is needed.
        wrongs: what is wrong there, likewise.
        spans: the words that matter, by their part, where they stand in the prompt.
        place: where it comes from, such as "row 3".
        frame: the number of the template's frame that it was made from, if it was.
    """

    clean: str
    corrupt: str
    answers: tuple[str, ...]
    wrongs: tuple[str, ...]
    spans: Mapping[str, tuple[Word, ...]] = field(default_factory=dict)
    place: str = ""
    frame: int | None = None


class Misfit(InputError):
    """An example that a tokenizer can't take.

    Arguments:
        reason: the kind of misfit, as a clause.
        figures: what is so in this example.
        place: where it comes from, such as "row 3".
    """

    def __init__(self, reason: str, figures: str, place: str = ""):
        super().__init__(f"{reason}: {figures}")
        self.reason, self.figures, self.place = reason, figures, place


class Gathering:
    """Takes examples one by one and makes a task of those that fit.

    Arguments:
        model: the model whose tokenizer is used.
        name: what the behaviour is called.
        unit: what is counted, in the plural: "rows" of a file, "draws" from a template.
        bos: whether the beginning-of-sequence token comes first; by default as the tokenizer does.
    """

    def __init__(self, model: Model, name: str, unit: str = "rows", bos: bool | None = None):
        self.tokenizer, self.name, self.unit, self.bos = tokenizer_of(model), name, unit, bos
        self.pairs: list[Pair] = []
        self.spans: list[dict[str, Row]] = []
        self.frames: list[int | None] = []
        self.seen = 0
        self._dropped: Counter[str] = Counter()
        self._first: dict[str, str] = {}
        self._used: dict[tuple[str, ...], None] = {}
        self._both: dict[tuple[Row, Row], list[str]] = {}
        self._sets: dict[tuple[str, ...], tuple[Row, dict[str, str]]] = {}
        self._spelled: dict[str, bool] = {}

    def add(self, example: Example | Misfit) -> bool:
        """Keep an example, or count why it was dropped; returns whether it was kept."""
        self.seen += 1
        try:
            if isinstance(example, Misfit):
                raise example
            made = self._fitted(example)
        except Misfit as misfit:
            self._dropped[misfit.reason] += 1
            self._first.setdefault(misfit.reason, f"first {example.place}: {misfit.figures}" if example.place else misfit.figures)
            return False
        self.pairs.append(made)
        self.frames.append(example.frame)
        prompt = Prompt(example.clean, self.tokenizer, self.bos)
        self.spans.append({name: tuple(i for word in words for i in prompt.positions(word)) for name, words in example.spans.items()})
        return True

    def task(self, metric: str | None = None, notes: Sequence[str] = ()) -> Task:
        """The task.

        Arguments:
            metric: the name of a metric; by default the logit difference where every example has one right answer and one wrong one, and the
                difference of summed probabilities where some have more.
            notes: what else was decided.

        Raises:
            InputError: nothing fits; the message has the figures.
        """
        told = self.told()
        if not self.pairs:
            raise InputError(f"none of the {self.seen} {self.unit} of {self.name!r} suits this tokenizer: {'; '.join(told) or 'there are none'}")
        everywhere = set.intersection(*(set(spans) for spans in self.spans))
        spans = {name: [row[name] for row in self.spans] for name in self.spans[0] if name in everywhere}
        several = any(len(pair.answers) > 1 or len(pair.wrongs) > 1 for pair in self.pairs)
        metric = metric or ("probability_difference" if several else "logit_difference")
        frames = [frame for frame in self.frames if frame is not None]
        known = frames if len(frames) == len(self.pairs) else ()
        return Task.of(self.pairs, self.name, spans=spans, notes=(*notes, *told), metric=metric, frames=known)

    def told(self) -> tuple[str, ...]:
        """A line for each reason why something was dropped, and one for answers that were left out of their sets."""
        lines = [f"{count} of {self.seen} {self.unit} dropped: {reason} ({self._first[reason]})" for reason, count in self._dropped.most_common()]
        left_out = {text: why for texts in self._used for text, why in self._sets[texts][1].items()}
        if left_out and self.pairs:
            lines.append(f"{len(left_out)} answers that are no single token were left out of their sets: {some(left_out.values())}")
        return tuple(lines)

    def _fitted(self, example: Example) -> Pair:
        if not example.clean.strip() or not example.corrupt.strip():
            raise Misfit("the prompt or its counterfactual is empty", f"{example.clean!r} against {example.corrupt!r}")
        answers, wrongs = self._singles(example.answers, "answer"), self._singles(example.wrongs, "wrong answer")
        if (answers, wrongs) not in self._both:
            self._both[answers, wrongs] = [repr(text) for text in self.tokenizer.strings(sorted({*answers} & {*wrongs}))]
        if both := self._both[answers, wrongs]:
            raise Misfit("an answer is wrong as well", f"{some(both)} is among the right ones and among the wrong ones")
        for text in (example.clean, example.corrupt):
            self._spell(text)
        clean, corrupt = (tuple(self.tokenizer.encode(text, self.bos)) for text in (example.clean, example.corrupt))
        if clean == corrupt:
            raise Misfit("the counterfactual is the prompt itself", repr(example.clean))
        if len(clean) != len(corrupt):
            raise Misfit(
                "the counterfactual has another number of tokens",
                f"{len(corrupt)} against {len(clean)}, {self._differing(corrupt, clean)} against {self._differing(clean, corrupt)}",
            )
        return Pair(example.clean, example.corrupt, answers, wrongs, clean, corrupt)

    def _singles(self, texts: tuple[str, ...], which: str) -> Row:
        """The ids of the texts that are single tokens."""
        if texts not in self._sets:
            found = {text: single(self.tokenizer, text) for text in texts}
            kept = tuple(dict.fromkeys(i for i in found.values() if isinstance(i, int)))
            self._sets[texts] = kept, {text: why for text, why in found.items() if isinstance(why, str)}
        ids, failed = self._sets[texts]
        if not ids:
            what = f"no {which} is a single token" if len(failed) > 1 else f"the {which} is no single token"
            raise Misfit(what, some(failed.values()) or "there is none")
        self._used[texts] = None
        return ids

    def _spell(self, text: str) -> None:
        """Refuse a text that the tokenizer changes: a word that it does not know would be lost in silence."""
        for word in text.split():
            if word not in self._spelled:
                self._spelled[word] = spelled(self.tokenizer, word)
            if not self._spelled[word]:
                raise Misfit("it holds a word that this tokenizer can't spell", repr(word))

    def _differing(self, ids: Row, others: Row) -> str:
        """The tokens from the first on that is not the same."""
        start = next((i for i, (mine, other) in enumerate(zip(ids, others, strict=False)) if mine != other), min(len(ids), len(others)))
        shown = "|".join(self.tokenizer.strings(ids[start : start + WIDTH]))
        return repr(shown + ("..." if len(ids) > start + WIDTH else ""))


def single(tokenizer: Tokenizer, text: str) -> int | str:
    """The id of a text that goes on after a prompt, or a clause with its tokens where it is not one.

    Arguments:
        tokenizer: the model's.
        text: with its leading space if it has one; without one it goes on in the middle of a word, as the second half of a year does.
    """
    if text[:1].isspace():
        try:
            return tokenizer.single(text)
        except InputError:
            ids = tokenizer.encode(text, bos=False)
    else:
        # some tokenizers write a text's beginning as if a space stood before it: look at it after another token
        before = tokenizer.encode("a", bos=False)
        ids = tokenizer.encode(f"a{text}", bos=False)
        ids = ids[len(before) :] if ids[: len(before)] == before else tokenizer.encode(text, bos=False)
        if len(ids) == 1 and tokenizer.strings(ids) == [text]:
            return ids[0]
    if len(ids) == 1:
        return f"{text!r} is not in the vocabulary"
    return f"{text!r} is {len(ids)} tokens ({', '.join(map(repr, tokenizer.strings(ids)))})"


def spelled(tokenizer: Tokenizer, word: str) -> bool:
    """Whether a word comes back from a tokenizer as it went in, but for its case and for spaces."""
    back = tokenizer.decode(tokenizer.encode(f" {word}", bos=False))
    return "".join(back.split()).casefold() == word.casefold()


def some(parts: Iterable[str]) -> str:
    """The first few of many, and how many more there are.

    >>> some(["a", "b"]), some("abcdefg")
    ('a, b', 'a, b, c, d and 3 more')
    """
    parts = list(parts)
    return ", ".join(parts[:SHOWN]) + (f" and {len(parts) - SHOWN} more" if len(parts) > SHOWN else "")
