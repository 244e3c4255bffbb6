"""Pairs from files: each format, and every kind of line that can't be used, by file and line."""

import json

import pytest
from data_models.shared import DATA, needs

from sonde.behaviour import published, read_pairs
from sonde.behaviour.pairs.phenomena import PARADIGMS
from sonde.results import InputError

GOOD = {"sentence_good": "The keys are old.", "sentence_bad": "The keys is old."}


def written(path, *lines):
    path.write_text("\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines) + "\n", encoding="utf-8")
    return path


def test_blimp_s_fields(tmp_path):
    row = GOOD | {
        "UID": "animate_subject_passive", "linguistics_term": "s-selection", "one_prefix_prefix": "The keys", "one_prefix_word_good": "are",
        "one_prefix_word_bad": "is", "one_prefix_method": True, "two_prefix_method": False,
    }  # fmt: skip
    (pair,) = read_pairs(written(tmp_path / "a.jsonl", row)).pairs
    assert (pair.paradigm, pair.phenomenon, pair.place) == ("animate_subject_passive", "argument structure", "a.jsonl:1")
    assert pair.critical("one-prefix").bad == ("The keys", "is") and pair.unsuited == ("two-prefix",)


def test_any_table(tmp_path):
    written(tmp_path / "one.csv", "sentence_good,sentence_bad", '"Yes, it is.","Yes, it are."')
    written(tmp_path / "two.tsv", "sentence_bad\tsentence_good\tUID", "It are.\tIt is.\tmine")
    found = read_pairs(tmp_path)
    assert [(pair.good, pair.paradigm, pair.phenomenon) for pair in found.pairs] == [("Yes, it is.", "one", "one"), ("It is.", "mine", "mine")]
    assert found.problems == [] and len(found) == 2 and len(found.limited(1)) == 2


def test_bad_lines_are_named_and_the_rest_goes_on(tmp_path):
    file = written(
        tmp_path / "bad.jsonl", GOOD, "{not json", {"sentence_good": "a"}, {**GOOD, "sentence_bad": GOOD["sentence_good"]}, "[1]",
        {**GOOD, "sentence_good": " "}, {**GOOD, "sentence_good": 3}, GOOD,
    )  # fmt: skip
    found = read_pairs(file)
    assert len(found) == 2
    assert [problem.partition(": ")[0] for problem in found.problems] == [f"bad.jsonl:{line}" for line in (2, 3, 4, 5, 6, 7)]
    for problem, what in zip(found.problems, ("no JSON", "sentence_bad", "equal pair", "no row", "sentence_good", "sentence_good"), strict=True):
        assert what in problem and "\n" not in problem


def test_mistakes(tmp_path):
    with pytest.raises(InputError, match="there is no file or folder"):
        read_pairs(tmp_path / "none.jsonl")
    with pytest.raises(InputError, match=r"is no \.jsonl, \.csv, \.tsv"):
        read_pairs(written(tmp_path / "a.txt", "x"))
    with pytest.raises(InputError, match=r"the first of 1 problems: b\.jsonl:1"):
        read_pairs(written(tmp_path / "b.jsonl", "x"))
    (tmp_path / "c.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="can't be read"):
        read_pairs(tmp_path / "c.csv")
    with pytest.raises(InputError, match="holds neither"):
        published(tmp_path)
    written(tmp_path / "models_summary.jsonl", {"UID": "a"})
    with pytest.raises(InputError, match="not of their form"):
        published(tmp_path)


@needs("blimp")
def test_blimp_s_paradigms_and_phenomena(tmp_path):
    """The first pair of each of the 67 files."""
    files = sorted((DATA / "blimp" / "data").iterdir())
    firsts = [file.read_text(encoding="utf-8").partition("\n")[0] for file in files]
    kinds = {pair.paradigm: pair.phenomenon for pair in read_pairs(written(tmp_path / "firsts.jsonl", *firsts)).pairs}
    assert list(kinds) == [file.stem for file in files] and len(kinds) == 67
    assert {name: list(kinds.values()).count(name) for name in PARADIGMS} == PARADIGMS


@needs("blimp")
def test_blimp_holds_equal_pairs():
    found = read_pairs(DATA / "blimp" / "data" / "passive_1.jsonl")
    assert len(found) == 998 and [problem.partition(": ")[0] for problem in found.problems] == ["passive_1.jsonl:325", "passive_1.jsonl:811"]


@needs("blimp")
def test_the_published_rows():
    """On the 67 paradigms; people judged three more, which are not in the data."""
    rows = {row.name: row.accuracy for row in published(DATA / "blimp")}
    known = rows["GPT-2 (authors)"]
    assert len(known) == 67 and len(rows["human (authors)"]) == 69
    overall = {name: 100 * sum(values[paradigm] for paradigm in known) / len(known) for name, values in rows.items()}
    assert {name: round(value, 1) for name, value in overall.items()} == {
        "5-gram (authors)": 61.2, "LSTM (authors)": 69.8, "Transformer-XL (authors)": 69.6, "GPT-2 (authors)": 83.0, "human (authors)": 88.6,
    }  # fmt: skip
