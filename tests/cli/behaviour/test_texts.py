"""`sonde behaviour surprisal` and `suite` say what Python says, for people and as JSON; a bad file or line is named, and the rest goes on."""

import json

import pytest
from published import follows
from winogender_files import TEMPLATES, folder

import sonde
from sonde.behaviour import coreference, read_schemas, suites, surprisal
from sonde.cli import main


def run(capsys, *arguments, code=0):
    assert main(["behaviour", *map(str, arguments)]) == code
    return capsys.readouterr()


def refused(capsys, *arguments):
    out, err = run(capsys, *arguments, code=2)
    assert out == "" and err.startswith("sonde behaviour: ") and len(err.strip().splitlines()) == 1
    return err


def common(data, action, model="specimen:words"):
    """The data, which follows the published schema of its action."""
    assert (data["action"], data["model"], data["dtype"]) == (action, model, "float32")
    return follows(data)


def test_surprisal(capsys, tmp_path):
    wanted = surprisal(sonde.load("specimen:words"), "The keys are old.")
    told = run(capsys, "surprisal", "The keys are old.").out
    assert "How surprising is each token?" in told and "·keys" in told
    data = common(
        json.loads(run(capsys, "surprisal", "The keys are old.", "--json", "--model", "specimen:words", "--model", "specimen:words-small").out),
        "surprisal",
    )
    first, second = data["results"]
    assert (first["model"], second["model"]) == ("specimen:words", "specimen:words-small") and first["model_hash"] != second["model_hash"]
    words = first["texts"][0]["words"]
    assert [word["word"] for word in words] == ["The", "keys", "are", "old."]
    assert [word["surprisal"] for word in words] == pytest.approx(wanted.word_values[0].tolist())
    assert first["texts"][0]["tokens"][0] == {"token": "<|end|>", "start": None, "end": None, "word": None, "surprisal": None}
    page = tmp_path / "page.html"
    assert "page written" in run(capsys, "surprisal", "The keys", "--out", page).out and "<html" in page.read_text(encoding="utf-8")


def test_lines_of_a_file(capsys, tmp_path):
    file = tmp_path / "texts.txt"
    file.write_text("The key\n\n" + "The key " * 300 + "\nThe keys\n", encoding="utf-8")
    data = common(json.loads(run(capsys, "surprisal", file, "--json", "--base", "e", "--sums").out), "surprisal")
    assert [text["text"] for text in data["results"][0]["texts"]] == ["The key", "The keys"] and data["unit"] == "nats"
    assert data["results"][0]["corrected"] is False
    assert any("left out: text 2 has 602 tokens and the model's context is 128" in warning for warning in data["warnings"])
    assert "read in windows" in " ".join(json.loads(run(capsys, "surprisal", file, "--json", "--stride", "64").out)["warnings"])


def test_suites(capsys, tmp_path):
    wanted = suites.evaluate(sonde.load("specimen:words-small"), "tense")
    bad = tmp_path / "bad.json"
    bad.write_text("{", encoding="utf-8")
    data = common(
        json.loads(run(capsys, "suite", "tense", bad, "--check", "--json", "--model", "specimen:words-small").out), "suite", "specimen:words-small"
    )
    assert any(warning.startswith(f"left out: {bad} is no JSON") for warning in data["warnings"])
    (result,) = data["results"]
    assert result["suite"] == "tense" and [p["share"] for p in result["predictions"]] == [share.share for share in wanted.accuracy]
    assert len(result["regions"]) == 14 * 4 * 4 and result["predictions"][0]["by_item"] == [bool(truth) for truth in wanted.holds[0]]
    assert len(data["verdicts"]) == 4 and data["verdicts"][-1]["holds"] is True


def test_the_examples_are_the_default(capsys):
    told = run(capsys, "suite").out
    assert "number_agreement" in told and "tense" in told and "How often do the formulas hold?" in told


@pytest.mark.parametrize(
    "arguments, said",
    [
        (("surprisal", " "), "text 1 is ' ': give a text of at least one word"),
        (("surprisal", "The key", "--model", "specimen:mask"), "no causal language model"),
        (("surprisal", "The key", "--stride", "500"), "stride=500: a window of 128 tokens"),
        (("surprisal", "The key", "--out", "/nowhere/page.html"), "can't be written"),
        (("suite", "none.json"), "there is no file none.json"),
        (("suite", "tense", "--model", "specimen:nobody"), "nobody"),
    ],
)
def test_mistakes(capsys, arguments, said):
    assert said in refused(capsys, *arguments)


def test_coreference(capsys, tmp_path):
    place = folder(tmp_path, templates=(*TEMPLATES, "nurse\tpatient\t7\tThe $OCCUPATION told the $PARTICIPANT that $NOM_PRONOUN left."))
    wanted = coreference(sonde.load("specimen:words-small"), read_schemas(place))
    data = common(
        json.loads(run(capsys, "coreference", place, "--check", "--json", "--model", "specimen:words-small").out),
        "coreference",
        "specimen:words-small",
    )
    assert any("templates.tsv, line 5: the answer '7'" in warning for warning in data["warnings"])
    (result,) = data["results"]
    assert [sentence["partial"] for sentence in result["sentences"]] == pytest.approx(wanted.partial.tolist())
    assert result["measures"][0] == {"measure": "right, partial substitution", "value": wanted.accuracy().value, "low": wanted.accuracy().low,
                                     "high": wanted.accuracy().high, "n": 6}  # fmt: skip
    assert [verdict["holds"] for verdict in data["verdicts"]] == [None, None]
    assert "against the majority" in run(capsys, "coreference", place).out
    assert "there is no" in refused(capsys, "coreference", tmp_path / "none")
