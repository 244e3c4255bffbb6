"""Encoded is not used: planted properties, a real one, and what the removal of random directions costs."""

from dataclasses import replace

import pytest
import torch
from planted_uses import labelled, planted_uses, task
from small_models import words

import sonde
from sonde.probing import Amnesic, AmnesicCase, Labelled, amnesic, erase, read_states, scrub
from sonde.results import CheckRefused, InputError, Recipe


@pytest.fixture(scope="module", params=[0, 7])
def planted(request):
    model, attributes = planted_uses(request.param)
    properties = {name: labelled(attributes, name) for name in ("used", "unused", "absent")}
    return model, properties, amnesic(model, properties, task(attributes), ["blocks.0.resid_post"], draws=12, seed=request.param)


def test_what_is_encoded_is_told_from_what_is_used(planted):
    """Both are as plain to a probe; only one is missed, and random directions are not."""
    model, _, found = planted
    assert found.conclusions == ["encoded and used", "encoded only", "neither"]
    used, unused, absent = found.cases
    assert min(used.right.mean(), unused.right.mean()) > 0.9 > 0.75 > absent.right.mean()
    assert used.effect.mean() > 0.8 * found.gap / 2  # what it says is the middle between both answers
    assert abs(float(unused.effect.mean())) < 0.1 * found.gap
    assert used.p_by_rank == pytest.approx((1 / 13, 1 / 13)) and min(used.z_score) > 3 > max(unused.z_score)
    assert [v.holds for v in found.check(model)] == [True, True, True, True, False, False, False, False, False]


def test_kept_drawn_and_listed(planted, tmp_path):
    _, _, found = planted
    again = sonde.results.Result.load(found.save(tmp_path / "amnesic"))
    assert isinstance(again, Amnesic) and again.conclusions == found.conclusions
    assert found.to_frame()["says"].to_list() == found.conclusions
    assert found.drawing().data["labels"][0] == "used" and found.summary().data["rows"][1][-1] == "encoded only"
    with pytest.raises(CheckRefused):
        found.check(planted_uses(3)[0])
    assert found.case("used") is found.cases[0]
    with pytest.raises(InputError, match="is 0 of the cases: used at blocks"):
        found.case("number")


def test_seeded(planted):
    model, properties, found = planted
    seed = found.recipe.seed
    again = amnesic(model, properties["used"], task(planted_uses(seed)[1]), "blocks.0.resid_post", draws=12, seed=seed)
    assert torch.equal(again.cases[0].effect, found.cases[0].effect) and torch.equal(again.cases[0].random, found.cases[0].random)


def test_of_texts_the_loss_and_the_divergence():
    """On rows of tokens: the intact model's own loss, a divergence that is never negative, and more of both where what is used is gone."""
    model, attributes = planted_uses(1)
    rows = [[i, 240 if attributes["used"][i] else 241] for i in range(200, 230)]
    found = amnesic(model, {name: labelled(attributes, name) for name in ("used", "unused")}, rows, "blocks.1.resid_post", draws=3)
    logits = model.run(rows).logits[:, 0].log_softmax(-1)
    assert torch.allclose(found.intact[0], -logits[range(30), [row[1] for row in rows]], atol=1e-5)
    used, unused = (case.effect.mean(-1) for case in found.cases)
    assert (used > 5 * unused.abs()).all()
    assert all(case.effect[1].min() > -1e-6 for case in found.cases)


@pytest.fixture(scope="module")
def number():
    """The number of the subject, at the last token before the verb."""
    from sonde.specimens.words import documents

    known = [document for document in documents("agreement", n=240, seed=5) if document.truth.number]
    return Labelled.of([document.prompt for document in known], [document.truth.number for document in known], "number of the subject")


def test_the_number_of_the_subject_is_used_for_agreement(number):
    """Beside a property of the same prompts that the verb does not depend on, and beside shuffled labels."""
    model = words()
    article = Labelled.of(number.texts, ["the" if text.startswith("The ") else "another" for text in number.texts], "article")
    order = torch.randperm(len(number), generator=torch.Generator().manual_seed(0))
    shuffled = Labelled.of(number.texts, [number.classes[i] for i in number.targets[order]], "shuffled")
    agreement = sonde.tasks.load("agreement", model, n=24, seed=3)
    found = amnesic(model, {data.name: data for data in (number, article, shuffled)}, agreement, "blocks.3.resid_post", draws=8)
    assert found.conclusions == ["encoded and used", "encoded only", "neither"]


def test_scrubbing_leaves_nothing_at_any_layer_and_single_erasers_do(number):
    """What each layer still holds while the edits are made; erasers that were fitted on the intact model leave some of it."""
    model, sites = words(), ["blocks.1.resid_post", "blocks.2.resid_post", "blocks.3.resid_post"]
    intact = read_states(model, number, sites)
    single = [erase(intact[site], intact.y).edit(site) for site in sites]
    both = {name: read_states(model, number, sites, edits=edits) for name, edits in (("single", single), ("scrub", scrub(model, number, sites)))}

    def left(states, site):
        """The largest correlation of an entry with the number."""
        x, y = states[site].double(), states.y.double()
        return torch.corrcoef(torch.cat([x.T, y[None]]))[-1, :-1].abs().max()

    assert all(left(intact, site) > 0.2 for site in sites)
    assert all(left(both["scrub"], site) < 1e-4 for site in sites)
    assert left(both["single"], sites[0]) < 1e-4 < 1e-2 < max(left(both["single"], site) for site in sites[1:])


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"properties": {}}, "at least one property"),
        ({"sites": []}, "one site"),
        ({"draws": 1}, "needs two at least"),
        ({"on": []}, "nothing is measured"),
        ({"on": [[3]]}, "text 0 has a single token"),
        ({"kind": "null"}, "choose 'leace', 'mean', 'inlp'"),
        ({"properties": {"length": Labelled.of([[1], [2], [3]], [1.5, 2.5, 1.0])}}, "'length' has numbers in place of classes"),
    ],
)
@pytest.mark.usefixtures("unchecked")
def test_mistakes(given, says):
    model, attributes = planted_uses(0)
    asked = {"properties": labelled(attributes, "used"), "on": [[1, 240]], "sites": "blocks.0.resid_post", "draws": 2} | given
    with pytest.raises(InputError, match=says):
        amnesic(model, **asked)


def test_a_probe_that_is_right_on_too_few_examples_settles_nothing():
    few = AmnesicCase(
        "a", "x", 1, [1.0], [0.0], torch.tensor([1.0, 1.0, 0.0]), torch.tensor([0.0, 1.0, 0.0]), torch.arange(3), torch.zeros(1, 20),
        torch.zeros(2, 5, 1, 20),
    )  # fmt: skip
    found = Amnesic([few], "leace", ["lost"], torch.ones(1, 20), 1.0, [], recipe=Recipe.of("x", {}, model_hash="x", inputs=None, seed=0))
    assert not found.verdicts[0].holds
    assert found.conclusions == ["not settled"]
    wrong = replace(few, right=torch.tensor([0.0, 1.0, 0.0]).repeat(20), majority=torch.tensor([0.0, 1.0, 0.0]).repeat(20), groups=torch.arange(60))
    assert replace(found, cases=[wrong]).conclusions == ["neither"]
