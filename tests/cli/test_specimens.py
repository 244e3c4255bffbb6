"""`sonde specimens` lists what is shipped, shows its cards and trains it, for people and as JSON of the published schema."""

import json
import subprocess
import sys
from importlib import resources

import jsonschema
import pytest

from sonde import specimens
from sonde.cli import main
from sonde.specimens.registry import SPECIMENS, Specimen


def printed(capsys, *arguments):
    assert main(["specimens", *arguments]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    return out


@pytest.fixture(scope="module")
def validator():
    return jsonschema.Draft202012Validator(json.loads(resources.files("sonde.cli").joinpath("schemas/specimens.json").read_text(encoding="utf-8")))


@pytest.fixture
def toy(monkeypatch):
    """A specimen whose training takes no time."""

    def train(out, seed, threads):
        print("step 1")
        folder = out / "toy"
        folder.mkdir()
        (folder / "card.json").write_text(json.dumps({**specimens.card("words"), "name": "toy", "recipe": {"seed": seed}}))

    monkeypatch.setitem(SPECIMENS, "toy", Specimen("a toy", "sonde.results:toy"))
    monkeypatch.setattr("sonde.results.toy", train, raising=False)


def test_list(capsys, validator):
    table = printed(capsys, "list")
    assert all(name in table for name in specimens.names())
    data = json.loads(printed(capsys, "list", "--json"))
    validator.validate(data)
    assert [row["name"] for row in data["specimens"]] == specimens.names()
    with pytest.raises(jsonschema.ValidationError):
        validator.validate({key: value for key, value in data.items() if key != "specimens"})


@pytest.mark.parametrize("name", specimens.names())
def test_card(capsys, validator, name):
    text = " ".join(printed(capsys, "card", name).split())
    card = specimens.card(name)
    assert text.startswith(f"{name}: {card['summary']}") and "Limits" in text
    data = json.loads(printed(capsys, "card", name, "--json"))
    validator.validate(data)
    assert data["card"] == card and data["model"] == f"specimen:{name}"


def test_train_shows_the_card_and_keeps_the_log_apart(capsys, validator, toy, tmp_path):
    assert main(["specimens", "train", "toy", "--out", str(tmp_path), "--seed", "4", "--json"]) == 0
    out, err = capsys.readouterr()
    assert err == "step 1\n"
    data = json.loads(out)
    validator.validate(data)
    assert data["seed"] == 4 and data["folder"] == str(tmp_path / "toy")


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["card", "nobody"], "unknown specimen 'nobody': there is words"),
        (["train", "nobody", "--out", "x"], "unknown specimen 'nobody': there is words"),
        (["train", "words", "--out", "x", "--threads", "0"], "threads=0: give 1 or more"),
    ],
)
def test_mistakes_are_one_line(capsys, arguments, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["specimens", *arguments]) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.count("\n") == 1
    assert err.startswith(f"sonde specimens: {message}")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("arguments", [["specimens"], ["specimens", "train", "words"], ["specimens", "show"]])
def test_what_is_missing_is_said(capsys, arguments):
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    assert stopped.value.code == 2 and capsys.readouterr().err.count("\n") == 1


def test_in_a_shell_without_torch():
    code = "import sys; from sonde.cli import main; main(['specimens', 'list']); assert 'torch' not in sys.modules"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "words" in done.stdout
