"""Hypernymy: what a thing is a kind of (Hanna et al. 2024, "Have faith in faithfulness").

Singular and plural of the kind's name are right. The counterfactual names something of another kind, whose names are wrong.
"""

import re
from collections.abc import Iterator

from sonde.tasks.pair import Token, is_single, singles
from sonde.tasks.prompt import Prompt, Word
from sonde.tasks.template import Case, Template

_ASKS = re.compile(r"\b(?:kinds?|types?|sorts?) of\s*$|\band other\s*$", re.IGNORECASE)


def what_it_is_a_kind_of(prompt: Prompt) -> Iterator[Case]:
    """The names of the kind of all things that are named, where the end asks for it."""
    members = [word for word in prompt.words if prompt.lexicon.kind_of(word.text)]
    kinds = {kind.names: kind for word in members if (kind := prompt.lexicon.kind_of(word.text)) is not None}
    found = _ASKS.search(prompt.text)
    if len(kinds) != 1 or found is None or members[-1].end > found.start():
        return
    (mine,) = kinds.values()
    plural = found[0].strip().lower() == "and other"
    answers = _names(prompt, mine.names, plural)
    for kind in prompt.shuffled(other for other in prompt.lexicon.kinds.values() if other is not mine):
        changes: dict[Word, str] = {}
        for word in members:
            others = (entry.forms[plural] for entry in prompt.shuffled(kind.members))
            # a word of one token keeps the positions of most
            new = next((other for other in others if other not in changes.values() and is_single(prompt.tokenizer, f" {other}")), None)
            changes |= {word: new, **_article(prompt, word, new)} if new else {}
        if changes.keys() >= set(members):
            reason = (
                f"{', '.join(changes[word] for word in members)}, a kind of {kind.names[0]}, instead of {', '.join(word.text for word in members)}"
            )
            wrongs = _names(prompt, kind.names, plural)
            yield Case("kind", prompt.replaced(changes), answers, wrongs, reason, {"member": members[-1]})


def _names(prompt: Prompt, names: tuple[str, ...], plural: bool) -> tuple[Token, ...]:
    """A kind's names as they would follow the prompt, the fitting number first."""
    return singles(prompt.tokenizer, (prompt.continued(name) for name in (reversed(names) if plural else names)))


def _article(prompt: Prompt, word: Word, other: str) -> dict[Word, str]:
    """The article before a word, where there is one, as it is before another one."""
    place = prompt.words.index(word)
    before = prompt.words[place - 1] if place else word
    fits = "an" if other[0] in "aeiou" else "a"
    return {before: fits.capitalize() if before.text[0].isupper() else fits} if before.text.lower() in ("a", "an") else {}


HYPERNYMY = Template(
    "hypernymy",
    "What is it a kind of?",
    'Hanna et al. 2024, "Have faith in faithfulness"',
    (
        "{m!A:member} is a kind of",
        "{a:name} knows that {m!a:member} is a kind of",
        "{a:name} said that {m!a:member} is one kind of",
        "{a:name} likes {m:member/plural} and other",
    ),
    what_it_is_a_kind_of,
    {"kind": "something of another kind is named"},
    metric="probability_difference",
)
