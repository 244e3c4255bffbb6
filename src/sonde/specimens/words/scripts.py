"""Documents in other scripts: Russian, Greek and Arabic sentences of the same small world, for prompts that are not in Latin letters.

Each language has capitals, verbs that agree with their subject across a distractor (in number; in Arabic in gender), and greetings.
"""

import random
from dataclasses import dataclass
from typing import Any

from sonde.specimens.words import world
from sonde.specimens.words.document import Document, Script, document, mark


def _pairs(text: str) -> tuple[tuple[str, str], ...]:
    """Pairs of words: `a/b, c/d`."""
    return tuple(tuple(pair.split("/")) for pair in text.split(", "))  # type: ignore[misc]


@dataclass(frozen=True)
class Language:
    """What a language can say here; every sentence is built of whole phrases, so that case and gender are right."""

    script: Script
    capitals: dict[str, tuple[str, str]]
    """English country: the country as the frames need it, the capital (with its article, if the language has one)."""
    frames: tuple[str, ...]
    """Of capitals; `{country}` and `{article}` are filled in, the capital follows."""
    subjects: tuple[tuple[str, str], ...]
    """Both forms of those who act: singular and plural, or (Arabic) male and female."""
    distractors: tuple[tuple[str, str], ...]
    """Both forms of what stands between, with its preposition."""
    verbs: tuple[tuple[str, str], ...]
    """Both forms of what they do."""
    greetings: tuple[str, ...]
    """With `{name}`."""
    names: tuple[str, ...]
    by_gender: bool = False
    """The two forms are of gender, not of number."""


RUSSIAN = Language(
    "Cyrillic",
    {
        "France": ("Франции", "Париж"), "Italy": ("Италии", "Рим"), "Spain": ("Испании", "Мадрид"), "Germany": ("Германии", "Берлин"),
        "Russia": ("России", "Москва"), "Poland": ("Польши", "Варшава"), "Greece": ("Греции", "Афины"), "Norway": ("Норвегии", "Осло"),
        "Egypt": ("Египта", "Каир"), "Japan": ("Японии", "Токио"), "China": ("Китая", "Пекин"), "Turkey": ("Турции", "Анкара"),
    },
    ("Столица {country} — это", "Главный город {country} —", "Столицей {country} был и остаётся город", "Я живу в столице {country}. Этот город —"),
    _pairs("Мальчик/Мальчики, Собака/Собаки, Учитель/Учителя, Девочка/Девочки, Врач/Врачи, Кошка/Кошки"),
    _pairs("с книгой/с книгами, около дома/около домов, с ключом/с ключами, у окна/у окон"),
    _pairs("спит/спят, сидит/сидят, бежит/бегут, поёт/поют, ждёт/ждут, молчит/молчат"),
    ("Доброе утро, {name}. Как дела?", "Добрый вечер, {name}. Спасибо, хорошо.", "Привет, {name}. Как дела?"),
    ("Анна", "Иван", "Мария", "Ольга", "Павел", "Вера"),
)  # fmt: skip
GREEK = Language(
    "Greek",
    {
        "France": ("της Γαλλίας", "το Παρίσι"), "Italy": ("της Ιταλίας", "η Ρώμη"), "Spain": ("της Ισπανίας", "η Μαδρίτη"),
        "Germany": ("της Γερμανίας", "το Βερολίνο"), "Russia": ("της Ρωσίας", "η Μόσχα"), "Poland": ("της Πολωνίας", "η Βαρσοβία"),
        "Greece": ("της Ελλάδας", "η Αθήνα"), "Norway": ("της Νορβηγίας", "το Όσλο"), "Egypt": ("της Αιγύπτου", "το Κάιρο"),
        "Japan": ("της Ιαπωνίας", "το Τόκιο"), "China": ("της Κίνας", "το Πεκίνο"), "Turkey": ("της Τουρκίας", "η Άγκυρα"),
    },
    ("Η πρωτεύουσα {country} είναι {article}", "Η μεγάλη πόλη {country} είναι {article}", "Ξέρω ότι η πρωτεύουσα {country} είναι {article}"),
    _pairs("Το παιδί/Τα παιδιά, Η γάτα/Οι γάτες, Ο σκύλος/Οι σκύλοι, Ο γιατρός/Οι γιατροί, Η δασκάλα/Οι δασκάλες, Ο φίλος/Οι φίλοι"),
    _pairs("με το βιβλίο/με τα βιβλία, με το κλειδί/με τα κλειδιά, κοντά στο σπίτι/κοντά στα σπίτια, δίπλα στο δέντρο/δίπλα στα δέντρα"),
    _pairs("τρέχει/τρέχουν, παίζει/παίζουν, περιμένει/περιμένουν, πηγαίνει/πηγαίνουν, μένει/μένουν"),
    ("Καλημέρα, {name}. Τι κάνεις;", "Καλησπέρα, {name}. Είμαι καλά.", "Γεια σου, {name}. Τι κάνεις;"),
    ("Άννα", "Μαρία", "Ελένη", "Σοφία", "Ειρήνη", "Ζωή"),
)  # fmt: skip
ARABIC = Language(
    "Arabic",
    {
        "France": ("فرنسا", "باريس"), "Italy": ("إيطاليا", "روما"), "Spain": ("إسبانيا", "مدريد"), "Germany": ("ألمانيا", "برلين"),
        "Russia": ("روسيا", "موسكو"), "Poland": ("بولندا", "وارسو"), "Greece": ("اليونان", "أثينا"), "Norway": ("النرويج", "أوسلو"),
        "Egypt": ("مصر", "القاهرة"), "Japan": ("اليابان", "طوكيو"), "China": ("الصين", "بكين"), "Turkey": ("تركيا", "أنقرة"),
    },
    ("عاصمة {country} هي", "العاصمة في {country} هي", "أعرف أن عاصمة {country} هي"),
    _pairs("الولد/البنت, الرجل/المرأة, المعلم/المعلمة, الطبيب/الطبيبة, الملك/الملكة"),
    _pairs("قرب الولد/قرب البنت, مع الرجل/مع المرأة, أمام المعلم/أمام المعلمة, خلف الطبيب/خلف الطبيبة"),
    _pairs("يقرأ/تقرأ, يكتب/تكتب, يلعب/تلعب, يجلس/تجلس, يعمل/تعمل"),
    ("صباح الخير يا {name}. كيف الحال؟", "مساء الخير يا {name}. أنا بخير.", "مرحبا يا {name}. كيف الحال؟"),
    ("مريم", "سارة", "علي", "عمر", "سامي", "ليلى"),
    by_gender=True,
)  # fmt: skip
LANGUAGES = {language.script: language for language in (RUSSIAN, GREEK, ARABIC)}


