"""Which task does the prompt belong to?"""

from sonde.report.chapters.base import Chapter
from sonde.report.material import Material
from sonde.results.document import Section, Sentence
from sonde.results.drawing import tokens
from sonde.tasks import TEMPLATES

TITLE = "Task"
LEAD = (
    "A task is a kind of prompt whose right answer a rule tells, without asking the model. The rule also says which words matter and what to change."
)


def task(material: Material) -> Chapter:
    """The template that knows the prompt, its question and the words that matter by their part; or why there is none."""
    found = material.candidates
    considered = [Sentence(f"Considered and left out: {reason}.") for reason in found.dropped]
    best = found.best
    if best is None or not best.template:
        given = best is not None and best.origin == "given"
        why = "No template knows this prompt; the counterfactual is the one that was given." if given else found.rule
        return Chapter(Section("task", TITLE, LEAD, sentences=[Sentence(why), *considered]))
    said = [
        Sentence(
            f"The prompt is one of the task `{best.template}`: {TEMPLATES[best.template].question}" if best.template in TEMPLATES else found.rule
        )
    ]
    right, wrong = (", ".join(f"`{token}`" for token in material.strings(ids)) for ids in (best.pair.answers, best.pair.wrongs))
    several = len(best.pair.answers) > 1 or len(best.pair.wrongs) > 1
    said.append(Sentence(f"Right {'are' if several else 'is'} {right}, and not {wrong}."))
    said.append(Sentence(f"The answer changes with {best.reason}: “{best.pair.corrupt}”."))
    unclear = material.untested and f"There are no siblings of this prompt, so what follows is about it alone: {material.untested}."
    drawing = tokens("Which words matter by the rule?", "", found.tokens, None, roles=_apart(dict(best.spans)))
    return Chapter(Section("task", TITLE, LEAD, [drawing], [*said, *([Sentence(unclear)] if unclear else []), *considered]))


def _apart(spans: dict[str, tuple[int, ...]]) -> dict[str, tuple[int, ...]]:
    """At most eight spans that share no token: of two that do, the earlier one keeps it."""
    taken: set[int] = set()
    apart: dict[str, tuple[int, ...]] = {}
    for name, positions in list(spans.items())[:8]:
        own = tuple(i for i in positions if i not in taken)
        taken.update(own)
        if own:
            apart[name] = own
    return apart
