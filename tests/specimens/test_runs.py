"""What the recipes share: interrupted and resumed ends like a whole run, log and all."""

import json

import pytest
import torch
from torch import nn

from sonde.nn.training import Training, TrainingConfig
from sonde.results import LoadError
from sonde.specimens import cards, runs
from sonde.specimens.measures import mean, share


def begin(steps=6):
    torch.manual_seed(0)
    return Training(nn.Linear(2, 1), TrainingConfig(steps=steps))


def go(training, out, stop=None):
    for step in runs.updates(training, out, "toy", lambda: {"weight": training.model.weight[0, 0].item()}, every=2):
        if step == stop:
            return
        x = torch.randn(4, 2, generator=torch.Generator().manual_seed(step))
        training.update((training.model(x) - 1).pow(2).mean())


def test_resumed_equals_whole(tmp_path, capsys):
    whole, broken, resumed = begin(), begin(), begin()
    go(whole, tmp_path / "whole")
    go(broken, tmp_path / "broken", stop=3)
    go(resumed, tmp_path / "broken")
    assert torch.equal(whole.model.weight, resumed.model.weight)
    assert [line["step"] for line in resumed.notes["log"]] == [2, 4, 6]
    assert [line["weight"] for line in resumed.notes["log"]] == [line["weight"] for line in whole.notes["log"]]
    printed = [json.loads(line) for line in capsys.readouterr().out.splitlines() if line]  # the progress bar leaves an empty one
    assert printed == whole.notes["log"] + resumed.notes["log"]


def test_a_finished_run_makes_no_more_updates(tmp_path):
    first, again = begin(), begin()
    go(first, tmp_path)
    assert list(runs.updates(again, tmp_path, "toy", dict)) == []
    assert torch.equal(first.model.weight, again.model.weight)


def test_a_checkpoint_of_other_settings_is_refused(tmp_path):
    go(begin(), tmp_path)
    with pytest.raises(LoadError, match="use that configuration or another folder"):
        go(begin(steps=7), tmp_path)


def test_a_card_says_what_was_measured_and_the_control(tmp_path):
    measured = [share("reads", [True] * 9 + [False], "share right", "a note"), mean("loss", torch.tensor([1.0, 2.0]), "nats")]
    controls = [share("reads", [False] * 10, "share right"), mean("loss", torch.tensor([5.0, 6.0]), "nats")]
    cards.write(tmp_path, "digits", 1234, {"seed": 7}, measured, controls, ["knows little"], [{"step": 1, "seconds": 60.0}])
    card, text = json.loads((tmp_path / "card.json").read_text()), (tmp_path / "card.md").read_text()
    assert card["command"] == "sonde specimens train digits --out DIR --seed 7"
    assert [m["value"] for m in card["measures"]] == [0.9, 1.5]
    assert [m["value"] for m in card["controls"]] == [0.0, 5.5]
    assert "| reads | 0.900 | 0.596 to 0.982 | 10 | 0.000 | share right |" in text
    assert "- reads: a note" in text and "- knows little" in text and "1.0 minutes" in text and "1,234 parameters" in text
