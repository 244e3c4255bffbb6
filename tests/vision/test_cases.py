"""A unit that was made to unite two cases is found; one whose cases occur together, and one that reads a single case, are not."""

import pytest
import torch
from torch import nn

import sonde
from sonde.results import CheckRefused, InputError, Result
from sonde.vision import union_cases

PARTS = 12


class Either(nn.Module):
    """Twelve channels, each the brightness of a part of the picture; a unit that adds up two of them, or only one."""

    def __init__(self, parents=(2, 3)):
        super().__init__()
        self.look, self.join = nn.Conv2d(PARTS, PARTS, 1, bias=False), nn.Conv2d(PARTS, PARTS, 1)
        with torch.no_grad():
            self.look.weight.copy_(torch.eye(PARTS)[..., None, None])
            self.join.weight.copy_(0.01 * torch.randn(PARTS, PARTS, 1, 1, generator=torch.Generator().manual_seed(0)))
            self.join.weight[4, list(parents)] = 1.0
            self.join.bias.zero_()

    def forward(self, pixel_values):
        return torch.relu(self.join(torch.relu(self.look(pixel_values)))).mean((2, 3))


def pictures(n, seed, together=False):
    """Noise in all channels; of every three pictures one has one of two channels bright, one the other, and one neither; or two have both."""
    generator = torch.Generator().manual_seed(seed)
    made = 0.1 * torch.rand(n, PARTS, 4, 4, generator=generator)
    for i, one in enumerate(made):
        for channel in [[2], [3], []][i % 3] if not together else [2, 3][: 2 * (i % 3)]:
            one[channel] += 0.8
    return made


def asked(model, *given, **options):
    return union_cases(model, "join", *given, normalise="none", **options)


def test_a_planted_union_is_found_and_holds_on_other_pictures(tmp_path):
    model = sonde.load(Either().eval())
    found = asked(model, pictures(60, 0))
    (one,) = found.cases
    assert (one.u, one.a, one.b) == (4, 2, 3) and one.correlation == pytest.approx(-0.5, abs=0.02) and one.fires > 0.95
    assert min(one.kept) > 0.85 and max(one.left) < 0.15  # the other channels' noise is left
    assert not found.null.any()
    assert found.to_frame().shape == (1, 12) and found.drawing().data["rows"][0][0] == 4
    assert [verdict.holds for verdict in found.check(model, pictures(60, 1), normalise="none")] == [True, True]
    assert Result.load(found.save(tmp_path / "kept")).cases == found.cases
    with pytest.raises(CheckRefused):
        found.check(sonde.load(Either((2,)).eval()), pictures(60, 1), normalise="none")


def test_a_union_does_not_hold_where_its_cases_occur_together():
    model = sonde.load(Either().eval())
    assert not asked(model, pictures(60, 0, together=True)).cases
    verdicts = asked(model, pictures(60, 0)).check(model, pictures(60, 1, together=True), normalise="none")
    assert not verdicts[1].holds


def test_a_single_case_is_no_union():
    found = asked(sonde.load(Either((2,)).eval()), pictures(60, 0))
    assert not found.cases and "0 unions among" in found.drawing().note


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda model: asked(model, pictures(4, 0)), "4 pictures are too few"),
        (lambda model: asked(model, pictures(20, 0), draws=1), "draws=1: give a number of 2 or more"),
        (lambda model: union_cases(model, "join", pictures(20, 0)), "state it with normalise="),
        (lambda model: union_cases(model, "", pictures(20, 0), normalise="none"), "is no layer"),
        (lambda model: asked(model, 2 * pictures(20, 0)), "pixels lie from 0 to 1"),
    ],
)
def test_what_can_not_be_asked_is_refused_in_one_line(call, words):
    with pytest.raises(InputError, match=words) as error:
        call(sonde.load(Either().eval()))
    assert "\n" not in str(error.value)
