"""Documents about named people: who gets the gift, who acts on whom, and which pronoun takes a name up again.

The indirect object is the question of Wang et al. 2022 ("Interpretability in the wild"): after "When Mary and John went to the shop,
John gave a book to" the answer is the name that is not the giver's. The kinds beside the plain one close the short cuts: a third name
that never gets anything, two givers of three, and lists in which the name said once is the answer, wherever it stands.
"""

import random
import re

from sonde.specimens.words import world
from sonde.specimens.words.documents import Document

GIVES = ("gave", "handed", "passed", "offered", "sent", "showed", "lent")
DEEDS = ("slept", "read", "sang", "waited", "worked", "danced", "rested", "cooked", "painted", "wrote")

LEADS = (
    "When {a} and {b} went to the {place},",
    "When {a} and {b} got {gift} at the {place},",
    "After {a} and {b} came to the {place},",
    "Then, {a} and {b} had a lot of fun at the {place}.",
    "{a} and {b} were at the {place}.",
    "While {a} and {b} were working at the {place},",
    "Yesterday {a} and {b} walked to the {place}, and",
    "{a} was with {b} in the {place} when",
    "Friends {a} and {b} found {gift} at the {place}.",
    "One {day}, {a} saw {b} near the {place}.",
    "{a} had a long talk with {b}, and then",
)
"""Frames that introduce two people; many more are composed from parts, so that no frame need be learned by heart."""

HELD_OUT_LEADS = (
    "Then {a} and {b} worked together at the {place}.",
    "One {day} {a} and {b} walked home from the {place}, and",
    "When {a} met {b} near the {place},",
    "In the evening {a} called {b} near the {place}.",
)
"""Frames that training never shows, though it shows all their words: the test of transfer to a new frame."""

_TOGETHER = ("went to", "came to", "met at", "were at", "slept at", "talked in", "waited in", "walked to", "stayed in", "danced at", "worked in")
_ONE_TO_OTHER = ("saw {b} at", "found {b} in", "was with {b} at", "helped {b} at", "called {b} from")
_OPENINGS = (
    ("When ", ","),
    ("After ", ","),
    ("While ", ","),
    ("Then ", "."),
    ("", "."),
    ("Yesterday ", " and"),
    ("One {day} ", " and then"),
    ("In {month} ", ", and"),
    ("", " and soon"),
)


def composed_lead(rng: random.Random) -> str:
    """A frame put together from an opening, an event and a place."""
    opening, closing = rng.choice(_OPENINGS)
    event = rng.choice([f"{{a}} and {{b}} {deed}" for deed in _TOGETHER] + [f"{{a}} {deed}" for deed in _ONE_TO_OTHER])
    return f"{opening}{event} the {{place}}{closing}"


def _fill(rng: random.Random, frame: str, a: str, b: str) -> str:
    return frame.format(
        a=a,
        b=b,
        place=rng.choice(world.PLACES),
        gift=world.article(rng.choice(world.GIFTS)),
        day=rng.choice(world.DAYS),
        month=rng.choice(world.MONTHS),
    )


def strangers(a: str, b: str) -> bool:
    """Whether these two names are a pair that never meets in training, save by chance in a list of random words."""
    return world.held_out(*sorted((a, b)))


def pair(rng: random.Random, held: bool = False) -> tuple[str, str]:
    """Two names that meet in training, or (held) two that do not."""
    while True:
        a, b = rng.sample(world.NAMES, 2)
        if strangers(a, b) == held:
            return a, b


def _third(rng: random.Random, a: str, b: str) -> str:
    """A name that meets both in training."""
    return rng.choice([name for name in world.NAMES if name not in (a, b) and not strangers(a, name) and not strangers(b, name)])


def _giving(rng: random.Random) -> str:
    gift = rng.choice(world.GIFTS)
    thing = rng.choices([world.article(gift), f"the {gift}", f"a {rng.choice(('bottle', 'bag', 'basket'))} of {rng.choice(world.FOODS)}"], [5, 4, 1])[
        0
    ]
    return rng.choices([f"{rng.choice(GIVES)} {thing} to", f"decided to give {thing} to", f"gave {thing} back to"], [15, 4, 1])[0]


def _aside(rng: random.Random) -> str:
    """Sometimes a remark between the giver and the verb."""
    if rng.random() < 0.8:
        return ""
    return rng.choice([", who was {},", ", feeling {},"]).format(rng.choice(world.ADJECTIVES))


def _two(rng: random.Random, io: str, giver: str, other: str, frame: str | None) -> tuple[str, list[str]]:
    frame = frame or (composed_lead(rng) if rng.random() < 0.5 else rng.choice(LEADS))
    lead = _fill(rng, frame, *_shuffled(rng, io, giver))
    return f"{lead} {giver}{_aside(rng)} {_giving(rng)}", [giver]


def _bystander(rng: random.Random, io: str, giver: str, other: str, frame: str | None) -> tuple[str, list[str]]:
    lead = _fill(rng, frame or rng.choice(LEADS), *_shuffled(rng, io, giver))
    where = rng.randrange(3)
    if where == 0:
        return f"{other} stayed at home. {lead} {giver}{_aside(rng)} {_giving(rng)}", [giver]
    if where == 1:
        lead = _fill(rng, "{a} and {b} were at the {place}.", *_shuffled(rng, io, giver))
        return f"{lead} {other} was {rng.choice(['away', 'ill', 'asleep'])}. {giver} {_giving(rng)}", [giver]
    return f"{lead} {giver}, a friend of {other}, {_giving(rng)}", [giver]


