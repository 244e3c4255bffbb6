"""Error rates of descriptions that are right, too narrow, too wide, and unreadable; by hand."""

import math

import pytest
from planted_rules import RULES, planted

from sonde.features import describe, error_rates
from sonde.features.descriptions import Detection
from sonde.results import InputError

RIGHT, NARROW, WIDE, UNREAD = 'on " Mary", " John"', 'on " Mary"', 'on " Mary", " John"; after " to"', "names"


@pytest.fixture(scope="module")
def rates():
    recording = planted(texts=250, rules={"tokens": RULES["tokens"], "token": RULES["token"]})
    return {text: error_rates(recording, {0: text}, n_silent=150).rates[0] for text in (RIGHT, NARROW, WIDE, UNREAD)}


def test_the_right_description(rates):
    found = rates[RIGHT]
    assert found.misses == found.false_alarms == found.even_misses == found.pointless == 0.0 and found.failures == 0
    assert sum(found.shares) == pytest.approx(1.0)


def test_half_is_missed(rates):
    """Half of the firing tokens are of the other name; none of the silent ones is pointed to."""
    found = rates[NARROW]
    assert found.misses == pytest.approx(0.5, abs=0.15) and found.false_alarms == 0.0


def test_alarms_weigh_by_how_rare_the_latent_is(rates):
    """ " to" is one token in 31 or so, as each name is: about a third of the places that the description points to is silent."""
    found = rates[WIDE]
    d, f = found.density, found.false_alarms
    assert found.misses == 0.0 and found.pointless == pytest.approx((1 - d) * f / (d + (1 - d) * f))
    assert 0.2 < found.pointless < 0.6


def test_what_can_not_be_read_is_a_coin(rates):
    found = rates[UNREAD]
    assert found.false_alarms == 0.5 == pytest.approx(found.misses) and found.failures == sum(found.n) + found.n_silent


def test_firing_tokens_are_drawn_evenly(rates):
    """Strengths lie between 1 and 2: the lower half of the intervals is empty, the others give equally many."""
    found = rates[RIGHT]
    assert found.n[:5] == (0,) * 5 and set(found.n[5:]) == {20} and math.isnan(found.by_interval[0])


def test_from_descriptions_to_a_drawing(tmp_path):
    recording = planted(texts=80)
    told = describe(recording, latents=[0, 1], scorers=[Detection()], n=5)
    found = error_rates(recording, told, n_silent=50)
    frame = found.to_frame()
    assert {"misses", "false alarms"} == set(frame["error"]) and (frame["rate_low"] <= frame["rate"]).all()
    assert found.drawing().kind == "lines" and type(found).load(found.save(tmp_path / "rates")).rates[0].n == found.rates[0].n
    with pytest.raises(InputError, match="give at least one of each"):
        error_rates(recording, {0: ""})