def answers() -> list[str]:
    """All words that a document of another script asks for."""
    cities = [city.split()[-1] for language in LANGUAGES.values() for _, city in language.capitals.values()]
    return [*dict.fromkeys(cities), *(form for language in LANGUAGES.values() for verb in language.verbs for form in verb)]


def _capital(rng: random.Random, language: Language, held: bool) -> Document:
    while True:
        frame, country = rng.randrange(len(language.frames)), rng.choice(list(language.capitals))
        if world.held_out(language.script, frame, country) == held:
            break
    genitive, city = language.capitals[country]
    *article, name = city.split()
    prompt = language.frames[frame].format(country=mark("country", genitive), article=" ".join(article))
    return document("scripts", prompt, f" {name}", ".", kind="capital", script=language.script, fact=(country, "capital", name))


def _agreement(rng: random.Random, language: Language, held: bool) -> Document:
    while True:
        subject, between = rng.choice(language.subjects), rng.choice(language.distractors)
        second, other = rng.random() < 0.5, rng.random() < 0.5
        if world.held_out(subject[0], between[0]) == held and between[0].split()[-1] not in subject and (not held or second != other):
            break
    verb = rng.choice(language.verbs)
    truth: dict[str, Any] = {"subject": subject[second]}
    if language.by_gender:
        truth |= {"gender": "female" if second else "male", "number": "singular"}
    else:
        truth |= {"number": "plural" if second else "singular", "distractor_number": "plural" if other else "singular"}
    prompt = f"{mark('subject', subject[second])} {mark('distractor', between[other])}"
    wrong = f" {verb[not second]}"
    return document("scripts", prompt, f" {verb[second]}", ".", kind="agreement", script=language.script, tense="present", wrong=wrong, **truth)


def _greeting(rng: random.Random, language: Language) -> Document:
    text = rng.choice(language.greetings).format(name=mark("name", rng.choice(language.names)))
    return document("scripts", text, kind="greeting", script=language.script)


def scripts(rng: random.Random, held: bool = False, kind: str | None = None) -> Document:
    """A sentence in another script.

    Arguments:
        rng: drawn from.
        held: take a country in a frame, or a subject with a distractor, in which training never shows it.
        kind: `capital`, `agreement` or `greeting`; None draws one, and with `held` one of the first two.

    Returns:
        The document; its truth gives `script`, and what the same family in English gives.
    """
    language = LANGUAGES[rng.choice(list(LANGUAGES))]
    kind = kind or rng.choices(["capital", "agreement", "greeting"], [2, 2, 0 if held else 1])[0]
    if kind == "greeting":
        return _greeting(rng, language)
    return (_capital if kind == "capital" else _agreement)(rng, language, held)
