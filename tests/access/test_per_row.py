"""Rows of one batch under edits of their own: as separate runs would give them."""

import pytest
import torch
from tiny_models import bare, logits_of

import sonde
from sonde.results import EditError, InputError

ROWS = [[3, 1, 0, 4, 7], [9, 2, 6], [5, 5, 8, 1]]
OWN = [
    sonde.Zero("blocks.0.attn.z[head=1]"),
    None,
    [sonde.Add("blocks.0.resid_post[pos=-1]", 0.7), sonde.Set("blocks.1.attn.pattern[query=-1, key=0]", 1.0), sonde.Noise("embed", 0.5)],
]


def separate(model, own=OWN):
    return [model.run([row], edits=[] if edits is None else edits, read="blocks.1.attn.pattern") for row, edits in zip(ROWS, own, strict=True)]


def test_equals_separate_runs(model):
    run = model.run(ROWS, edits=sonde.PerRow(OWN), read="blocks.1.attn.pattern")
    for i, alone in enumerate(separate(model)):
        assert torch.allclose(run.logits[i, : len(ROWS[i])], alone.logits[0], rtol=1e-5, atol=1e-5)
        assert torch.allclose(run.last_logits[i], alone.last_logits[0], rtol=1e-5, atol=1e-5)
    assert not torch.allclose(run.last_logits[0], model.run(ROWS).last_logits[0], atol=1e-3)  # the control: it does something
    assert torch.allclose(run.last_logits[1], model.run(ROWS).last_logits[1], atol=1e-5)


def test_gradients_row_by_row(model, metric):
    grads = model.grad(ROWS, metric, at="embed", edits=sonde.PerRow(OWN))
    for i, (row, own) in enumerate(zip(ROWS, OWN, strict=True)):
        alone = model.grad([row], metric, at="embed", edits=own or [])
        assert torch.allclose(grads["embed"][i, : len(row)], alone["embed"][0], rtol=1e-4, atol=1e-5)
        assert (grads["embed"][i, len(row) :] == 0).all()


def test_in_the_cells_of_a_sweep(model, metric):
    everywhere = sonde.Scale("blocks.1.mlp.out" if "blocks.1.mlp.out" in model.architecture.sites else "blocks.1.attn.out", 0.5)
    cells = [sonde.PerRow(OWN), [sonde.PerRow(OWN[::-1]), everywhere], everywhere]
    sweep = model.sweep(ROWS, cells, metric, verify=True)
    for i, cell in enumerate(cells):
        assert torch.allclose(sweep.values[i], metric(model.run(ROWS, edits=cell)), rtol=1e-5, atol=1e-5)
    assert "in row 2" in sweep.edits[0]


def test_in_the_module_itself(ids):
    model = sonde.Model(bare("native"))
    edits = sonde.PerRow([sonde.Zero("blocks.0.resid_post[pos=2]"), None])
    with model.edited(edits):
        inside = logits_of(model.module, ids)
        with pytest.raises(EditError, match="meant for one of 2 rows, and the batch has 3"):
            logits_of(model.module, ids[[0, 1, 1]])
    assert torch.equal(inside, model.run(ids, edits=edits).logits)
    assert torch.allclose(inside[1], logits_of(model.module, ids)[1], atol=1e-6)


def test_among_other_edits_in_order(model, ids):
    site = "blocks.0.resid_post"
    run = model.run(ids, edits=[sonde.Set(site, 1.0), sonde.PerRow([sonde.Scale(site, 3.0), None]), sonde.Add(site, 1.0)], read=site)
    assert (run[site][0] == 4).all() and (run[site][1] == 2).all()


def test_refused(model, ids, metric):
    three = sonde.PerRow(OWN)
    for call in (
        lambda: model.run(ids, edits=three),
        lambda: model.grad(ids, metric, edits=three),
        lambda: model.sweep(ids, [three], metric),
    ):
        with pytest.raises(EditError, match=r"meant for one of 3 rows, and the batch has 2; give PerRow one entry for each row"):
            call()
    with pytest.raises(InputError, match="'embed' is no edit: give each row an edit, a list of edits, or None"):
        sonde.PerRow([["embed"]])


def test_equal_by_content():
    assert sonde.PerRow(OWN) == sonde.PerRow([OWN[0], [], OWN[2]]) != sonde.PerRow(OWN[::-1])
    assert len({sonde.PerRow(OWN), sonde.PerRow(OWN)}) == 1
