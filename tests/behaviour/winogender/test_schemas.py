"""Reading Winogender schemas: both of the authors' files say the same, and a malformed row is named while the rest goes on."""

import os
from pathlib import Path

import pytest
from winogender_files import SENTENCES, SHARES, TEMPLATES, folder

from sonde.behaviour.winogender import Schema, read_schemas
from sonde.results import InputError

ROOT = Path(__file__).parents[3]
DATA = Path(os.environ.get("SONDE_DATA", ROOT.parent / "shared" / "data")) / "winogender"


def test_templates(tmp_path):
    read = read_schemas(folder(tmp_path))
    assert len(read.schemas) == 6 and not read.bad and read.women == {"nurse": 91.0, "baker": 60.0}
    assert read.schemas[0] == Schema("nurse", "patient", "occupation", "The nurse told the patient that ", " would be back.", "NOM")
    assert [(schema.filled("female"), schema.filled("male")) for schema in read.schemas[1::2]] == [
        ("The nurse told someone that she would be back.", "The nurse told someone that he would be back."),
        ("Someone was glad when the nurse called her in.", "Someone was glad when the nurse called him in."),
        ("The baker handed someone her change.", "The baker handed someone his change."),
    ]
    last = read.schemas[4]
    assert (last.put("occupation"), last.put("participant")) == ("the baker's", "the customer's")
    assert (read.schemas[5].put("participant"), read.schemas[5].person("participant")) == ("someone's", "someone")
    assert read_schemas(tmp_path, women="bergsma").women == {"nurse": 90.5, "baker": 40.0}


def test_sentences_say_the_same(tmp_path):
    from_templates = read_schemas(folder(tmp_path)).schemas
    (tmp_path / "templates.tsv").unlink()
    read = read_schemas(folder(tmp_path, templates=(), sentences=SENTENCES))
    assert read.schemas == (from_templates[0], from_templates[3], from_templates[5]) and read.women
    assert read_schemas(tmp_path / "all_sentences.tsv").schemas == read.schemas


@pytest.mark.parametrize(
    "row, said",
    [
        ("nurse\tpatient\t2\tThe $OCCUPATION told the $PARTICIPANT that $NOM_PRONOUN left.", "the answer '2' is neither 0"),
        ("nurse\tpatient\t0\tThe $OCCUPATION told the $PARTICIPANT off.", "has 0 pronouns where one belongs"),
        ("nurse\tpatient\t0\tThe $OCCUPATION told the $PARTICIPANT that $NOM_PRONOUN lost $POSS_PRONOUN key.", "has 2 pronouns"),
        ("nurse\tpatient\t0\tThe nurse told the $PARTICIPANT that $NOM_PRONOUN left.", "has no \\$OCCUPATION or no"),
        ("\tpatient\t0\tThe $OCCUPATION told the $PARTICIPANT that $NOM_PRONOUN left.", "one of the two people has no name"),
        ("nurse\tpatient\t0\t$NOM_PRONOUN is the $OCCUPATION of the $PARTICIPANT.", "has nothing before or after its pronoun"),
        ("nurse", "the answer '' is neither|has no"),
    ],
)
def test_a_bad_row_is_named(tmp_path, row, said):
    read = read_schemas(folder(tmp_path, templates=(TEMPLATES[0], row, TEMPLATES[2])))
    assert len(read.schemas) == 4 and len(read.bad) == 1 and read.bad[0].startswith("templates.tsv, line 3: ")
    with pytest.raises(InputError, match=f"has no row that can be read: templates.tsv, line 2: .*{said}") as error:
        read_schemas(folder(tmp_path, templates=(row,)))
    assert "\n" not in str(error.value)


def test_other_mistakes(tmp_path):
    with pytest.raises(InputError, match=r"there is no .*templates.tsv and no .*all_sentences.tsv: give the folder"):
        read_schemas(tmp_path)
    with pytest.raises(InputError, match=r"there is no .*none.tsv"):
        read_schemas(tmp_path / "none.tsv")
    (tmp_path / "templates.tsv").write_text("a\tb\n1\t2\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"has the columns a, b, and needs occupation\(0\)"):
        read_schemas(tmp_path)
    read = read_schemas(folder(tmp_path, shares=(SHARES[0], "nurse\t90\tmany\t2015", "baker\t40\t160\t2015")))
    assert read.women == {} and len(read.bad) == 2 and "occupations-stats.tsv, line 2: 'many' is no percentage" in read.bad
    with pytest.raises(InputError, match="has no column 'occupation' or 'bls_pct_female'; it has occupation"):
        read_schemas(folder(tmp_path, shares=("occupation\twomen", "nurse\t90")))
    (tmp_path / "occupations-stats.tsv").unlink()
    assert read_schemas(tmp_path).women == {}
    (tmp_path / "templates.tsv").unlink()
    read = read_schemas(folder(tmp_path, templates=(), sentences=(*SENTENCES, "nurse.patient.male\tThe nurse.")))
    assert read.bad == ("all_sentences.tsv, line 7: 'nurse.patient.male' is not occupation.participant.answer.gender",)


@pytest.mark.skipif(not DATA.is_dir(), reason=f"no winogender in {DATA.parent}; set SONDE_DATA")
def test_the_authors_files():
    read, filled = read_schemas(DATA), read_schemas(DATA / "all_sentences.tsv")
    assert len(read.schemas) == 240 and set(read.schemas) == set(filled.schemas) and not read.bad and len(read.women) == 60
    kinds = [(schema.participant == "someone", schema.answer) for schema in read.schemas]
    assert all(kinds.count(kind) == 60 for kind in set(kinds)) and len(set(kinds)) == 4
    assert {schema.occupation for schema in read.schemas} == set(read.women)
