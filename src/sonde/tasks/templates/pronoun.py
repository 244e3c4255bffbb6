"""Pronouns: a name is taken up by the pronoun of its gender.

(Mathwin et al. 2023, "Identifying a preliminary circuit for predicting gendered pronouns in GPT-2 small".) The counterfactual has a name of the
other gender.
"""

import re
from collections.abc import Iterator

from sonde.tasks.prompt import Prompt
from sonde.tasks.template import Case, Template

_PRONOUNS = {"woman": "she", "man": "he"}
_CLAUSE = ("because", "so", "that", "then", "where", "since", "but", "although", "though", "until", "before", "after", "when", "while", "as", "if")
_BEFORE = re.compile(r"(?:when|after|before|while|since|as|because|although|though|if|once|until)\b[^,.;:!?]*,\s*", re.IGNORECASE)


def pronoun_of_the_name(prompt: Prompt) -> Iterator[Case]:
    """The pronoun of the one name, where a clause begins at the end and nobody else is spoken of."""
    names = prompt.members("name")
    if len({word.text for word in names}) != 1 or prompt.members("person") or any(prompt.lexicon.is_a(w.text, "gendered") for w in prompt.words):
        return
    begins = prompt.words[-1].text.lower() in _CLAUSE and prompt.words[-1].end == len(prompt.text.rstrip()) and names[-1] != prompt.words[-1]
    sentence = re.split(r"[.!?;:]\s+", prompt.text)[-1]
    if not begins and _BEFORE.fullmatch(sentence) is None:
        return
    sense = prompt.sense(names[0])
    assert sense is not None  # it is a member
    right, wrong = _PRONOUNS[sense.kind.name], _PRONOUNS[sense.kind.opposite]
    for other in prompt.shuffled(prompt.lexicon[sense.kind.opposite].entries):
        reason = f"{other.forms[0]}, a name of the other gender, instead of {names[0].text}"
        corrupt = prompt.replaced(dict.fromkeys(names, other.forms[0]))
        yield Case("gender", corrupt, (prompt.continued(right),), (prompt.continued(wrong),), reason, {"name": names[-1]})


PRONOUN = Template(
    "pronoun",
    "Is it he or she?",
    'Mathwin et al. 2023, "Identifying a preliminary circuit for predicting gendered pronouns in GPT-2 small"',
    (
        "{n:name} went home because",
        "{n:name} was tired, so",
        "{n:name} lost the {object}, and then",
        "When {n:name} saw the {place},",
        "{n:name} said that",
        "The letter told {n:name} that",
        "{n:name} likes the {place} because",
    ),
    pronoun_of_the_name,
    {"gender": "the name is one of the other gender"},
)
