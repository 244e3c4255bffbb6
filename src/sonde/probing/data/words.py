"""What is true of each word in the small world's documents: labels that are right by construction."""

import re

from sonde.probing.labelled import Labelled
from sonde.results import InputError, shown
from sonde.specimens.words import FAMILIES, documents
from sonde.specimens.words.labels import labels_at

WORD = re.compile(r"\w+|[^\w\s]")


def words(name: str, n: int = 400, seed: int = 0, family: str | None = None) -> Labelled:
    """Words of the small world's documents with one property of theirs, as many with it as without.

    Arguments:
        name: the property, such as "a country", "the giver" or "after a plural subject"; words of which it makes no sense to ask are left out.
        n: documents.
        seed: of the documents, and of the words that are kept so that both answers are as many.
        family: the documents' family; by default drawn as in the training of the specimens.

    Raises:
        InputError: no such property; documents in which all words have it, or none.

    >>> data = words("a country", n=100)
    >>> data
    Labelled 'a country': 40 examples in 26 texts; no 20, yes 20
    >>> sorted(set(data.select(data.targets == 1).types))[:3]
    ['China', 'Croatia', 'Finland']
    """
    drawn = documents(family, n, seed)
    text, spans, labels = [], [], []
    for i, document in enumerate(drawn):
        places = [found.span() for found in WORD.finditer(document.text)]
        known = labels_at(document, places, FAMILIES)
        if name not in known:
            raise InputError(f"the small world knows no property {shown(name, 40)}; it knows {', '.join(map(repr, known))}")
        for span, label in zip(places, known[name], strict=True):
            if label >= 0:
                text.append(i)
                spans.append([span])
                labels.append(label)
    if len(set(labels)) < 2:
        which = "all words" if labels and labels[0] else "no word" if labels else "no document that says so, and no word"
        of = f" of {family}" if family else ""
        raise InputError(f"{which} in {n} documents{of} has the property {name!r}: ask more documents, or another family")
    return Labelled.of([document.text for document in drawn], labels, name, text, spans, classes=("no", "yes")).balanced(seed)
