"""The likelihood ratio of a stated property, against counting; a property that has nothing to do with the latent has none."""

import re

import numpy as np
import pytest
from feature_database import database, dense

from sonde.features.database.properties import in_script
from sonde.results import InputError


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    return database(tmp_path_factory.mktemp("features") / "all")


def busy(found):
    return int(found.table(sort="firings", descending=True)["latent"][0])


def test_ratio_is_what_counting_gives(found):
    codes, _, places = dense()
    latent = busy(found)
    values = codes[:, latent].numpy()
    has = np.array([bool(re.search("w[12]", f"w{token}")) for _, _, token in places])
    answer = found.likelihood_ratio(latent, "w[12]")
    assert answer["base"] == pytest.approx(has.mean())
    assert answer["name"] == "w[12]"
    assert sum(ratio["n"] for ratio in answer["ratios"]) == int((values != 0).sum())
    checked = 0
    for ratio in answer["ratios"]:
        inside = (values != 0) & (values >= ratio["low"]) & (values < ratio["high"] + (1e-6 if ratio is answer["ratios"][0] else 0))
        if ratio["n"] == inside.sum() > 0:
            assert ratio["ratio"] == pytest.approx(has[inside].mean() / has.mean())
            assert ratio["interval"][0] <= ratio["ratio"] <= ratio["interval"][1]
            checked += 1
    assert checked > 4


def test_every_way_to_state_a_property_says_the_same(found):
    latent = busy(found)
    flat = np.array([text in ("w3", "w4") for text in found.storage.texts(found.storage.ids.tolist())])
    rows = [flat[start:stop].tolist() for start, stop in zip(found.storage.offsets[:-1], found.storage.offsets[1:], strict=True)]
    stated = ["^w[34]$", re.compile("^w[34]$"), lambda text: text in ("w3", "w4"), flat, rows]
    answers = [found.likelihood_ratio(latent, one, name="three or four") for one in stated]
    assert all(answer == answers[0] for answer in answers)


def test_a_planted_property_is_found_and_a_shuffled_one_is_not(found):
    """The property of standing where the latent is strong; then the same marks on other tokens."""
    latent = busy(found)
    firings = found.firings(latent)
    marks = np.zeros(len(found.storage.ids), dtype=bool)
    strong = firings.value > 0.5 * firings.value.max()
    marks[found.storage.offsets[firings.sequence[strong]] + firings.position[strong]] = True
    planted = found.likelihood_ratio(latent, marks)
    assert all(ratio["ratio"] == pytest.approx(1 / planted["base"]) for ratio in planted["ratios"][:5] if ratio["n"])
    assert all(ratio["ratio"] == 0 for ratio in planted["ratios"][5:] if ratio["n"])
    shuffled = found.likelihood_ratio(latent, np.random.default_rng(0).permutation(marks))
    covered = [ratio["interval"][0] <= 1 <= ratio["interval"][1] for ratio in shuffled["ratios"] if ratio["n"]]
    assert np.mean(covered) > 0.7


@pytest.mark.parametrize(
    "stated, message",
    [("zebra", "no token of the corpus has"), ("(", "is no regular expression"), (np.ones(3), "given for 3 tokens"),
     ([[True]], "given for 1 sequences of 1 tokens"), ("script:Klingon", "no token of the corpus has")],
)  # fmt: skip
def test_what_is_no_property(found, stated, message):
    with pytest.raises(InputError, match=message):
        found.likelihood_ratio(0, stated)


def test_scripts():
    assert in_script(" السلام", "Arabic")
    assert in_script(" 东", "CJK")
    assert not in_script(" peace", "Arabic")
    assert not in_script(" 12", "Arabic")
    assert not in_script("дa", "Cyrillic")  # one letter is Latin
