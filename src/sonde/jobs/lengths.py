"""Sequences that are run together: those of like length, so that little is computed for padding."""

from collections.abc import Iterator, Sequence


def by_length(lengths: Sequence[int], places: int = 0, rows: int = 0, equal: bool = False) -> Iterator[list[int]]:
    """Numbers of sequences in passes, the short ones first.

    Arguments:
        lengths: of the sequences.
        places: that a pass may have, padding counted; a sequence that is longer by itself has a pass of its own. 0 for any number.
        rows: sequences that a pass may have; 0 for any number.
        equal: only sequences of one length share a pass, for models that do not tell padding from tokens.

    >>> list(by_length([3, 9, 3, 4], places=8))
    [[0, 2], [3], [1]]
    >>> list(by_length([3, 9, 3, 4], rows=2))
    [[0, 2], [3, 1]]
    """
    held: list[int] = []
    for i in sorted(range(len(lengths)), key=lengths.__getitem__):
        # lengths rise, so the newest is the longest
        full = (places and (len(held) + 1) * lengths[i] > places) or (rows and len(held) == rows)
        if held and (full or (equal and lengths[i] != lengths[held[0]])):
            yield held
            held = []
        held.append(i)
    if held:
        yield held
