"""Edits are plain data: equal when they say the same, refused when they cannot be meant."""

import copy
import dataclasses

import pytest
import torch

import sonde
from sonde.access.edits import Edit
from sonde.results import EditError, UnknownSite

SITE = "blocks.0.attn.z[head=1]"


@pytest.fixture
def model(loaded):
    return loaded["gpt2"]


def every(run):
    vector = torch.arange(4.0)
    return [
        *(sonde.Zero(SITE), sonde.Zero("blocks.0.attn.z")),
        *(sonde.Set(SITE, 1.5), sonde.Set(SITE, 1), sonde.Set(SITE, vector), sonde.Set(SITE, vector + 1)),
        *(sonde.Mean(SITE, vector), sonde.Add(SITE, vector), sonde.Add(SITE, 1.5), sonde.Scale(SITE, 1.5)),
        *(sonde.Patch(SITE, run), sonde.Apply(SITE, torch.neg)),
    ]


def test_equal_by_content_and_different_otherwise(model, ids):
    first, second = (every(model.run(ids, read="blocks.0.attn.z")) for _ in range(2))
    assert first == second
    assert [edit.hash for edit in first] == [edit.hash for edit in second]
    assert len(set(first)) == len({edit.hash for edit in first}) == len(first)
    assert sonde.Patch(SITE, model.run((ids + 1) % 40, read=SITE)) != first[-2]
    assert sonde.Zero(SITE) != SITE


def test_the_hash_is_the_same_in_every_process():
    assert sonde.Add(SITE, torch.arange(4.0)).hash == "755cf9894eef867f"


def test_printed(model, ids):
    assert [repr(edit) for edit in every(model.run(ids, read=SITE))[::3]] == [
        f"Zero('{SITE}')", f"Set('{SITE}', value=1)", f"Mean('{SITE}', stats=<tensor 4>)", f"Scale('{SITE}', factor=1.5)",
    ]  # fmt: skip
    assert repr(sonde.Patch(SITE, model.run(ids, read=SITE))) == f"Patch('{SITE}', source=<Run>)"


def test_frozen():
    edit = sonde.Set(SITE, 1.0)
    with pytest.raises(dataclasses.FrozenInstanceError):
        edit.value = 2.0
    assert copy.deepcopy(edit) == edit
    assert dataclasses.replace(edit, site="embed") == sonde.Set("embed", 1.0)
    assert isinstance(edit, Edit)


@pytest.mark.parametrize("kind", [sonde.Set, sonde.Add, sonde.Scale, sonde.Mean])
@pytest.mark.parametrize(
    "value, message", [(float("nan"), "holds NaN"), (torch.tensor([1.0, float("nan")]), "holds NaN"), ("much", "is no number and no tensor")]
)
def test_no_value_that_nobody_means(kind, value, message):
    with pytest.raises(EditError, match=message):
        kind(SITE, value)


def test_lists_become_tensors(model, ids):
    assert torch.equal(model.run(ids, edits=[sonde.Set(SITE, [1, 2, 3, 4])], read=SITE)[SITE], torch.tensor([1.0, 2, 3, 4]).expand(2, 7, 4))


def test_a_patch_from_a_run_that_did_not_read_the_site_is_refused_at_once(model, ids):
    with pytest.raises(UnknownSite, match=r"'blocks.0.attn.z\[head=1\]' was not read in this run; it holds 'blocks.1.attn.z': name it in read="):
        sonde.Patch(SITE, model.run(ids, read="blocks.1.attn.z"))
    with pytest.raises(UnknownSite, match="was not read in this run: name it in read="):
        sonde.Patch(SITE, model.run(ids))


@pytest.mark.parametrize(
    "edit, message",
    [
        (sonde.Set(SITE, torch.zeros(5)), r"a value of shape \(5,\) does not fit the site, which has \(2, 7, 4\) here"),
        (sonde.Add(SITE, torch.zeros(2, 2, 7, 4)), "does not fit the site"),
        (sonde.Mean(SITE, torch.zeros(5)), r"a mean of shape \(5,\) does not fit; one row's .* is \(7, 4\) here, so give \(7, 4\), or \(4,\)"),
        (sonde.Apply(SITE, lambda z: z[:1]), r"must return torch.float32 \(2, 7, 4\) on cpu, and returned torch.float32 \(1, 7, 4\)"),
        (sonde.Apply(SITE, lambda z: z.double()), r"and returned torch.float64 \(2, 7, 4\) on cpu"),
        (sonde.Apply(SITE, lambda z: None), "and returned NoneType"),
        (sonde.Apply(SITE, lambda z: z.mul_(2)), "changed its argument in place; return a new tensor instead"),
    ],
)  # fmt: skip
def test_refused_in_the_run(model, ids, edit, message):
    with pytest.raises(EditError, match=message):
        model.run(ids, edits=[edit])
    with pytest.raises(EditError, match=message):
        model.grad(ids, lambda run: run.logits.sum((1, 2)), edits=[edit])


