"""What features contribute: closed forms, edits by hand, and whether they are used, with controls that must fail."""

import pytest
import torch
from hand_made import LAST, NULL, READERS, TOWARDS, WORDS, WRITERS, ids, readers, writers
from small_models import words

import sonde
from sonde.access.direct import parts_between
from sonde.dictionaries import Dictionary, Part
from sonde.features import TokenSet, activity, analyse, feature_contributions, feature_edges, used
from sonde.results import CheckRefused, InputError, Result
from sonde.tasks import LogitDifference

PROMPTS = [
    f"The keys {where} the {noun}" for where in ("on", "near") for noun in ("cabinet", "cat", "dog", "dogs", "cats")
]  # fmt: skip
EARLY, LATE = "blocks.1.resid_post.sae", "blocks.2.mlp.out.tc"


def difference():
    are, isn = ids(" are", " is")
    return LogitDifference(are, foils=isn)


@pytest.fixture(scope="module")
def model():
    """Random dictionaries in the middle: of a residual stream, and from an MLP's input to its output."""
    handle, generator = words(), torch.Generator().manual_seed(4)
    width = handle.d_model
    encoder, decoder, early, late = (torch.nn.functional.normalize(torch.randn(size, width, generator=generator), dim=1) for size in (6, 6, 5, 5))
    sae = Dictionary(encoder, torch.full((6,), 2.0), 8 * decoder, torch.randn(width, generator=generator))
    read, write = "blocks.2.mlp.in", "blocks.2.mlp.out"
    tc = Dictionary(early, torch.ones(5), late, torch.zeros(width), reads=(Part(read, width),), writes=(Part(write, width),))
    return handle.attach("blocks.1.resid_post", sae, "sae").attach(write, tc, "tc")


def test_at_the_last_block_nothing_is_indirect():
    model = writers()
    found = feature_contributions(model, WRITERS, PROMPTS[:3], difference(), features=[TOWARDS, 4, NULL])
    assert torch.allclose(found.direct, found.total, atol=1e-4)
    run = model.run(PROMPTS[:3], read=LAST)
    direction = model.bases[WRITERS].directions[TOWARDS]
    moved = torch.stack([model.unembed(run[LAST][i, end] - direction) for i, end in enumerate(run.mask.sum(1) - 1)])
    are, isn = ids(" are", " is")
    assert torch.allclose(found.total[0], found.metric - (moved[:, are] - moved[:, isn]), atol=1e-4)
    assert found.total[2].abs().max() < 1e-5 and found.linear[2].abs().max() < 1e-6


def test_the_direct_shares_add_up_to_the_logit_difference():
    model = writers()
    found = feature_contributions(model, WRITERS, PROMPTS[:3], difference(), top=3)
    whole = sonde.lens.direct_contributions(words(), PROMPTS[:3], difference())
    assert torch.allclose(found.linear.sum(0) + found.rest, whole.metric - whole.constant, rtol=1e-3, atol=1e-3)
    assert torch.allclose(found.metric, whole.metric, atol=1e-5)


@pytest.mark.parametrize("site", [EARLY, LATE])
def test_total_and_direct_are_those_of_edits_by_hand(model, site):
    """Directly, the last stream loses the feature's direction at the last token, and the model's own norm and unembedding read the rest."""
    found = feature_contributions(model, site, PROMPTS[:2], difference(), top=3)
    run = model.run(PROMPTS[:2], read=[LAST, site])
    are, isn = ids(" are", " is")
    for i, feature in enumerate(found.features):
        without = difference()(model.run(PROMPTS[:2], edits=sonde.Clamp(site, 0.0, dims=[feature]), logits="last"))
        assert torch.allclose(found.total[i], found.metric - without, atol=1e-4)
        direction = model.bases[site].directions[feature]
        for e, end in enumerate(run.mask.sum(1) - 1):
            logits = model.unembed(run[LAST][e, end] - run[site][e, end, feature] * direction)
            assert torch.allclose(found.direct[i, e], found.metric[e] - (logits[are] - logits[isn]), atol=1e-3)
    assert (found.total - found.direct).abs().max() > 1e-2  # later parts do make something of it
    grads = model.grad(PROMPTS[:2], of=difference(), at=site)
    by_hand = (grads.values[site] * grads[site] * grads.run.mask[..., None]).sum(1).T[found.features]
    assert torch.allclose(found.estimate, by_hand, rtol=1e-3, atol=1e-4)


