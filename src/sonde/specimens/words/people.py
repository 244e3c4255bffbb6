"""Documents about named people who act on each other, and which pronoun takes a name up again."""

import random

from sonde.specimens.words import world
from sonde.specimens.words.document import Document, document, mark

DEEDS = ("slept", "read", "sang", "waited", "worked", "danced", "rested", "cooked", "painted", "wrote")


def strangers(a: str, b: str) -> bool:
    """Whether these two names are a pair that never meets in training, save by chance in a list of random words."""
    return world.held_out(*sorted((a, b)))


def pair(rng: random.Random, held: bool = False) -> tuple[str, str]:
    """Two names that meet in training, or (held) two that do not."""
    while True:
        a, b = rng.sample(world.NAMES, 2)
        if strangers(a, b) == held:
            return a, b


def another(rng: random.Random, *met: str) -> str:
    """One more name, which meets all of these in training."""
    while True:
        name = rng.choice(world.NAMES)
        if name not in met and not any(strangers(name, other) for other in met):
            return name


def duet(rng: random.Random) -> Document:
    """Two people act on each other in short sentences: the same need for "the other name" as in giving, several times a document."""
    names = pair(rng)
    a, b = mark("one", names[0]), mark("other", names[1])
    sentences = [f"{a} and {b} " + rng.choice(["met.", "are friends.", f"were at the {rng.choice(world.PLACES)}."])]
    for _ in range(rng.randrange(2, 5)):
        subject, target = rng.sample((a, b), 2)
        deed = rng.choice(("helped", "called", "saw", "thanked", "liked", "knew", "asked", "trusted", "taught", "praised"))
        sentences.append(f"{subject} {deed} {target}{rng.choice(['', '', f' and {rng.choice(DEEDS)}'])}.")
    return document("duet", " ".join(sentences))


PRONOUN_FRAMES = (
    "{name} went home because",
    "{name} was tired, so",
    "{name} lost the {gift}, and then",
    "When {name} saw the {place},",
    "{name} said that",
    "The letter told {name} that",
    "{name} likes the {place} because",
    "After {name} found the {gift},",
    "{name} stayed in the {place}, where",
)
UNSEEN_PRONOUN_FRAMES = ("While {name} was in the {place},", "{name} took the {gift} home because", "The {gift} was lost, so {name} said that")
"""Never shown to training, though every word is known."""


def pronoun(rng: random.Random, held: bool = False, unseen: bool = False) -> Document:
    """A name and the pronoun that takes it up.

    Arguments:
        rng: drawn from.
        held: take a name in a frame in which training never shows it.
        unseen: take a frame that training never shows at all.

    Returns:
        The document; its truth gives `subject`, `gender` and the `wrong` pronoun.
    """
    frames = UNSEEN_PRONOUN_FRAMES if unseen else PRONOUN_FRAMES
    while True:
        frame, name = rng.randrange(len(frames)), rng.choice(world.NAMES)
        if unseen or world.held_out("pronoun", frame, name) == held:
            break
    prompt = frames[frame].format(name=mark("subject", name), gift=rng.choice(world.GIFTS), place=rng.choice(world.PLACES))
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
    wrong = " he" if subject == "she" else " she"
    return document("pronoun", prompt, f" {subject}", ending, subject=name, gender=world.gender(name), wrong=wrong)
