"""A planned sweep equals plain forwards in every causal family: with sliding windows, soft-caps, rotary and linear biases, grouped and fused heads.

Every kind of shortcut is taken here: entering at a block, beginning at a column, a last block that computes one column, and few tokens' logits.
"""

import pytest
import torch
from tiny_families import DECODERS, build
from tiny_models import HEADS, LAYERS, VOCAB

import sonde
from sonde.tasks import LogitDifference

IDS = torch.randint(0, VOCAB, (2, 9), generator=torch.Generator().manual_seed(3))  # longer than the sliding windows
CELLS = (
    [f"blocks.{i}.resid_pre[pos={pos}]" for i in range(LAYERS) for pos in (0, 4, 5, 7, 8)]
    + [f"blocks.{i}.attn.{part}[pos={pos}]" for i in range(LAYERS) for part in ("v", "out") for pos in (3, 8)]
    + [f"blocks.{LAYERS - 1}.resid_post[pos={pos}]" for pos in (2, 8)]
    + [f"blocks.0.attn.z[head={head}]" for head in range(HEADS)]
)


def whole(run):
    return run.logits[:, :, 3].sum(1) + run.logits[:, -1, 5]


METRICS = {"last": LogitDifference(3, 5), "middle": LogitDifference([7, 2], [1, 0], pos=5), "all": whole}


@pytest.fixture(scope="module", params=DECODERS)
def family(request):
    model = sonde.load(build(request.param))
    other = model.run((IDS + torch.tensor([0] * 3 + [7] * 6)) % VOCAB, read=sorted({site.partition("[")[0] for site in CELLS}))
    return model, [sonde.Patch(site, other) for site in CELLS]


@pytest.mark.parametrize("metric", METRICS)
def test_a_sweep_equals_one_plain_forward_for_each_edit(family, metric):
    (model, edits), metric = family, METRICS[metric]
    sweep = model.sweep(IDS, edits, metric, verify=False)
    expected = torch.stack([metric(model.run(IDS, edits=edit)) for edit in edits])
    scale = max(1.0, model.run(IDS).logits.abs().max().item())
    assert (sweep.values - expected).abs().max() <= 1e-5 * scale
    # the control: cells do differ, from one another and from no edit, so that a mix-up would show
    assert len(sweep.values.mul(1e4).round().unique(dim=0)) > len(edits) // 3
    assert sweep.plan.plain == 0


def test_positions_left_of_an_edit_are_never_computed_again(family):
    """No causal family falls back: one that did would give right values slowly."""
    model, edits = family
    late = [edit for edit in edits if "pos=8" in str(edit.site)]
    sweep = model.sweep(IDS, late, METRICS["last"])
    assert not any("computed again" in note or "whole forward" in note for note in sweep.notes)
    assert sweep.plan.block_tokens <= 2 * len(late) * LAYERS  # one column of each row in each block
