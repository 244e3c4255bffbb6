"""Who reads a description and says what it predicts. A judge sees texts, never activations.

An answer is `None` where it can't be read; what the scorers make of that stands in `measures`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from sonde.features.descriptions import prompts
from sonde.features.descriptions.clients import Answer, Client
from sonde.features.descriptions.offline import Rules, parse
from sonde.features.descriptions.windows import Window
from sonde.results import InputError

SHORT = 200
"""Tokens of an answer that is one number, thoughts included."""


@dataclass(frozen=True)
class Outcome:
    """What a manipulation did to a model's output.

    Arguments:
        promoted: the tokens that became likelier most.
        text: how the model went on.
    """

    promoted: tuple[str, ...]
    text: str

    def __str__(self) -> str:
        return f"tokens that became likelier: {', '.join(map(repr, self.promoted))}\nthe text then went on: {self.text!r}"


class Judge(Protocol):
    """Whoever reads descriptions."""

    @property
    def name(self) -> str:
        """Who judges."""
        ...

    def fires(self, description: str, windows: Sequence[Window]) -> list[float | None]:
        """The probability that the latent fires in each window."""
        ...

    def fires_at(self, description: str, marked: Sequence[tuple[Window, tuple[int, ...]]]) -> list[float | None]:
        """The probability that the marked tokens of each window are those on which it fires."""
        ...

    def activations(self, description: str, windows: Sequence[Window]) -> list[list[float] | None]:
        """The activation on each token of each window, as a share of the highest."""
        ...

    def odd(self, description: str, groups: Sequence[Sequence[Window]]) -> list[list[float] | None]:
        """Of each group the probability of each window that it is the one without the latent."""
        ...

    def shows(self, description: str, pairs: Sequence[tuple[Outcome, Outcome]]) -> list[float | None]:
        """The probability that the first outcome of each pair is the latent's."""
        ...


class RuleJudge:
    """Follows descriptions in the language of the offline explainer to the letter; other words it can't read.

    >>> RuleJudge().fires('after " to"', [Window((" go", " to", " it")), Window((" it",))])
    [1.0, 0.0]
    """

    name = "rules"

    def fires(self, description: str, windows: Sequence[Window]) -> list[float | None]:
        """The surer the more often tokens fire under the rule that points to them.

        Arguments:
            description: of the latent.
            windows: stretches of text.
        """
        rules = parse(description)
        return [None if rules is None else max(_sure(rules, window)) for window in windows]

    def fires_at(self, description: str, marked: Sequence[tuple[Window, tuple[int, ...]]]) -> list[float | None]:
        """The same, averaged over the marked tokens.

        Arguments:
            description: of the latent.
            marked: windows, each with the numbers of some of its tokens.
        """
        rules = parse(description)
        if rules is None:
            return [None] * len(marked)
        return [sum(_sure(rules, window)[i] for i in places) / len(places) for window, places in marked]

    def activations(self, description: str, windows: Sequence[Window]) -> list[list[float] | None]:
        """What the rules expect: the share of tokens that fire times their strength.

        Arguments:
            description: of the latent.
            windows: stretches of text.
        """
        rules = parse(description)
        if rules is None:
            return [None] * len(windows)
        return [[share * strength for share, strength in rules.followed(window.tokens, window.start)] for window in windows]

    def odd(self, description: str, groups: Sequence[Sequence[Window]]) -> list[list[float] | None]:
        """The window in which the rules are least sure of any token; several share it evenly.

        Arguments:
            description: of the latent.
            groups: windows that belong together.
        """
        found: list[list[float] | None] = []
        for group in groups:
            sure = [probability for probability in self.fires(description, group) if probability is not None]
            lowest = [float(probability == min(sure)) for probability in sure]
            found.append([one / sum(lowest) for one in lowest] if sure else None)
        return found

    def shows(self, description: str, pairs: Sequence[tuple[Outcome, Outcome]]) -> list[float | None]:
        """Which outcome has more of the promised tokens; where that is equal, whose continuation says them more often.

        Arguments:
            description: of the latent.
            pairs: two outcomes each.
        """
        rules = parse(description)
        if rules is None:
            return [None] * len(pairs)

        def kept(outcome: Outcome) -> tuple[int, int]:
            promised = len(set(rules.promotes) & set(outcome.promoted))
            return promised, sum(outcome.text.count(token.strip()) for token in rules.promotes if token.strip())

        return [0.5 + 0.5 * ((kept(first) > kept(second)) - (kept(first) < kept(second))) for first, second in pairs]


