"""Texts made by rules, so that it is known which word decides the class."""

import random
from collections.abc import Callable

from sonde.attribution.attention.texts import Corpus, Texts
from sonde.results import InputError

KEYWORDS = ("insulin", "metformin", "glucose")
RELATED = ("diet", "sugar", "obesity", "nurse", "clinic", "kidney")
PERSONS = ("Sandra", "John")
PLACES = ("garden", "kitchen", "office", "bathroom", "hallway", "bedroom")
VERBS = ("went", "moved", "travelled", "walked")


def keyword_texts(n_train: int = 1000, n_test: int = 400, length: tuple[int, int] = (10, 30), seed: int = 0) -> Corpus:
    """Notes of which half hold one keyword, and that decides the class; words that look related stand in all of them.

    This stands for the "Diabetes" data of the papers (medical notes that cannot be shipped): one word in a long text is all there is to find.

    Arguments:
        n_train: texts to train on.
        n_test: texts to look at.
        length: the fewest and the most words of a text.
        seed: of the draws.

    >>> keyword_texts(4, 4).classes
    ('absent', 'present')
    """
    if not 5 <= length[0] <= length[1]:
        raise InputError(f"length={length}: give the fewest (5 or more) and the most words of a text")
    fillers = [f"word{i}" for i in range(60)]

    def one(draw: random.Random, label: int) -> tuple[list[str], int]:
        words = draw.choices(fillers, k=draw.randint(*length))
        *related, place = draw.sample(range(len(words)), 4)
        for i in related:
            words[i] = draw.choice(RELATED)
        if label:
            words[place] = draw.choice(KEYWORDS)
        return words, place

    return _corpus("keyword", ("absent", "present"), n_train, n_test, seed, one, known=False)


def marker_texts(n_train: int = 2000, n_test: int = 500, length: int = 10, kinds: int = 40, seed: int = 0) -> Corpus:
    """Words of two colours and one marker: the colour of the word behind the marker is the class, so only context says which word decides.

    A network without context can at best count colours.

    Arguments:
        n_train: texts to train on.
        n_test: texts to look at.
        length: words of a text, the marker included.
        kinds: different words, half of each colour.
        seed: of the draws.

    >>> corpus = marker_texts(4, 4)
    >>> corpus.train.words[0][corpus.train.deciding[0] - 1]
    'marker'
    """
    if length < 3 or kinds < 2:
        raise InputError(f"length={length}, kinds={kinds}: a text needs 3 words or more, of 2 kinds or more")
    colours = [[f"red{i}" for i in range(kinds // 2)], [f"blue{i}" for i in range(kinds // 2)]]

    def one(draw: random.Random, label: int) -> tuple[list[str], int]:
        words = [draw.choice(draw.choice(colours)) for _ in range(length)]
        place = draw.randrange(length - 1)
        words[place : place + 2] = "marker", draw.choice(colours[label])
        return words, place + 1

    return _corpus("marker", ("red", "blue"), n_train, n_test, seed, one)


def stories(n_train: int = 2000, n_test: int = 300, sentences: tuple[int, int] = (2, 4), seed: int = 0) -> Corpus:
    """Two persons go from place to place, and it is asked where one of them is: the last place that this person went to.

    After the first of the twenty tasks of Weston et al. 2015, "Towards AI-complete question answering".

    Arguments:
        n_train: stories to train on.
        n_test: stories to look at.
        sentences: the fewest (2 or more) and the most sentences of a story.
        seed: of the draws.

    >>> " ".join(stories(4, 4).test.words[0])
    'John went to the office . Sandra walked to the hallway .'
    """
    if not 2 <= sentences[0] <= sentences[1]:
        raise InputError(f"sentences={sentences}: give the fewest (2 or more, one for each person) and the most sentences of a story")

    def one(draw: random.Random) -> tuple[list[str], int, list[str], int]:
        n = draw.randint(*sentences)
        who = list(PERSONS) + draw.choices(PERSONS, k=n - 2)
        draw.shuffle(who)
        where: dict[str, str] = {}
        words: list[str] = []
        last: dict[str, int] = {}
        for person in who:
            # a place of nobody's, so that the answer belongs to one sentence alone
            where[person] = draw.choice([place for place in PLACES if place not in where.values()])
            words += [person, draw.choice(VERBS), "to", "the", where[person], "."]
            last[person] = len(words) - 2
        asked = draw.choice(PERSONS)
        return words, PLACES.index(where[asked]), ["Where", "is", asked, "?"], last[asked]

    def part(n: int, seed: int) -> Texts:
        draw = random.Random(seed)
        words, labels, questions, deciding = zip(*(one(draw) for _ in range(n)), strict=True)
        return Texts(words, labels, questions, deciding)

    return Corpus("stories", PLACES, part(n_train, 2 * seed), part(n_test, 2 * seed + 1))


def _corpus(
    name: str, classes: tuple[str, ...], n_train: int, n_test: int, seed: int, one: Callable[[random.Random, int], tuple[list[str], int]],
    known: bool = True,
) -> Corpus:  # fmt: skip
    """A corpus of as many texts of each class; `known` says whether there is a deciding word in texts of every class."""

    def part(n: int, seed: int) -> Texts:
        draw = random.Random(seed)
        labels = [i % len(classes) for i in range(n)]
        draw.shuffle(labels)
        words, places = zip(*(one(draw, label) for label in labels), strict=True)
        return Texts(words, labels, deciding=places if known else None)

    return Corpus(name, classes, part(n_train, 2 * seed), part(n_test, 2 * seed + 1))
