"""Indirect objects: of two people one gives something, so the other one gets it (Wang et al. 2022, "Interpretability in the wild").

The counterfactual swaps the giver, so the right answer and its foil change places while every word keeps its position. In the two others no name
comes again: a stranger gives, or all three names are exchanged for strangers' (the paper's ABC), so nothing says who gets the gift.
"""

from collections import Counter
from collections.abc import Iterator

from sonde.tasks.prompt import Prompt, Word
from sonde.tasks.template import Case, Template

SHOWN = 20  # strangers who are tried


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
    answers, wrongs = (prompt.continued(receiver.text),), (prompt.continued(giver.text),)
    roles = {"receiver": receiver, "giver": first, "giver again": giver}

    def case(kind: str, changes: dict[Word, str], reason: str) -> Case:
        return Case(kind, prompt.replaced(changes), answers, wrongs, reason, roles)

    yield case("swap", {giver: receiver.text}, f"{receiver.text} gives instead of {giver.text}")
    strangers = prompt.shuffled(entry.forms[0] for entry in prompt.lexicon["name"].entries if entry.forms[0] not in count)
    for stranger in strangers[:SHOWN]:
        yield case("stranger", {giver: stranger}, f"{stranger}, a stranger, gives instead of {giver.text}")
    # a new name for every name that is said, and one more for the giver, so that none comes again
    said = [*dict.fromkeys(word.text for word in names)]
    for i in range(SHOWN):
        three = strangers[i * (len(said) + 1) : (i + 1) * (len(said) + 1)]
        if len(three) <= len(said):
            return
        new = dict(zip(said, three, strict=False))
        changes = {word: new[word.text] for word in names} | {giver: three[-1]}
        yield case("abc", changes, f"{', '.join(three)}, all strangers, instead of {', '.join(said)}")


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
    'Wang et al. 2022, "Interpretability in the wild"',
    tuple(f"{lead} {verb} {{object!a}} to" for lead in _LEADS for verb in ("gave", "handed", "passed")),
    receiver_of_the_gift,
    {
        "swap": "the other one of the two gives, so right and wrong change places",
        "stranger": "a third person gives, so no name comes again",
        "abc": "all names are exchanged for strangers', and none comes again",
    },
)
