"""Capitals: a fact about a country, looked up by its name, in either direction.

The counterfactual names another country (or its capital); its own answer is the foil.
"""

from collections.abc import Iterator

from sonde.tasks.prompt import Prompt
from sonde.tasks.template import Case, Template


def capital_of_the_country(prompt: Prompt) -> Iterator[Case]:
    """The other form of the one country that is named, where the prompt speaks of a capital or a city and goes on after it."""
    members = prompt.members("country")
    asked_for = any(word.text.lower() in ("capital", "city") for word in prompt.words)
    if len({word.text for word in members}) != 1 or members[-1] == prompt.words[-1] or not asked_for:
        return
    sense = prompt.sense(members[0])
    assert sense is not None  # it is a member
    entry, kind = sense.entry, sense.kind
    asked = 1 - sense.form
    for other in prompt.shuffled(other for other in kind.entries if other != entry):
        changes = dict.fromkeys(members, other.forms[sense.form])
        yield Case(
            "country",
            prompt.replaced(changes),
            (prompt.continued(entry.forms[asked]),),
            (prompt.continued(other.forms[asked]),),
            f"{other.forms[sense.form]} instead of {members[0].text}",
            {kind.forms[sense.form]: members[-1]},
        )


CAPITAL = Template(
    "capital",
    "Which city is the country's capital?",
    'Merullo et al. 2024, "Language models implement simple word2vec-style vector arithmetic"; Hanna et al. 2024',
    (
        "The capital of {country} is",
        "{a:name} flew to {country} and landed in the capital,",
        "The main city of {country} is",
        "{a:name} lives in {country}, in the city of",
        "If you visit {country}, see the capital,",
    ),
    capital_of_the_country,
    {"country": "another country (or its capital) is named, whose answer is the foil"},
)
