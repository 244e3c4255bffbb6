"""The whole matrix: every site under every edit fires, reads back what was written, and reaches the logits."""

import pytest
import torch
from tiny_models import FAMILIES, VOCAB

import sonde
from sonde.results import EditError

# some thousand forwards: the check of shapes at every call, which other tests make, would take most of the time
pytestmark = pytest.mark.usefixtures("unchecked")

# values that no norm and no softmax is blind to: different in every entry, and positive, as a norm's scale must be
EDITS = {
    "zero": lambda site, value, bump, source: (sonde.Zero(site), torch.zeros_like(value)),
    "set": lambda site, value, bump, source: (sonde.Set(site, bump), bump),
    "mean": lambda site, value, bump, source: (sonde.Mean(site, bump[0]), bump[:1].expand_as(value)),
    "patch": lambda site, value, bump, source: (sonde.Patch(site, source), source[site]),
    "add": lambda site, value, bump, source: (sonde.Add(site, bump), value + bump),
    "scale": lambda site, value, bump, source: (sonde.Scale(site, bump), value * bump),
    "apply": lambda site, value, bump, source: (sonde.Apply(site, lambda old: 2 * old + bump), 2 * value + bump),
}
AHEAD = torch.ones(6, 6).triu(1).bool()
UNFELT = {("pos_embed", "patch")}  # positions are the same whatever the tokens are


@pytest.fixture(scope="module", params=FAMILIES)
def case(request, loaded):
    """A family, its unedited run over every site, and another run to patch from; all under the recorded kernel."""
    model, generator = loaded[request.param], torch.Generator().manual_seed(2)
    ids, others = (torch.randint(VOCAB, (2, 6), generator=generator) for _ in range(2))
    names = list(model.architecture.sites)
    return model, ids, model.run(ids, read=names), model.run(others, read=names)


def rounding(name):
    """What is written is read back exactly, but for the stream in the middle of a block, which is a sum."""
    return {"atol": 1e-5, "rtol": 1e-5} if name.endswith("resid_mid") else {"atol": 0, "rtol": 0}


@pytest.mark.parametrize("kind", EDITS)
def test_fires_and_reads_back(case, kind):
    """nnsight #468 and transformer-lens #1688, #1526: edits that were accepted and never happened."""
    model, ids, base, source = case
    for name, spec in model.architecture.sites.items():
        if kind == "zero" and name.endswith("scale"):  # refused, see below
            continue
        if spec.block == 0 and kind != "set":  # the other block stands for it
            continue
        value = base[name]
        bump = 0.5 + torch.rand(value.shape, generator=torch.Generator().manual_seed(3))
        edit, expected = EDITS[kind](name, value, bump, source)
        if name.endswith("scores"):  # the mask stays
            expected = torch.where(AHEAD, value, expected)
        run = model.run(ids, edits=[edit], read=[name, "blocks.0.attn.scores"])
        assert torch.allclose(run[name], expected, **rounding(name)), name
        felt = not torch.allclose(run.logits, base.logits, atol=1e-6)
        assert felt != ((name, kind) in UNFELT), f"{edit} does not reach the logits"


def test_the_identity_changes_nothing_bit_for_bit(case):
    model, ids, base, _ = case
    for name in model.architecture.sites:
        edits = [sonde.Apply(name, torch.clone), sonde.Scale(name, 1.0), sonde.Set(name, base[name]), sonde.Patch(name, base)]
        assert torch.equal(model.run(ids, edits=edits, read="blocks.0.attn.scores").logits, base.logits), name