def test_what_lies_between_two_sites():
    model = words()
    assert parts_between(model, "blocks.3.resid_post") == []
    assert parts_between(model, "blocks.2.mlp.post") == ["blocks.3.attn.out", "blocks.3.mlp.out"]
    assert parts_between(model, "blocks.2.attn.z", "blocks.3.attn.in") == ["blocks.2.mlp.out"]
    assert parts_between(model, "blocks.1.resid_post", "blocks.2.mlp.in") == ["blocks.2.attn.out"]


def test_edges_between_features_are_those_of_edits_by_hand(model):
    prompt = PROMPTS[:1]
    found = feature_edges(model, EARLY, [0, 1, 2], LATE, [0, 1, 2, 3, 4], prompt)
    late, early = model.bases[LATE], model.bases[EARLY]
    run = model.run(prompt, read=["blocks.1.resid_post", "blocks.2.resid_mid", EARLY, LATE])
    norm = model.block(2).get_submodule(model.architecture.mlp_norm)
    for i in range(3):
        ablated = model.run(prompt, edits=sonde.Clamp(EARLY, 0.0, dims=[i]), read=LATE)[LATE]
        assert torch.allclose(found.total[i, :, 0], (run[LATE] - ablated)[0].sum(0), atol=1e-3)
        directly = late.encode(norm(run["blocks.2.resid_mid"] - run[EARLY][..., i, None] * early.directions[i]))
        assert torch.allclose(found.direct[i, :, 0], (run[LATE] - directly)[0].sum(0).detach(), atol=1e-3)
    assert (found.total - found.direct).abs().max() > 1e-2
    assert len(found.to_frame()) == 15 and found.drawing().kind == "tabs"


def test_without_a_norm_between_the_estimate_is_the_virtual_weight(model):
    generator = torch.Generator().manual_seed(8)
    encoder, decoder = (torch.randn(4, model.d_model, generator=generator) / 10 for _ in range(2))
    m = model.attach("blocks.2.resid_mid", Dictionary(encoder, torch.full((4,), 50.0), decoder, torch.zeros(model.d_model)), "mid")
    site = "blocks.2.resid_mid.mid"
    found = feature_edges(m, EARLY, [0, 3], site, [1, 2], PROMPTS[:2])
    run = m.run(PROMPTS[:2], read=[EARLY, site])
    assert (run[site][run.mask] > 0).all()  # every later feature is active at every token
    weight = m.bases[EARLY].directions[[0, 3]] @ encoder[[1, 2]].T
    summed = (run[EARLY][..., [0, 3]] * run.mask[..., None]).sum(1).T
    virtual = summed[:, None] * weight[:, :, None]
    assert torch.allclose(found.estimate, virtual, rtol=1e-3, atol=1e-3)
    assert torch.allclose(found.direct, virtual, rtol=1e-3, atol=2e-3)


def test_used_features_are_told_from_others():
    """The subject's word is used, the word beside it is not: by how much more than words that are as frequent, or as long."""
    model = readers()
    measured = activity(model, READERS, [f"{prompt} are here." for prompt in PROMPTS])
    keys, near = WORDS.index(" keys"), WORDS.index(" near")
    verdicts = used(model, READERS, [keys], PROMPTS, measured, difference(), draws=5, name="the subject's number")
    assert [verdict.holds for verdict in verdicts] == [True, True] and "the subject's number" in verdicts[0].claim
    drop = difference()(model.run(PROMPTS, logits="last")) - difference()(
        model.run(PROMPTS, edits=sonde.Clamp(READERS, 0.0, dims=[keys]), logits="last")
    )
    assert verdicts[0].measured == pytest.approx(float(drop.mean()), rel=1e-3)
    assert not any(verdict.holds for verdict in used(model, READERS, [near], PROMPTS, measured, difference(), draws=5))
    assert not any(verdict.holds for verdict in used(model, READERS, [keys], PROMPTS, measured, difference(), draws=5, threshold=1e3))
    lone = activity(model, READERS, ["The keys here.", "keys here keys"])
    assert [verdict.holds for verdict in used(model, READERS, [keys], PROMPTS, lone, difference())] == [None, None]


