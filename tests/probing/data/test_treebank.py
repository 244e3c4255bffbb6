"""Treebanks: words keep their place in the text, arcs their ends, and what is not in the format is named by file and line."""

import gzip
import os
from pathlib import Path

import pytest

from sonde.probing import sentences, treebank
from sonde.results import InputError

DATA = Path(os.environ.get("SONDE_DATA", Path(__file__).parents[4] / "shared" / "data")) / "ud_ewt"

QUOTED = """\
# newdoc id = d1
# sent_id = s1
# text = She don't read  books, "he" says.
1\tShe\tshe\tPRON\tPRP\tNumber=Sing|Person=3\t4\tnsubj\t_\t_
2-3\tdon't\t_\t_\t_\t_\t_\t_\t_\t_
2\tdo\tdo\tAUX\tVBP\tTense=Pres\t4\taux\t_\t_
3\tn't\tnot\tPART\tRB\t_\t4\tadvmod\t_\t_
4\tread\tread\tVERB\tVB\tVerbForm=Inf\t9\tccomp\t_\t_
5\tbooks\tbook\tNOUN\tNNS\tNumber=Plur\t4\tobj\t_\tSpaceAfter=No
5.1\tread\tread\tVERB\tVB\t_\t_\t_\t_\t_
6\t,\t,\tPUNCT\t,\t_\t9\tpunct\t_\t_
7\t"\t"\tPUNCT\t``\t_\t8\tpunct\t_\tSpaceAfter=No
8\the"\the\tPRON\tPRP\tNumber=Sing\t9\tnsubj\t_\t_
9\tsays\tsay\tVERB\tVBZ\tTense=Pres\t0\troot\t_\tSpaceAfter=No
10\t.\t.\tPUNCT\t.\t_\t9\tpunct\t_\t_
"""
SECOND = """\
# sent_id = s2
1\tdu\tdu\tX\tFW\t_\t0\troot\t_\tSpaceAfter=No
2\t!\t!\tPUNCT\t.\t_\t1\tpunct\t_\t_
"""
FRENCH = """\
# text = Le prix du pain
1\tLe\tle\tDET\t_\tNumber=Sing\t2\tdet\t_\t_
2\tprix\tprix\tNOUN\t_\tNumber=Sing\t0\troot\t_\t_
3-4\tdu\t_\t_\t_\t_\t_\t_\t_\t_
3\tde\tde\tADP\t_\t_\t5\tcase\t_\t_
4\tle\tle\tDET\t_\tNumber=Sing\t5\tdet\t_\t_
5\tpain\tpain\tNOUN\t_\tNumber=Sing\t2\tnmod\t_\t_
"""


@pytest.fixture
def write(tmp_path):
    def written(*blocks):
        path = tmp_path / "some.conllu"
        path.write_text("\n".join(blocks) + "\n", encoding="utf-8")
        return path

    return written


def test_words_stand_where_the_text_spells_them(write):
    first, second = sentences(write(QUOTED, SECOND))[0]
    assert [first.text[slice(*word.span)] for word in first.words] == ["She", "do", "n't", "read", "books", ",", '"', 'he"', "says", "."]
    assert first.heads == (3, 3, 3, 8, 3, 8, 7, 8, -1, 8)
    assert first.name == "s1"
    assert first.document == second.document == "d1"
    assert second.text == "du!"  # rebuilt from the words, since nothing says it
    assert first.words[4].feats == {"Number": "Plur"}


def test_a_word_that_the_text_does_not_spell_is_left_out_of_the_examples(write):
    path = write(FRENCH)
    (found,), notes = sentences(path)
    assert not notes
    assert [word.own for word in found.words] == [True, True, False, False, True]
    assert found.words[2].span == found.words[3].span == (8, 10)
    assert len(found.heads) == 5  # the tree is whole
    data = treebank(path, "upos")
    assert data.types == ("Le", "prix", "pain")
    assert data.notes == ("2 words that the text does not spell by themselves, such as 'de', 'le', were left out",)
    assert treebank(path, "arc").types == ("Le\tprix", "pain\tprix")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("1\tdu\tdu\tX\tFW\t_\t0\troot\t_\tSpaceAfter=No", "1\tdu\tdu\tX\tFW\t_\t0\troot\t_", r"line 18 has 9 columns .* CoNLL-U has 10"),
        ("2\t!\t!", "3\t!\t!", "line 19 has the id '3', and word 2 is next"),
        ("2\t!\t!", "x\t!\t!", "line 19 has the id 'x'"),
        ("1\tpunct", "7\tpunct", "line 19 has the head '7': one of the 2 words"),
        ("1\tpunct", "2\tpunct", "line 19 has the head '2'"),
        ("# sent_id = s2", "# sent_id = s2\n# text = du ?", "line 19 says SpaceAfter=No, and a space follows 'du'"),
        ("# sent_id = s2", "# sent_id = s2\n# text = du?", r"line 20 has the form '!', and the sentence's text goes on with '\?'"),
        ("2\t!", "2-3\t!!\t_\t_\t_\t_\t_\t_\t_\t_\n2\t!", "the sentence ends inside a token of several words"),
    ],
)  # fmt: skip
def test_what_is_not_in_the_format_is_named_and_the_rest_goes_on(write, old, new, message):
    import re

    assert old in SECOND
    found, notes = sentences(write(QUOTED, SECOND.replace(old, new)))
    assert [sentence.name for sentence in found] == ["s1"]
    assert len(notes) == 1
    assert re.search(message, notes[0]), notes
    assert "some.conllu" in notes[0]
    with pytest.raises(InputError, match=r"some\.conllu"):
        sentences(write(SECOND.replace(old, new)))


