"""Adversarial weights between two toys: everything can be moved, nothing can be moved."""

import pytest
import torch
from attribution.attention.networks import base, corpus, texts, written

from sonde.attribution.attention import adversarial, viewer
from sonde.attribution.attention.distances import jsd, kl, tvd
from sonde.results import CheckRefused, InputError, Result

LENGTH = 12
ROWS = [[f"w{(i + j) % LENGTH}" for j in range(LENGTH)] for i in range(LENGTH)]
PEAK = [5.34] + [0.0] * (LENGTH - 1)  # .95 of the weight on w0


def irrelevant():
    return written([1.0] * LENGTH, PEAK)


def decisive():
    return written([1.0] + [-1.0] * (LENGTH - 1), PEAK, scale=4.0)


def test_where_all_words_say_the_same_the_weights_can_go_anywhere():
    result = adversarial(irrelevant(), texts(ROWS))
    assert result.largest.allclose(torch.tensor(0.95), atol=2e-3)
    farthest = jsd(torch.eye(LENGTH)[1], result.weights[0].sort(descending=True).values)
    assert result.distance.median() > 0.98 * farthest
    assert result.distance.max() <= farthest + 1e-4
    assert result.moved.max() < 1e-5


def test_where_one_word_decides_they_can_hardly_go():
    result = adversarial(decisive(), texts(ROWS))
    assert result.distance.max() < 0.08
    # the farthest that there is: JSD is convex, so its maximum over weights of at least x on the deciding word is x there and all else on one other
    weights = result.weights[0].sort(descending=True).values
    x = torch.linspace(0, 1, 20_001)
    one_other = torch.zeros(len(x), LENGTH)
    one_other[:, 0], one_other[:, 1] = x, 1 - x
    attended = decisive().attend(texts([[f"w{i}" for i in range(LENGTH)]]))
    allowed = tvd(attended.under(one_other[None])[0], attended.probabilities) <= result.bound
    farthest = jsd(one_other[allowed], weights).max()
    assert bool((result.distance <= farthest + 1e-4).all())
    assert result.distance.median() > 0.8 * farthest, "what is found is a lower bound, and a good one"
    assert bool((result.moved <= result.bound + 1e-6).all())


def test_what_ignores_the_bound_goes_far_also_where_one_word_decides():
    """The control of the two tests above: without a bound both toys look alike."""
    assert adversarial(decisive(), texts(ROWS), bound=1.0, aim=1.0, steps=50).distance.median() > 0.6


def test_what_does_not_search_stays_where_it_is():
    """And one step from random starts finds nothing within the bound of the decisive toy."""
    assert adversarial(decisive(), texts(ROWS), steps=1).distance.max() < 0.02


def test_the_weights_found_work_on_the_network_itself():
    made = corpus().test.first(40)
    result = adversarial(base(), made, steps=60)
    rows = base().rows(made)
    with torch.no_grad():
        output = base()(rows.ids, weights=result.adversarial).softmax(-1)
    assert torch.allclose(output, result.adversarial_output, atol=1e-5)
    assert bool(((result.adversarial.sum(1) - 1).abs() < 1e-5).all()) and bool((result.adversarial >= 0).all())
    (verdict,) = result.check(base(), made)
    assert verdict.holds and verdict.measured <= result.bound < verdict.control
    (verdict,) = adversarial(irrelevant(), texts(ROWS), steps=50).check(irrelevant(), texts(ROWS))
    assert not verdict.holds, "where any weights do, the ones found prove nothing"


def test_padding_never_gets_weight_and_changes_nothing():
    short, long = ROWS[0][:5], ROWS[1]
    together, alone = adversarial(decisive(), texts([short, long]), steps=20), adversarial(decisive(), texts([short]), steps=20)
    assert bool((together.adversarial[0, 5:] == 0).all())
    assert torch.allclose(together.distance[0], alone.distance[0], atol=1e-4)


def test_distances():
    p, q = torch.tensor([[0.2, 0.8, 0.0]]), torch.tensor([[0.2, 0.0, 0.8]])
    middle = (p + q) / 2
    assert jsd(p, q).item() == pytest.approx(0.8 * torch.tensor(2.0).log().item(), abs=1e-6)
    assert jsd(p, q).item() == pytest.approx((kl(p, middle) + kl(q, middle)).item() / 2)
    assert jsd(p, p).item() == pytest.approx(0, abs=1e-7) and tvd(p, q).item() == pytest.approx(0.8)


def test_kept_shown_and_refused(tmp_path):
    made = corpus().test.first(10)
    result = adversarial(base(), made, steps=20)
    again = Result.load(result.save(tmp_path / "kept"))
    assert again.to_frame().equals(result.to_frame()) and again.drawing().to_json() == result.drawing().to_json()
    shown = str(viewer(base(), made, result, 3).to_json())
    assert all(part in shown for part in ("adversary", "equal weights", "marker", "of 0.693"))
    with pytest.raises(InputError, match="no text 10"):
        viewer(base(), made, result, 10)
    with pytest.raises(InputError, match="not the texts"):
        result.check(base(), corpus().test.first(9))
    with pytest.raises(CheckRefused):
        viewer(decisive(), made, result)
    for wrong in ({"bound": -1.0}, {"bound": 0.001}, {"k": 0}, {"steps": 0}):
        with pytest.raises(InputError, match="aim="):
            adversarial(base(), made, **wrong)
