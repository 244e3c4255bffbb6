"""`sonde models` tells what every family offers and refuses, as the families themselves say it, without weights."""

import json
import subprocess
import sys
from importlib import resources

import jsonschema
import pytest

from sonde.access.architectures import FAMILIES
from sonde.catalogue import catalogue
from sonde.cli import main

UNBUILT = {"siglip_text_model"}  # transformers builds it as a part of SigLIP only


def printed(capsys, *arguments):
    assert main(["models", *arguments]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    return out


def test_every_family_is_in_the_table(capsys):
    table = printed(capsys)
    for name in {entry.family for entry in catalogue()} | set(FAMILIES) - UNBUILT:
        assert name in table
    assert "mixtures of experts" in table


def test_json_follows_the_published_schema(capsys):
    schema = json.loads(resources.files("sonde.cli").joinpath("schemas/models.json").read_text(encoding="utf-8"))
    validator = jsonschema.Draft202012Validator(schema)
    data = json.loads(printed(capsys, "--json"))
    validator.validate(data)
    assert {model["model_type"] for model in data["models"]} == set(FAMILIES) - UNBUILT
    with pytest.raises(jsonschema.ValidationError):
        validator.validate(data | {"command": "explain"})


@pytest.mark.parametrize("name, types", [("gemma", ["gemma", "gemma2", "gemma3", "gemma3_text"]), ("gemma2", ["gemma2"]), ("gpt_neox", ["gpt_neox"])])
def test_a_family_or_a_type_by_name(capsys, name, types):
    data = json.loads(printed(capsys, name, "--json"))
    assert [model["model_type"] for model in data["models"]] == types
    whole = printed(capsys, name)
    assert "attn.z" in whole and "refused" in whole


def test_what_is_refused_comes_with_the_reason(capsys):
    (neox,) = json.loads(printed(capsys, "gpt_neox", "--json"))["models"]
    assert neox["law"] == "parallel"
    assert "resid_mid" not in {site["name"] for site in neox["sites"]}
    reasons = {site["name"]: site["reason"] for site in neox["refused"]}
    assert reasons["resid_mid"].startswith("attention and MLP both read what enters the block; use")


def test_an_unknown_name_gives_the_nearest(capsys):
    assert main(["models", "gema"]) == 2
    out, err = capsys.readouterr()
    assert out == "" and len(err.strip().splitlines()) == 1
    assert "'gema' is no family and no model type that sonde knows; nearest: 'gemma'" in err


def test_no_weights_are_made():
    """A Llama of seven billion numbers would not fit."""
    entry = next(entry for entry in catalogue() if entry.model_type == "llama")
    assert entry.architecture.d_model == 4096 and entry.architecture.n_layers == 1


def test_in_a_shell():
    done = subprocess.run([sys.executable, "-m", "sonde", "models", "phi3"], capture_output=True, text=True, check=True)
    assert "gate branch" in done.stdout and done.stderr == ""
