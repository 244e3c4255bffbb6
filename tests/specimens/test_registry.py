"""Every specimen of the table can be found, opened and trained by its name."""

import inspect
import json
from importlib import import_module

import pytest
import torch

import sonde
from sonde import specimens
from sonde.results import InputError, LoadError
from sonde.specimens.registry import SPECIMENS, Specimen


@pytest.mark.parametrize("name", specimens.names())
def test_opens_by_name_in_single_precision(name):
    model = sonde.load(f"specimen:{name}")
    assert model.name == f"specimen:{name}"
    assert {p.dtype for p in model.module.parameters()} == {torch.float32}
    assert not model.module.training


@pytest.mark.parametrize("name", specimens.names())
def test_what_every_card_says(name):
    card = specimens.card(name)
    assert card["name"] == name
    assert card["summary"] == SPECIMENS[name].summary
    assert f"specimens train {name} --out DIR" in card["command"] or "recipe" in card["command"]
    assert card["parameters"] == sum(p.numel() for p in sonde.load(f"specimen:{name}").module.parameters())
    assert card["recipe"]["seed"] == SPECIMENS[name].seed
    assert card["limits"]
    for measure in card["measures"]:
        assert set(measure) == {"name", "value", "low", "high", "n", "unit", "note"}
        assert measure["low"] <= measure["value"] <= measure["high"]
    text = (specimens.path(name) / "card.md").read_text(encoding="utf-8")
    assert all(measure["name"] in text for measure in card["measures"])


@pytest.mark.parametrize("name", SPECIMENS)
def test_a_recipe_takes_what_the_command_gives(name):
    module, function = SPECIMENS[name].recipe.split(":")
    parameters = inspect.signature(getattr(import_module(module), function)).parameters
    assert {"out", "seed", "threads"} <= set(parameters)
    assert all(p.default is not p.empty for key, p in parameters.items() if key not in {"out", "seed", "threads"})


def test_all_weights_in_half_precision_and_small():
    sizes = {}
    for name in specimens.names():
        file = specimens.path(name) / "model.safetensors"
        raw = file.read_bytes()
        header = json.loads(raw[8 : 8 + int.from_bytes(raw[:8], "little")])
        assert {entry["dtype"] for key, entry in header.items() if key != "__metadata__"} == {"F16"}
        sizes[name] = sum(file.stat().st_size for file in specimens.path(name).iterdir())
    assert sum(sizes.values()) < 11e6  # of the sixteen that all may take, five are for dictionaries
    assert sum(size for name, size in sizes.items() if not name.startswith("words")) < 2e6


@pytest.mark.parametrize("ask", [specimens.path, specimens.card, lambda name: specimens.train(name, "nowhere")])
@pytest.mark.parametrize("name", ["word", "", "../words", "words/weights", "w" * 500])
def test_unknown_names_are_refused_in_one_line(ask, name):
    with pytest.raises(LoadError, match=r"^unknown specimen '.*there is words") as error:
        ask(name)
    assert "\n" not in str(error.value)


def test_a_training_is_handed_what_was_asked_for(monkeypatch, tmp_path):
    calls = []
    monkeypatch.setitem(SPECIMENS, "toy", Specimen("a toy", "sonde.results:toy"))
    monkeypatch.setattr("sonde.results.toy", lambda **given: calls.append(given), raising=False)
    assert specimens.train("toy", tmp_path / "new", seed=3, threads=2) == tmp_path / "new" / "toy"
    assert calls == [{"out": tmp_path / "new", "seed": 3, "threads": 2}]
    with pytest.raises(InputError, match="threads=0: give 1 or more"):
        specimens.train("toy", tmp_path, threads=0)
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="can't be made a folder"):
        specimens.train("toy", tmp_path / "file")