class Foreign:
    """A user's own kind of edit, which nothing but the protocol ties to sonde."""

    site = sonde.Site.parse(SITE)

    def __init__(self, make):
        self.new = make


def test_any_object_that_follows_the_protocol_is_an_edit(model, ids):
    assert torch.equal(model.run(ids, edits=[Foreign(torch.zeros_like)]).logits, model.run(ids, edits=[sonde.Zero(SITE)]).logits)
    for wrong in (torch.Tensor.double, torch.Tensor.sum, lambda old: 0.0):
        with pytest.raises(EditError, match=r"the new value is .*, the site holds torch.float32 \(2, 7, 4\)"):
            model.run(ids, edits=[Foreign(wrong)])


def test_only_edits_are_edits(model, ids):
    with pytest.raises(sonde.SondeError, match=r"'blocks.0.attn.z' is no edit: use sonde.Zero, Set"):
        model.run(ids, edits=["blocks.0.attn.z"])
    with pytest.raises(UnknownSite, match=r"an edit names one site; make one edit for each of model.sites\('blocks.\*.attn.z'\)"):
        model.run(ids, edits=[sonde.Zero("blocks.*.attn.z")])


def test_means_speak_of_the_selected_part_of_one_row(model, ids):
    """Four positions against four heads, rows or channels: a plain broadcast would take whichever fits."""
    z = model.run(ids, read="blocks.0.attn.z")["blocks.0.attn.z"]
    for site, stats in (
        ("blocks.0.attn.z", z.mean(0)), ("blocks.0.attn.z", z.mean((0, 1))), (SITE, z.mean(0)[:, 1]), (SITE, z.mean((0, 1))[1]),
        ("blocks.0.attn.z[pos=-1]", z.mean(0)[-1]), ("blocks.0.attn.z[pos=2:4]", z.mean(0)[2:4]), ("blocks.0.attn.z[pos=2:4]", z.mean((0, 1))),
        ("blocks.0.attn.z[head=1, pos=-1]", z.mean(0)[-1, 1]), ("blocks.0.attn.z[batch=0, head=1]", z.mean((0, 1))[1]),
    ):  # fmt: skip
        read = model.run(ids, edits=[sonde.Mean(site, stats)], read=site)[site]
        assert torch.equal(read, stats.expand(read.shape))
    square = torch.randint(40, (7, 7))
    for site, stats in (("blocks.0.resid_post[pos=2]", torch.zeros(7, 16)), ("blocks.0.attn.z", torch.zeros(7, 7, 4, 4)), (SITE, torch.zeros(()))):
        with pytest.raises(EditError, match="does not fit; one row's selected part is"):
            model.run(square, edits=[sonde.Mean(site, stats)])


def test_means_of_groups(model, ids):
    """Each row gets the mean of its own template."""
    z = model.run(ids, read="blocks.0.attn.z")["blocks.0.attn.z"]
    means = torch.stack([z.mean((0, 1)), 2 * z.mean((0, 1))])
    rows = ids[[0, 1, 0]]
    read = model.run(rows, edits=sonde.Mean("blocks.0.attn.z", means, groups=[1, 0, 1]), read="blocks.0.attn.z")["blocks.0.attn.z"]
    assert torch.equal(read, means[[1, 0, 1]].unsqueeze(1).expand(3, 7, *z.shape[2:]))
    by_position = torch.stack([z.mean(0)[:, 1], z[0, :, 1]])
    read = model.run(rows, edits=sonde.Mean(SITE, by_position, groups=[0, 0, 1]), read=SITE)[SITE]
    assert torch.equal(read, by_position[[0, 0, 1]])
    assert sonde.Mean(SITE, by_position, groups=[0, 0, 1]) != sonde.Mean(SITE, by_position, groups=[0, 1, 1])
    with pytest.raises(EditError, match="there are 2 groups for 3 rows; give one for each row of the batch"):
        model.run(rows, edits=sonde.Mean("blocks.0.attn.z", means, groups=[0, 1]))
    with pytest.raises(EditError, match=r"so groups are 0 to 1"):
        sonde.Mean("blocks.0.attn.z", means, groups=[0, 1, 2])


def test_a_mask_for_attention_may_be_minus_infinity(model, ids):
    """Infinity is meant where scores are concerned; NaN never is."""
    run = model.run(ids, edits=[sonde.Set("blocks.0.attn.scores[query=-1, key=2]", -torch.inf)], read="blocks.0.attn.pattern")
    assert (run["blocks.0.attn.pattern[query=-1, key=2]"] == 0).all()


def test_what_an_edit_was_given_stays_as_it_was(model, ids):
    """A function that keeps its argument must not see later edits in it."""
    seen = []
    spy = sonde.Apply(SITE, lambda z: seen.append(z) or torch.zeros_like(z))
    model.run(ids, edits=[spy, sonde.Set(SITE, 7.0)])
    assert torch.equal(seen[0], model.run(ids, read=SITE)[SITE])
