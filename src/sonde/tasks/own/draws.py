"""Examples from a template that is data: slots are filled at random, then the counterfactual's changes are made in the same sentence."""

import random
from collections.abc import Mapping
from dataclasses import dataclass

from sonde.access import Tokenizer
from sonde.tasks.gathering import Example, Misfit, single, some, spelled
from sonde.tasks.lexicon import Entry
from sonde.tasks.own.phrase import Drawn, Phrase, Place
from sonde.tasks.own.slots import Slot
from sonde.tasks.own.template import OTHER, OTHER_FORM, Answer, ByWord, Change, SlotTemplate
from sonde.tasks.prompt import Word

TRIES = 40  # words tried in the place of one, of which many may have another number of tokens


@dataclass(frozen=True)
class Words:
    """Each slot's entries that a tokenizer can take.

    Arguments:
        entries: by slot.
        notes: a line for each slot that lost some.
    """

    entries: Mapping[str, tuple[Entry, ...]]
    notes: tuple[str, ...]

    @staticmethod
    def of(template: SlotTemplate, tokenizer: Tokenizer) -> "Words":
        """The entries that are spelled without loss, have the wanted number of tokens and, where they are the answer, are single tokens.

        Arguments:
            template: the template.
            tokenizer: the model's.

        Raises:
            InputError: a slot of which none can be taken, or fewer than the counterfactual needs; the message tells how many tokens they are.
        """
        entries: dict[str, tuple[Entry, ...]] = {}
        losses: dict[str, list[str]] = {}
        for name, slot in template.slots.items():
            asked = _asked(template.answer, name) | (_asked(template.wrong, name) if template.wrong else set())
            why = {entry: _unfit(slot, entry, asked, template.space, tokenizer) for entry in slot.kind.entries}
            entries[name] = tuple(entry for entry, reason in why.items() if reason is None)
            out = [reason for reason in why.values() if reason is not None]
            rule = "a single token each, as an answer must be" if asked else slot.rule
            if len(entries[name]) < _needed(template, name):
                kept = len(entries[name]) or "none"
                template.document.refuse(
                    ("slots", name), f"{kept} of the {len(why)} words of slot {name!r} can be used here, since they must be {rule}: {some(out)}"
                )
            if out:
                losses.setdefault(f"left out, since they must be {rule}: {some(out)}", []).append(f"{len(out)} of {len(why)} words of slot {name!r}")
        return Words(entries, tuple(f"{' and '.join(counts)} {loss}" for loss, counts in losses.items()))


def draw(template: SlotTemplate, words: Words, tokenizer: Tokenizer, kind: str, rng: random.Random) -> Example:
    """One example drawn at random.

    Arguments:
        template: the template.
        words: each slot's entries.
        tokenizer: the model's.
        kind: which counterfactual.
        rng: drawn from.

    Raises:
        Misfit: the words that were drawn do not serve.
    """
    frame = rng.choice(template.frames)
    filling = _filling(template.slots, words, rng)
    filled = frame.filled(filling)
    answers = _answers(template, template.answer, filling)
    if filled is None or answers is None:
        raise Misfit("nothing follows the last word of an ordered list", _shown(filling))
    text, places = filled
    length = len(tokenizer.encode(text, bos=False))
    for _ in range(TRIES):
        changed, written = _changed(template.counterfactuals[kind], places, filling, words, rng)
        other = frame.filled(changed, written)
        wrongs = _answers(template, template.wrong or template.answer, changed if template.wrong is None else filling)
        if other is None or wrongs is None or len(tokenizer.encode(other[0], bos=False)) != length:
            continue
        if template.wrong is not None or not set(answers) & set(wrongs):
            return Example(text, other[0], answers, wrongs, _spans(template, places), frame=template.frames.index(frame))
    raise Misfit("no counterfactual with as many tokens and another answer was found", repr(text))


def _asked(answer: Answer, slot: str) -> set[str]:
    """The forms of a slot that are answers by themselves."""
    if isinstance(answer, ByWord):
        return set()
    terms = [phrase.parts[0] for phrase in answer if len(phrase.parts) == 1]
    return {term.form for term in terms if not isinstance(term, str) and term.slot == slot and not term.steps}


