"""Indirect objects: of two people one gives something, so the other one gets it (Wang et al. 2022, "Interpretability in the wild").

The counterfactual swaps the giver, so the right answer and its foil change places while every word keeps its position.
"""

from collections import Counter
from collections.abc import Iterator

from sonde.tasks.prompt import Prompt
from sonde.tasks.template import Case, Template


def receiver_of_the_gift(prompt: Prompt) -> Iterator[Case]:
    """The one name that is not said again, where the last name said is a repeated one and more words follow it."""
    names = prompt.members("name")
    if not names or names[-1] == prompt.words[-1]:
        return
    giver, count = names[-1], Counter(word.text for word in names)
    once = [word for word in names if count[word.text] == 1]
    if count[giver.text] < 2 or len(once) != 1:
        return
    receiver, first = once[0], next(word for word in names if word.text == giver.text)
    target, foil = prompt.continued(receiver.text), prompt.continued(giver.text)
    roles = {"receiver": receiver, "giver": first, "giver again": giver}
    yield Case(prompt.replaced({giver: receiver.text}), target, foil, f"{receiver.text} gives instead of {giver.text}", roles)
    for stranger in (entry.forms[0] for entry in prompt.lexicon["name"].entries):
        if stranger not in count:
            yield Case(prompt.replaced({giver: stranger}), target, foil, f"{stranger}, a stranger, gives instead of {giver.text}", roles)


_LEADS = (
    "When {io:name} and {s:name} went to the {place}, {s}",
    "When {s:name} and {io:name} went to the {place}, {s}",
    "After {io:name} and {s:name} came to the {place}, {s}",
    "After {s:name} and {io:name} came to the {place}, {s}",
    "{io:name} and {s:name} were at the {place}. {s}",
    "{s:name} and {io:name} were at the {place}. {s}",
    "While {io:name} and {s:name} were working at the {place}, {s}",
    "While {s:name} and {io:name} were working at the {place}, {s}",
    "Yesterday {io:name} and {s:name} walked to the {place}, and {s}",
    "Yesterday {s:name} and {io:name} walked to the {place}, and {s}",
)

IOI = Template(
    "ioi",
    "Who gets the gift?",
    tuple(f"{lead} {verb} {{object!a}} to" for lead in _LEADS for verb in ("gave", "handed", "passed")),
    receiver_of_the_gift,
)
