"""Orientations of pictures that are known, and of a planted bank whose pictures must lie as its gratings do; other units' pictures must not."""

import functools
from dataclasses import replace

import pytest
import torch
from torch import nn
from torch.nn.functional import avg_pool2d
from vision.planted import gabor

import sonde
from sonde.results import CheckRefused, InputError
from sonde.vision import Agreement, Orientations, agreement, curves, dataset_examples, gratings, orientations, tuning
from sonde.vision.orientations import oriented

ANGLES = tuple(range(0, 180, 15))


@functools.cache
def bank():
    """Twelve oriented filters of 11 x 11 pixels, rectified, in an order that says nothing."""
    order = torch.randperm(len(ANGLES), generator=torch.Generator().manual_seed(0)).tolist()
    conv = nn.Conv2d(1, len(ANGLES), 11, bias=False)
    conv.weight = nn.Parameter(torch.stack([gabor(-ANGLES[i], 11, 1 / 6, 3.0) for i in order])[:, None].contiguous())
    return sonde.load(nn.Sequential(conv, nn.ReLU())), [float(ANGLES[i]) for i in order]


@functools.cache
def both():
    model, _ = bank()
    noise = torch.randn(24, 1, 40, 40, generator=torch.Generator().manual_seed(1))
    noise = avg_pool2d(noise, 3, 1, 1)
    pictures = (0.5 + noise / (2 * noise.abs().amax())).clamp(0, 1)
    answers = tuning(model, "1", gratings(21, [1 / 6], ANGLES, channels=1), normalise="none")
    found = dataset_examples(model, pictures, "1", normalise="none", top=12, pictured=range(len(ANGLES)))
    return answers, orientations(found)


def test_gratings_lie_as_they_were_drawn():
    """The structure tensor of a wave is its angle, and fully coherent; of noise the coherence is small, of grey there is none."""
    drawn = gratings(33, [1 / 8], range(0, 180, 10), channels=1)
    for angle, pictures in zip(drawn.at, drawn.pictures, strict=True):
        got, coherence = oriented(pictures[0, 0])
        assert abs((got - angle + 90) % 180 - 90) < 2 and coherence > 0.98  # the differences of a wave are a little less on the diagonals
    assert oriented(torch.rand(1, 65, 65, generator=torch.Generator().manual_seed(0)))[1] < 0.1
    assert oriented(torch.full((3, 5, 5), 0.5))[1] == 0


def test_a_planted_bank_sees_pictures_as_it_answers_to_gratings():
    answers, seen = both()
    model, planted = bank()
    result = agreement(answers, seen)
    assert float(((result.preferred - torch.tensor(planted) + 90) % 180 - 90).abs().max()) < 2
    assert float(result.apart.max()) < 12 and result.score > 0.95
    share, chance = result.by_chance(200)
    assert share == pytest.approx(1 / 201) and abs(float(chance.mean())) < 0.1
    assert result.check(model)[0].holds


def test_other_units_pictures_do_not_agree():
    """The control that must fail: each unit with the pictures of the one that lies a quarter turn away, and of any other one."""
    answers, seen = both()
    model, planted = bank()
    across = [planted.index((angle + 90) % 180) for angle in planted]
    result = agreement(answers, replace(seen, angle=seen.angle[across], coherence=seen.coherence[across]))
    assert result.score < -0.9 and float(result.apart.min()) > 75 and result.check(model)[0].holds is False
    order = torch.randperm(len(planted), generator=torch.Generator().manual_seed(5))
    any_one = agreement(answers, replace(seen, angle=seen.angle[order], coherence=seen.coherence[order]))
    assert any_one.by_chance(200)[0] > 0.05 and any_one.check(model)[0].holds is False


def test_results_are_kept_drawn_and_refused(tmp_path):
    answers, seen = both()
    model, _ = bank()
    result = agreement(answers, seen, [0, 3, 5])
    assert Agreement.load(result.save(tmp_path / "agreement")).drawing().to_json() == result.drawing().to_json()
    assert Orientations.load(seen.save(tmp_path / "seen")).drawing().kind == "rose"
    assert result.roses(3).data["together"] and result.to_frame()["unit"].to_list() == [0, 3, 5] and seen.to_frame()["crops"].min() == 12
    assert result.check(model)[0].holds is None and "3 units say too little" in result.check(model)[0].reason
    assert float(seen.shares(0).sum()) == pytest.approx(1) and 0 <= seen.concentration(0) <= 1
    with pytest.raises(CheckRefused):
        result.check(sonde.load("specimen:digits"))


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: orientations(torch.rand(3)), "are no dataset examples"),
        (lambda: agreement(replace(both()[0], stimuli=curves(21, [3.0], channels=1)), both()[1]), "don't come round after half a turn"),
        (lambda: agreement(replace(both()[0], layer="0"), both()[1]), "shown to 0, and the pictures to 1"),
        (lambda: agreement(*both(), [99]), "unit 99 was not asked for"),
        (lambda: agreement(*both()).roses(99), "unit 99 is not among the 12"),
        (lambda: agreement(both()[0], replace(both()[1], coherence=0 * both()[1].coherence)), "no unit has both"),
    ],
)
def test_what_makes_no_sense_is_refused_in_one_line(make, words):
    with pytest.raises(InputError, match=words) as refusal:
        make()
    assert "\n" not in str(refusal.value)
