"""What is known of a prompt of the small world: by its words, and by the rule of the template that knows it.

A template says which word plays which part. That is a part of what the generator says of such sentences; of the rest (of "The keys on the cabinet",
the tense of the verb that follows) nothing is known, and nothing is guessed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from sonde.specimens.words import FAMILIES, Document, Truth, world
from sonde.specimens.words.document import Number, Span
from sonde.specimens.words.labels import ROLES, WORDS, labels_at

VOCABULARY = frozenset().union(
    *WORDS.values(), world.PLURALS, world.GIFTS, world.THINGS, world.FOODS, world.EVENTS, world.ADJECTIVES, world.MONTHS, world.ORDINALS
)  # fmt: skip
"""Words of which the world says what they are."""
AFTER = ("after a plural subject", "after a woman as subject")
NOBODY_GIVES = ("the giver", "the receiver", "the gift")


@dataclass(frozen=True)
class Rule:
    """What a template's rule settles.

    Arguments:
        family: of the world's documents that its sentences are like.
        settled: the properties that are known of such a sentence, beside those of its words.
        tense: of its sentences, where it is always the same.
    """

    family: str
    settled: tuple[str, ...] = ()
    tense: Literal["past", "present"] | None = None


RULES = {
    "agreement": Rule("agreement", ("the subject", *AFTER, *NOBODY_GIVES)),
    "ioi": Rule("indirect_object", ("the giver", "the receiver", "the subject", "in the past tense", *AFTER), "past"),
    "pronoun": Rule("pronoun"),
    "capital": Rule("capital", ("the subject", *NOBODY_GIVES)),
    "greater_than": Rule("years", ("the subject", *NOBODY_GIVES)),
    "successor": Rule("succession", ("the subject", *NOBODY_GIVES)),
    "hypernymy": Rule("hypernym"),
    "colored_objects": Rule("colored_objects"),
    "docstring": Rule("docstring"),
}
"""By template; of one that is missing here only the words are known."""


def known(prompt: str, template: str, parts: Mapping[str, Sequence[Span]], places: Sequence[Span]) -> dict[str, list[int | None]]:
    """What is true at some words of a prompt: 1 and 0, -1 where the question makes no sense, `None` where it is not known.

    Arguments:
        prompt: a text of the small world.
        template: which template knows it; empty for none.
        parts: by the template's names, the characters of the words that matter.
        places: characters of the words that are asked about.

    >>> found = known("The keys on the cabinet", "agreement", {"subject": [(4, 8)]}, [(4, 8), (16, 23)])
    >>> found["the subject"], found["after a plural subject"], found["in the past tense"]
    ([1, 0], [1, 1], [None, None])
    """
    rule = RULES.get(template, Rule(""))
    spans = {f"{role}_{i}": span for role in ROLES for i, span in enumerate(_of(parts, role))}
    if "subject_0" in spans:
        spans["subject"] = spans["subject_0"]
    truth = Truth(number=_number(prompt, spans), tense=rule.tense, spans=spans)
    labels = labels_at(Document(rule.family, prompt, truth=truth), places, FAMILIES)
    words = [prompt[slice(*place)].strip() for place in places]

    def settled(name: str, word: str) -> bool:
        if name in WORDS:
            # of a word that the world does not have, "no" would be a guess
            return bool(rule.family) or word in VOCABULARY or not word.isalpha()
        return name in rule.settled or (name.startswith("in a document of ") and bool(rule.family))

    return {
        name: [label if settled(name, word) else None for word, label in zip(words, row, strict=True)] for name, row in labels.items()
    }  # fmt: skip


def _of(parts: Mapping[str, Sequence[Span]], role: str) -> list[Span]:
    """The words that play a part, also where the template names it once more ("giver again")."""
    return [span for name, found in parts.items() if name == role or name.startswith(f"{role} ") for span in found]


def _number(prompt: str, spans: Mapping[str, Span]) -> Number | None:
    """Of the subject, where it is a noun of the world."""
    word = prompt[slice(*spans["subject"])].strip() if "subject" in spans else ""
    if word in world.PLURALS.values():
        return "plural"
    return "singular" if word in world.PLURALS else None
