"""The files in which labelled texts are published: SST-2 (a sentence, a tab, 0 or 1), AG News (quoted columns: class, title, description)."""

import csv
import io
import re
from pathlib import Path

from sonde.attribution.attention.texts import Corpus, Texts
from sonde.results import InputError

WORD = re.compile(r"\w+(?:'\w+)?|[^\w\s]")
TOPICS = ("World", "Sports", "Business", "Sci/Tech")


def read_sst2(folder: str | Path, n_train: int | None = None, n_test: int | None = None) -> Corpus:
    """Sentences of film reviews, negative or positive (Socher et al. 2013).

    Arguments:
        folder: with `train.tsv` and `test.tsv`: on each line the words with blanks between them, a tab, and 0 or 1.
        n_train: read only so many sentences to train on, the first ones.
        n_test: read only so many sentences to look at.

    Raises:
        InputError: a file is missing, a line is not of this form (it is named), or all lines have one class.
    """
    train, test = (_sentences(Path(folder) / f"{part}.tsv", n) for part, n in (("train", n_train), ("test", n_test)))
    return Corpus("SST-2", ("negative", "positive"), train, test)


def read_ag_news(file: str | Path, classes: tuple[str, ...] = ("World", "Business"), n_test: int = 800, most_words: int = 60) -> Corpus:
    """Titles and first lines of news, by topic (Zhang et al. 2015). The last texts of the file are looked at, the others are trained on.

    Arguments:
        file: of comma-separated, quoted columns: class from 1 to 4, title, description.
        classes: the topics to tell apart; by default the two of the papers on attention.
        n_test: how many texts are looked at.
        most_words: longer texts are left out.

    Raises:
        InputError: no such topic, the file is missing, a line is not of this form (it is named), or too few texts.
    """
    if strange := [name for name in classes if name not in TOPICS]:
        raise InputError(f"there is no topic {strange[0]!r}: give some of {', '.join(TOPICS)}")
    words, labels = [], []
    for number, row in enumerate(csv.reader(io.StringIO(_text(file), newline="")), start=1):
        if len(row) != 3 or row[0] not in ("1", "2", "3", "4"):
            raise InputError(f"{file}, line {number}: expected a class from 1 to 4, a title and a description; got {row!r:.60}")
        topic, cut = TOPICS[int(row[0]) - 1], WORD.findall(f"{row[1]} {row[2]}".replace("\\", " ").lower())
        if topic in classes and 0 < len(cut) <= most_words:
            words.append(cut)
            labels.append(classes.index(topic))
    if not 0 < n_test < len(words):
        raise InputError(f"{file} has {len(words)} texts of {' and '.join(classes)}, and n_test={n_test} of them are to be looked at: give fewer")
    return Corpus("AG News", classes, Texts(words[:-n_test], labels[:-n_test]), Texts(words[-n_test:], labels[-n_test:]))


def _sentences(path: Path, n: int | None) -> Texts:
    words, labels = [], []
    for number, line in enumerate(_text(path).rstrip("\n").split("\n")[:n], start=1):
        sentence, tab, label = line.rpartition("\t")
        if not tab or label.strip() not in ("0", "1") or not sentence.split():
            raise InputError(f"{path}, line {number}: expected a sentence, a tab and 0 or 1; got {line!r:.60}")
        words.append(sentence.split())
        labels.append(int(label))
    if len(set(labels)) < 2:
        raise InputError(f"{path}: its {len(labels)} lines have not two classes, so nothing can be told apart; give another file or read more of it")
    return Texts(words, labels)


def _text(path: str | Path) -> str:
    try:
        return Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} cannot be read as text ({error}): give the place of the published file") from None
