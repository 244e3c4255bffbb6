"""Activity, steering and dose-response on dictionaries made by hand: closed forms, a feature that writes nothing, and controls that must fail."""

import math
from dataclasses import replace

import pytest
import torch
from hand_made import LAST, NULL, READERS, SIZE, TEXTS, TOWARDS, WORDS, WRITERS, ids, readers, writers

import sonde
from sonde.features import Push, TokenSet, activity, dose_response, losses, matching, share_of, steer
from sonde.features.places import beside
from sonde.features.pushes import edits_for
from sonde.features.turned import Turned
from sonde.results import CheckRefused, InputError, Result


@pytest.fixture(scope="module")
def always():
    return activity(writers(), WRITERS, TEXTS)


@pytest.fixture(scope="module")
def sometimes():
    return activity(readers(), READERS, TEXTS)


def test_activity_counts_tokens_and_takes_the_largest(sometimes):
    model = readers()
    tokens = [i for text in TEXTS for i in model.tokenizer.encode(text, bos=False)]
    counts = torch.tensor([tokens.count(i) for i in ids(*WORDS)])
    assert sometimes.tokens == len(tokens)
    assert torch.allclose(sometimes.density, counts / len(tokens))
    assert torch.allclose(sometimes.maximum, (counts > 0).float(), atol=1e-3)  # each is 1 on its own word
    lengths = model.embed(torch.tensor(ids(*WORDS))).norm(dim=1)
    assert torch.allclose(sometimes.added, counts / len(tokens) * lengths, rtol=1e-3)
    in_parts = activity(model, READERS, TEXTS * 5)
    assert torch.allclose(in_parts.density, sometimes.density)


def test_special_tokens_are_not_counted(sometimes):
    model = writers()
    rows = [model.tokenizer.encode(text, bos=True) for text in TEXTS]
    assert activity(model, WRITERS, rows).tokens == sometimes.tokens


def test_controls_are_alike_and_never_the_found_ones(sometimes):
    for by in ("density", "norm"):
        measure = sometimes.density if by == "density" else sometimes.added
        drawn = sometimes.alike([9], n=4, seed=0, by=by)  # " the": the most frequent
        assert len({one for (one,) in drawn}) == 4 and (9,) not in drawn and all(measure[one] > 0 for (one,) in drawn)
    pairs = sometimes.alike([0, 9], n=6, seed=1)
    assert all(len(set(pair)) == 2 and not set(pair) & {0, 9} for pair in pairs)
    assert pairs != sometimes.alike([0, 9], n=6, seed=2)
    with pytest.raises(InputError, match="use 'density' or 'norm'"):
        sometimes.alike([0], 3, by="size")
    with pytest.raises(InputError, match="too few to draw from"):
        sometimes.alike(list(range(11)), 3)


def test_a_control_can_be_pushed(sometimes):
    """Neurons may be active at every token and never above 0: such a one has no maximum to take multiples of."""
    maximum = sometimes.maximum.clone()
    near = [one for (one,) in sometimes.alike([9], n=3, seed=0)]
    maximum[near[0]] = 0
    drawn = {one for seed in range(20) for (one,) in replace(sometimes, maximum=maximum).alike([9], n=3, seed=seed)}
    assert near[0] not in drawn and near[1] in drawn


def test_a_clamped_feature_moves_logits_in_closed_form(always):
    """The last norm aside: x' = x + (v - 1) d, so the logits are those of the shifted stream, by the model's own read-out."""
    model = writers()
    direction = model.bases[WRITERS].directions[TOWARDS]
    run = model.run(TEXTS[0], read=LAST)
    for push, moved in ((Push(TOWARDS, 3), 2.0), (Push(TOWARDS, 3, "add"), 3.0), (Push(TOWARDS, 0), -1.0)):
        steered = model.run(TEXTS[0], edits=edits_for(model, WRITERS, [push], always)).logits
        assert torch.allclose(steered, model.unembed(run[LAST] + moved * direction), atol=1e-4)
    nothing = model.run(TEXTS[0], edits=edits_for(model, WRITERS, [Push(NULL, 50)], always))
    assert torch.allclose(nothing.logits, run.logits, atol=1e-6)


def test_several_features_at_once(always):
    model = writers()
    pushes = [Push(TOWARDS, 2), Push(3, 0), Push(5, -1.5, "add")]
    edits = edits_for(model, WRITERS, pushes, always)
    assert len(edits) == 2
    run = model.run(TEXTS[0], edits=edits, read=WRITERS)
    expected = torch.ones(SIZE)
    expected[TOWARDS], expected[3], expected[5] = 2, 0, -0.5
    assert torch.allclose(run[WRITERS], expected.expand_as(run[WRITERS]))


