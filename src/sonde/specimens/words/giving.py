"""Documents about who gets the gift.

The indirect object is the question of Wang et al. 2022 ("Interpretability in the wild"): after "When Mary and John went to the shop,
John gave a book to" the answer is the name that is not the giver's. A model could answer by keeping down the last subject's name, without
noticing that it was said before. The mirror forms close that way:

- `newcomer`: "When Mary and John went to the shop, Paul gave a book to" goes on with "them". Up to the giver the frames are the same as the plain
  ones, so between a name and "them" only this decides: was the giver's name said before? A sum over the names in view can't tell.
- `new` and `odd_one_out`: a list and who came; the answer is in one of them the name that was said last, in the other one that was not.
- `left_out`: the last person named is no subject; `twice`: the name that was said twice is itself the answer.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sonde.specimens.words import frames, world
from sonde.specimens.words.document import Document, document, mark
from sonde.specimens.words.people import DEEDS, another, pair

GIVES = ("gave", "handed", "passed", "offered", "sent", "showed", "lent")
_TAKES = ("took", "got", "bought")


@dataclass(frozen=True)
class _Cast:
    """Who plays in a document, and in which frame; the names are marked with their parts."""

    rng: random.Random
    io: str
    giver: str
    other: str
    fourth: str
    frame: str | None

    def lead(self, *names: str) -> str:
        """Two people introduced, in either order."""
        return frames.fill(self.rng, self.frame or frames.draw(self.rng), *self.mixed(*names))

    def mixed(self, *items: str) -> list[str]:
        """In any order."""
        return self.rng.sample(items, len(items))


@dataclass(frozen=True)
class _Telling:
    """A prompt; who gives in it (None: the giver); its answer (None: the receiver)."""

    prompt: str
    givers: tuple[str, ...] | None = None
    answer: str | None = None


def _gift(rng: random.Random) -> str:
    gift, food = rng.choice(world.GIFTS), rng.choice(world.FOODS)
    marked = mark("gift", gift)
    full = f"a {rng.choice(('bottle', 'bag', 'basket'))} of {mark('gift', food)}"
    return rng.choices([f"{world.a_or_an(gift)} {marked}", f"the {marked}", full], [5, 4, 1])[0]


def _giving(rng: random.Random) -> str:
    """What is done, up to the name that follows."""
    thing = _gift(rng)
    ways = [f"{rng.choice(GIVES)} {thing} to", f"decided to give {thing} to", f"gave {thing} back to", f"{rng.choice(_TAKES)} {thing} from"]
    return rng.choices(ways, [14, 4, 1, 2])[0]


def _aside(rng: random.Random) -> str:
    """Sometimes a remark between the giver and the verb."""
    if rng.random() < 0.75:
        return ""
    remark = rng.choice((", who was {quality},", ", feeling {quality},", ", after a long {day} at the {place},", ", who had come from the {place},"))
    return remark.format(quality=rng.choice(world.ADJECTIVES), day=rng.choice(world.DAYS), place=rng.choice(world.PLACES))


def _two(cast: _Cast) -> _Telling:
    return _Telling(f"{cast.lead(cast.io, cast.giver)} {cast.giver}{_aside(cast.rng)} {_giving(cast.rng)}")


def _newcomer(cast: _Cast) -> _Telling:
    lead = cast.lead(cast.io, cast.other)
    return _Telling(f"{lead} {cast.giver}{_aside(cast.rng)} {_giving(cast.rng)}", answer=" them")


def _bystander(cast: _Cast) -> _Telling:
    rng, where = cast.rng, cast.rng.randrange(4)
    if where == 1:
        lead = frames.fill(rng, "{a} and {b} were at the {place}.", *cast.mixed(cast.io, cast.giver))
        return _Telling(f"{lead} {cast.other} was {rng.choice(['away', 'ill', 'asleep'])}. {cast.giver} {_giving(rng)}")
    lead = cast.lead(cast.io, cast.giver)
    if where == 0:
        return _Telling(f"{cast.other} stayed at home. {lead} {cast.giver}{_aside(rng)} {_giving(rng)}")
    if where == 2:
        return _Telling(f"{cast.other} and {cast.fourth} stayed at home. {lead} {cast.giver}{_aside(rng)} {_giving(rng)}")
    return _Telling(f"{lead} {cast.giver}, a friend of {cast.other}, {_giving(rng)}")


def _two_of_three(cast: _Cast) -> _Telling:
    rng = cast.rng
    x, y, z = cast.mixed(cast.io, cast.giver, cast.other)
    first, second = cast.mixed(cast.giver, cast.other)
    doing = f"{rng.choice(['were at', 'went to'])} the {rng.choice(world.PLACES)}"
    return _Telling(f"{x}, {y} and {z} {doing}. {first} and {second} {_giving(rng)}", (first, second))


def _odd_one_out(cast: _Cast) -> _Telling:
    x, y, z = cast.mixed(cast.io, cast.giver, cast.other)
    first, second = cast.mixed(cast.giver, cast.other)
    return _Telling(f"The list had {x}, {y} and {z}. {first} and {second} came. The one missing was", (first, second))


def _new(cast: _Cast) -> _Telling:
    x, y, z = cast.mixed(cast.io, cast.giver, cast.other)
    first, second = cast.mixed(cast.giver, cast.other)
    return _Telling(f"The list had {first} and {second}. {x}, {y} and {z} came. The one missing from the list was", (first, second))


def _left_out(cast: _Cast) -> _Telling:
    rng = cast.rng
    x, y, z = cast.mixed(cast.io, cast.giver, cast.other)
    lead = f"{x}, {y} and {z} were at the {rng.choice(world.PLACES)}."
    return _Telling(f"{lead} {cast.giver} {_giving(rng)} {cast.other}. The one left out was")


def _twice(cast: _Cast) -> _Telling:
    rng = cast.rng
    first, second = (f"{' and '.join(cast.mixed(cast.io, name))} were at the {rng.choice(world.PLACES)}." for name in (cast.giver, cast.other))
    return _Telling(f"{first} {second} The one seen twice was", ())


def _met(cast: _Cast) -> _Telling:
    return _Telling(f"{cast.giver} met {cast.io} at the {cast.rng.choice(world.PLACES)} and {_giving(cast.rng)}")


def _cleft(cast: _Cast) -> _Telling:
    lead = cast.lead(cast.io, cast.giver)
    return _Telling(f"{lead} {'It' if lead.endswith('.') else 'it'} was {cast.giver} who {_giving(cast.rng)}")


KINDS: dict[str, tuple[Callable[[_Cast], _Telling], int]] = {
    "two": (_two, 46),
    "newcomer": (_newcomer, 13),
    "bystander": (_bystander, 9),
    "two_of_three": (_two_of_three, 9),
    "odd_one_out": (_odd_one_out, 6),
    "met": (_met, 5),
    "new": (_new, 5),
    "left_out": (_left_out, 4),
    "twice": (_twice, 3),
}
"""Each kind's maker and its share, in percent of the family's documents."""

RIDDLES = ("odd_one_out", "new", "left_out", "twice")
"""Kinds whose last sentence asks for a person instead of telling of a gift."""

UNSEEN_KINDS: dict[str, Callable[[_Cast], _Telling]] = {"cleft": _cleft}
"""Never shown to training, though every word is known."""


def indirect_object(rng: random.Random, held: bool = False, kind: str | None = None, frame: str | None = None) -> Document:
    """A gift and who gets it.

    Arguments:
        rng: drawn from.
        held: take a pair of names that training never shows together.
        kind: one of `KINDS` or `UNSEEN_KINDS`; None draws by the shares of `KINDS`.
        frame: a lead to use; None draws one.

    Returns:
        The document; its truth gives the `kind`, `givers`, `receivers`, `receiver_first`, the receiver's `gender`, and as `wrong` the giver's name.
    """
    io, giver = pair(rng, held)
    other = another(rng, io, giver)
    fourth = another(rng, io, giver, other)
    kind = kind or rng.choices(list(KINDS), [share for _, share in KINDS.values()])[0]
    cast = _Cast(rng, mark("receiver", io), mark("giver", giver), mark("other", other), mark("fourth", fourth), frame)
    telling = (UNSEEN_KINDS[kind] if kind in UNSEEN_KINDS else KINDS[kind][0])(cast)
    endings = [f" at the {rng.choice(world.PLACES)}.", f" on {rng.choice(world.DAYS)}.", f" and {rng.choice(DEEDS)}."]
    ending = rng.choice(endings) if kind not in RIDDLES and rng.random() < 0.4 else "."
    names = {cast.giver: giver, cast.other: other}
    givers = [cast.giver] if telling.givers is None else telling.givers
    truth: dict[str, Any] = {"kind": kind, "givers": tuple(names[one] for one in givers), "tense": "past"}
    if telling.answer is None:
        truth |= {"receivers": (io,), "gender": world.gender(io), "wrong": f" {giver}"}
        truth["receiver_first"] = telling.prompt.index(cast.io) < telling.prompt.index(cast.giver)
    else:
        truth |= {"receivers": (io, other), "wrong": f" {io}"}
    return document("indirect_object", telling.prompt, telling.answer or f" {io}", ending, **truth)
