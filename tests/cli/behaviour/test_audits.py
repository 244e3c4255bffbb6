"""`sonde behaviour audit`, `shift` and `shortcut`, for people and as JSON."""

import json

import pytest
import torch
from published import follows
from safetensors.torch import save_file

from sonde.cli import main


def run(capsys, *arguments, code=0):
    assert main(["behaviour", *map(str, arguments)]) == code
    return capsys.readouterr()


def told(capsys, action, *arguments):
    data = json.loads(run(capsys, action, *arguments, "--json").out)
    assert (data["action"], data["dtype"]) == (action, "float32")
    return follows(data)


@pytest.fixture
def loans(tmp_path):
    """Loans are granted by age and sex; the city says nothing."""
    generator = torch.Generator().manual_seed(0)
    age = torch.randint(20, 70, (400,), generator=generator)
    sex, city = (torch.randint(2, (400,), generator=generator) for _ in range(2))
    granted = (age - 45) / 10 + 3 * sex - 1.5 + torch.randn(400, generator=generator) > 0
    lines = [f"{a},{'fm'[s]},{['Leeds', 'York'][c]},{'yes' if g else 'no'}" for a, s, c, g in zip(age, sex, city, granted, strict=True)]
    file = tmp_path / "loans.csv"
    file.write_text("\n".join(["age,sex,city,granted", "20,f", *lines]) + "\n", encoding="utf-8")
    return file


def test_the_credit_example(capsys, tmp_path):
    data = told(capsys, "audit", "--text", "--check", "--cases", 12)
    assert data["shares"]["gender"] == 0 and data["joint_shares"]["gender"] > 0.5
    gradient, _ = data["faithfulness"]
    assert (gradient["claim"], gradient["attribute"], gradient["flagged"]) == ("gradient x input", "gender", True)
    assert data["profiles"] == 12 and [v["holds"] for v in data["verdicts"] if v["claim"].startswith(("gender", "city"))] == [True, None]
    page = tmp_path / "page.html"
    out = run(capsys, "audit", "--text", "--cases", 4, "--out", page).out
    assert "under-claims gender" in " ".join(out.split()) and "page written" in out and "<html" in page.read_text(encoding="utf-8")


def test_a_table(capsys, loans):
    data = told(capsys, "audit", "--data", loans, "--target", "granted", "--attributes", "sex,age,city", "--groups", "sex", "--rules", "--cases", 20)
    assert data["joint_shares"]["city"] < 0.1 < data["joint_shares"]["sex"]
    assert {row["group"] for row in data["groups"]["sex"]} == {"f", "m"} and data["gaps"]["sex"][0]["measure"] == "positive rate"
    assert data["rules"]["fidelities"][0]["value"] > 0.8 and any("sex=" in rule["rule"] for rule in data["rules"]["rules"])
    assert "1 lines left out (2)" in " ".join(data["warnings"])
    assert len({(row["from"], row["to"]) for row in data["contrasts"] if row["attribute"] == "age"}) == 3


def test_a_template_in_a_language_model(capsys, tmp_path):
    implied = tmp_path / "implied.yaml"
    implied.write_text("noun: {number: {key: one, keys: many}}\n", encoding="utf-8")
    arguments = ["--template", "The {noun} on the {place}", "--target", " are", "--foil", " is"]
    arguments += ["--values", "noun=key,keys", "--values", "place=cabinet,table"]
    data = told(capsys, "audit", *arguments)
    assert data["shares"]["noun"] > 0.8 and data["model"] == "specimen:words"
    err = run(capsys, "audit", *arguments, "--implied", implied, code=2).err
    assert err == "sonde behaviour: profiles have no attribute 'number': they have noun, place\n"


@pytest.fixture
def files(tmp_path):
    from sonde.specimens.digits import held_out

    pictures, digits = held_out()
    for name, part in (("one", slice(0, 60)), ("two", slice(60, 120))):
        save_file({"inputs": pictures[part].contiguous(), "labels": digits[part].contiguous()}, tmp_path / f"{name}.safetensors")
    save_file({"pictures": pictures[:2].contiguous()}, tmp_path / "bad.safetensors")
    return tmp_path


def test_shifts(capsys, files):
    data = told(capsys, "shift", "--data", files / "one.safetensors", "--by", "noise=0.5", "--by", "blur")
    assert [result["name"] for result in data["results"]] == ["Noise(std=0.5, seed=0)", "Blur(sigma=1.0)"]
    (accuracy,) = [one for one in data["results"][0]["moved"] if one["measure"] == "accuracy"]
    assert accuracy["interval"][1] < 0
    other = told(capsys, "shift", "--data", files / "one.safetensors", "--other", files / "two.safetensors")
    assert other["results"][0]["name"] == "other data" and not other["results"][0]["paired"]
    assert "How far do accuracy" in run(capsys, "shift", "--data", files / "one.safetensors", "--by", "contrast", "--check").out


def test_shortcuts_of_a_model(capsys, files):
    data = told(capsys, "shortcut", "--data", files / "one.safetensors", "--model", "specimen:digits", "-k", 2, "--stride", 2)
    assert len(data["results"]) == 1 and len(data["results"][0]["cues"]) == 2


def test_mistakes_are_one_line(capsys, files, loans):
    for arguments, message in (
        (["audit"], "give one of --text, --template and --data; got none"),
        (["audit", "--text", "--rules"], "--rules and --groups speak of a table"),
        (["audit", "--text", "--out", "nowhere/page.html"], "the page can't be written"),
        (["audit", "--data", loans, "--target", "granted"], "name the columns to change with --attributes"),
        (["audit", "--data", loans, "--target", "granted", "--attributes", "height"], "the model reads no column 'height'"),
        (["audit", "--data", loans, "--target", "age", "--attributes", "sex"], "an audit speaks of two"),
        (["audit", "--template", "{a}"], "--template needs --target and --foil"),
        (["audit", "--template", "{a}", "--target", "x", "--foil", "y", "--values", "a"], "give NAME=A,B"),
        (["shift", "--by", "fog"], "there is no shift 'fog'"),
        (["shift", "--by", "noise=x"], "'x' is no number"),
        (["shift", "--other", "a", "--by", "blur"], "give either --by or --other"),
        (["shift", "--data", files / "bad.safetensors"], "has no tensor 'inputs'"),
        (["shortcut", "--data", "nowhere.safetensors"], "can't be read as safetensors"),
        (["shortcut", "--data", files / "one.safetensors", "--size", "20"], "do not fit pictures of 8 x 8"),
    ):
        out, err = run(capsys, *arguments, code=2)
        assert out == "" and err.startswith("sonde behaviour: ") and message in err and len(err.strip().splitlines()) == 1, (arguments, err)
