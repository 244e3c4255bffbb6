"""Rivals, guides, frozen weights and the plane: the ordering that is known, and the controls."""

import functools
from dataclasses import replace

import pytest
import torch
from attribution.attention.networks import SMALL, base, corpus, texts, written

from sonde.attribution.attention import Setting, adversarial, consistent_adversary, frozen, guided, plane, rivals, seeds, train, train_adversary
from sonde.attribution.attention.classifier import AttentionClassifier
from sonde.attribution.attention.texts import Rows
from sonde.nn import reinitialised
from sonde.results import CheckRefused, InputError, Result


@functools.cache
def other_seed():
    return train(corpus(), SMALL, seed=2)


@functools.cache
def elsewhere():
    """A network that was paid for looking elsewhere."""
    return train_adversary(base(), corpus(), 0.01, SMALL)


@functools.cache
def compared():
    return rivals(base(), {"itself": base(), "seed 2": other_seed(), "lambda 0.01": elsewhere()}, corpus().test)


def test_a_network_beside_itself():
    result = compared()
    assert result.distance[0].max() < 1e-6 and result.moved[0].max() < 1e-6 and result.f1[0] == result.base_f1 == 1.0
    assert result.chance[0].mean() > 0.1, "the control: its own weights in random order are far away"
    assert result.check(base())[0].holds


def test_an_adversary_keeps_the_outputs_and_looks_elsewhere():
    """Farther than another seed does by itself, and another seed differs more than nothing."""
    _, seed, adversary = compared().distance.mean(1).tolist()
    assert 0.05 < seed < adversary and adversary > 0.6
    assert compared().moved.mean(1).max() < 0.05 and compared().f1.min() > 0.95


def test_where_the_outputs_are_not_kept_it_shows():
    """An untrained network looks elsewhere too, and its outputs are far away."""
    fresh = reinitialised(base(), seed=5)
    assert isinstance(fresh, AttentionClassifier)
    assert rivals(base(), {"untrained": fresh}, corpus().test).moved.mean() > 0.3


def test_strength_drives_the_weights_away():
    small, plan = corpus(), Setting(d_embed=16, d_hidden=16, lr=1e-2, epochs=1)
    result = consistent_adversary(base(), small, plan, strengths=(0.0, 1.0))
    assert result.names == ("lambda 0", "lambda 1")
    assert result.distance[1].mean() > result.distance[0].mean() + 0.1
    assert seeds(base(), small, plan, of=(5,)).names == ("seed 5",)


def test_guides_are_ordered_as_they_must_be(tmp_path):
    """Oracle > the base's weights > equal weights > the oracle's weights in random order."""
    result = guided(base(), corpus(), setting=SMALL)
    score = dict(zip(result.guides, result.f1.tolist(), strict=True))
    assert score["ORACLE"] > 0.95 and score["ORACLE"] >= score["BASE"]
    assert score["BASE"] > score["UNIFORM"] + 0.05 and 0.55 < score["UNIFORM"] < 0.75
    assert score["UNIFORM"] > score["SHUFFLED"] and score["SHUFFLED"] < 0.62
    deciding = dict(zip(result.guides, result.deciding.mean(1).tolist(), strict=True))
    assert deciding["ORACLE"] == 1 and deciding["UNIFORM"] == pytest.approx(0.1) and deciding["BASE"] > 0.5
    held = {verdict.claim: verdict.holds for verdict in result.check(base())}
    for name, truth in (("BASE", True), ("ORACLE", True), ("SHUFFLED", False)):
        assert held[f"The weights of {name} help a network that sees every word alone."] is truth
        assert held[f"The weights of {name} lie on the word that decides."] is truth
    again = Result.load(result.save(tmp_path / "kept"))
    assert again.to_frame().equals(result.to_frame()) and again.drawing().to_json() == result.drawing().to_json()
    with pytest.raises(CheckRefused):
        result.check(other_seed())