def test_the_dose_is_followed_and_a_random_feature_is_not(always):
    model = writers()
    wanted = TokenSet.of(model, [" are"])
    prompts = [text.rsplit(" ", 2)[0] for text in TEXTS]
    found = dose_response(model, WRITERS, TOWARDS, prompts, always, wanted, doses=(0, 2, 8, 20), draws=5)
    assert found.values.shape == (4, 8) and found.features.shape == (5, 4, 8) and found.directions.shape == (5, 4, 8)
    assert (found.values.diff(dim=0) > 0).all()
    by_hand = wanted(model.run(prompts, edits=sonde.Clamp(WRITERS, 8.0, dims=[TOWARDS]), logits="last"))
    assert torch.allclose(found.values[2], by_hand, atol=1e-4)
    assert [verdict.holds for verdict in found.check(model)] == [True, True, True]
    assert not any(verdict.holds for verdict in found.check(model, "falls"))
    assert len(found.to_frame()) == 8 + 11 * 4 * 8
    assert found.drawing().kind == "lines"
    for other in (4, NULL):
        assert not all(verdict.holds for verdict in dose_response(model, WRITERS, other, prompts, always, wanted, doses=(0, 2, 8, 20)).check(model))
    few = dose_response(model, WRITERS, TOWARDS, prompts[:3], always, wanted, doses=(0, 8), draws=2)
    assert {verdict.holds for verdict in few.check(model)} == {None}


def test_a_feature_that_writes_nothing_has_a_flat_curve(always):
    model = writers()
    found = dose_response(model, WRITERS, NULL, TEXTS[:3], always, TokenSet.of(model, [" are"]), doses=(0, 4, 50), draws=2, how="add")
    assert torch.allclose(found.values, found.base.expand_as(found.values), atol=1e-5)
    assert torch.allclose(found.directions, found.base.expand_as(found.directions), atol=1e-5)  # nothing, turned, is nothing


def test_turned_features_write_as_much_elsewhere():
    model = readers()
    basis = model.bases[READERS]
    turned = Turned.random(basis, [0, 2], seed=1)
    other = beside(model, READERS, turned, "turned")
    edit, twin = (sonde.Clamp(site, 0.0, dims=[0, 2]) for site in (READERS, "embed.turned"))
    plain, own, moved = (other.run(TEXTS[0], edits=edits, read="embed")["embed"] for edits in ((), edit, twin))
    assert torch.allclose((own - plain).norm(dim=-1), (moved - plain).norm(dim=-1), atol=2e-4)
    touched = (own - plain).norm(dim=-1) > 1e-3
    assert touched.sum() == 2  # " keys" and " cabinet"
    assert torch.nn.functional.cosine_similarity(own - plain, moved - plain, dim=-1)[touched].abs().max() < 0.9
    assert torch.equal(other.run(TEXTS[0], read="embed.turned")["embed.turned"], model.run(TEXTS[0], read=READERS)[READERS])


def test_text_properties():
    assert matching("ar+e").of("They are.") == 1 and matching("^x").of("They are.") == 0
    assert share_of(["Cat", "dog"]).of("A cat, the cat's") == 0.25 and share_of(["cat"]).of("") == 0
    model = writers()
    one, both = TokenSet.of(model, [" are"]), TokenSet.of(model, [" are", " is"])
    run = model.run(TEXTS[:2])
    chances = run.last_logits.softmax(-1)
    assert torch.allclose(both(run).exp(), chances[:, ids(" are", " is")].sum(1), atol=1e-6) and (both(run) > one(run)).all()
    for bad, message in ((lambda: matching("("), "no regular expression"), (lambda: share_of([]), "no words"), (lambda: TokenSet(()), "no token")):
        with pytest.raises(InputError, match=message):
            bad()


def test_losses_are_those_of_each_text_by_itself():
    model = writers()
    found = losses(model, TEXTS)
    for text, loss in zip(TEXTS, found, strict=True):
        run = model.run(text)
        by_hand = torch.nn.functional.cross_entropy(run.logits[0, :-1], run.ids[0, 1:])
        assert torch.allclose(loss, by_hand, atol=1e-5)
    with pytest.raises(InputError, match="text 1 has a single token"):
        losses(model, [[3, 4], [3]])


@pytest.fixture(scope="module")
def steered(always):
    return steer(writers(), WRITERS, ["The keys", "The dog"], [Push(TOWARDS, 600)], always, TEXTS[:4], samples=2, max_new_tokens=3, seed=3)


