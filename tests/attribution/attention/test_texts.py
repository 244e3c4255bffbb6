"""Generated texts keep their rules, published files are read, and every mistake is named with its line."""

import os
from collections import Counter
from pathlib import Path

import pytest
import torch

from sonde.attribution.attention import Corpus, Texts, corpus, keyword_texts, marker_texts, read_ag_news, read_sst2, stories
from sonde.attribution.attention.generated import KEYWORDS
from sonde.attribution.attention.texts import encode, one_hot
from sonde.results import InputError

DATA = Path(os.environ.get("SONDE_DATA", Path(__file__).parents[4] / "shared" / "data"))
needs_data = pytest.mark.skipif(
    not ((DATA / "sst2").is_dir() and (DATA / "ag_news").is_dir()), reason=f"no sst2 and ag_news in {DATA}; set SONDE_DATA"
)


def test_only_the_word_behind_the_marker_tells_the_class():
    made = marker_texts(300, 100).train
    for words, label, place in zip(made.words, made.labels, made.deciding, strict=True):
        assert words.count("marker") == 1 and words[place - 1] == "marker"
        assert words[place].startswith(("red", "blue")[label])
    others = Counter(word[:3] for words, place in zip(made.words, made.deciding, strict=True) for i, word in enumerate(words) if i != place)
    assert abs(others["red"] - others["blu"]) < 5 * (others["red"] + others["blu"]) ** 0.5


def test_a_keyword_is_there_or_not():
    made = keyword_texts(200, 50).train
    assert all(any(word in KEYWORDS for word in words) == bool(label) for words, label in zip(made.words, made.labels, strict=True))
    assert Counter(made.labels) == {0: 100, 1: 100}


def test_stories_end_where_the_person_went_last():
    made = stories(200, 50, sentences=(2, 5))
    for words, label, question, place in zip(made.test.words, made.test.labels, made.test.questions, made.test.deciding, strict=True):
        said = [" ".join(words).split(" .")[i].split() for i in range(words.count("."))]
        last = [sentence for sentence in said if sentence[0] == question[2]][-1]
        assert last[-1] == made.classes[label] == words[place]
    asked = Counter(question[2] for question in made.train.questions)
    assert min(asked.values()) > 60


def test_the_same_seed_gives_the_same_texts_and_parts_do_not_overlap():
    for make in (keyword_texts, marker_texts, stories):
        first, again, other = make(50, 50, seed=1), make(50, 50, seed=1), make(50, 50, seed=2)
        assert first.train.hash == again.train.hash != other.train.hash
        assert first.train.hash != first.test.hash


def test_rows():
    made = Texts([["a", "b"], ["c"]], [0, 1], deciding=[1, 0])
    rows = encode(made, ("<pad>", "<unknown>", "a", "b"))
    assert rows.ids.tolist() == [[2, 3], [1, 0]]
    assert rows.take(torch.tensor([1])).ids.tolist() == [[1]]
    assert one_hot(made).tolist() == [[0, 1], [1, 0]]
    # a word that looks like padding is no padding
    assert encode(Texts([["<pad>", "a"]], [0]), ("<pad>", "<unknown>", "a")).ids.tolist() == [[1, 2]]


def test_mistakes_in_texts_are_named():
    with pytest.raises(InputError, match="text 1 has no words"):
        Texts([["a"], []], [0, 1])
    with pytest.raises(InputError, match="split it first"):
        Texts(["a b"], [0])
    with pytest.raises(InputError, match="1 labels for 2 texts"):
        Texts([["a"], ["b"]], [0])
    with pytest.raises(InputError, match="no texts"):
        Texts([], [])
    two = Texts([["a"], ["b"]], [0, 1])
    with pytest.raises(InputError, match="every text is of the class 'no'"):
        Corpus("mine", ("no", "yes"), two, Texts([["a"], ["b"]], [0, 0]))
    with pytest.raises(InputError, match="label 5"):
        Corpus("mine", ("no", "yes"), Texts([["a"], ["b"]], [0, 5]), two)
    with pytest.raises(InputError, match="no oracle"):
        one_hot(two)
    with pytest.raises(InputError, match="no corpus 'imdb'"):
        corpus("imdb")
    with pytest.raises(InputError, match="say where"):
        corpus("sst2")
    with pytest.raises(InputError, match="leave the source out"):
        corpus("marker", "somewhere")
    for make, wrong in ((marker_texts, {"length": 2}), (keyword_texts, {"length": (3, 9)}), (stories, {"sentences": (1, 2)})):
        with pytest.raises(InputError, match=r"give the fewest|needs 3 words"):
            make(4, 4, **wrong)


def write(folder, **parts):
    for name, text in parts.items():
        (folder / f"{name}.tsv").write_text(text, encoding="utf-8")
    return folder


def test_sentences_are_read(tmp_path):
    # a line separator inside a sentence is no end of line, and the last line may lack its own
    read = read_sst2(write(tmp_path, train="a good\u2028film\t1\nbad\t0\n", test="fine\t1\nno\t0"))
    assert read.train.words == [["a", "good", "film"], ["bad"]] and read.test.labels == [1, 0]


@pytest.mark.parametrize(
    "text, said",
    [("good\t1\nbad 0\n", "line 2"), ("good\t2\n", "line 1"), ("\t1\nbad\t0\n", "line 1"), ("good\t1\nfine\t1\n", "have not two classes")],
)
def test_bad_lines_of_sentences_are_named(tmp_path, text, said):
    with pytest.raises(InputError, match=said):
        read_sst2(write(tmp_path, train=text, test="good\t1\nbad\t0\n"))


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(InputError, match=r"train\.tsv cannot be read"):
        read_sst2(tmp_path)


NEWS = """"1","War, again","A ""title"" and\\more"
"2","Ball","Goal"
"3","Money","It's up"
"1","Peace","Now"
"3","Oil","Down"
"""


def test_news_are_read(tmp_path):
    (tmp_path / "news.csv").write_text(NEWS, encoding="utf-8")
    read = read_ag_news(tmp_path / "news.csv", n_test=2)
    assert read.train.words == [["war", ",", "again", "a", '"', "title", '"', "and", "more"], ["money", "it's", "up"]]
    assert (read.train.labels, read.test.labels, read.classes) == ([0, 1], [0, 1], ("World", "Business"))


@pytest.mark.parametrize(
    "text, settings, said",
    [
        (NEWS + '"5","a","b"\n', {}, "line 6"),
        (NEWS + '"1","a"\n', {}, "line 6"),
        (NEWS, {"n_test": 9}, "n_test=9"),
        (NEWS, {"classes": ("World", "Weather")}, "no topic 'Weather'"),
    ],
)
def test_bad_news_are_named(tmp_path, text, settings, said):
    (tmp_path / "news.csv").write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=said):
        read_ag_news(tmp_path / "news.csv", **settings)


@needs_data
def test_the_published_files():
    """The sizes that their descriptions give."""
    reviews = corpus("sst2", DATA / "sst2")
    assert (len(reviews.train), len(reviews.test)) == (6920, 1821)
    news = read_ag_news(DATA / "ag_news" / "test.csv", most_words=1000)
    assert len(news.train) + len(news.test) == 3800
    assert abs(sum(news.test.labels) / len(news.test) - 0.5) < 0.1
