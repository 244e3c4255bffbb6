"""What single sites promise beyond the matrix (tests/matrix.py): masks, norms, and the order of several edits."""

import pytest
import torch
from tiny_models import FAMILIES, VOCAB

import sonde
from sonde.results import EditError

# some thousand forwards: the check of shapes at every call, which other tests make, would take most of the time
pytestmark = pytest.mark.usefixtures("unchecked")

AHEAD = torch.ones(6, 6).triu(1).bool()


@pytest.fixture(scope="module", params=FAMILIES)
def case(request, loaded):
    """A family, its unedited run over every site, and another run to patch from; all under the recorded kernel."""
    model, generator = loaded[request.param], torch.Generator().manual_seed(2)
    ids, others = (torch.randint(VOCAB, (2, 6), generator=generator) for _ in range(2))
    names = list(model.architecture.sites)
    return model, ids, model.run(ids, read=names), model.run(others, read=names)


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