def test_a_space_that_is_missing(write):
    with pytest.raises(InputError, match="does not say SpaceAfter=No, and '!' follows 'du'"):
        sentences(write(SECOND.replace("SpaceAfter=No", "_").replace("# sent_id = s2", "# text = du!")))


def test_files(tmp_path, write):
    packed = tmp_path / "some.conllu.gz"
    packed.write_bytes(gzip.compress((QUOTED + "\n" + SECOND).encode()))
    assert sentences(packed) == sentences(write(QUOTED, SECOND))
    with pytest.raises(InputError, match="can't be read: No such file"):
        sentences(tmp_path / "none.conllu")
    broken = tmp_path / "broken.conllu.gz"
    broken.write_bytes(packed.read_bytes()[:60])
    with pytest.raises(InputError, match=r"broken\.conllu\.gz can't be read"):
        sentences(broken)
    with pytest.raises(InputError, match="holds no sentence"):
        sentences(write("", ""))
    other = tmp_path / "latin.conllu"
    other.write_bytes("1\tcafé".encode("latin-1"))
    with pytest.raises(InputError, match="no text in UTF-8"):
        sentences(other)


def test_fields(write):
    path = write(QUOTED, SECOND)
    data = treebank(path, "Number")
    assert dict(zip(data.types, (data.classes[i] for i in data.targets), strict=True)) == {"She": "Sing", "books": "Plur", 'he"': "Sing"}
    assert treebank(path, "deprel").counts["punct"] == 4
    assert treebank(path, "upos", group="document").groups.tolist() == [0] * 12
    assert treebank(path, "upos").groups.unique().tolist() == [0, 1]
    with pytest.raises(InputError, match="says nothing of 'Case'; it has upos, xpos, deprel, arc, head, Number, Tense"):
        treebank(path, "Case")
    with pytest.raises(InputError, match="one class only"):
        treebank(path, "Person")
    with pytest.raises(InputError, match="which document each sentence is of"):
        treebank(write(SECOND), group="document")
    with pytest.raises(InputError, match="n=0 sentences"):
        treebank(path, n=0)
    with pytest.raises(InputError, match="group='word'"):
        treebank(path, group="word")


def test_pairs_without_an_arc_are_as_far_apart_as_arcs(write):
    path = write(QUOTED, SECOND)
    (first, *_), _ = sentences(path)
    data = treebank(path, "head", seed=5)
    arcs = {(i, head) for i, head in enumerate(first.heads) if head >= 0}
    at = {word.span: i for i, word in enumerate(first.words)}
    pairs = [(tuple(at[span] for span in spans), int(y)) for spans, y, text in zip(data.spans, data.targets, data.text, strict=True) if text == 0]
    have = [pair for pair, y in pairs if data.classes[y] == "head"]
    have_not = [pair for pair, y in pairs if data.classes[y] == "no head"]
    assert set(have) == arcs
    assert not set(have_not) & arcs
    assert len(set(have_not)) == len(have_not) == len(have)
    assert sorted(j - i for i, j in have_not) == sorted(j - i for i, j in have)
    assert data.targets.tolist() == treebank(path, "head", seed=5).targets.tolist()
    assert data.spans != treebank(path, "head", seed=6).spans


@pytest.mark.skipif(not DATA.is_dir(), reason=f"no ud_ewt in {DATA}; set SONDE_DATA")
def test_the_english_web_treebank(write):
    """All of it is read as this part of it is: `python docs/probing_studies.py` counts."""
    part = (DATA / "en_ewt-ud-test.conllu").read_text(encoding="utf-8").split("\n\n")[:120]
    found, notes = sentences(write(*(block + "\n" for block in part)))
    assert len(found) == 120
    assert not notes
    assert all(sentence.text[slice(*word.span)] == word.form for sentence in found for word in sentence.words)
    assert all(sentence.heads.count(-1) == 1 for sentence in found)
    assert {"NOUN", "VERB", "PUNCT"} < set(treebank(found, "upos").classes)
    assert len(treebank(found, "upos", n=50, seed=1).text.unique()) == 50
    arcs = treebank(found[:60], "head")
    assert arcs.counts["head"] == arcs.counts["no head"]