def _two_of_three(rng: random.Random, io: str, giver: str, other: str, frame: str | None) -> tuple[str, list[str]]:
    x, y, z = _shuffled(rng, io, giver, other)
    first, second = _shuffled(rng, giver, other)
    place = rng.choice(world.PLACES)
    return f"{x}, {y} and {z} {rng.choice(['were at', 'went to'])} the {place}. {first} and {second} {_giving(rng)}", [first, second]


def _odd_one_out(rng: random.Random, io: str, giver: str, other: str, frame: str | None) -> tuple[str, list[str]]:
    x, y, z = _shuffled(rng, io, giver, other)
    first, second = _shuffled(rng, giver, other)
    return f"The list had {x}, {y} and {z}. {first} and {second} came. The one missing was", [first, second]


def _met(rng: random.Random, io: str, giver: str, other: str, frame: str | None) -> tuple[str, list[str]]:
    return f"{giver} met {io} at the {rng.choice(world.PLACES)} and {_giving(rng)}", [giver]


def _shuffled(rng: random.Random, *items: str) -> list[str]:
    return rng.sample(items, len(items))


KINDS = {"two": (_two, 60), "bystander": (_bystander, 12), "two_of_three": (_two_of_three, 12), "odd_one_out": (_odd_one_out, 10), "met": (_met, 6)}
"""Each kind's maker and its share, in percent of the family's documents."""


def indirect_object(rng: random.Random, held: bool = False, kind: str | None = None, frame: str | None = None) -> Document:
    """A gift and who gets it.

    Arguments:
        rng: drawn from.
        held: take a pair of names that training never shows together.
        kind: one of `KINDS`; None draws by their shares.
        frame: a lead to use; None draws one.

    Returns:
        The document; its truth names the `kind`, the receiver `io`, the `givers`, and whether the receiver was named first (`io_first`).
    """
    io, giver = pair(rng, held)
    other = _third(rng, io, giver)
    kind = kind or rng.choices(list(KINDS), [share for _, share in KINDS.values()])[0]
    prompt, givers = KINDS[kind][0](rng, io, giver, other, frame)
    ending = (
        rng.choice([f" at the {rng.choice(world.PLACES)}.", f" on {rng.choice(world.DAYS)}.", f" and {rng.choice(DEEDS)}."])
        if rng.random() < 0.4
        else "."
    )
    said = re.findall(r"\w+", prompt)  # words, since Paul begins Paula
    io_first = said.index(io) < said.index(givers[0])
    return Document(
        "indirect_object",
        prompt,
        f" {io}",
        ending if kind != "odd_one_out" else ".",
        {"kind": kind, "io": io, "givers": givers, "io_first": io_first},
    )


def duet(rng: random.Random) -> Document:
    """Two people act on each other in short sentences: the same need for "the other name" as in giving, several times a document."""
    a, b = pair(rng)
    sentences = [f"{a} and {b} " + rng.choice(["met.", "are friends.", f"were at the {rng.choice(world.PLACES)}."])]
    for _ in range(rng.randrange(2, 5)):
        subject, target = _shuffled(rng, a, b)
        deed = rng.choice(("helped", "called", "saw", "thanked", "liked", "knew", "asked", "trusted", "taught", "praised"))
        sentences.append(f"{subject} {deed} {target}{rng.choice(['', '', f' and {rng.choice(DEEDS)}'])}.")
    return Document("duet", " ".join(sentences), truth={"names": [a, b]})


PRONOUN_FRAMES = (
    "{name} went home because",
    "{name} was tired, so",
    "{name} lost the {gift}, and then",
    "When {name} saw the {place},",
    "{name} said that",
    "The letter told {name} that",
    "{name} likes the {place} because",
)


def pronoun(rng: random.Random, held: bool = False) -> Document:
    """A name and the pronoun that takes it up.

    Arguments:
        rng: drawn from.
        held: take a name in a frame in which training never shows it.

    Returns:
        The document; its truth gives the `name` and the `wrong` pronoun.
    """
    while True:
        frame, name = rng.randrange(len(PRONOUN_FRAMES)), rng.choice(world.NAMES)
        if world.held_out("pronoun", frame, name) == held:
            break
    prompt = PRONOUN_FRAMES[frame].format(name=name, gift=rng.choice(world.GIFTS), place=rng.choice(world.PLACES))
    subject, own = world.pronoun(name), world.possessive(name)
    ending = rng.choice(
        [
            f" was {rng.choice(world.ADJECTIVES)}.",
            " wanted to rest.",
            f" missed {own} {rng.choice(['mother', 'father', 'dog'])}.",
            f" had lost {own} {rng.choice(world.GIFTS)}.",
            f" felt {rng.choice(world.ADJECTIVES)}.",
        ]
    )
    return Document("pronoun", prompt, f" {subject}", ending, {"name": name, "wrong": " he" if subject == "she" else " she"})
