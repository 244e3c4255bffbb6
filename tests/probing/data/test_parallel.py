"""Sentences in several languages: translations stay together."""

import os
from pathlib import Path

import pytest

from sonde.probing import parallel
from sonde.results import InputError

DATA = Path(os.environ.get("SONDE_DATA", Path(__file__).parents[4] / "shared" / "data")) / "pud_parallel" / "pud.tsv"
TABLE = 'sent_id\ten\tde\nn01\tThe "end\tDas Ende\nw01\tA word\tEin Wort\nw02\tone\n'


@pytest.fixture
def path(tmp_path):
    file = tmp_path / "some.tsv"
    file.write_text(TABLE, encoding="utf-8")
    return file


def test_language_and_domain(path):
    data = parallel(path)
    assert data.texts == ('The "end', "Das Ende", "A word", "Ein Wort")  # a quotation mark is one
    assert [data.classes[i] for i in data.targets] == ["en", "de", "en", "de"]
    assert data.groups.tolist() == [0, 0, 1, 1]
    assert "line 4 has 2 columns and the first line 3: left out" in data.notes[0]
    domain = parallel(path, ["de"], field="domain")
    assert domain.texts == ("Das Ende", "Ein Wort")
    assert domain.classes == ("Wikipedia", "news")


def test_mistakes(path, tmp_path):
    with pytest.raises(InputError, match="has no language 'fr'; it has en, de"):
        parallel(path, ["fr"])
    with pytest.raises(InputError, match="one class only"):
        parallel(path, ["en"])
    with pytest.raises(InputError, match="field='style'"):
        parallel(path, field="style")
    with pytest.raises(InputError, match="can't be read"):
        parallel(tmp_path / "none.tsv")
    other = tmp_path / "other.tsv"
    other.write_text("a\tb\n1\t2\n")
    with pytest.raises(InputError, match="is no table of parallel sentences"):
        parallel(other)
    other.write_text("sent_id\ten\nx1\tone\nx2\ttwo\n")
    with pytest.raises(InputError, match="'x1' tells no domain"):
        parallel(other, field="domain")


@pytest.mark.skipif(not DATA.is_file(), reason=f"no pud_parallel in {DATA}; set SONDE_DATA")
def test_the_parallel_treebanks():
    data = parallel(DATA, ["ar", "en", "de"], n=100)
    assert data.counts == {"ar": 100, "de": 100, "en": 100}
    assert not data.notes
    train, test = data.split(seed=2)
    assert not set(train.groups.tolist()) & set(test.groups.tolist())