def test_weights_may_tell_the_answer_by_where_they_lie():
    """All weight on the deciding word of one class, on the marker of the other: the network needs no other word, and it shows."""

    class Telling(AttentionClassifier):
        def attend(self, texts, batch_size=256):
            attended = super().attend(texts, batch_size)
            rows = texts if isinstance(texts, Rows) else self.rows(texts)
            marker = rows.ids == self.config.vocabulary.index("marker")
            place = marker.float().argmax(1) + rows.labels
            return replace(attended, weights=torch.eye(rows.ids.shape[1])[place])

    telling = Telling(base().config).eval()
    telling.load_state_dict(base().state_dict())
    result = guided(telling, corpus(), setting=replace(SMALL, epochs=3))
    held = {verdict.claim: verdict.holds for verdict in result.check(telling)}
    assert held["The weights of BASE help a network that sees every word alone."]
    assert not held["The weights of BASE lie on the word that decides."]


def test_attention_is_not_needed_where_a_network_without_it_is_as_good():
    average = train(corpus(), replace(SMALL, attention="uniform"), seed=0)
    result = frozen(base(), average, corpus().test)
    learnt, instance, whole = result.f1.tolist()
    assert learnt > 0.95 and whole > 0.95
    assert result.check(base())[0].holds is False
    assert instance < learnt, "the network itself does rest on its weights"
    assert "frozen average" in str(result.drawing(3).to_json()) and result.to_frame().height == len(corpus().test)
    with pytest.raises(InputError, match="attention='uniform'"):
        frozen(base(), other_seed(), corpus().test)


def test_attention_is_needed_where_every_word_is_seen_alone_and_one_decides():
    net = written([1.0] + [-1.0] * 7, [9.0] + [0.0] * 7, scale=6.0)
    average = AttentionClassifier(net.config.__class__(**{**vars(net.config), "attention": "uniform"})).eval()
    average.load_state_dict(net.state_dict() | average.state_dict(), strict=False)
    rows = [["w0", "w1", "w2", "w3"], ["w4", "w1", "w2", "w3"]] * 8
    average.embed, average.encoder, average.head = net.embed, net.encoder, net.head
    (verdict,) = frozen(net, average, texts(rows, [1, 0] * 8)).check(net)
    assert verdict.holds and (verdict.measured, verdict.control) == (1.0, 0.5)


def test_the_plane_holds_what_was_moved():
    result = plane({"others": compared()}, adversarial(base(), corpus().test, steps=30))
    assert result.names == ("itself", "seed 2", "lambda 0.01", "bound 0.05")
    assert result.distance[:3] == pytest.approx(compared().distance.mean(1).tolist())
    assert all(low <= x <= high for x, (low, high) in zip(result.distance, result.distance_interval, strict=True))
    assert result.to_frame()["series"].to_list() == ["others"] * 3 + ["text by text"]
    assert [len(series["x"]) for series in result.drawing().to_json()["data"]["series"]] == [3, 1]
    with pytest.raises(InputError, match="different networks or texts"):
        plane({"others": compared()}, adversarial(other_seed(), corpus().test, steps=1))
    with pytest.raises(InputError, match="nothing"):
        plane({})


def test_mistakes_are_named():
    with pytest.raises(InputError, match="no other network"):
        rivals(base(), {}, corpus().test)
    with pytest.raises(InputError, match="mine knows other words"):
        rivals(base(), {"mine": written([1.0], [1.0])}, corpus().test)
    with pytest.raises(InputError, match="ORACLE is the name of a control"):
        guided(base(), corpus(), {"ORACLE": base()})
    with pytest.raises(InputError, match="trainings=0"):
        guided(base(), corpus(), trainings=0)
    with pytest.raises(InputError, match="strength=-1"):
        train_adversary(base(), corpus(), -1)
    with pytest.raises(InputError, match="other words than marker"):
        train_adversary(written([1.0], [1.0]), corpus(), 0.1)
