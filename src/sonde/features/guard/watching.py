"""A rule as an edit: it looks at every token once, when it is computed, and changes it where the rule says so."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from sonde.access import Site
from sonde.access.edits import Place
from sonde.features.guard.rules import Rule
from sonde.results import EditError


@dataclass(frozen=True)
class Event:
    """A rule that fired.

    Arguments:
        prompt: the number of the prompt.
        rule, action: which, and what was done.
        position: of the token, counted from the prompt's first.
        token: its id.
        score, threshold: what was looked at there, and what it was above.
        new: whether the token was written, not given.
    """

    prompt: int
    rule: str
    action: str
    position: int
    token: int
    score: float
    threshold: float
    new: bool


class Withheld(Exception):
    """Every text is withheld: the rest of the generation is not needed."""


@dataclass
class Watched:
    """One prompt while text is written after it.

    Arguments:
        number: of the prompt.
        length: how many tokens it has.
        last: the first position that is not looked at any more.
        special: ids that are never looked at.
        tell: called with every event, at once.
        others: all prompts of the batch.
    """

    number: int
    length: int
    last: int
    special: frozenset[int]
    tell: Callable[[Event], None]
    others: "list[Watched]"
    blocked: bool = False
    seen: dict[str, int] = field(default_factory=dict)  # by rule, how many tokens

    def look(self, rule: Rule, threshold: float, values: Tensor, ids: Sequence[int]) -> Tensor:
        """Where a rule fires among the tokens that are computed now.

        Arguments:
            rule: which.
            threshold: above which it fires.
            values: its scores at these tokens.
            ids: of all tokens so far.
        """
        start = self.seen.get(rule.name, 0)
        self.seen[rule.name] = start + len(values)
        fired = torch.zeros(len(values), dtype=torch.bool, device=values.device)
        for i, score in enumerate(values.float().tolist()):
            position = start + i
            new = position >= self.length
            meant = rule.where == "all" or (rule.where == "new") == new
            if not meant or score <= threshold or position >= self.last or ids[position] in self.special or self.blocked:
                continue
            fired[i] = True
            self.tell(Event(self.number, rule.name, rule.action, position, ids[position], score, threshold, new))
            if rule.action == "block":
                self.blocked = True
        if self.blocked and all(other.blocked for other in self.others):
            raise Withheld
        return fired


@dataclass(frozen=True, eq=False)
class Watch:
    """The edit that a rule is in one prompt.

    Arguments:
        site: where.
        rule, threshold: which, and above what it fires.
        watched: the prompt.
    """

    site: Site
    rule: Rule
    threshold: float
    watched: Watched

    def new(self, old: Tensor) -> Tensor:
        """A rule must know the tokens: `new_at` does."""
        raise EditError(f"the rule {self.rule.name!r} watches a generation: use Guard.generate")

    def new_at(self, old: Tensor, place: Place) -> Tensor:
        """The value as it is, or steered where the rule fired."""
        assert place.rows is not None and place.rows.ids is not None
        start = place.rows.starts[0]
        ids = place.rows.ids[0, start:].tolist()
        fired = self.watched.look(self.rule, self.threshold, self.rule.score(old).reshape(-1), ids)
        if self.rule.action != "steer" or not fired.any():
            return old
        return self.rule.steered(old, fired.view(old.shape[:-1]))
