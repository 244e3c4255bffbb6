"""YAML that knows its lines, and reads nothing but texts."""

import pytest

from sonde.results import InputError
from sonde.tasks.own.document import parse, read

TEXT = """\
name: my
slots:
  answer: [yes, no, 1990]
  place:
    words:
      - park
      - shop
"""


def test_values_stay_as_they_are_written():
    assert parse(TEXT, "my.yaml").data == {
        "name": "my",
        "slots": {"answer": ["yes", "no", "1990"], "place": {"words": ["park", "shop"]}},
    }


@pytest.mark.parametrize(
    ("path", "line"),
    [(("name",), 1), (("slots",), 2), (("slots", "answer"), 3), (("slots", "place", "words", 1), 7), (("slots", "place", "unknown"), 4)],
)
def test_places(path, line):
    assert parse(TEXT, "my.yaml").place(path).startswith(f"my.yaml, line {line} (")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: b: c", "line 1: this is no YAML: mapping values are not allowed here; put texts with a colon"),
        ("a:\n  - [", "this is no YAML"),
        ("x: &a [1]\ny: *a", r"line 2 \(y\): anchors and aliases"),
        ("x: &a [*a]", "anchors and aliases"),
        ("a: 1\nb: 2\na: 3", "'a' stands here twice, again in line 3"),
        ("? [a]\n: b", "key that is no text"),
        ("", "is empty: `sonde tasks new my.yaml`"),
        ("\x00", "a character that YAML does not allow"),
    ],
)
def test_what_is_no_plain_yaml(text, message):
    with pytest.raises(InputError, match=message):
        parse(text, "my.yaml")


def test_nothing_is_executed(tmp_path):
    trace = tmp_path / "trace"
    data = parse(f"x: !!python/object/apply:pathlib.Path.touch ['{trace}']", "my.yaml").data
    assert data == {"x": [str(trace)]} and not trace.exists()


def test_files_that_cannot_be_read(tmp_path):
    with pytest.raises(InputError, match="can't be read: No such file"):
        read(tmp_path / "none.yaml")
    (tmp_path / "latin.yaml").write_bytes("name: caf\xe9".encode("latin-1"))
    with pytest.raises(InputError, match="no text in UTF-8"):
        read(tmp_path / "latin.yaml")
