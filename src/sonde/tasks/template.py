"""A template: frames whose slots take words of a class, and one rule that answers a prompt and says how to change the answer.

The rule reads any prompt, made from a frame or typed by a user: so a template both makes tasks and recognises prompts, with the same answer rule and
the same counterfactual rule.
"""

import random
import re
import string
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from sonde.results import InputError
from sonde.tasks.fillers import Fillers
from sonde.tasks.lexicon import Entry
from sonde.tasks.prompt import Prompt, Word


@dataclass(frozen=True)
class Case:
    """What a rule says about one prompt.

    Arguments:
        corrupt: the prompt with the answer changed, as little else as possible.
        target: the right answer, as it would follow the prompt.
        foil: the answer to compare it with, likewise; `None` where the rule has none.
        reason: what was changed, as a clause.
        roles: the words that matter, by their part.
    """

    corrupt: str
    target: str
    foil: str | None
    reason: str
    roles: Mapping[str, Word] = field(default_factory=dict)


Rule = Callable[[Prompt], Iterator[Case]]


@dataclass(frozen=True)
class Template:
    """A kind of prompt whose right answer is known.

    A slot is `{slot:class}` where it first stands and `{slot}` later; a class by itself (`{place}`) names its slot too. `class/form` picks a form
    (`{n:noun/plural}`), `class/*` any one. `{d+1}` is what follows slot `d` in an ordered class. `{x!a:class}` puts "a" or "an" before the word.

    Arguments:
        name: its name.
        question: what the model must know, as a question.
        frames: texts with slots.
        rule: gives the cases of a prompt, the preferred one first, and nothing for a prompt of another kind.
    """

    name: str
    question: str
    frames: tuple[str, ...]
    rule: Rule


@dataclass(frozen=True)
class _Slot:
    """One slot of a frame: the text before it, and what stands in it."""

    before: str
    name: str
    steps: int
    article: bool
    kind: str
    form: str


def fill(frame: str, fillers: Fillers, rng: random.Random) -> str | None:
    """A frame with its slots filled by words drawn at random; no entry comes in two slots.

    Arguments:
        frame: a text with slots, as in `Template`.
        fillers: the words that may be drawn.
        rng: drawn from.

    Returns:
        The text; `None` where the words drawn do not serve: nothing follows the last number word.

    Raises:
        InputError: a slot that is not written as `Template` says, or a class without enough words for this tokenizer.
    """
    chosen: dict[str, tuple[Entry, int]] = {}
    text = ""
    for slot in _slots(frame):
        text += slot.before
        if not slot.name:
            continue
        if slot.kind:
            chosen[slot.name] = _draw(slot, fillers, {entry for entry, _ in chosen.values()}, rng)
        entry, form = chosen[slot.name]
        word = fillers.after(entry, slot.steps, form) if slot.steps else entry.forms[form]
        if word is None:
            return None
        text += f"{'an' if word[0] in 'aeiou' else 'a'} {word}" if slot.article else word
    return text


def _slots(frame: str) -> list[_Slot]:
    slots: list[_Slot] = []
    for before, name, spec, conversion in string.Formatter().parse(frame):
        if name is None:
            slots.append(_Slot(before, "", 0, False, "", ""))
            continue
        found = re.fullmatch(r"(\w+)(?:\+(\d+))?", name)
        if found is None:
            raise InputError(f"slot {{{name}}} of the frame {frame!r} is no name: use letters and digits, and +1 for what follows")
        first = all(slot.name != found[1] for slot in slots)
        kind, _, form = (spec or (found[1] if first else "")).partition("/")
        slots.append(_Slot(before, found[1], int(found[2] or 0), conversion == "a", kind, form))
    return slots


def _draw(slot: _Slot, fillers: Fillers, taken: set[Entry], rng: random.Random) -> tuple[Entry, int]:
    kind = fillers.usable(slot.kind, slot.form)
    free = [entry for entry in kind.entries if entry not in taken]
    if not free:
        raise InputError(
            f"only {len(kind.entries)} words of the class {slot.kind!r} are single tokens here, too few for this task: choose another one"
        )
    entry = rng.choice(free)
    if slot.form == "*":
        return entry, rng.randrange(len(kind.forms))
    return entry, kind.forms.index(slot.form) if slot.form else 0