@dataclass(frozen=True)
class AskingJudge:
    """A language model that is asked about one window at a time.

    Arguments:
        client: who is asked.
        together: windows in one prompt. More than one is cheaper, and leaks: a judge may compare the texts with one another instead of with the
            description, and the score of the shuffled description rises with it.

    Raises:
        InputError: less than one window at a time.
    """

    client: Client
    together: int = 1

    def __post_init__(self) -> None:
        if self.together < 1:
            raise InputError(f"together={self.together}: ask about at least one window at a time")

    @property
    def name(self) -> str:
        """Who judges."""
        return self.client.name + (f", {self.together} texts in one prompt" if self.together > 1 else "")

    def fires(self, description: str, windows: Sequence[Window]) -> list[float | None]:
        """The probability that the latent fires in each window.

        Arguments:
            description: of the latent.
            windows: stretches of text.
        """
        groups = [windows[i : i + self.together] for i in range(0, len(windows), self.together)]
        return self._rated([prompts.detect(description, group) for group in groups], [len(group) for group in groups])

    def fires_at(self, description: str, marked: Sequence[tuple[Window, tuple[int, ...]]]) -> list[float | None]:
        """The probability that the marked tokens of each window are those on which it fires.

        Arguments:
            description: of the latent.
            marked: windows, each with the numbers of some of its tokens.
        """
        texts = [prompts.marked(window, places) for window, places in marked]
        groups = [texts[i : i + self.together] for i in range(0, len(texts), self.together)]
        return self._rated([prompts.fuzz(description, group) for group in groups], [len(group) for group in groups])

    def activations(self, description: str, windows: Sequence[Window]) -> list[list[float] | None]:
        """The activation on each token of each window, as a share of the highest.

        Arguments:
            description: of the latent.
            windows: stretches of text.
        """
        longest = max((len(window.tokens) for window in windows), default=0)
        answers = self.client.complete([prompts.simulate(description, window) for window in windows], SHORT + 6 * longest)
        read = [_read(answer, len(window.tokens)) for answer, window in zip(answers, windows, strict=True)]
        return [None if values is None else [value / 10 for value in values] for values in read]

    def odd(self, description: str, groups: Sequence[Sequence[Window]]) -> list[list[float] | None]:
        """Of each group the window that is named.

        Arguments:
            description: of the latent.
            groups: windows that belong together.
        """
        answers = self.client.complete([prompts.odd(description, group) for group in groups], SHORT)
        named = [None if a.error else prompts.number_in(a.text, 1, len(group)) for a, group in zip(answers, groups, strict=True)]
        return [None if i is None else [float(k + 1 == i) for k in range(len(group))] for i, group in zip(named, groups, strict=True)]

    def shows(self, description: str, pairs: Sequence[tuple[Outcome, Outcome]]) -> list[float | None]:
        """The probability that the first outcome of each pair is the latent's.

        Arguments:
            description: of the latent.
            pairs: two outcomes each.
        """
        return self._rated([prompts.shows(description, str(first), str(second)) for first, second in pairs], [1] * len(pairs))

    def _rated(self, asked: Sequence[str], sizes: Sequence[int]) -> list[float | None]:
        """The ratings in the answers, as probabilities; all of a prompt are missing where its answer can't be read."""
        answers = self.client.complete(asked, SHORT)
        found: list[float | None] = []
        for answer, size in zip(answers, sizes, strict=True):
            if size == 1:
                number = None if answer.error else prompts.number_in(answer.text)
                found.append(None if number is None else number / 10)
            else:
                values = _read(answer, size)
                found += [None] * size if values is None else [value / 10 for value in values]
        return found


def _sure(rules: Rules, window: Window) -> list[float]:
    """For each token how sure the rules are that it fires: above one half wherever they point, 0 elsewhere."""
    return [0.5 + share / 2 if share > 0 else 0.0 for share, _ in rules.followed(window.tokens, window.start)]


def _read(answer: Answer, n: int) -> list[float] | None:
    return None if answer.error else prompts.numbers_in(answer.text, n)
