"""A template that is data: slots, frames, the rule of the answer, and what a counterfactual changes.

All that can be wrong in it is told by its place.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from sonde.results import InputError
from sonde.tasks.lexicon import Lexicon, english
from sonde.tasks.metrics import METRICS
from sonde.tasks.own.document import Data, Document, Keys
from sonde.tasks.own.phrase import Drawn, Phrase, Place, Term, parse
from sonde.tasks.own.slots import Slot, slot_of

KEYS = ("name", "question", "slots", "frames", "answer", "wrong", "counterfactual", "metric", "spans", "space")
OTHER, OTHER_FORM = "other", "other form"


@dataclass(frozen=True)
class ByWord:
    """Answers looked up by what a slot holds: by its form, or by its word.

    Arguments:
        slot: the slot.
        answers: from a form or a word to the answers.
    """

    slot: str
    answers: Mapping[str, tuple[str, ...]]

    def of(self, drawn: Drawn) -> tuple[str, ...] | None:
        """The answers for what was drawn; `None` where there are none for it."""
        keys = (drawn.kind.forms[drawn.form], drawn.entry.forms[drawn.form], drawn.entry.forms[0])
        return next((self.answers[key] for key in keys if key in self.answers), None)


Answer = tuple[Phrase, ...] | ByWord


@dataclass(frozen=True)
class Change:
    """What a counterfactual writes.

    Arguments:
        slot: the slot whose word changes.
        place: which of its places in a frame, from 1 on; `None` for all.
        what: a phrase, or `OTHER` for another word of the slot, or `OTHER_FORM` for another form of its word.
    """

    slot: str
    place: int | None
    what: Phrase | str


@dataclass(frozen=True)
class SlotTemplate:
    """A template made of data alone, as a YAML file writes it; `SlotTemplate.of` makes one from plain data.

    Arguments:
        name: its name.
        question: what the model must know, as a question.
        slots: by name.
        frames: texts with slots.
        answer: what is right.
        wrong: what it is compared with; `None` for the answer that the counterfactual has.
        counterfactuals: each kind's changes, the preferred kind first.
        metric: the name of a metric; `None` for what the answers suggest.
        spans: positions by name: the places of slots; `None` for each slot by its own name.
        space: whether an answer follows after a space.
        document: where all this was read, for messages.
    """

    name: str
    question: str
    slots: Mapping[str, Slot]
    frames: tuple[Phrase, ...]
    answer: Answer
    wrong: Answer | None
    counterfactuals: Mapping[str, tuple[Change, ...]]
    metric: str | None
    spans: Mapping[str, tuple[Place, ...]] | None
    space: bool
    document: Document

    @staticmethod
    def of(data: Mapping[str, Data] | Document, folder: Path = Path(), lexicon: Lexicon | None = None) -> "SlotTemplate":
        """Read a template from data.

        Arguments:
            data: what a YAML file says.
            folder: where the files that it names are looked up.
            lexicon: where classes of words are looked up.

        Raises:
            InputError: whatever can't be understood or can't work, with its place.

        >>> template = SlotTemplate.of({
        ...     "slots": {"city": {"forms": ["city", "country"], "words": ["Paris/France", "Rome/Italy"]}},
        ...     "frames": ["{city} is a city in"], "answer": "{city/country}"})
        >>> template.name, list(template.counterfactuals)
        ('template', ['other city'])
        """
        return _Reader(data if isinstance(data, Document) else Document("", dict(data)), folder, lexicon or english()).template()

    def slots_of_answer(self) -> set[str]:
        """The slots on which the right answer depends."""
        return _slots_of(self.answer)


class _Reader:
    """Turns data into a template, part by part."""

    def __init__(self, document: Document, folder: Path, lexicon: Lexicon):
        self.document, self.folder, self.lexicon = document, folder, lexicon
        self.slots: dict[str, Slot] = {}
        self.places: dict[str, int] = {}  # how often a slot stands in the frame where it stands most often

    def template(self) -> SlotTemplate:
        data = self._mapping((), self.document.data)
        for key in data:
            if key not in KEYS:
                self.document.refuse((key,), f"unknown key {key!r}: a template has {', '.join(KEYS)}")
        for key in ("slots", "frames", "answer"):
            if not data.get(key):
                self.document.refuse((), f"a template needs {key}: {_EXAMPLES[key]}")
        for name, said in self._mapping(("slots",), data["slots"]).items():
            if not name.isidentifier():
                self.document.refuse(("slots", name), f"{name!r} is no name for a slot: use letters, digits and _")
            self.slots[name] = slot_of(self.document, name, said, self.lexicon, self.folder)
        frames = self._frames(data["frames"])
        answer = self._answer(("answer",), data["answer"])
        wrong = self._answer(("wrong",), data["wrong"]) if data.get("wrong") else None
        if wrong == answer:
            self.document.refuse(("wrong",), "the wrong answer is the right one: name another slot or other words")
        counterfactuals = self._counterfactuals(data.get("counterfactual"), answer)
        for kind, changes in counterfactuals.items() if wrong is None else ():
            self._has_its_own_answer(kind, changes, answer)
        self._all_used(frames, answer, wrong, [change.what for changes in counterfactuals.values() for change in changes])
        self._reach(frames, counterfactuals)
        metric = self._text(("metric",), data["metric"]) if "metric" in data else None
        if metric is not None and metric not in METRICS:
            self.document.refuse(("metric",), f"there is no metric {metric!r}; there are {', '.join(METRICS)}")
        name, question = (self._text((key,), data.get(key, "")) for key in ("name", "question"))
        space = self._text(("space",), data.get("space", "yes"))
        if space not in ("yes", "no", "true", "false"):
            self.document.refuse(("space",), f"{space!r} is neither yes nor no: whether a space stands before the answer")
        return SlotTemplate(
            name or Path(self.document.name).stem or "template", question, self.slots, frames, answer, wrong, counterfactuals, metric,
            self._spans(data.get("spans")), space in ("yes", "true"), self.document,
        )  # fmt: skip

    def _frames(self, data: Data) -> tuple[Phrase, ...]:
        frames = []
        for i, text in enumerate(self._texts(("frames",), data)):
            path = ("frames", i) if isinstance(data, list) else ("frames",)
            frame = self._phrase(path, text)
            if not frame.terms:
                self.document.refuse(path, f"the frame {text!r} has no slot: write the words that change as {{slot}}")
            for term in frame.terms:
                count = sum(other.slot == term.slot for other in frame.terms)
                self.places[term.slot] = max(count, self.places.get(term.slot, 0))
            frames.append(frame)
        return tuple(frames)

    def _answer(self, path: Keys, data: Data) -> Answer:
        if not isinstance(data, dict):
            return tuple(self._phrase(path, text) for text in self._texts(path, data))
        if set(data) != {"of", "words"}:
            self.document.refuse(path, 'an answer is a text such as "{slot}" in quotes, a list of texts, or a mapping with of: (a slot) and words:')
        slot = self._slot((*path, "of"), self._text((*path, "of"), data["of"]))
        table = self._mapping((*path, "words"), data["words"])
        answers = ByWord(slot, {key: tuple(self._texts((*path, "words", key), said)) for key, said in table.items()})
        held, kind = self.slots[slot], self.slots[slot].kind
        known = set(kind.forms) | {word for entry in kind.entries for word in entry.forms}
        for key in table:
            if key not in known:
                forms = ", ".join(kind.forms)
                self.document.refuse((*path, "words", key), f"{key!r} is neither a form of slot {slot!r} ({forms}) nor one of its words")
        for entry in kind.entries:
            for form in held.drawn:
                if answers.of(Drawn(kind, entry, form)) is None:
                    word = entry.forms[form]
                    self.document.refuse((*path, "words"), f"no answer for {word!r} of slot {slot!r}: give one for each form or each word")
        return answers

    def _counterfactuals(self, data: Data | None, answer: Answer) -> dict[str, tuple[Change, ...]]:
        path = ("counterfactual",)
        if not data:
            depends = sorted(_slots_of(answer))
            if not depends:
                self.document.refuse(("answer",), "the answer is the same for all words, so no counterfactual is possible: let it depend on a slot")
            return {f"other {', '.join(depends)}": tuple(self._change(path, slot, OTHER) for slot in depends)}
        table = self._mapping(path, data)
        if all(isinstance(said, dict) for said in table.values()):
            kinds = {kind: self._mapping((*path, kind), said) for kind, said in table.items()}
            return {kind: tuple(self._change((*path, kind, k), k, v) for k, v in said.items()) for kind, said in kinds.items()}
        changes = tuple(self._change((*path, key), key, said) for key, said in table.items())
        return {", ".join(f"{key}: {said}" for key, said in table.items()): changes}

    def _change(self, path: Keys, key: str, data: Data) -> Change:
        slot, place = self._place(path, key)
        what = self._text(path, data)
        held = self.slots[slot]
        if what == OTHER and len(held.kind.entries) < 2:
            self.document.refuse(path, f"no counterfactual is possible: slot {slot!r} has one word, so that it can't be exchanged for another")
        if what == OTHER_FORM and len(held.kind.forms) < 2:
            self.document.refuse(path, f"no counterfactual is possible: the words of slot {slot!r} have one form only")
        if what in (OTHER, OTHER_FORM):
            return Change(slot, place, what)
        phrase = self._phrase(path, what)
        if phrase.parts == (Term(slot),):
            self.document.refuse(path, f"no counterfactual is possible: {key} would stay what it is")
        return Change(slot, place, phrase)

    def _has_its_own_answer(self, kind: str, changes: tuple[Change, ...], answer: Answer) -> None:
        """Without a wrong answer the counterfactual's own one is taken, which must be known and may not be the same."""
        depends = _slots_of(answer)
        partial = [change.slot for change in changes if change.slot in depends and not (change.place is None and change.what in (OTHER, OTHER_FORM))]
        if partial or not depends & {change.slot for change in changes}:
            why = f"{partial[0]!r} then holds several words" if partial else "it leaves the answer as it is"
            self.document.refuse(("counterfactual",), f"under {kind!r} there is no wrong answer to compare with, since {why}: give one with wrong:")

    def _spans(self, data: Data | None) -> dict[str, tuple[Place, ...]] | None:
        if data is None:
            return None
        found: dict[str, tuple[Place, ...]] = {}
        for name, said in self._mapping(("spans",), data).items():
            keys = [self._place(("spans", name), key) for key in self._texts(("spans", name), said)]
            found[name] = tuple((slot, i) for slot, place in keys for i in ([place] if place else range(1, self.places.get(slot, 0) + 1)))
            if not found[name] or name == "changed":
                why = "is what the counterfactual changes: choose another name" if name == "changed" else "is of a slot that stands in no frame"
                self.document.refuse(("spans", name), f"the span {name!r} {why}")
        return found

    def _place(self, path: Keys, key: str) -> tuple[str, int | None]:
        """`slot` for all its places in a frame, `slot#2` for the second."""
        name, sharp, number = key.partition("#")
        slot = self._slot(path, name)
        if sharp and not (number.isdecimal() and 1 <= int(number) <= self.places.get(slot, 0)):
            self.document.refuse(path, f"{key!r}: slot {slot!r} stands at most {self.places.get(slot, 0)} times in a frame; count its places from 1")
        return slot, int(number) if sharp else None

    def _phrase(self, path: Keys, text: str) -> Phrase:
        try:
            phrase = parse(text)
        except InputError as error:
            self.document.refuse(path, str(error))
        for term in phrase.terms:
            kind = self.slots[self._slot(path, term.slot)].kind
            if term.form and term.form not in kind.forms:
                self.document.refuse(path, f"slot {term.slot!r} has no form {term.form!r}; it has {', '.join(kind.forms)}")
            if term.steps and not kind.order:
                self.document.refuse(path, f"nothing follows a word of slot {term.slot!r}: give it order: line or order: circle")
        return phrase

    def _slot(self, path: Keys, name: str) -> str:
        if name not in self.slots:
            self.document.refuse(path, f"there is no slot {name!r}; declared are {', '.join(self.slots) or 'none'}")
        return name

    def _all_used(self, frames: tuple[Phrase, ...], answer: Answer, wrong: Answer | None, written: list[Phrase | str]) -> None:
        phrases = (*frames, *(what for what in written if isinstance(what, Phrase)))
        used = {term.slot for phrase in phrases for term in phrase.terms} | _slots_of(answer) | (_slots_of(wrong) if wrong else set())
        for name in self.slots:
            if name not in used:
                self.document.refuse(("slots", name), f"slot {name!r} stands in no frame, answer or counterfactual: use it or take it out")
        for name in sorted(_slots_of(answer)):
            missing = [i for i, frame in enumerate(frames) if all(term.slot != name for term in frame.terms)]
            if missing:
                self.document.refuse(("frames", missing[0]), f"the answer depends on slot {name!r}, which does not stand in this frame")

    def _reach(self, frames: tuple[Phrase, ...], counterfactuals: Mapping[str, tuple[Change, ...]]) -> None:
        """Every change must have its place in every frame."""
        for kind, changes in counterfactuals.items():
            for change in changes:
                for i, frame in enumerate(frames):
                    if sum(term.slot == change.slot for term in frame.terms) < (change.place or 1):
                        key = f"{change.slot}#{change.place}" if change.place else change.slot
                        self.document.refuse(("frames", i), f"the counterfactual {kind!r} changes {key}, which does not stand in this frame")

    def _mapping(self, path: Keys, data: Data) -> Mapping[str, Data]:
        if not isinstance(data, dict) or not data:
            self.document.refuse(path, "a mapping is expected here, such as `name: value`")
        return data

    def _text(self, path: Keys, data: Data) -> str:
        if not isinstance(data, str):
            hint = ' (a text that begins with a brace stands in quotes: "{slot}")' if isinstance(data, dict) else ""
            self.document.refuse(path, f"a single text is expected here{hint}")
        return data

    def _texts(self, path: Keys, data: Data) -> Iterator[str]:
        entries = data if isinstance(data, list) else [data]
        if not entries:
            self.document.refuse(path, "at least one text is expected here")
        return (self._text((*path, i) if isinstance(data, list) else path, entry) for i, entry in enumerate(entries))


def _slots_of(answer: Answer) -> set[str]:
    return {answer.slot} if isinstance(answer, ByWord) else {term.slot for phrase in answer for term in phrase.terms}


_EXAMPLES = {
    "slots": "slots: {place: [park, shop]}",
    "frames": 'frames: ["They went to the {place} and"]',
    "answer": 'answer: "{place}"',
}
