"""Rules as sentences: what the offline explainer writes, and what anybody may write who wants a description judged without a language model.

    on " Mary", " John" (90 %, at 60 %); after " to" (30 %, at 20 %). Promotes " the".

reads: on the tokens " Mary" and " John" it fires in 90 % of the cases, then at 60 % of its maximum; where the first clause does not hold, the second
may. Without the parentheses a clause means always, at the maximum. The sentence is all that a judge gets: what it does not say can't score.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass

from sonde.features.descriptions.offline.clauses import QUOTED, Clause, quoted

NOTHING = "no simple rule found"
_AMOUNTS = re.compile(r"^(.*?)(?: \((\d{1,3}) %, at (\d{1,3}) %\))?$", re.DOTALL)
_PROMOTES = re.compile(rf"(?:^|\. )Promotes ({QUOTED}(?:, {QUOTED})*)\.?$")


@dataclass(frozen=True)
class Rule:
    """A clause and what happens where it holds.

    Arguments:
        clause: the property of a token.
        share: of the places where it holds, how many fire; from 0 to 1.
        strength: the activation there, where it fires, as a share of the maximum.
    """

    clause: Clause
    share: float = 1.0
    strength: float = 1.0

    def __str__(self) -> str:
        return f"{self.clause} ({round(100 * self.share)} %, at {round(100 * self.strength)} %)"


@dataclass(frozen=True)
class Rules:
    """Rules in order: on each token the first whose clause holds is followed; with none the latent never fires.

    Arguments:
        rules: the first first.
        promotes: tokens that the latent makes likelier.

    >>> rules = parse('on " Mary"; after " to" (30 %, at 20 %). Promotes " the".')
    >>> rules.followed([" Mary", " went", " to", " the"], 0)
    [(1.0, 1.0), (0.0, 0.0), (0.0, 0.0), (0.3, 0.2)]
    >>> str(rules)
    'on " Mary" (100 %, at 100 %); after " to" (30 %, at 20 %). Promotes " the".'
    """

    rules: tuple[Rule, ...] = ()
    promotes: tuple[str, ...] = ()

    def followed(self, tokens: Sequence[str], start: int) -> list[tuple[float, float]]:
        """For each token the share and the strength that the rules give it.

        Arguments:
            tokens: their texts.
            start: where the first stands in its text.
        """
        found = [(0.0, 0.0)] * len(tokens)
        for rule in reversed(self.rules):
            holds = rule.clause.holds(tokens, start)
            found = [(rule.share, rule.strength) if here else was for here, was in zip(holds, found, strict=True)]
        return found

    def __str__(self) -> str:
        said = "; ".join(map(str, self.rules)) or NOTHING
        return said + (f". Promotes {', '.join(map(quoted, self.promotes))}." if self.promotes else "")


def parse(text: str) -> Rules | None:
    """The rules that a description states.

    Arguments:
        text: in the language of this page; other words are not understood.

    Returns:
        `None` where any part of it is not understood.

    >>> parse("something about women") is None, parse("no simple rule found")
    (True, Rules(rules=(), promotes=()))
    """
    said, promotes = text.strip(), ()
    if promised := _PROMOTES.search(said):
        promotes = tuple(json.loads(item) for item in re.findall(QUOTED, promised[1]))
        said = said[: promised.start()]
    said = said.removesuffix(".")
    if said in ("", NOTHING):
        return Rules((), promotes) if said or promotes else None
    rules = [_rule(part) for part in _parts(said)]
    return None if None in rules else Rules(tuple(rule for rule in rules if rule is not None), promotes)


def _rule(text: str) -> Rule | None:
    match = _AMOUNTS.match(text.strip())
    clause = None if match is None else Clause.heard(match[1])
    if match is None or clause is None:
        return None
    share, strength = (1.0 if amount is None else int(amount) / 100 for amount in (match[2], match[3]))
    return Rule(clause, share, strength) if max(share, strength) <= 1 else None


def _parts(text: str) -> list[str]:
    """The text at its semicolons, except those in quotes."""
    pieces = re.findall(rf"(?:{QUOTED}|[^;\"])+", text)
    return pieces if "".join(pieces).replace(";", "") == text.replace(";", "") else [text]