def test_used_in_a_task_is_a_share_of_its_gap():
    model = readers()
    task = sonde.tasks.load("agreement", model, n=16, seed=1)
    measured = activity(model, READERS, task.texts)
    both = [f for f in (WORDS.index(w) for w in (" key", " keys", " dog", " dogs", " cat", " cats")) if measured.density[f] > 0]
    verdict = used(model, READERS, both[:2], task, measured, draws=3)[0]
    assert "share of the gap" in verdict.measure and verdict.threshold == 0.5 and verdict.n == 16


def test_what_carries_is_held_against_other_prompts(model):
    task = sonde.tasks.load("agreement", model, n=16, seed=0)
    search, judged = task.split(0)
    measured = activity(model, EARLY, task.texts)
    found = feature_contributions(model, EARLY, search, top=2)
    assert all(verdict.n == len(judged) for verdict in found.check(model, judged, measured, draws=2))
    with pytest.raises(CheckRefused):
        found.check(sonde.load("specimen:words-small"), judged, measured)


def test_a_text_is_analysed_token_by_token(model):
    prompt = PROMPTS[0]
    found = analyse(model, EARLY, prompt, of=difference(), top=3)
    run = model.run(prompt, read=EARLY)
    frame = found.to_frame()
    assert found.tokens == list(run.tokens[0]) and (frame["activation"] > 0).all()
    for pos, feature, effect in frame.select("pos", "feature", "effect").rows()[:6]:
        without = difference()(model.run(prompt, edits=sonde.Zero(f"{EARLY}[pos={pos}, feature={feature}]"), logits="last"))
        assert effect == pytest.approx(float(difference()(run) - without), abs=1e-4)
    most = analyse(model, EARLY, prompt, top=1, by="activation")
    assert most.features[-1, 0] == run[EARLY][0, -1].argmax() and most.of.startswith("the log-probability of")
    assert (most.features[0] == -1).all() and not most.effect[0].any()  # a special token
    silent = analyse(readers(), READERS, "The keys near", of=TokenSet.of(model, [" are"]), top=2)
    assert [(f >= 0).sum().item() for f in silent.features] == [0, 0, 1, 1]
    assert silent.drawing().data["details"][1] == "no feature is active"


def test_results_are_kept(model, tmp_path):
    found = feature_contributions(model, EARLY, PROMPTS[:2], difference(), top=2)
    again = Result.load(found.save(tmp_path / "found"))
    assert again.features == found.features and torch.equal(again.total, found.total) and again.drawing().kind == "tabs"
    assert len(again.to_frame()) == 4
    analysed = analyse(model, EARLY, PROMPTS[0], top=2)
    assert torch.equal(Result.load(analysed.save(tmp_path / "text")).effect, analysed.effect)


def test_what_has_no_contributions_is_refused(model):
    for call, message in [
        (lambda: feature_contributions(model, EARLY, PROMPTS), "logit difference"),
        (lambda: feature_contributions(model, EARLY, PROMPTS, TokenSet((3,))), "logit difference"),
        (lambda: feature_contributions(model, EARLY, PROMPTS, difference(), features=[6]), "counted from 0"),
        (lambda: feature_edges(model, LATE, [0], EARLY, [0], PROMPTS), "give the earlier site first"),
        (lambda: feature_edges(model, EARLY, [], LATE, [0], PROMPTS), "at least one earlier"),
        (lambda: used(model, EARLY, [], PROMPTS, None), "no feature to ablate"),
        (lambda: used(model, EARLY, [0], PROMPTS, None), "nothing is measured"),
        (lambda: analyse(model, EARLY, "The", top=0), "show 1 to 6"),
        (lambda: analyse(model, EARLY, "The", by="size"), "order by"),
    ]:
        with pytest.raises(InputError, match=message):
            call()
