"""Successor: what follows in an ordered class (weekdays, months, number words; Gould et al. 2023, "Successor heads").

The counterfactual shifts all its members by the same number of steps, so that it is as orderly as the prompt and has another answer.
"""

import re
from collections.abc import Iterator
from itertools import pairwise

from sonde.tasks.lexicon import Sense
from sonde.tasks.prompt import Prompt, Word
from sonde.tasks.template import Case, Template

ORDERED = ("weekday", "month", "number", "ordinal")
_CUES = ("after", "next", "following", "follows", "then")
_SHIFTS = (3, 2, 4, -3, -2)
"""Tried in this order; a shift by one would make the prompt's own answer one of its members."""


def what_follows(prompt: Prompt) -> Iterator[Case]:
    """The successor of the last member, where the members run on to the end as a list, or where a word asks for it."""
    for name in ORDERED:
        members = prompt.members(name)
        senses = [sense for sense in map(prompt.sense, members) if sense is not None]
        if not members or not (_is_list(prompt, members, senses) or _is_asked(prompt, members)):
            continue
        kind = prompt.lexicon[name]
        answer = kind.after(senses[-1].entry)
        if answer is None:
            continue
        for shift in _SHIFTS:
            moved = [kind.after(sense.entry, shift) for sense in senses]
            foil = kind.after(answer, shift)
            if foil is None or any(entry is None for entry in moved):
                continue
            changes = {word: entry.forms[0] for word, entry in zip(members, moved, strict=True) if entry is not None}
            reason = f"{', '.join(changes.values())} instead of {', '.join(word.text for word in members)}"
            answers, wrongs = (prompt.continued(answer.forms[0]),), (prompt.continued(foil.forms[0]),)
            yield Case("shift", prompt.replaced(changes), answers, wrongs, reason, {"last": members[-1]})
        return


def _is_list(prompt: Prompt, members: list[Word], senses: list[Sense]) -> bool:
    """Two members or more, each the successor of the one before, with little between them and nothing but a comma after the last."""
    kind = senses[0].kind
    follow = all(kind.after(a.entry) == b.entry for a, b in pairwise(senses))
    close = all(re.fullmatch(r"\W+(?:and\W+|then\W+)?", prompt.text[a.end : b.start]) for a, b in pairwise(members))
    return len(members) > 1 and follow and close and re.fullmatch(r"[\s,;]*(?:and|then)?", prompt.text[members[-1].end :]) is not None


def _is_asked(prompt: Prompt, members: list[Word]) -> bool:
    """One member, with a word that asks for its successor, or the preposition before it said again at the end ("left on Monday and came home on")."""
    if len(members) != 1 or members[0] == prompt.words[-1]:
        return False
    place = prompt.words.index(members[0])
    before, last = (prompt.words[place - 1].text.lower() if place else ""), prompt.words[-1].text.lower()
    cue_before = before == "after"
    cue_later = any(word.text.lower() in _CUES for word in prompt.words[place + 1 :])
    again = before in ("on", "in") and last == before
    counted = (before, last) == ("from", "to")
    return cue_before or cue_later or again or counted


SUCCESSOR = Template(
    "successor",
    "What comes next?",
    'Gould et al. 2023, "Successor heads"',
    (
        "{a:name} said: {d:weekday}, {d+1}, {d+2},",
        "{a:name} wrote: {d:weekday}, {d+1},",
        "For {a:name}, after {d:weekday} comes",
        "{a:name} left on {d:weekday} and came home on",
        "{a:name} said: {d:month}, {d+1}, {d+2},",
        "For {a:name}, after {d:month} comes",
        "{a:name} left in {d:month} and came home in",
        "{a:name} said: {d:number}, {d+1}, {d+2},",
        "{a:name} counted up from {d:number} to",
    ),
    what_follows,
    {"shift": "all members move by the same number of steps, and the answer with them"},
)
