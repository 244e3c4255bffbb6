"""The recipe in small: stages follow what is measured, and an interrupted run ends like a whole one."""

import json
from dataclasses import asdict, replace

import pytest
import torch

from sonde import specimens
from sonde.nn import Transformer, TransformerConfig
from sonde.results import LoadError
from sonde.specimens.measures import share
from sonde.specimens.words import evaluate, recipe
from sonde.specimens.words.card import write_card
from sonde.specimens.words.tokenizer import VOCABULARY


class Small(recipe.Recipe):
    """The recipe with a model that trains in seconds."""

    def model(self):
        return TransformerConfig(n_layers=1, d_model=16, n_heads=4, d_mlp=16, d_vocab=VOCABULARY, n_ctx=self.n_ctx)


# the copy ratio of an untrained model is about 1, so stage A ends at the first look
PLAN = Small(rows=1, tokens=128 * 12, copy_ratio=1.5, alone_tokens=128 * 3)


@pytest.fixture(autouse=True)
def quick(monkeypatch, tokenizer):
    monkeypatch.setattr(recipe, "_LOOK_EVERY", 4)
    monkeypatch.setattr(recipe, "_KEEP_EVERY", 4)
    monkeypatch.setattr(recipe, "_REPORT_EVERY", 4)
    monkeypatch.setattr(recipe, "train_tokenizer", lambda: tokenizer)
    # the skills themselves are tested beside `evaluate`
    monkeypatch.setattr(evaluate, "measures", lambda model, tokenizer, n=400: [share("one skill", [True] * n, "share right")])


def test_stages_follow_the_measured_ratio(monkeypatch, tmp_path):
    masks = []
    loss = recipe.next_token_loss
    monkeypatch.setattr(recipe, "next_token_loss", lambda model, rows, mask: masks.append(mask is not None) or loss(model, rows, mask))
    _, _, log = recipe.train(PLAN, tmp_path)
    assert masks == [False] * 4 + [True] * 3 + [False] * 5
    assert [line["stage"] for line in log] == ["A", "C", "C"]
    assert [line["tokens"] for line in log] == [512, 1024, 1536]


def test_interrupted_and_resumed_gives_the_same_weights(monkeypatch, tmp_path):
    whole, _, _ = recipe.train(PLAN, tmp_path / "whole")
    calls = []
    loss = recipe.next_token_loss

    def failing(*arguments):
        calls.append(1)
        if len(calls) == 7:
            raise KeyboardInterrupt
        return loss(*arguments)

    monkeypatch.setattr(recipe, "next_token_loss", failing)
    with pytest.raises(KeyboardInterrupt):
        recipe.train(PLAN, tmp_path / "broken")
    resumed, _, log = recipe.train(PLAN, tmp_path / "broken")
    assert len(log) == 3
    for expected, found in zip(whole.parameters(), resumed.parameters(), strict=True):
        assert torch.equal(expected, found)


def test_a_run_that_never_learns_to_copy_says_so(tmp_path):
    with pytest.raises(LoadError, match="stage A never ended: the copy ratio is"):
        recipe.train(Small(rows=1, tokens=128 * 6), tmp_path)


def test_what_is_shipped(monkeypatch, tmp_path, tokenizer):
    unit = evaluate.UNITS["tops"]
    skills = [share("what it can", [True] * 10, unit), share("what it can't", [False] * 10, unit)]
    monkeypatch.setattr(evaluate, "measures", lambda model, tokenizer, n: skills)
    torch.manual_seed(0)
    model = Transformer(PLAN.model())
    write_card(model, tokenizer, asdict(PLAN), [{"tokens": 1, "seconds": 60.0}], tmp_path, n=10)
    names = {"model.safetensors", "config.json", "tokenizer.json", "tokenizer_config.json", "card.json", "card.md"}
    assert {file.name for file in tmp_path.iterdir()} == names
    assert json.loads((tmp_path / "tokenizer_config.json").read_text())["bos_token"] == "<|end|>"
    card = json.loads((tmp_path / "card.json").read_text())
    assert card["command"] == "sonde specimens train words --out DIR --seed 0"
    assert [m["name"] for m in card["controls"]] == [m["name"] for m in card["measures"]]
    assert all(m["name"] in (tmp_path / "card.md").read_text() for m in card["measures"])
    assert card["limits"][0] == "It does not do well: what it can't (0.00)."


@pytest.mark.parametrize("name", recipe.RECIPES)
def test_a_recipe_ends_in_its_own_folder(monkeypatch, tmp_path, name):
    done = []
    monkeypatch.setattr(recipe, "train", lambda plan, out: (plan, None, []))
    monkeypatch.setattr(recipe, "write_card", lambda model, tokenizer, settings, log, folder: done.append((model, settings, folder)))
    specimens.train(name, tmp_path, seed=7)
    ((plan, settings, folder),) = done
    assert folder == tmp_path / name
    assert plan == replace(recipe.RECIPES[name], seed=7)
    assert settings == asdict(plan)
