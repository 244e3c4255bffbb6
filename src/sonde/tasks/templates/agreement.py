"""Agreement: a verb takes the number of its subject, whatever noun stands between them (Linzen et al. 2016).

Every verb of the right number is right, so the metric sums the probabilities of all that are single tokens in both forms; "is" and "are" stand for
them. The counterfactual changes the number of the subject's noun alone.
"""

import re
from collections.abc import Iterator

from sonde.tasks.pair import is_single
from sonde.tasks.prompt import Prompt, Word
from sonde.tasks.template import Case, Template

_TAGS = {"article": "D", "determiner": "D", "relative": "R", "preposition": "P", "adjective": "A", "transitive": "V"}
_PHRASE = "DA*[NM]"
"""A noun phrase; N is a singular noun, M a plural one."""
_SUBJECT = re.compile(f"(DA*)([NM])(?:P{_PHRASE}|RV{_PHRASE}|R{_PHRASE}V)*")


def verb_of_the_subject(prompt: Prompt) -> Iterator[Case]:
    """The number of the first noun of the last sentence, where that sentence is a subject and nothing else."""
    end = max((m.end() for m in re.finditer(r"[.!?;:,\n]", prompt.text)), default=0)
    sentence = [word for word in prompt.words if word.start >= end]
    found = _SUBJECT.fullmatch("".join(_tag(prompt, word) for word in sentence))
    if found is None:
        return
    subject = sentence[found.start(2)]
    sense = prompt.sense(subject)
    assert sense is not None  # it has the tag of a noun
    plural = found[2] == "M"
    other = sense.entry.forms[0 if plural else 1]
    others = [word for word in sentence[found.end(2) :] if _tag(prompt, word) in "NM"]
    roles = {"subject": subject} | ({"nearer noun": others[-1]} if others else {})
    singulars, plurals = _verbs(prompt)
    yield Case(
        "number",
        prompt.replaced({subject: other}),
        plurals if plural else singulars,
        singulars if plural else plurals,
        f"the subject is {'singular' if plural else 'plural'}: {other!r} instead of {subject.text!r}",
        roles,
    )


def _verbs(prompt: Prompt) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The verbs that are single tokens in both forms, singular and plural, as they would follow the prompt."""
    forms = [tuple(map(prompt.continued, verb)) for verb in prompt.lexicon.fixed["verb"]]
    usable = [verb for verb in forms if all(is_single(prompt.tokenizer, form) for form in verb)] or forms[:1]
    return tuple(verb[0] for verb in usable), tuple(verb[1] for verb in usable)


def _tag(prompt: Prompt, word: Word) -> str:
    sense = prompt.sense(word)
    if sense is not None and prompt.lexicon.is_a(word.text, "noun"):
        return "NM"[sense.form]
    return next((tag for name, tag in _TAGS.items() if prompt.lexicon.is_a(word.text, name)), "?")


AGREEMENT = Template(
    "agreement",
    "Is the verb singular or plural?",
    "Linzen et al. 2016; summed over verbs as in Newman et al. 2021 and Marks et al. 2024",
    (
        "The {n:noun/*} near the {m:noun/*}",
        "The {n:noun/*} behind the {m:noun/*}",
        "The {n:noun/*} beside the {m:noun/*}",
        "The {n:noun/*} with the {m:noun/*}",
        "The {a:adjective} {n:noun/*} near the {m:noun/*}",
        "The {n:noun/*} under the {a:adjective} {m:noun/*}",
    ),
    verb_of_the_subject,
    {"number": "the subject's noun has the other number"},
    metric="probability_difference",
)
