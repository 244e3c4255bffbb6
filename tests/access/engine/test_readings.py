"""Values under many edits are those of one plain run for each of them."""

import pytest
import torch
from tiny_models import bare
from token_pairs import random_pairs

import sonde
from sonde.access import Site
from sonde.access.engine.readings import readings


@pytest.mark.parametrize(("family", "batch_size"), [("native-gated", "auto"), ("gpt2", 3), ("llama", 100)])
def test_each_is_a_plain_run(family, batch_size):
    model, task = sonde.Model(bare(family).double()), random_pairs(ragged=True)
    other = model.run(task.corrupt, read=["blocks.0.attn.z", "embed"])
    edits = [
        sonde.Patch("blocks.0.attn.z[head=1]", other),
        [sonde.Patch("embed", other), sonde.Zero("blocks.0.attn.z[head=[0,2]]")],
        sonde.Scale("blocks.0.attn.out[pos=-1]", 2.0),
        sonde.PerRow([None, sonde.Zero("blocks.0.attn.out"), None]),
    ]
    read = [Site.parse("blocks.1.attn.q[head=0, pos=-2]"), Site("blocks.1.attn.in")]
    found = readings(model, model.prepare(task.clean), edits, read, batch_size)
    for i, edit in enumerate(edits):
        plain = model.run(task.clean, edits=edit, read=read)
        for site in read:
            assert torch.allclose(found[site][i], plain[site], rtol=0, atol=1e-12)


def test_a_row_that_stands_for_all_is_edited_alone():
    model, task = sonde.Model(bare("native").double()), random_pairs()
    edits = [sonde.Zero("pos_embed"), sonde.Scale("pos_embed", 2.0)]
    (found,) = readings(model, model.prepare(task.clean), edits, [Site("blocks.0.resid_post")]).values()
    for value, edit in zip(found, edits, strict=True):
        assert torch.allclose(value, model.run(task.clean, edits=edit, read="blocks.0.resid_post")["blocks.0.resid_post"], rtol=0, atol=1e-12)


def test_a_forward_ends_behind_the_last_site():
    model, task = sonde.Model(bare("gpt2")), random_pairs()
    model.run(task.clean, read="embed")
    called = []
    handles = [model.block(i).register_forward_hook(lambda *_, i=i: called.append(i)) for i in range(2)]
    readings(model, model.prepare(task.clean), [sonde.Zero("blocks.0.attn.out")] * 4, [Site("blocks.0.mlp.in")])
    for handle in handles:
        handle.remove()
    assert 1 not in called and len(called) <= 1
