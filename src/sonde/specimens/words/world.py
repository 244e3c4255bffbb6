"""The small known world: who and what its documents speak of. Plain lists, so that every truth can be looked up.

All words are single tokens of the specimen's tokenizer when a space stands before them; names are so without one as well.
"""

import zlib

from sonde.specimens.words.document import Gender


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


WOMEN = _words(
    "Mary Anna Alice Clara Emma Grace Helen Irene Julia Kate Laura Lucy Maria Nina Olga Paula Rosa Sarah Susan Vera Wendy Zoe Jane Ruth Dora "
    "Ella Flora Heidi Iris Judy Linda Molly Nora Petra Sonia Tina Amy Beth Carol Diana"
)
MEN = _words(
    "John Paul Adam Bruno Carl David Eric Frank George Henry Ivan Jack Kevin Leo Mark Noah Oscar Peter Robert Simon Tom Victor Walter Alan "
    "Brian Colin Daniel Edward Felix Gary Hugo James Luke Martin Neil Oliver Philip Ralph Steven Thomas"
)
NAMES = WOMEN + MEN

PLACES = _words(
    "shop store park school station market library garden museum beach office hospital restaurant church farm harbour hotel theatre bakery castle"
)
GIFTS = _words(
    "book ring key letter drink map pen coin cup hat ball flower basket lamp ticket picture bottle bag cake apple knife scarf box card snack necklace"
)

CAPITALS = {
    "France": "Paris", "Italy": "Rome", "Spain": "Madrid", "Germany": "Berlin", "Poland": "Warsaw", "Russia": "Moscow", "Greece": "Athens",
    "Norway": "Oslo", "Sweden": "Stockholm", "Finland": "Helsinki", "Denmark": "Copenhagen", "Austria": "Vienna", "Hungary": "Budapest",
    "Portugal": "Lisbon", "Ireland": "Dublin", "Belgium": "Brussels", "Japan": "Tokyo", "China": "Beijing", "India": "Delhi", "Egypt": "Cairo",
    "Kenya": "Nairobi", "Cuba": "Havana", "Peru": "Lima", "Chile": "Santiago", "Canada": "Ottawa", "Turkey": "Ankara", "Iran": "Tehran",
    "Iraq": "Baghdad", "Nepal": "Kathmandu", "Ghana": "Accra", "Bulgaria": "Sofia", "Romania": "Bucharest", "Latvia": "Riga",
    "Estonia": "Tallinn", "Croatia": "Zagreb", "Serbia": "Belgrade", "Ukraine": "Kyiv", "Morocco": "Rabat", "Vietnam": "Hanoi", "Thailand": "Bangkok",
}  # fmt: skip
COUNTRIES = tuple(CAPITALS)

NOUNS = _words(
    "dog cat boy girl horse teacher doctor farmer king queen bird car boat house tree river chair table window door picture letter key cabinet "
    "book lamp singer driver nurse sailor baker painter student guard tiger rabbit clock bridge tower road"
)
PLURALS = {noun: noun + "s" for noun in NOUNS}

ADJECTIVES = _words(
    "old new red blue green small big quiet loud bright dark heavy light clean dirty young strong slow warm cold tall happy sad famous strange soft"
)
MORE_ADJECTIVES = _words(
    "gentle rough smooth sharp round square narrow wide deep empty full broken hidden wooden golden silver cheap rare common simple clever "
    "brave shy proud lazy busy hungry thirsty sleepy angry lonely nervous careful wild fresh sweet sour bitter dusty"
)
THINGS = _words(
    "plate spoon fork candle mirror blanket pillow curtain carpet ladder hammer nail rope bucket brush shelf stove towel soap needle thread "
    "button shirt coat shoe glove belt sock wheel cart wagon fence gate path hill valley field lake pond island cave rock sand shell leaf "
    "branch root seed grain nut berry pear plum grape onion carrot potato bean corn sugar salt pepper butter barrel jar pan pot oven stamp "
    "paper camera radio piano violin drum flute song poem story game toy doll kite prize medal flag bell train ship plane truck compass torch "
    "tent sack axe saw brick stone wall roof hall statue"
)
COLOURS = _words("red blue green yellow purple brown pink black white grey orange")
SURFACES = _words("table shelf floor chair bench desk")

