"""Tables of every format give the same examples; rows that can't be used are named."""

import polars as pl
import pytest

from sonde.probing import table
from sonde.results import InputError

ROWS = {
    "text": ["The keys are", "A key is", "Two cups are", "The keys are"],
    "label": ["many", "one", "many", "one"],
    "start": [4, 2, 4, 0],
    "stop": [8, 5, 8, 3],
    "value": [0.5, 1.0, 2.0, 3.5],
    "who": ["a", "b", "a", "c"],
}
WRITERS = {
    "jsonl": pl.DataFrame.write_ndjson,
    "csv": pl.DataFrame.write_csv,
    "tsv": lambda frame, path: frame.write_csv(path, separator="\t"),
    "parquet": pl.DataFrame.write_parquet,
}


@pytest.fixture
def write(tmp_path):
    def written(ending="csv", **columns):
        path = tmp_path / f"some.{ending}"
        WRITERS[ending](pl.DataFrame({**ROWS, **columns}, strict=False), path)
        return path

    return written


@pytest.mark.parametrize("ending", WRITERS)
def test_every_format(write, ending):
    data = table(write(ending), span=["start", "stop"], group="who")
    assert data.types == ("keys", "key", "cups", "The")
    assert data.classes == ("many", "one")
    assert data.groups.tolist() == [0, 1, 0, 2]
    assert len(data.texts) == 3
    assert any("stand in several groups" in note for note in data.notes)


def test_whole_texts_and_numbers(write):
    data = table(write(), label="value")
    assert data.classes == ()
    assert data.spans[0] == ()
    assert data.groups.tolist() == [0, 1, 2, 0]  # equal texts stay together
    assert not data.notes


def test_pairs(write):
    path = write(start2=[0, 0, 0, 9], stop2=[3, 1, 3, 12])
    assert table(path, span=["start", "stop", "start2", "stop2"]).types[3] == "The\tare"


def test_rows_that_cannot_be_used_are_named(write):
    data = table(write(stop=[8, 99, 8, 3]), span=["start", "stop"])
    assert len(data) == 3
    assert data.notes[0] == "row 2 of some.csv was left out: its span 2 to 99 is outside its text of 8 characters"
    data = table(write("jsonl", label=["many", "one", None, "one"], text=["a b", " ", "c", "d"]))
    assert [note.partition(": ")[2] for note in data.notes] == ["its 'text' is ' ', and no text", "its 'label' is missing"]
    with pytest.raises(InputError, match=r"no row that can be used: row 1 of some\.csv was left out"):
        table(write(start=[9, 9, 9, 9]), span=["start", "stop"])


def test_mistakes(write, tmp_path):
    with pytest.raises(InputError, match="has no column 'tag'; it has text, label, start"):
        table(write(), label="tag")
    with pytest.raises(InputError, match="one class only"):
        table(write(label=["one"] * 4))
    with pytest.raises(InputError, match="name two columns"):
        table(write(), span=["start"])
    with pytest.raises(InputError, match=r"its span \['many', 8\] is not of whole numbers"):
        table(write(), span=["label", "stop"])
    with pytest.raises(InputError, match="give one that ends in"):
        table(tmp_path / "some.xlsx")
    with pytest.raises(InputError, match="can't be read"):
        table(tmp_path / "none.csv")
    wrong = tmp_path / "wrong.jsonl"
    wrong.write_text('{"text": "a", "label": \n')
    with pytest.raises(InputError, match="can't be read as jsonl"):
        table(wrong)
    wrong = tmp_path / "wrong.parquet"
    wrong.write_bytes(b"no parquet at all")
    with pytest.raises(InputError, match="can't be read as parquet"):
        table(wrong)


def test_one_class_that_is_left_says_what_was_left_out(tmp_path):
    path = tmp_path / "spans.csv"
    path.write_text("text,label,start,stop\nThe key,a,0,3\nThe cat,b,4,99\nA dog,a,0,1\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"one class only \('a'\).*; row 2 of spans.csv was left out: its span 4 to 99 is outside its text of 7"):
        table(path, span=["start", "stop"])
