"""Tuning curves of a planted bank of curves, whose preferences are known, beside the same filters with their pixels shuffled."""

import functools
import math

import pytest
import torch
from torch import nn

import sonde
from sonde.nn import filters_permuted
from sonde.results import InputError, SondeError, UnknownSite
from sonde.vision import Normalisation, Preference, Stimuli, Tuning, bars, colours, curves, gratings, preference, receptive_field, tuning

SIDE, RADIUS, SPAN = 41, 14.0, 17.0
PLANTED = tuple(range(0, 360, 45))
RADII = (8.0, 11.0, 14.0, 18.0, 24.0)


def bank(side=SIDE):
    """Eight units that each look for an arc of another angle, over the whole picture, and one that looks for nothing."""
    templates = curves(side, [RADIUS], PLANTED, width=3, span=SPAN, channels=1).pictures[:, 0, 0]
    weights = torch.cat([templates - templates.mean((-2, -1), keepdim=True), torch.zeros_like(templates[:1])])
    conv = nn.Conv2d(1, len(weights), side, bias=False)
    conv.weight = nn.Parameter(weights / weights.flatten(1).norm(dim=1)[:, None, None, None].clamp(min=1e-6))
    return sonde.load(nn.Sequential(conv))


@functools.cache
def found():
    stimuli = curves(SIDE, RADII, width=3, span=SPAN, channels=1)
    return tuning(bank(), "0", stimuli, normalise="none")


