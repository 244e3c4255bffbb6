"""`sonde lens`: what it prints for people, as JSON of the published schema, and what it refuses."""

import json
import subprocess
import sys

from published import follows

from sonde.cli import main

PROMPT = "The keys on the cabinet"


def run(capsys, *arguments, code=0):
    assert main(["lens", *map(str, arguments)]) == code
    return capsys.readouterr()


def told(capsys, *arguments):
    return follows(json.loads(run(capsys, *arguments, "--json").out))


def test_logit(capsys, tmp_path):
    found = told(capsys, "logit", PROMPT, "The key", "--follow", " are")
    assert found["layers"] == ["embed", "0", "1", "2", "model"] and len(found["tokens"]) == 2
    last = [row for row in found["readings"] if row["layer"] == "model" and row["example"] == 0][-1]
    assert last["rank_of_final"] == 1 and last["kl"] < 1e-4 and last["rank_of ' are'"] >= 1
    page = tmp_path / "page.html"
    shown = run(capsys, "logit", PROMPT, "--read", "mlp", "--out", page).out
    assert "What does the MLP of each block say by itself?" in shown and "mlp 0" in page.read_text(encoding="utf-8")


def test_mistakes(capsys, tmp_path):
    assert "give one that is a single token" in run(capsys, "logit", PROMPT, "--follow", " nosuchwordatall", code=2).err
    assert "the page can't be written" in run(capsys, "logit", PROMPT, "--out", tmp_path / "no" / "page.html", code=2).err


def test_help_needs_no_torch():
    code = "import sys; from sonde.cli import main\ntry: main(['lens', '--help'])\nexcept SystemExit: sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False, capture_output=True).returncode == 0


def test_a_tuned_lens_from_training_to_reading(capsys, tmp_path):
    folder = tmp_path / "runs"
    asked = ["train", folder, "--steps", 2, "--tokens", 64, "--rows", 12, "--documents", 60, "--length", 32]
    found = told(capsys, *asked)
    assert found["tokens"] >= 128 and found["rows"][-1]["layer"] == "model" and len(found["verdicts"]) == 5
    judged = told(capsys, "judge", found["folder"], "--rows", 3, "--documents", 60, "--length", 32, "--seed", 7)
    assert judged["n"] == 3
    read = told(capsys, "logit", PROMPT, "--tuned", found["folder"])
    assert read["layers"][-1] == "model"
    basis = told(capsys, "basis", "--tuned", found["folder"], "--layer", 2, "-k", 2, "--draws", 2, "--rows", 6, "--documents", 60, "--length", 32)
    assert len(basis["rows"]) == 2 and basis["n"] == 2 and len(basis["verdicts"]) == 2
    assert "layer='9': the lens reads embed, 0, 1, 2" in run(capsys, "basis", "--layer", 9, "--rows", 3, code=2).err
    assert "leave out --read mlp" in run(capsys, "logit", PROMPT, "--tuned", found["folder"], "--read", "mlp", code=2).err
    assert "this lens belongs to the model" in run(capsys, "logit", PROMPT, "--tuned", found["folder"], "--model", "specimen:induction", code=2).err
    assert f"give {found['folder']}, which is in it" in run(capsys, "judge", folder, code=2).err
    assert "is what a training goes on from" in run(capsys, "judge", folder / "checkpoint", code=2).err
    assert "holds no lens: make one" in run(capsys, "logit", PROMPT, "--tuned", tmp_path, code=2).err
    assert "lr=-1.0: give a rate above 0" in run(capsys, *asked, "--lr", -1, code=2).err
    empty = tmp_path / "empty.txt"
    empty.write_text("", encoding="utf-8")
    assert "empty.txt holds no text" in run(capsys, "discard", "--corpus", empty, code=2).err
    assert "holds another training" in run(capsys, *asked, "--loss", "cross_entropy", code=2).err
    assert "holds no lens" in run(capsys, "convert", tmp_path, tmp_path / "lens", code=2).err


def test_values_updates_and_sheet(capsys, tmp_path):
    values = told(capsys, "values", "--layer", 3, "--most", 5)
    assert len(values["rows"]) == 5 and len(values["stand_out"]["3"]) > 0.05 * 512 and values["verdicts"][0]["holds"]
    updates = told(capsys, "updates", PROMPT, "--target", " are", "--foil", " is", "-k", 2)
    assert len(updates["rows"]) == 8 and updates["target"] == " are"
    assert "Which sub-updates are largest?" in run(capsys, "updates", PROMPT).out
    sheet = tmp_path / "sheet"
    assert told(capsys, "sheet", sheet, "--layer", 3, "-n", 3)["items"] == 6
    assert "holds no rating" in run(capsys, "sheet", sheet, code=2).err
    assert "choose another place for the sheet" in run(capsys, "sheet", sheet / "sheet.csv" / "in", "--layer", 3, "-n", 3, code=2).err
    assert "the blocks 0 to 3" in run(capsys, "values", "--layer", 9, code=2).err


def test_discard_table_and_direct(capsys):
    discarded = told(capsys, "discard", "--rows", 6, "--documents", 40, "--length", 48)
    assert [row["layer"] for row in discarded["rows"]] == discarded["layers"] and len(discarded["verdicts"]) == 1
    table = told(capsys, "table", "-n", 12, "--vectors")
    assert set(table["phases"]) == {"argument", "function", "saturation"} and len(table["verdicts"]) == 2 and len(table["effects"]) == 6
    own_form = ["--template", "The capital of {argument} is", "--pair", "France= Paris", "--pair", "Spain= Madrid"]
    own = told(capsys, "table", *own_form)
    assert {row["right"] for row in own["rows"]} == {" Paris", " Madrid"}
    plain, elsewhere = (told(capsys, "table", *own_form, "--vectors", *more)["effects"][0] for more in ([], ["--bare", "I am from {argument}"]))
    assert plain["of"] == elsewhere["of"] == " Spain" and plain["without"] != elsewhere["without"] and plain["asked"] == elsewhere["asked"]
    direct = told(capsys, "direct", "-n", 4, "--norm", "removed")
    assert direct["norm"] == "removed" and direct["rows"][0]["part"] == "embed"
    for given, said in (
        (["table", "--template", "{argument}"], "at least two of --pair"),
        (["table", "--pair", "a=b"], "go with --template"),
        (["table", *own_form, "--vectors", "--bare", "no slot"], "write {argument} once"),
        (["table", "--task", "ioi"], "say with --argument"),
        (["direct", "--check", "-n", 2], "there are 2 examples"),
    ):
        assert said in run(capsys, *given, code=2).err
