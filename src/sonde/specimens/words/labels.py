"""What is true at each token of the small world's documents: labels for the question which known properties a dictionary has a feature for.

A property is 1 where it holds, 0 where it does not, and -1 where the question makes no sense (the number of the subject, before there is one) and
at special tokens.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sonde.access import Tokenizer
from sonde.specimens.words import world
from sonde.specimens.words.document import Document, Span

WORDS = {
    "a woman's name": frozenset(world.WOMEN),
    "a man's name": frozenset(world.MEN),
    "a country": frozenset(world.COUNTRIES),
    "a capital": frozenset(world.CAPITALS.values()),
    "a colour": frozenset(world.COLOURS),
    "a place": frozenset(world.PLACES),
    "a plural noun": frozenset(world.PLURALS.values()),
    "a number word": frozenset(world.NUMBERS),
    "a day": frozenset(world.DAYS),
    "a job": frozenset(world.JOBS),
}
ROLES = ("giver", "receiver", "subject", "answer", "gift")
SCRIPTS = ("Cyrillic", "Greek", "Arabic")


@dataclass(frozen=True)
class Labelled:
    """Documents as tokens, with what is true at each.

    Arguments:
        rows: token ids, a row for each document.
        labels: by property, for each row one label for each token.
    """

    rows: list[list[int]]
    labels: dict[str, list[list[int]]]


def labelled(documents: Sequence[Document], tokenizer: Tokenizer) -> Labelled:
    """Label the tokens of documents.

    Arguments:
        documents: of the small world.
        tokenizer: of the model that will read them.

    >>> from sonde.loading import load
    >>> from sonde.specimens.words import documents
    >>> found = labelled(documents("capital", n=1, seed=1), load("specimen:words-small").tokenizer)
    >>> found.labels["a country"]
    [[-1, 0, 0, 0, 1, 0, 0, 0]]
    """
    families = sorted({document.family for document in documents})
    rows = [tokenizer.encode(document.text) for document in documents]
    labels = [labels_at(document, tokenizer.located(document.text), families) for document in documents]
    return Labelled(rows, {name: [of_document[name] for of_document in labels] for name in labels[0]} if labels else {})


def labels_at(document: Document, places: Sequence[Span | None], families: Iterable[str]) -> dict[str, list[int]]:
    """The labels of some places of one document, by property.

    Arguments:
        document: of the small world.
        places: characters of words or tokens; `None` for a token that stands for no text.
        families: for each of them, whether the document is of it is a property too.
    """
    text, truth = document.text, document.truth
    words = ["" if place is None else text[slice(*place)].strip() for place in places]

    def everywhere(holds: bool) -> list[int]:
        return [-1 if place is None else int(holds) for place in places]

    def since(start: int, holds: bool) -> list[int]:
        """At the tokens that end at this character or after it."""
        return [int(holds) if place is not None and place[1] >= start else -1 for place in places]

    found = {name: [-1 if place is None else int(word in known) for word, place in zip(words, places, strict=True)] for name, known in WORDS.items()}
    for role in ROLES:
        ends = {span[1] for name, span in truth.spans.items() if name == role or name.startswith(f"{role}_")}
        found[f"the {role}"] = [-1 if place is None else int(place[1] in ends) for place in places]
    for script in SCRIPTS:
        found[f"in {script} script"] = everywhere(truth.script == script)
    nowhere = [-1] * len(places)
    subject = truth.spans.get("subject")
    found["after a plural subject"] = since(subject[1], truth.number == "plural") if subject and truth.number else nowhere
    found["after a woman as subject"] = since(subject[1], truth.gender == "female") if subject and truth.gender else nowhere
    found["in the past tense"] = everywhere(truth.tense == "past") if truth.tense else nowhere
    return found | {f"in a document of {family}": everywhere(document.family == family) for family in families}
