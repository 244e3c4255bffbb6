"""Notes as sentences: they are kept in words that can stand inside another sentence, and are told one after the other."""

from collections.abc import Iterable


def sentence(words: str) -> str:
    """Words with a capital and a full stop.

    >>> sentence("fire4:3 is dead here")
    'Fire4:3 is dead here.'
    """
    return f"{words[:1].upper()}{words[1:]}."


def sentences(notes: Iterable[str]) -> str:
    """Notes one after the other, without the empty ones.

    >>> sentences(["one unit is dead", "", "files were cut"])
    'One unit is dead. Files were cut.'
    """
    return " ".join(sentence(note) for note in notes if note)