CLASSES = {
    "fruit": _words("apple pear plum grape berry"),
    "vegetable": _words("onion carrot potato bean"),
    "animal": _words("dog cat horse tiger rabbit"),
    "tool": _words("hammer saw axe brush needle"),
    "instrument": _words("piano violin drum flute"),
    "vehicle": _words("car boat cart wagon truck train ship plane"),
    "building": _words("house church hotel castle school hospital theatre museum"),
    "clothing": _words("shirt coat shoe glove belt sock hat scarf cap"),
    "furniture": _words("table chair shelf cabinet"),
    "toy": _words("doll kite ball game"),
}
"""What is a kind of what; every member is one of the words above."""
CLASS_OF = {member: name for name, members in CLASSES.items() for member in members}

VERBS = {
    "walk": ("walks", "walked"),
    "play": ("plays", "played"),
    "work": ("works", "worked"),
    "wait": ("waits", "waited"),
    "cook": ("cooks", "cooked"),
    "paint": ("paints", "painted"),
    "dance": ("dances", "danced"),
    "rest": ("rests", "rested"),
    "sing": ("sings", "sang"),
    "run": ("runs", "ran"),
    "sleep": ("sleeps", "slept"),
    "write": ("writes", "wrote"),
    "drive": ("drives", "drove"),
    "talk": ("talks", "talked"),
    "swim": ("swims", "swam"),
}
"""Plain form: third person singular, past."""

FOODS = _words("bread soup cheese rice fish honey salad fruit tea milk coffee")
EVENTS = _words("war siege plague drought strike trial voyage reign dispute famine project festival rebellion treaty truce")
JOBS = _words("teacher doctor farmer singer driver nurse sailor baker painter student guard")
WEATHERS = _words("sunny rainy cloudy windy foggy snowy")

DAYS = _words("Monday Tuesday Wednesday Thursday Friday Saturday Sunday")
MONTHS = _words("January February March April May June July August September October November December")
NUMBERS = _words(
    "one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen twenty"
)
ORDINALS = _words("first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth")

WORD_POOL = tuple(
    dict.fromkeys(
        NOUNS
        + tuple(PLURALS.values())
        + GIFTS
        + PLACES
        + NAMES
        + COUNTRIES
        + ADJECTIVES
        + MORE_ADJECTIVES
        + COLOURS
        + THINGS
        + FOODS
        + EVENTS
        + JOBS
        + NUMBERS
    )
)
"""What the lists of random words are drawn from."""

_WOMEN = frozenset(WOMEN)


def gender(name: str) -> Gender:
    """Whether a name is a woman's or a man's."""
    return "female" if name in _WOMEN else "male"


def pronoun(name: str) -> str:
    """The subject pronoun of a name."""
    return "she" if name in _WOMEN else "he"


def possessive(name: str) -> str:
    """The possessive of a name's pronoun."""
    return "her" if name in _WOMEN else "his"


def a_or_an(word: str) -> str:
    """The indefinite article that a word takes."""
    return "an" if word[0] in "aeiou" else "a"


def article(word: str) -> str:
    """The word with its indefinite article.

    >>> article("apple"), article("book")
    ('an apple', 'a book')
    """
    return f"{a_or_an(word)} {word}"


def held_out(*key: object) -> bool:
    """Whether this combination (two names, a frame and a country, ...) is one of the tenth that training never shows.

    A hash decides, so no list of test items has to be kept, and no stored seed can mix the two up.
    """
    return zlib.crc32("|".join(map(str, key)).encode()) % 10 == 0
