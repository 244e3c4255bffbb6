"""SyntaxGym's language of predictions: what the surprisal of regions should be, if a model knows the grammar (Gauthier et al. 2020).

    (6;%match%) < (6;%mismatch%)
    [(6;%that%) - (6;%what%)] > 0 & (*;%that%) < (*;%what%) + 2.5

`(region;%condition%)` is the surprisal of a region in a condition, `(*;%condition%)` the sum over its regions. Tightest first: `+ -`, then `< > =`,
then `& |`; operators of one kind are read from left to right, brackets come first. `=` is true within 1e-5 of the right side plus 1e-3. Numbers
and truths are different kinds of value, so `a < b < c` and a formula that ends in a number are refused, which the original reads in part.
"""

import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from sonde.results import InputError

Kind = Literal["number", "truth"]
Values = Mapping[tuple[int | str, str], float]  # by region (its number, or "*") and condition

_PIECE = re.compile(
    r"\s*(?:(?P<term>\(\s*(?P<region>\d+|\*)\s*;\s*%(?P<condition>[^%]+)%\s*\))"
    r"|(?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)"
    r"|(?P<sign>[-+<>=&|()\[\]]))"
)
_CLOSING = {"(": ")", "[": "]"}


def near(left: float, right: float) -> bool:
    """SyntaxGym's equality.

    >>> near(3.0, 3.001), near(3.0, 3.002)
    (True, False)
    """
    return abs(left - right) <= 1e-3 + 1e-5 * abs(right)


# tightest first: the signs of a level, what they join, what they make
_LEVELS: tuple[tuple[dict[str, Callable[..., float | bool]], Kind, Kind], ...] = (
    ({"+": operator.add, "-": operator.sub}, "number", "number"),
    ({"<": operator.lt, ">": operator.gt, "=": near}, "number", "truth"),
    ({"&": operator.and_, "|": operator.or_}, "truth", "truth"),
)
_RANK = {sign: rank for rank, (signs, _, _) in enumerate(_LEVELS) for sign in signs}


@dataclass(frozen=True)
class Number:
    """A number as it stands."""

    value: float

    kind = "number"

    def evaluate(self, values: Values) -> float:
        return self.value

    def __str__(self) -> str:
        return f"-{-self.value!r}" if self.value < 0 else repr(self.value)


@dataclass(frozen=True)
class Term:
    """The surprisal of a region in a condition; `at` is the place in the formula, from 1."""

    region: int | Literal["*"]
    condition: str
    at: int = field(default=0, compare=False)

    kind = "number"

    def evaluate(self, values: Values) -> float:
        return values[self.region, self.condition]

    def __str__(self) -> str:
        return f"({self.region};%{self.condition}%)"


@dataclass(frozen=True)
class Operation:
    """Two values joined by a sign."""

    sign: str
    left: "Node"
    right: "Node"

    @property
    def kind(self) -> Kind:
        return _LEVELS[_RANK[self.sign]][2]

    def evaluate(self, values: Values) -> float | bool:
        return _LEVELS[_RANK[self.sign]][0][self.sign](self.left.evaluate(values), self.right.evaluate(values))

    def __str__(self) -> str:
        # left to right: what stands on the right needs brackets also where it binds as tightly
        rank = _RANK[self.sign]
        left, right = (
            f"[{side}]" if isinstance(side, Operation) and _RANK[side.sign] > least else f"{side}"
            for side, least in ((self.left, rank), (self.right, rank - 1))
        )
        return f"{left} {self.sign} {right}"


Node = Number | Term | Operation


@dataclass(frozen=True)
class Formula:
    """A prediction: what is true of an item's surprisals if the model does as expected.

    Arguments:
        text: the formula as it was written.
        root: what it says.
    """

    text: str
    root: Operation

    def terms(self) -> list[Term]:
        """The regions that it speaks of, in their order."""
        return _terms(self.root)

    def holds(self, values: Values) -> bool:
        """Whether it is true.

        Arguments:
            values: the surprisal by region and condition; the region "*" is the whole sentence.
        """
        return bool(self.root.evaluate(values))

    def refuse_unknown(self, regions: Mapping[str, frozenset[int]]) -> None:
        """Raise `InputError`, with the place, where it speaks of a region or condition that is not there.

        Arguments:
            regions: the numbers of the regions of each condition.
        """
        for term in self.terms():
            if term.condition not in regions:
                raise _misread(self.text, term.at, f"there is no condition {term.condition!r}; there are {', '.join(regions)}")
            if term.region != "*" and term.region not in regions[term.condition]:
                known = ", ".join(map(str, sorted(regions[term.condition])))
                raise _misread(self.text, term.at, f"the condition {term.condition!r} has no region {term.region}; it has {known}")

    def __str__(self) -> str:
        return str(self.root)


