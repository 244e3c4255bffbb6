"""Encoded, and used, in one table: planted properties, permuted weights as the control, and one pass over what is asked of the same texts."""

import pytest
import torch
from planted_uses import labelled, planted_uses, task
from small_models import words as specimen

import sonde
from sonde.evidence import permuted
from sonde.probing import Labelled, PropertyTable, amnesic, property_table, read_states, read_together, sweep, words
from sonde.probing.amnesic_results import concluded
from sonde.results import CheckRefused, InputError, Verdict

NAMES = ("used", "unused", "absent")


@pytest.fixture(scope="module")
def planted():
    model, attributes = planted_uses(0)
    properties = {name: labelled(attributes, name) for name in NAMES}
    return model, properties, property_table(model, properties, task(attributes), ["embed", "blocks.0.resid_post"], draws=8, seeds=1)


def test_what_is_planted_is_told(planted):
    model, _, found = planted
    assert found.conclusions == ["encoded and used", "encoded only", "neither"]
    assert [found.used_at(name) for name in NAMES] == [["embed", "blocks.0.resid_post"], [], []]
    assert found.accuracy.shape == (3, 2) and (found.accuracy[:2] > 0.9).all() and (found.accuracy[2] < 0.75).all()
    assert found.cost[0].min() > 5 * found.cost[1:].abs().max()
    verdicts = found.check(model)
    assert len(verdicts) == 3 * 2 * 4 and [one.holds for one in verdicts[:6]] == [True] * 4 + [False] * 2


def test_it_is_the_sum_of_a_sweep_and_an_amnesic_study(planted):
    model, properties, found = planted
    for own, data in zip(found.sweeps[:2], properties.values(), strict=False):
        alone = sweep(model, data, found.sites, seeds=1, controls=["untrained model"])
        assert torch.equal(own.right, alone.right) and set(own.controls) == set(alone.controls)
        assert all(torch.equal(own.controls[name], alone.controls[name]) for name in own.controls)
    removal = amnesic(model, properties["used"], task(planted_uses(0)[1]), found.sites, draws=8)
    for case, other in zip(found.removal.cases[:2], removal.cases, strict=True):
        assert torch.equal(case.effect, other.effect) and torch.equal(case.random, other.random) and torch.equal(case.groups, other.groups)


def test_of_permuted_weights_nothing_is_used(planted):
    """The same wiring with its weights in random order: what is used is in what was learnt."""
    model, properties, _ = planted
    broken = sonde.Model(permuted(model.module, 1), name="permuted")
    found = property_table(broken, properties, task(planted_uses(0)[1]), "blocks.0.resid_post", draws=6, seeds=1)
    assert "encoded and used" not in found.conclusions


def test_kept_drawn_and_listed(planted, tmp_path):
    _, _, found = planted
    again = sonde.results.Result.load(found.save(tmp_path / "table"))
    assert isinstance(again, PropertyTable) and again.conclusions == found.conclusions
    frame = found.to_frame()
    assert frame["in all"].to_list() == [says for says in found.conclusions for _ in found.sites]
    assert frame["untrained model"].null_count() == 0 and (frame["low"] <= frame["probe"]).all()
    drawn = found.drawing()
    assert [row[-2:] for row in drawn.data["values"]] == [[1.0, 1.0], [1.0, 0.0], [0.0, 0.0]] and drawn.axes["col"]["labels"][2] == "best control"
    assert "random directions of equal rank" in found.losses().data["details"][0][0]
    assert [row[-1] for row in found.summary().data["rows"]] == found.conclusions
    with pytest.raises(CheckRefused):
        found.check(planted_uses(3)[0])


def verdict(holds):
    ends = {True: (0.2, 0.4), False: (-0.1, 0.3), None: None}[holds]
    return Verdict("So.", "share", 0.6 if holds else 0.51, 0.5, ends, 20, "greater", 0.5, "half", "" if holds is not None else "too few")


@pytest.mark.parametrize(
    ("cases", "says"),
    [
        ([(True, True, True), (True, False, False)], "encoded and used"),  # used at one of two places
        ([(True, False, True), (True, True, False)], "encoded only"),  # no place at which it is missed more than both kinds
        ([(True, False, False), (False, True, True)], "not settled"),  # missed where no probe finds it
        ([(False, False, False), (True, False, False)], "encoded only"),
        ([(False, False, False), (False, False, True)], "neither"),
        ([(True, False, False), (None, False, False)], "not settled"),
    ],
)
def test_places_come_to_one_conclusion(cases, says):
    assert concluded([[verdict(holds) for holds in case] for case in cases]) == says


def test_what_is_asked_of_the_same_texts_is_read_in_one_pass(monkeypatch):
    model = specimen()
    asked = [words(name, 60) for name in ("the giver", "a woman's name")]
    other = Labelled.of(["The key", "The keys"], ["one", "many"], "number")
    alone = [read_states(model, data, "blocks.*.resid_post") for data in (*asked, other)]
    runs = []
    run = type(model).run
    monkeypatch.setattr(type(model), "run", lambda self, given, **rest: runs.append(len(given)) or run(self, given, **rest))
    together = read_together(model, [asked[0], other, asked[1]], "blocks.*.resid_post")
    # a text that both ask of is read once
    assert sum(runs) == len(set(asked[0].text.tolist()) | set(asked[1].text.tolist())) + 2
    for own, one in zip(together, (alone[0], alone[2], alone[1]), strict=True):
        assert own.data.hash == one.data.hash and torch.equal(own.positions, one.positions)
        for site in one.sites:
            torch.testing.assert_close(own[site], one[site])


def test_a_text_that_the_model_cannot_take_is_left_out_of_each_property():
    texts = ["The key is here.", "word " * 400, "The keys are here.", "My keys are lost."]
    first = Labelled.of(texts, [0, 1, 1, 0], "first", classes=("no", "yes"))
    second = Labelled.of(texts, [0, 0, 1], "second", text=[0, 2, 3], classes=("no", "yes"))
    read = read_together(specimen(), [first, second], "embed")
    assert [one.y.tolist() for one in read] == [[0, 1, 0], [0, 0, 1]] and "1 of 4 texts were left out" in read[1].notes[0]
    beyond = Labelled.of(texts, [0, 1], "beyond", text=[1, 1], spans=[[(0, 4)], [(5, 9)]], classes=("no", "yes"))
    spans = Labelled.of(texts, [0, 1], "spans", text=[0, 2], spans=[[(0, 3)], [(0, 3)]], classes=("no", "yes"))
    with pytest.raises(InputError, match=r"'beyond' has no example that .* can take"):
        read_together(specimen(), [spans, beyond], "embed")


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"properties": {}}, "at least one property"),
        ({"sites": []}, "names no site"),
        ({"sites": ["blocks.0.resid_post", "blocks.0.resid_post[pos=-1]"]}, "asked for twice"),
        ({"draws": 1}, "needs two at least"),
        ({"controls": ["magic"]}, "there is no control 'magic'"),
        ({"on": []}, "nothing is measured"),
    ],
)
@pytest.mark.usefixtures("unchecked")
def test_mistakes(given, says):
    model, attributes = planted_uses(0)
    asked = {"properties": labelled(attributes, "used"), "on": [[1, 240]], "sites": "blocks.0.resid_post", "draws": 2, "seeds": 1} | given
    with pytest.raises(InputError, match=says):
        property_table(model, **asked)
