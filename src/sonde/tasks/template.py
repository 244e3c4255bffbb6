"""A template: frames whose slots take words of a class, and one rule that answers a prompt and says how to change the answer.

The rule reads any prompt, made from a frame or typed by a user: so a template both makes tasks and recognises prompts, with the same answer rule and
the same counterfactual rule.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from sonde.results import InputError
from sonde.tasks.pair import Token
from sonde.tasks.prompt import Prompt, Word


@dataclass(frozen=True)
class Case:
    """What a rule says about one prompt, and one way to change the answer.

    Arguments:
        kind: which of the template's counterfactuals this is.
        corrupt: the prompt with the answer changed, as little else as possible.
        answers: what is right after the prompt, as it would follow it, or as token ids; the first stands for all.
        wrongs: what the answers are compared with, likewise; none where the rule has none.
        reason: what was changed, as a clause.
        roles: the words that matter, by their part.
    """

    kind: str
    corrupt: str
    answers: tuple[Token, ...]
    wrongs: tuple[Token, ...]
    reason: str
    roles: Mapping[str, Word] = field(default_factory=dict)


Rule = Callable[[Prompt], Iterator[Case]]


@dataclass(frozen=True)
class Template:
    """A kind of prompt whose right answer is known.

    Its frames are texts with slots, as `sonde.tasks.frame` reads them.

    Arguments:
        name: its name.
        question: what the model must know, as a question.
        source: where the task comes from.
        frames: texts with slots.
        rule: gives the cases of a prompt, the preferred one first, and nothing for a prompt of another kind.
        counterfactuals: what each kind of counterfactual changes, by its name; the first is the default.
        metric: the name of the metric, as in `Task.with_metric`.
    """

    name: str
    question: str
    source: str
    frames: tuple[str, ...]
    rule: Rule
    counterfactuals: Mapping[str, str]
    metric: str = "logit_difference"

    def kind(self, counterfactual: str | None) -> str:
        """A kind of counterfactual by its name, the default without one; raises `InputError` for one that the template does not have."""
        kinds = self.counterfactuals
        if counterfactual is None:
            return next(iter(kinds))
        if counterfactual not in kinds:
            told = ", ".join(f"{kind!r} ({changes})" for kind, changes in kinds.items())
            raise InputError(f"the task {self.name!r} has no counterfactual {counterfactual!r}; it has {told}")
        return counterfactual