def _unfit(slot: Slot, entry: Entry, asked: set[str], space: bool, tokenizer: Tokenizer) -> str | None:
    """Why an entry can't be used; `None` where it can."""
    forms = [entry.forms[i] for i in slot.drawn]
    lost = [word for word in forms if not all(spelled(tokenizer, part) for part in word.split())]
    if lost:
        return f"{lost[0]!r} is not in the vocabulary"
    for form in asked:
        for word in [entry.forms[slot.kind.forms.index(form)]] if form else forms:
            found = single(tokenizer, f" {word}" if space else word)
            if isinstance(found, str):
                return found
    if slot.tokens is None:
        return None
    lengths = {word: len(tokenizer.encode(f" {word}", bos=False)) for word in forms}
    return next((f"{word!r} is {n} tokens" for word, n in lengths.items() if n != slot.tokens), None)


def _needed(template: SlotTemplate, name: str) -> int:
    return 1 + any(change.slot == name and change.what == OTHER for changes in template.counterfactuals.values() for change in changes)


def _filling(slots: Mapping[str, Slot], words: Words, rng: random.Random) -> dict[str, Drawn]:
    """An entry for each slot; no word comes in two slots."""
    filling: dict[str, Drawn] = {}
    for name, slot in slots.items():
        taken = {word for drawn in filling.values() for word in drawn.entry.forms}
        free = [entry for entry in words.entries[name] if taken.isdisjoint(entry.forms)]
        if not free:
            raise Misfit("the slots have too few words between them", f"all {len(words.entries[name])} words of slot {name!r} stand in other slots")
        filling[name] = Drawn(slot.kind, rng.choice(free), rng.choice(slot.drawn))
    return filling


def _changed(
    changes: tuple[Change, ...], places: Mapping[Place, Word], filling: Mapping[str, Drawn], words: Words, rng: random.Random
) -> tuple[dict[str, Drawn], dict[Place, str]]:
    """What each slot holds under the counterfactual, and the words that are written at single places."""
    changed, written = dict(filling), dict[Place, str]()
    for change in changes:
        drawn = filling[change.slot]
        if isinstance(change.what, Phrase):
            new = change.what.filled(filling)
            word = new[0] if new else None
        else:
            drawn = _other(change, drawn, {d.entry for d in changed.values()}, words, rng)
            word = drawn.entry.forms[drawn.form]
        if change.place is None and not isinstance(change.what, Phrase):
            changed[change.slot] = drawn
        elif word is not None:
            written |= {place: word for place in places if place[0] == change.slot and change.place in (None, place[1])}
    return changed, written


def _other(change: Change, drawn: Drawn, taken: set[Entry], words: Words, rng: random.Random) -> Drawn:
    if change.what == OTHER_FORM:
        return Drawn(drawn.kind, drawn.entry, rng.choice([i for i in range(len(drawn.kind.forms)) if i != drawn.form]))
    free = [entry for entry in words.entries[change.slot] if entry not in taken]
    if not free:
        raise Misfit("the slots have too few words between them", f"none is left to exchange {drawn.entry.forms[drawn.form]!r} for")
    return Drawn(drawn.kind, rng.choice(free), drawn.form)


def _answers(template: SlotTemplate, answer: Answer, filling: Mapping[str, Drawn]) -> tuple[str, ...] | None:
    """The texts of an answer, each with its space; `None` where one asks for what comes after the end of a list."""
    if isinstance(answer, ByWord):
        found = answer.of(filling[answer.slot])
        texts: list[str | None] = [*found] if found else [None]
    else:
        texts = [filled[0] if (filled := phrase.filled(filling)) else None for phrase in answer]
    known = tuple(f" {text}" if template.space else text for text in texts if text is not None)
    return known if len(known) == len(texts) else None


def _spans(template: SlotTemplate, places: Mapping[Place, Word]) -> dict[str, tuple[Word, ...]]:
    named = template.spans or {slot: tuple(place for place in places if place[0] == slot) for slot, _ in places}
    found = {name: tuple(places[place] for place in wanted if place in places) for name, wanted in named.items()}
    return {name: words for name, words in found.items() if words}


def _shown(filling: Mapping[str, Drawn]) -> str:
    return ", ".join(f"{name} {drawn.entry.forms[drawn.form]!r}" for name, drawn in filling.items())
