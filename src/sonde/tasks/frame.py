"""Frames: texts with slots, and words drawn into them.

A slot is `{slot:class}` where it first stands and `{slot}` later; a class by itself (`{place}`) names its slot too. `{n:noun/plural}` picks a form,
`{n:noun/*}` draws any one, and `{y.century}` is another form of what stands in slot `y`. `{d+1}` is what follows slot `d` in an ordered class.
`{x!a:class}` puts "a" or "an" before the word, `{x!A:class}` "A" or "An".
"""

import random
import re
import string
from dataclasses import dataclass

from sonde.results import InputError
from sonde.tasks.fillers import Fillers
from sonde.tasks.lexicon import Entry


class TooFewWords(InputError):
    """A class has too few words that are single tokens for this tokenizer."""


@dataclass(frozen=True)
class _Slot:
    """One slot of a frame: the text before it, and what stands in it."""

    before: str
    name: str = ""
    steps: int = 0
    other_form: str = ""
    article: str = ""
    kind: str = ""
    form: str = ""


def fill(frame: str, fillers: Fillers, rng: random.Random) -> str | None:
    """A frame with its slots filled by words drawn at random; no entry comes in two slots.

    Arguments:
        frame: a text with slots.
        fillers: the words that may be drawn.
        rng: drawn from.

    Returns:
        The text; `None` where the words drawn do not serve: nothing follows the last number word.

    Raises:
        InputError: a slot that is not written as it must be, or an unknown class. TooFewWords: a class without enough words for this tokenizer.
    """
    chosen: dict[str, tuple[Entry, int]] = {}
    text = ""
    for slot in _slots(frame):
        text += slot.before
        if not slot.name:
            continue
        if slot.kind:
            chosen[slot.name] = _draw(slot, fillers, {entry for entry, _ in chosen.values()}, rng)
        word = _word(slot, *chosen[slot.name], fillers)
        if word is None:
            return None
        text += f"{slot.article}{'n' if word[0] in 'aeiou' else ''} {word}" if slot.article else word
    return text


def _slots(frame: str) -> list[_Slot]:
    slots: list[_Slot] = []
    for before, name, spec, conversion in string.Formatter().parse(frame):
        if name is None:
            slots.append(_Slot(before))
            continue
        found = re.fullmatch(r"(\w+)(?:\+(\d+))?(?:\.(\w+))?", name)
        if found is None or conversion not in (None, "a", "A"):
            raise InputError(
                f"slot {{{name}}} of the frame {frame!r} is no name: use letters and digits, +1 for what follows, .form for another form, "
                "and !a or !A for an article"
            )
        first = all(slot.name != found[1] for slot in slots)
        kind, _, form = (spec or (found[1] if first else "")).partition("/")
        slots.append(_Slot(before, found[1], int(found[2] or 0), found[3] or "", conversion or "", kind, form))
    return slots


def _draw(slot: _Slot, fillers: Fillers, taken: set[Entry], rng: random.Random) -> tuple[Entry, int]:
    kind = fillers.usable(slot.kind, slot.form)
    free = [entry for entry in kind.entries if entry not in taken]
    if not free:
        raise TooFewWords(
            f"only {len(kind.entries)} words of the class {slot.kind!r} are single tokens here, too few for this task: choose another one"
        )
    entry = rng.choice(free)
    if slot.form == "*":
        return entry, rng.randrange(len(kind.forms))
    return entry, kind.forms.index(slot.form) if slot.form else 0


def _word(slot: _Slot, entry: Entry, form: int, fillers: Fillers) -> str | None:
    if slot.steps:
        return fillers.after(entry, slot.steps, form)
    if slot.other_form:
        forms = fillers.lexicon[entry.kind].forms
        if slot.other_form not in forms:
            raise InputError(f"the class {entry.kind!r} has no form {slot.other_form!r}; it has {', '.join(forms)}")
        return entry.forms[forms.index(slot.other_form)]
    return entry.forms[form]