def parse(text: str) -> Formula:
    """Read a formula.

    Arguments:
        text: the formula.

    Raises:
        InputError: it is malformed; the message says where.

    >>> formula = parse("(1;%a%) - (1;%b%) - 2 > 0 & (*;%a%) = 7")
    >>> formula.holds({(1, "a"): 5.0, (1, "b"): 2.0, ("*", "a"): 7.0})
    True
    >>> str(formula)
    '(1;%a%) - (1;%b%) - 2.0 > 0.0 & (*;%a%) = 7.0'
    """
    if not isinstance(text, str) or not text.strip():
        raise InputError(f"the formula {text!r} is empty: write one such as (1;%a%) < (1;%b%)")
    reader = _Reader(text)
    root = reader.joined(len(_LEVELS) - 1)
    if reader.ahead is not None:
        raise reader.misread(reader.ahead, f"{reader.ahead[0]!r} does not belong here")
    if not isinstance(root, Operation) or root.kind != "truth":
        raise InputError(f"the formula {text!r} is a number and can't be true or false: compare it by <, > or =")
    return Formula(text, root)


class _Reader:
    """Reads a formula from left to right, one piece ahead."""

    def __init__(self, text: str):
        self.text = text
        self.pieces: list[re.Match[str]] = []
        place = 0
        while text[place:].strip():
            found = _PIECE.match(text, place)
            if found is None:
                start = place + len(text[place:]) - len(text[place:].lstrip())
                raise _misread(text, start + 1, f"{text[start:].split()[0]!r} is no region, number, sign or bracket")
            self.pieces.append(found)
            place = found.end()
        self.next = 0

    @property
    def ahead(self) -> tuple[str, int] | None:
        """The next piece and its place, from 1; `None` at the end."""
        if self.next == len(self.pieces):
            return None
        found = self.pieces[self.next]
        group = next(name for name in ("term", "number", "sign") if found[name] is not None)
        return found[group], found.start(group) + 1

    def misread(self, piece: tuple[str, int] | None, why: str) -> InputError:
        return _misread(self.text, len(self.text) + 1 if piece is None else piece[1], why)

    def joined(self, rank: int) -> Node:
        """Everything up to the first sign that binds less tightly than this level."""
        if rank < 0:
            return self.single()
        signs, wanted, made = _LEVELS[rank]
        node = self.joined(rank - 1)
        while self.ahead is not None and self.ahead[0] in signs:
            sign, at = self.ahead
            if node.kind != wanted:
                raise _misread(self.text, at, f"{sign!r} joins {_plural(wanted)}, and on its left stands a {node.kind}")
            self.next += 1
            start = self.ahead
            right = self.joined(rank - 1)
            if right.kind != wanted:
                raise self.misread(start, f"{sign!r} joins {_plural(wanted)}, and on its right stands a {right.kind}")
            node = Operation(sign, node, right)
            if made != wanted and self.ahead is not None and self.ahead[0] in signs:
                raise self.misread(self.ahead, "two comparisons in a row; join them by & or |")
        return node

    def single(self) -> Node:
        """A region, a number, or what stands in brackets."""
        piece = self.ahead
        if piece is None:
            raise self.misread(None, "something is missing at the end")
        found, (text, at) = self.pieces[self.next], piece
        self.next += 1
        if found["term"]:
            region = found["region"]
            return Term("*" if region == "*" else int(region), found["condition"], at)
        if found["number"]:
            return Number(float(text))
        if text == "-" and self.ahead is not None and self.pieces[self.next]["number"]:
            number = Number(-float(self.ahead[0]))
            self.next += 1
            return number
        if text not in _CLOSING:
            raise self.misread(piece, f"a region, a number or a bracket is missing before {text!r}")
        node = self.joined(len(_LEVELS) - 1)
        if self.ahead is None or self.ahead[0] != _CLOSING[text]:
            raise self.misread(self.ahead, f"the {text!r} at {at} is not closed")
        self.next += 1
        return node


def _terms(node: Node) -> list[Term]:
    if isinstance(node, Operation):
        return _terms(node.left) + _terms(node.right)
    return [node] if isinstance(node, Term) else []


def _plural(kind: Kind) -> str:
    return {"number": "numbers", "truth": "truths"}[kind]


def _misread(text: str, at: int, why: str) -> InputError:
    return InputError(f"the formula {text!r} can't be read at character {at}: {why}")
