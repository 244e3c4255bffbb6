"""A mistake is one clear line with the way out, on standard error, with exit code 2 and no traceback."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from sonde import specimens
from sonde.cli import main

PROMPT = "The keys on the cabinet"


@pytest.fixture
def refused(capsys):
    """Run a command that must be refused; returns its one line."""

    def run(*arguments):
        try:
            code = main(arguments)
        except SystemExit as ended:
            code = ended.code
        out, err = capsys.readouterr()
        assert code == 2
        assert out == ""
        assert err.endswith("\n") and len(err.strip().splitlines()) == 1, err
        assert err.startswith("sonde") and "Traceback" not in err
        return err

    return run


@pytest.fixture
def words(tmp_path):
    """A copy of the specimen's folder, to be damaged."""
    return shutil.copytree(specimens.path("words"), tmp_path / "words")


@pytest.mark.parametrize("prompt", ["", " ", "\n"])
def test_empty_prompt(refused, prompt):
    assert "is empty: give at least one word" in refused("explain", prompt)


def test_prompt_beyond_the_context(refused):
    line = refused("explain", "the keys " * 200)
    assert "403 tokens and the model's context is 128" in line and "shorten it" in line


@pytest.mark.parametrize("which", ["--target", "--foil"])
def test_unknown_target_or_foil(refused, which):
    assert "' zygomorphic' is" in (line := refused("explain", PROMPT, which, " zygomorphic")) and "single token" in line
    refused("explain", PROMPT, which, "")


def test_foil_equal_to_target(refused):
    line = refused("explain", PROMPT, "--target", " are", "--foil", " are")
    assert "' are'" in line and "foil" in line


def test_counterfactual_of_another_length(refused):
    line = refused("explain", PROMPT, "--corrupt", "The key on the old cabinet")
    assert "tokens" in line and "cabinet" in line
    assert "change at least one word" in refused("explain", PROMPT, "--corrupt", PROMPT)
    refused("explain", PROMPT, "--corrupt", "")


def test_unknown_specimen(refused):
    assert "unknown specimen 'nobody'" in (line := refused("explain", PROMPT, "--model", "specimen:nobody")) and "words" in line


def test_no_such_folder(refused, tmp_path):
    assert "there is no folder" in refused("explain", PROMPT, "--model", str(tmp_path / "nowhere"))


def test_folder_without_a_model(refused, tmp_path):
    assert "holds no config.json" in refused("explain", PROMPT, "--model", str(tmp_path))
    (tmp_path / "config.json").write_text("{")
    assert "can't be read" in refused("explain", PROMPT, "--model", str(tmp_path))
    (tmp_path / "config.json").write_text("{}")
    assert "names no model_type" in refused("explain", PROMPT, "--model", str(tmp_path))
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "no-such-family"}))
    assert "holds no weights" in refused("explain", PROMPT, "--model", str(tmp_path))
    save_file({"weight": torch.zeros(1)}, tmp_path / "model.safetensors")
    assert "no-such-family" in refused("explain", PROMPT, "--model", str(tmp_path))


def test_a_file_is_no_folder(refused, tmp_path):
    (tmp_path / "model.safetensors").write_bytes(b"")
    assert "is a file: give the folder" in refused("explain", PROMPT, "--model", str(tmp_path / "model.safetensors"))


@pytest.mark.skipif(os.getuid() == 0, reason="the superuser may read everything")
def test_unreadable_folder(refused, words):
    (words / "config.json").chmod(0)
    assert "can't be read" in refused("explain", PROMPT, "--model", str(words))


@pytest.mark.parametrize("damage", ["missing", "empty", "cut"])
def test_damaged_weights(refused, words, damage):
    path = words / "model.safetensors"
    data = path.read_bytes()
    path.unlink()
    if damage != "missing":
        path.write_bytes(data[: len(data) // 2] if damage == "cut" else b"")
    assert str(words) in refused("explain", PROMPT, "--model", str(words))


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_no_numbers(refused, words, value):
    weights = load_file(words / "model.safetensors")
    name = sorted(weights)[-1]
    weights[name].view(-1)[0] = value
    save_file(weights, words / "model.safetensors")
    assert torch.isfinite(weights[name]).logical_not().sum() == 1
    line = refused("explain", PROMPT, "--model", str(words))
    assert "NaN or infinity" in line and name in line


def test_no_tokenizer(refused, words):
    (words / "tokenizer.json").unlink()
    assert "tokenizer" in refused("explain", PROMPT, "--model", str(words))
    (words / "tokenizer.json").write_text("{")
    assert "tokenizer" in refused("explain", PROMPT, "--model", str(words))


def test_a_hub_id_offline():
    """In a process of its own, since the switch is read when transformers is imported."""
    code, line = outside("explain", PROMPT, "--model", "nobody/no-such-model", HF_HUB_OFFLINE="1")
    assert code == 2
    assert line.count("\n") == 1 and "specimen:words" in line and "can't be fetched from the Hub" in line


def test_a_place_that_cannot_be_written(refused, tmp_path):
    assert "can't be written" in refused("explain", PROMPT, "--out", str(tmp_path / "nowhere" / "report.html"))


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("explian",),
        ("explain",),
        ("explain", PROMPT, "--no-such-option"),
        ("explain", PROMPT, "--seed", "two"),
        ("explain", PROMPT, "two prompts"),
    ],
)
def test_commands_that_are_none(refused, arguments):
    assert "--help" in refused(*arguments)


def test_from_outside():
    """The same through the real command: no traceback, and nothing on standard output."""
    assert outside("explain", "") == (2, "sonde explain: the prompt '' is empty: give at least one word\n")


def outside(*arguments, **environment):
    """Run the installed command; returns its exit code and what it says on standard error."""
    command = [str(Path(sys.executable).with_name("sonde")), *arguments]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ | environment)
    assert ended.stdout == ""
    return ended.returncode, ended.stderr


def test_a_reader_who_has_seen_enough_is_no_error():
    command = [sys.executable, "-m", "sonde", "specimens", "list", "--json"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    process.stdout.close()
    assert process.wait() == 0
    assert process.stderr.read() == b""
