"""Shifts of pictures, texts and populations against closed forms, and of nothing at all."""

import pytest
import torch
from torch import nn

import sonde
from sonde.behaviour import shift, shifts
from sonde.evidence import permuted
from sonde.results import CheckRefused, InputError, Result
from sonde.specimens.digits import held_out


@pytest.fixture(scope="module")
def model():
    return sonde.load("specimen:digits")


@pytest.fixture(scope="module")
def data():
    pictures, digits = held_out()
    return pictures[:200], digits[:200]


@pytest.fixture(scope="module")
def noisy(model, data):
    return shift(model, *data, shifts.Noise(0.4))


class Told(nn.Module):
    """Says what it is given as probabilities."""

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(()))

    def forward(self, p):
        return p.log() * self.scale


def test_the_measures_by_hand():
    """Two sure and right, one unsure and wrong; after the shift all unsure."""
    p = torch.tensor([[0.9, 0.1], [0.9, 0.1], [0.6, 0.4]])
    labels = torch.tensor([0, 0, 1])
    found = shift(sonde.load(Told()), p, labels, lambda given: given * 0 + torch.tensor([0.6, 0.4]))
    assert found.of("accuracy").before == found.of("accuracy").after == pytest.approx(2 / 3)
    assert found.of("confidence").before == pytest.approx(0.8)
    assert found.of("calibration error").before == pytest.approx((2 * 0.1 + 0.6) / 3)
    assert found.of("calibration error").after == pytest.approx(2 / 3 - 0.6)
    assert found.of("Brier score").before == pytest.approx((2 * 0.02 + 0.72) / 3)
    assert found.of("log loss").after == pytest.approx(-(2 * torch.tensor(0.6).log() + torch.tensor(0.4).log()).item() / 3)


def test_noise_costs_accuracy_and_the_model_stays_sure(noisy):
    accuracy, error = noisy.of("accuracy"), noisy.of("calibration error")
    assert accuracy.before > 0.95 and accuracy.interval[1] < -0.2
    assert error.interval[0] > 0.1 and error.after > 3 * noisy.expected[1]


def test_no_shift_moves_nothing(model, data):
    same = shift(model, *data, lambda pictures: pictures, name="nothing")
    assert all(one.difference == pytest.approx(0, abs=1e-12) and one.interval == pytest.approx((0, 0), abs=1e-12) for one in same.moved)


def test_two_halves_of_one_sample_are_alike(model, data):
    pictures, digits = data
    halves = shift(model, pictures[:100], digits[:100], (pictures[100:], digits[100:]))
    assert not halves.paired and halves.name == "other data"
    assert all(one.interval[0] <= 0 <= one.interval[1] for one in halves.moved)
    apart = shift(model, pictures[:100], digits[:100], (shifts.Noise(0.4)(pictures[100:]), digits[100:]))
    assert apart.of("accuracy").interval[1] < -0.2
    assert halves.check(model, pictures, digits, (pictures, digits))[0].holds is None


def test_pairs_are_surer_than_two_samples(model, data):
    pictures, digits = data
    brighter = shifts.Brightness(0.3)
    paired = shift(model, pictures, digits, brighter).of("Brier score").interval
    two = shift(model, pictures, digits, (brighter(pictures), digits)).of("Brier score").interval
    assert paired[1] - paired[0] < two[1] - two[0]


def test_the_claim_is_tested_on_other_pictures(model, noisy):
    pictures, digits = held_out()
    (verdict,) = noisy.check(model, pictures[200:400], digits[200:400], shifts.Noise(0.4))
    assert verdict.holds and verdict.n == 200
    assert not noisy.check(model, pictures[200:400], digits[200:400], shifts.Brightness(0.0))[0].holds
    with pytest.raises(CheckRefused):
        noisy.check(sonde.load(permuted(model.module, seed=0)), pictures, digits, shifts.Noise(0.4))