def test_steered_samples_stand_beside_plain_ones(steered, always):
    model = writers()
    assert all(text.count(" are") == 3 for several in steered.steered for text in several)
    plain = model.generate(["The keys"] * 2 + ["The dog"] * 2, max_new_tokens=3, temperature=1.0, seed=3)
    assert [text for several in steered.plain for text in several] == plain
    assert steered.cost > 1 and torch.allclose(steered.loss_plain, losses(model, TEXTS[:4]))
    assert "held-out" in steered.said and len(steered.to_frame()) == 4
    assert [part["label"] for part in steered.drawing().data["parts"]] == ["samples", "elsewhere"]
    nothing = steer(model, WRITERS, "The keys", [Push(NULL, 600)], always, TEXTS[:2], samples=2, max_new_tokens=3, seed=3)
    assert nothing.steered == nothing.plain == [plain[:2]] and abs(nothing.cost) < 1e-6


def test_only_the_tokens_that_are_meant_are_steered(always):
    model = writers()

    def first_and_last(when):
        return steer(
            model, WRITERS, "The keys", [Push(TOWARDS, 600)], always, TEXTS[:1], when, samples=1, max_new_tokens=3, temperature=0
        ).steered[0][0]  # fmt: skip

    assert first_and_last("all") == " are are are"
    assert first_and_last("prompt").startswith(" are") and first_and_last("prompt").count(" are") == 1
    assert not first_and_last("new").startswith(" are are") and first_and_last("new").count(" are") >= 2


def test_the_claim_about_samples_needs_prompts_and_a_control(always):
    model = writers()
    prompts = [text.rsplit(" ", 3)[0] for text in TEXTS]
    found = steer(model, WRITERS, prompts, [Push(TOWARDS, 600)], always, TEXTS[:2], samples=1, max_new_tokens=2)
    (verdict,) = found.check(model, always, matching(" are"), draws=3)
    assert verdict.holds and verdict.n == 8
    nothing = steer(model, WRITERS, prompts, [Push(NULL, 600)], always, TEXTS[:2], samples=1, max_new_tokens=2)
    assert nothing.check(model, always, matching(" are"), draws=2)[0].holds is False


def test_results_are_kept(steered, tmp_path, always):
    again = Result.load(steered.save(tmp_path / "steered"))
    assert again.pushes == steered.pushes and again.steered == steered.steered and torch.equal(again.loss_plain, steered.loss_plain)
    kept = Result.load(always.save(tmp_path / "activity"))
    assert torch.equal(kept.maximum, always.maximum) and kept.largest(0) == 1
    with pytest.raises(CheckRefused):
        again.check(sonde.load("specimen:words-small"), always, matching("a"))


@pytest.mark.parametrize("text", ["", "3", "3==4", "=4", "3=x", "a=1", "3=1e999", "-1=2"])
def test_texts_that_are_no_push(text):
    with pytest.raises(InputError):
        Push.parse(text)


def test_what_can_not_be_steered_is_refused(always, sometimes):
    model = writers()
    cases = [
        (lambda: edits_for(model, WRITERS, [], always), "nothing is steered"),
        (lambda: edits_for(model, WRITERS, [Push(3, 1), Push(3, 0)], always), "named twice"),
        (lambda: edits_for(model, WRITERS, [Push(SIZE, 1)], always), "has 14, counted from 0"),
        (lambda: edits_for(model, LAST, [Push(3, 1)], always), "is no site of features"),
        (lambda: edits_for(model, WRITERS, [Push(3, 1)], sometimes), "measure it there"),
        (lambda: Push(3, math.nan), "finite number"),
        (lambda: Push(3, 1, "set"), "use 'clamp' or 'add'"),
        (lambda: activity(model, WRITERS, []), "at least one"),
        (lambda: activity(model, WRITERS, "a single text"), "at least one"),
        (lambda: steer(model, WRITERS, "The", [Push(0, 1)], always, []), "held-out"),
        (lambda: steer(model, WRITERS, "The", [Push(0, 1)], always, TEXTS, samples=0), "at least one"),
        (lambda: dose_response(model, WRITERS, 0, TEXTS, always), "nothing is measured"),
        (lambda: dose_response(model, WRITERS, 0, TEXTS, always, matching("a"), doses=(2, 1)), "increasing order"),
        (lambda: dose_response(model, WRITERS, 0, [[3, 4]], always, matching("a")), "prompts as texts"),
        (lambda: dose_response(model, WRITERS, 0, TEXTS, always, matching("a"), how="set"), "use 'clamp' or 'add'"),
    ]
    for call, message in cases:
        with pytest.raises(InputError, match=message):
            call()
    silent = activity(readers(), READERS, ["The table here."])
    with pytest.raises(InputError, match="never above 0 on these"):
        edits_for(readers(), READERS, [Push(3, 1)], silent)
    assert edits_for(readers(), READERS, [Push(3, 0)], silent)  # what is ablated needs no maximum
    with pytest.raises(InputError, match="never active"):
        silent.alike([3], 2)