def test_a_selection_is_all_that_changes(case):
    """transformer-lens #980: a crash at single key heads that several query heads share; pyvene #158: heads right on GPT-2 only."""
    model, ids, base, _ = case
    for name, spec in model.architecture.sites.items():
        if spec.block == 0:  # the other block stands for it
            continue
        for axis, size in zip(spec.axes, base[name].shape, strict=True):
            entry = size - 1 if axis in ("query", "pos", "batch") else 0
            site = sonde.Site(name).at(**{axis: entry})
            run = model.run(ids, edits=[sonde.Set(site, 1.5)], read=[name, "blocks.0.attn.scores"])
            changed = base[name].clone()
            changed.select(spec.axes.index(axis), entry).fill_(1.5)
            if name.endswith("scores"):
                changed = torch.where(AHEAD, base[name], changed)
            assert torch.allclose(run[name], changed, **rounding(name)), site


def test_a_norms_scale_stays_above_zero(case):
    model, ids, _, _ = case
    for name in model.architecture.sites:
        if name.endswith("scale"):
            for edit in (sonde.Zero(name), sonde.Scale(name, -1.0)):
                with pytest.raises(EditError, match="a norm's scale divides its input: an edit must leave it above zero everywhere"):
                    model.run(ids, edits=[edit])


@pytest.mark.parametrize("edit", [sonde.Zero, lambda site: sonde.Scale(site, -3.0), lambda site: sonde.Set(site, 5.0)])
def test_no_edit_of_the_scores_lets_a_query_look_ahead(case, edit):
    """The mask is part of the scores: without care, zero would mean that every token sees the whole text."""
    model, ids, _, _ = case
    edits = [edit("blocks.1.attn.scores")]
    run = model.run(ids, edits=edits, read="blocks.1.attn.pattern")
    assert (run["blocks.1.attn.pattern"][..., AHEAD] == 0).all()
    other = ids.clone()
    other[:, -1] = (other[:, -1] + 1) % VOCAB
    assert torch.allclose(model.run(other, edits=edits).logits[:, :-1], run.logits[:, :-1], atol=1e-6)


def test_a_pattern_that_looks_ahead_is_used_and_said(case):
    model, ids, base, _ = case
    site = "blocks.1.attn.pattern"
    opened = model.run(ids, edits=[sonde.Set(site, 0.5)], read=site)
    assert (opened[site] == 0.5).all()
    assert any("the mask hides" in note for note in opened.notes)
    within = torch.where(AHEAD, 0.0, 0.5 * torch.ones_like(base[site]))
    for edit in (sonde.Set(site, within), sonde.Scale(site, 2.0), sonde.Zero(f"{site}[key=0]")):
        assert not any("the mask hides" in note for note in model.run(ids, edits=[edit]).notes)


def test_edits_at_one_point_follow_the_computation(case):
    """Attention's output comes before the stream it is added to, a norm's scale before its output, whichever is named first."""
    model, ids, _, _ = case
    value = torch.linspace(-1, 1, 16)
    pairs = [(sonde.Add("blocks.0.attn.out", 5.0), sonde.Set("blocks.0.resid_mid", value))]
    if "final_norm.scale" in model.architecture.sites:
        pairs.append((sonde.Scale("final_norm.scale", 2.0), sonde.Set("final_norm", value)))
    for first, second in pairs:
        runs = [model.run(ids, edits=edits, read=second.site) for edits in ([first, second], [second, first], [second])]
        assert torch.allclose(runs[0][second.site], value.expand(2, 6, 16), atol=1e-5)
        assert torch.equal(runs[0].logits, runs[1].logits)
        assert torch.allclose(runs[0].logits, runs[2].logits, atol=1e-5)


def test_edits_of_one_site_follow_their_order(case):
    model, ids, base, _ = case
    site = "blocks.0.attn.z[head=1]"
    run = model.run(ids, edits=[sonde.Scale(site, 2.0), sonde.Add(site, 1.0), sonde.Zero(f"{site[:-1]}, pos=0]")], read="blocks.0.attn.z")
    expected = base["blocks.0.attn.z"].clone()
    expected[:, :, 1] = expected[:, :, 1] * 2 + 1
    expected[:, 0, 1] = 0
    assert torch.allclose(run["blocks.0.attn.z"], expected, atol=1e-6)
