"""Shortcuts planted and found, and not found where nothing was planted."""

import pytest
import torch
from torch import nn

import sonde
from sonde.behaviour import Cue, clever_hans, cluster_maps, column, patch, scan_patches, shortcuts, word
from sonde.results import CheckRefused, InputError, Result
from sonde.tasks import Logit


@pytest.fixture(scope="module")
def hans():
    return clever_hans()


def sized(hans, model, cues=None):
    return shortcuts(model, hans.pictures, hans.digits, cues or [hans.cue])


def test_the_planted_mark_is_sized(hans):
    (effect,) = sized(hans, hans.model).effects
    assert effect.flips.interval[0] > 0.3 > 0.1 > effect.flips.control_value
    assert effect.leaves.value > 0.3 and effect.leaves.control_value < 0.1
    assert effect.accuracy == 1.0 and effect.rests_interval[0] > 0.2
    assert effect.no_conflict > 0.8 and effect.conflict < 0.4


def test_its_twin_without_the_mark_shows_none(hans):
    (effect,) = sized(hans, hans.twin).effects
    assert effect.flips.value < 0.1 and effect.rests < 0.1
    (verdict,) = sized(hans, hans.twin).check(hans.twin, hans.pictures[:200], hans.digits[:200], [hans.cue])
    assert not verdict.holds


def test_the_claim_is_tested_and_another_model_refused(hans):
    found = sized(hans, hans.model)
    (verdict,) = found.check(hans.model, hans.pictures[250:], hans.digits[250:], [hans.cue])
    assert verdict.holds and verdict.measured > verdict.control + 0.2
    with pytest.raises(CheckRefused):
        found.check(hans.twin, hans.pictures, hans.digits, [hans.cue])


def test_the_scan_finds_place_class_and_size(hans, tmp_path):
    """Among the three best windows stands the planted one, and what was found does what the planted mark does; not in the twin."""
    scan = scan_patches(hans.model, hans.pictures, hans.digits)
    found = [cue for cue in scan.candidates(3) if cue.outcome == hans.cue.outcome and "row 0, column 0" in cue.name]
    assert len(found) == 1
    (effect,), (planted,) = sized(hans, hans.model, found).effects, sized(hans, hans.model).effects
    assert effect.flips.value == pytest.approx(planted.flips.value, abs=0.1)
    twin = scan_patches(hans.twin, hans.pictures, hans.digits)
    assert all("row 0, column 0" not in cue.name for cue in twin.candidates(3))
    again = Result.load(scan.save(tmp_path / "scan"))
    assert torch.equal(again.scores, scan.scores) and scan.to_frame().height == 10 * 6 * 6 and scan.drawing().kind == "tabs"


def test_clusters_of_maps_part_marked_from_unmarked(hans, tmp_path):
    """Gradient x input of all threes: one cluster holds marked pictures almost only, though nobody told which are marked."""
    threes = hans.pictures[hans.digits == 3]
    maps = (hans.model.grad(threes, of=Logit([3]), at=":in")[":in"] * threes)[:, 0]
    found = cluster_maps(maps, size=3)
    marked = torch.tensor(hans.cue.has(threes))
    purity = [float(marked[found.cluster == c].double().mean()) for c in range(len(found.means))]
    assert max(purity) > 0.9 and min(purity) < 0.4
    assert found.windows[purity.index(max(purity)), 0] == 0  # it looks at the top, where the mark is
    cues = found.candidates(threes, hans.pictures[hans.digits != 3], 3)
    assert len(cues) == len(found.means) and max(one.flips.value for one in sized(hans, hans.model, cues).effects) > 0.1
    again = Result.load(found.save(tmp_path / "clusters"))
    assert torch.equal(again.cluster, found.cluster) and found.to_frame()["examples"].sum() == len(threes) and found.drawing().kind == "tabs"


def test_planted_clusters_are_recovered():
    """Maps that point at one of two windows, with noise; the narrow ones come first."""
    generator = torch.Generator().manual_seed(0)
    maps = 0.02 * torch.rand(40, 8, 8, generator=generator)
    maps[:20, 6:8, 6:8] += 1.0
    maps[20:, 0:4, 0:4] += 0.3
    found = cluster_maps(maps)
    assert found.cluster.tolist() == [0] * 20 + [1] * 20 and found.windows[0].tolist() == [6, 6]
    assert found.concentration[0] > 0.7 > found.concentration[1]
    (one,) = cluster_maps(torch.rand(40, 8, 8, generator=generator)).means  # and no cluster in noise
    assert one.sum() == pytest.approx(1)