def test_planted_angles_and_radii_are_found():
    """Peaks exactly there; each curve is the first one, rolled; other radii excite less than .6 of it."""
    frame = found().to_frame()
    assert frame["preferred"].to_list()[:8] == list(PLANTED) and frame["across"].to_list()[:8] == [RADIUS] * 8
    first = found().curve(0)
    for i, angle in enumerate(PLANTED):
        rolled = first.roll(angle // 5)
        assert float(torch.corrcoef(torch.stack([rolled, found().curve(i)]))[0, 1]) > 0.999
        assert abs((found().mean(i) - angle + 180) % 360 - 180) < 1  # the grid of pixels is not round
        row = found().response[i, angle // 5]
        assert float(row[0]) < 0.6 * float(row[2]) > float(row[4])
        assert float(found().inverted[i]) == pytest.approx(-float(row[2]), rel=1e-4) and abs(float(found().blank[i])) < 1e-4
    assert frame["height"][8] == 0 and frame["width"][8] is None and any("unit 8 answered to all of them alike" in note for note in found().notes)


def test_shuffled_filters_reach_a_fifth_at_most_and_are_not_tuned():
    verdicts = found().check(bank(), units=[*range(8)], draws=4)
    assert all(verdict.holds for verdict in verdicts)
    assert all(verdict.control <= 0.2 * verdict.measured for verdict in verdicts)
    shuffled = sonde.load(nn.Sequential(nn.Conv2d(1, 9, SIDE, bias=False)))
    generator = torch.Generator().manual_seed(5)
    order = torch.randperm(SIDE * SIDE, generator=generator)
    with torch.no_grad():
        shuffled.module[0].weight.copy_(bank().module[0].weight.flatten(1)[:, order].view(9, 1, SIDE, SIDE))
    null = tuning(shuffled, "0", found().stimuli, normalise="none")
    assert float(null.response.max()) <= 0.2 * float(found().response.max())
    assert sum(bool(verdict.holds) for verdict in null.check(shuffled, draws=4)) <= 1
    assert found().check(bank(), units=[8], draws=2)[0].holds is None
    with pytest.raises(SondeError, match="was computed on the model"):
        found().check(shuffled)


def test_curves_are_preferred_to_lines_by_detectors_of_curves_alone(tmp_path):
    """Planted arcs prefer their bend; planted lines, and arcs with shuffled pixels, do not."""
    stimuli = curves(21, [7.0, math.inf], range(0, 360, 15), width=2, span=9.0, channels=1)

    def preferred(model):
        return preference(tuning(model, "0", stimuli, normalise="none"), model, [7.0], [math.inf], draws=8)

    for at, held in ((1, False), (0, True)):
        templates = stimuli.pictures[::2, at, 0]
        conv = nn.Conv2d(1, 12, 21, bias=False)
        conv.weight = nn.Parameter(templates - templates.mean((-2, -1), keepdim=True))
        model = sonde.load(nn.Sequential(conv))
        found = preferred(model)
        assert found.check(model)[0].holds is held and (float(found.value.mean()) > 1) is held
    assert Preference.load(found.save(tmp_path / "preference")).drawing().kind == "violins" and found.to_frame().height == 12
    lost = sonde.load(filters_permuted(model.module, seed=900))
    assert preferred(lost).check(lost)[0].holds is False
    for across, over, words in (([3.0], [7.0], "across="), ([7.0], [7.0], "share a value")):
        with pytest.raises(InputError, match=words):
            preference(tuning(lost, "0", stimuli, normalise="none"), lost, across, over)


def test_half_widths_and_means_of_known_curves():
    """A unit that answers to hue by a triangle of 60 degrees each way: the width at half height is 60, across the seam too."""
    for peak in (0, 120, 350):
        far = torch.tensor([min(abs(one - peak), 360 - abs(one - peak)) for one in range(0, 360, 10)])
        values = (1 - far / 60).clamp(min=0)
        stimuli = Stimuli(
            "greys", values[:, None, None, None, None, None].expand(-1, 1, 1, 1, 2, 2), "hue", tuple(range(0, 360, 10)), "one", (0,), 360
        )
        conv = nn.Conv2d(1, 1, 1, bias=False)
        nn.init.ones_(conv.weight)
        result = tuning(sonde.load(nn.Sequential(conv)), "0", stimuli, normalise="none")
        assert result.width(0) == pytest.approx(60, abs=1e-3) and result.height(0) == pytest.approx(1)
        assert (result.mean(0) - peak + 180) % 360 - 180 == pytest.approx(0, abs=1e-3)
    ends = Stimuli("greys", torch.linspace(0, 1, 5)[:, None, None, None, None, None].expand(-1, 1, 1, 1, 2, 2), "grey", range(5), "one", (0,))
    result = tuning(sonde.load(nn.Sequential(conv)), "0", ends, normalise="none")
    assert result.drawing().kind == "lines"
    with pytest.raises(InputError, match="don't go round"):
        result.together([0])
    assert math.isnan(result.width(0)) and math.isnan(result.mean(0)) and result.to_frame()["circular_mean"].to_list() == [None]


def test_stimuli_are_what_they_say():
    """A curve's ink lies on its circle; a half turn of a line is the line; a grating has its frequency and angle; bars turn against the clock."""
    curve = curves(33, [9.0], [90], width=2, channels=1).pictures[0, 0, 0, 0]
    rows, cols = (curve > 0.75).nonzero().T
    away = torch.hypot((16 - rows).float() - 9, (cols - 16).float())  # the centre lies above the middle
    assert float((away - 9).abs().max()) <= 1.5 and float(curve[16, 16]) == 1
    line = curves(33, [math.inf], [0, 180], width=2, channels=1).pictures[:, 0, 0, 0]
    assert torch.equal(line[0], line[1]) and float(line[0, :, 16].min()) == 1 and torch.equal(line[0], bars(33, [2.0], [0]).pictures[0, 0, 0, 0])
    area = float((2 * curves(64, [12.0], [0, 30], width=4, channels=1).pictures - 1)[:, 0, 0, 0].sum((1, 2)).diff().abs())
    assert area < 0.03 * 2 * math.pi * 12 * 4  # anti-aliased: the ink is the same at every angle
    wave = gratings(32, [4 / 32], [90], channels=1).pictures[0, 0, 0, 0]
    power = torch.fft.fft2(wave - wave.mean()).abs()
    assert divmod(int(power.argmax()), 32) in ((4, 0), (28, 0))
    assert colours(2, [1.0], [0, 240]).pictures[:, 0, 0, :, 0, 0].tolist() == [[1, 0, 0], [0, 0, 1]]


def test_an_orientation_is_found_through_layers_and_what_is_seen_is_said():
    """A small upright filter, rectified, with another layer behind it: gratings whose waves follow one another sideways."""
    model = sonde.load(nn.Sequential(nn.Conv2d(3, 2, 5, padding=2), nn.ReLU(), nn.Conv2d(2, 2, 1), nn.ReLU()))
    with torch.no_grad():
        for part in (0, 2):
            model.module[part].bias.zero_()
        model.module[0].weight.copy_(torch.tensor([-1.0, -1, 4, -1, -1]).expand(2, 3, 5, 5))
        model.module[0].weight[1] = model.module[0].weight[1].mT.clone()
        model.module[2].weight.copy_(torch.eye(2)[:, :, None, None])
    result = tuning(model, "3", gratings(24, [1 / 6], range(0, 180, 15)), normalise=Normalisation((0.5,), (0.5,)))
    assert result.to_frame()["preferred"].to_list() == [0, 90]
    assert "sees 5 x 5 pixels of 24 x 24" in result.notes[0] and receptive_field(model, "3:out", 3, (24, 24)).rows == (-2, 1, 5)
    assert all(verdict.holds for verdict in result.check(model, draws=6))


def test_results_are_kept_and_an_interrupted_sweep_goes_on(tmp_path):
    model, stimuli = bank(9), curves(9, [3.0], range(0, 360, 45), channels=1)
    first = tuning(model, "0", stimuli, [1, 0], normalise="none", folder=tmp_path / "kept")
    again = tuning(model, "0", stimuli, [1, 0], normalise="none", folder=tmp_path / "kept")
    kept = Tuning.load(again.save(tmp_path / "result"))
    assert torch.equal(kept.response, first.response) and kept.drawing().to_json() == first.drawing().to_json()
    assert kept.drawing().kind == "rose" and kept.lines().kind == "lines" and len(kept.together([0, 1]).data["series"]) == 2
    assert float(torch.tensor(kept.together([1]).data["series"][0]["values"]).max()) == 1
    with pytest.raises(InputError, match="can be told apart in one rose"):
        kept.together([])
    assert kept.map(0).kind == "matrix" and torch.equal(kept.stimuli.pictures, stimuli.pictures)
    with pytest.raises(SondeError, match="another job"):
        tuning(model, "0", curves(9, [2.0], range(0, 360, 45), channels=1), normalise="none", folder=tmp_path / "kept")


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (lambda: tuning(bank(9), "0", torch.rand(3, 1, 9, 9), normalise="none"), InputError, "are no stimuli"),
        (lambda: tuning(bank(9), "0", curves(9, [3.0], [0]), normalise="none"), SondeError, "can't take|channels"),
        (lambda: tuning(bank(9), "0", curves(9, [3.0], [0], channels=1)), InputError, "state it with normalise="),
        (lambda: tuning(bank(9), "0", curves(9, [3.0], [0], channels=1), [9], normalise="none"), InputError, "there is no unit 9 at '0': it has 9"),
        (lambda: tuning(bank(9), "5", curves(9, [3.0], [0], channels=1), normalise="none"), UnknownSite, "5"),
        (lambda: curves(9, [0.0]), InputError, "radii="),
        (lambda: curves(0), InputError, "size=0"),
        (lambda: colours(4, [2.0]), InputError, "saturations="),
        (lambda: bars(8, [-1.0]), InputError, "widths="),
        (lambda: gratings(8, [0.7]), InputError, "frequencies="),
        (lambda: gratings(8, contrast=2.0), InputError, "contrast=2.0"),
        (lambda: Stimuli("x", torch.rand(2, 1, 8, 8), "a", (0, 1), "b", (0,)), InputError, "2 x 1 x 8 x 8"),
        (lambda: Stimuli("x", 2 * torch.ones(1, 1, 1, 1, 8, 8), "a", (0,), "b", (0,)), InputError, "pixels lie from 0 to 1"),
    ],
)
def test_what_makes_no_sense_is_refused_in_one_line(make, error, words):
    with pytest.raises(error, match=words) as refusal:
        make()
    assert "\n" not in str(refusal.value)