def test_it_is_kept_and_drawn(noisy, tmp_path):
    again = Result.load(noisy.save(tmp_path / "shift"))
    assert again.moved == noisy.moved and torch.equal(again.curves.nan_to_num(), noisy.curves.nan_to_num())
    assert noisy.to_frame().height == 5 and len(noisy.drawing().data["parts"]) == 2


def test_shifts_of_pictures():
    pictures = torch.zeros(1, 1, 9, 9)
    pictures[0, 0, 4, 6] = 1.0
    assert torch.equal(
        shifts.Rotation(90)(pictures).round(decimals=4), torch.zeros(1, 1, 9, 9).index_put((*map(torch.tensor, (0, 0, 2, 4)),), torch.tensor(1.0))
    )
    blurred = shifts.Blur(1.0)(pictures)
    assert blurred.sum() == pytest.approx(1, abs=0.02) and blurred[0, 0, 4, 6] == pytest.approx(0.1592, abs=0.002)  # 1 / 2 pi, for sigma 1
    assert torch.allclose(shifts.Blur(2.0)(torch.full((2, 3, 5, 5), 0.7)), torch.full((2, 3, 5, 5), 0.7))
    contrast = shifts.Contrast(0.5)(pictures)
    assert contrast.mean() == pytest.approx(float(pictures.mean())) and contrast.std() == pytest.approx(0.5 * float(pictures.std()))
    assert torch.equal(shifts.Noise(0.1, seed=1)(pictures), shifts.Noise(0.1, seed=1)(pictures))


def test_shifts_of_texts():
    texts = ["The keys were there", "a b c"]
    typed = shifts.Typos(1.0)(texts)
    assert typed[1] == "a b c" and typed[0] != texts[0]
    assert [sorted(word) for word in typed[0].split()] == [sorted(word) for word in texts[0].split()]
    assert shifts.Typos(0.0)(texts) == texts and shifts.Casing("upper")(["aB"]) == ["AB"]


def test_a_population_with_other_shares():
    groups = ["a"] * 80 + ["b"] * 20
    drawn = shifts.by_group(groups, {"a": 0.5, "b": 0.5})
    assert len(drawn) == len(set(drawn)) == 40 and sum(groups[i] == "a" for i in drawn) == 20
    for shares, message in (({"a": 0.5}, "do not sum to 1"), ({"a": 0.5, "c": 0.5}, "no case of the group 'c'")):
        with pytest.raises(InputError, match=message):
            shifts.by_group(groups, shares)


def test_a_language_models_classes_are_tokens():
    words = sonde.load("specimen:words")
    texts = ["The key", "The keys", "The key", "The keys"]
    classes = [words.tokenizer.single(" is"), words.tokenizer.single(" are")]
    found = shift(words, texts, torch.tensor([0, 1, 0, 1]), lambda given: [text + " on the cabinet" for text in given], classes=classes)
    assert found.of("accuracy").before == 1.0


def test_mistakes_are_named(model, data, unchecked):
    pictures, digits = data
    for labels, message in ((digits[:3], "3 labels for 200 examples"), (digits + 5, "is no class: the model tells 10 apart")):
        with pytest.raises(InputError, match=message):
            shift(model, pictures, labels, shifts.Noise(0.1))
    with pytest.raises(InputError, match="returns \\(200, 1\\), and a classifier returns a logit for each of two classes"):
        shift(sonde.load(nn.Sequential(nn.Flatten(), nn.Linear(64, 1))), pictures, digits * 0, shifts.Noise(0.1))
    with pytest.raises(InputError, match="the logits of 200 of 200 examples are not finite"):
        shift(model, pictures, digits, lambda given: given * float("nan"))
    with pytest.raises(InputError, match="sigma=0"):
        shifts.Blur(0)
    with pytest.raises(InputError, match="no measure 'auc'"):
        shift(model, pictures, digits, shifts.Noise(0.1)).of("auc")