class Bag(nn.Module):
    """The sum of the columns' weights; of two columns, the second is a shortcut that outweighs the first."""

    def __init__(self, weights):
        super().__init__()
        self.weights = nn.Parameter(torch.tensor(weights))

    def forward(self, x):
        score = x @ self.weights
        return torch.stack([torch.zeros_like(score), score], 1)


def test_a_column_in_a_table():
    """y is the sign of the first column; the second says it too, and the model believes the second three times as much."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(200, 3, generator=generator).clamp(-2, 2)
    y = (x[:, 0] > 0).long()
    x[:, 1] = y.float() * 2 - 1
    cue = column(1, 1.0, -1.0, outcome=1, name="the second column")
    relying, honest = (shortcuts(sonde.load(Bag(w)), x, y, [cue]).effects[0] for w in ([1.0, 3.0, 0.0], [1.0, 0.0, 0.0]))
    assert relying.flips.value == 1 and relying.leaves.value == 1 and relying.conflict == 0 and relying.rests == 1
    assert relying.flips.control_value < 0.2
    assert honest.flips.value == 0 and honest.leaves.value == 0 and honest.conflict == 1 and honest.rests == 0


def test_a_word_in_texts():
    """The specimen of words agrees with its subject, so a plural word put first is no shortcut; a planted reader of one word takes it."""
    cue = word("indeed", outcome=1)
    texts = ["it rains", "indeed it rains", "a b c"]
    assert cue.has(texts) == [False, True, False]
    assert cue.put(texts) == ["indeed it rains", "indeed it rains", "indeed a b c"] and cue.take(texts)[1] == "it rains"
    assert all("indeed" not in text.split()[:1] for text in cue.put_other(["it rains", "a b c"], 0))
    assert cue.take_other(["indeed it"], 0) == ["indeed"]


def test_a_mark_is_recognised_put_and_taken():
    pictures = torch.rand(4, 1, 6, 6, generator=torch.Generator().manual_seed(0))
    cue = patch(torch.ones(1, 2, 2), (1, 3), outcome=0, fill=0.5)
    marked = cue.put(pictures)
    assert cue.has(pictures) == [False] * 4 and cue.has(marked) == [True] * 4
    assert (cue.take(marked) - pictures)[:, :, 0].abs().sum() == 0 and (cue.take(marked)[:, :, 1:3, 3:5] == 0.5).all()
    other = cue.take_other(marked, 0)
    assert cue.has(other) == [True] * 4 and all(int((other[i] == 0.5).sum()) == 4 for i in range(4))


def test_it_is_kept_and_drawn(hans, tmp_path):
    found = sized(hans, hans.model)
    assert Result.load(found.save(tmp_path / "shortcuts")).effects == found.effects
    assert found.to_frame()["flips"].item() > 0.3 and len(found.drawing().data["parts"]) == 2


def test_mistakes_are_named(hans):
    everywhere = Cue("all", 3, lambda given: [True] * len(given), *[lambda given, seed=0: given] * 4)
    for make, message in (
        (lambda: shortcuts(hans.model, hans.pictures, hans.digits, []), "no cues to measure"),
        (lambda: shortcuts(hans.model, hans.pictures, hans.digits[:5], [hans.cue]), "5 labels for 500 examples"),
        (lambda: sized(hans, hans.model, [everywhere]), "every example of another class than 3"),
        (lambda: patch(torch.ones(1, 2, 2), (7, 7), 0).put(hans.pictures), "is not inside pictures"),
        (lambda: word("two words", 1), "no single word"),
        (lambda: sized(hans, hans.model, [patch(torch.ones(1, 2, 2), (0, 0), 99)]), "leads to 99, which is no class"),
        (lambda: scan_patches(hans.model, hans.pictures[:40], hans.digits[:40], n=1).candidates(0), "k=0"),
        (lambda: scan_patches(hans.model, hans.pictures, hans.digits, size=9), "do not fit pictures of 8 x 8"),
        (lambda: scan_patches(hans.model, hans.pictures[:2], torch.zeros(2).long()), "all 2 pictures are of class 0"),
        (lambda: cluster_maps(torch.rand(3, 4, 4)), "give more than 8"),
        (lambda: cluster_maps(torch.zeros(20, 4, 4)), "20 maps are zero"),
    ):
        with pytest.raises(InputError, match=message):
            make()
