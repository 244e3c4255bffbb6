"""Half precision keeps its stated bounds, in every family of decoders: sweeps against plain runs, rows alone against rows in company."""

import copy

import pytest
import torch
from subjects import DECODER_SUBJECTS, given, subject_model
from tiny_models import LogitDifference

import sonde
from sonde.access.engine.sweep import BOUND_HALF

pytestmark = pytest.mark.usefixtures("unchecked")


@pytest.fixture(scope="module", params=DECODER_SUBJECTS)
def low(request):
    """A family in bfloat16, and inputs for it."""
    model = subject_model(request.param)
    return sonde.Model(copy.deepcopy(model.module).bfloat16(), name=model.name), given(model, 1)


def test_a_sweep_lies_within_its_bound(low):
    """Eight bits of a mantissa: the bound is a share of the largest logit, and a sweep that leaves it raises."""
    model, ids = low
    sites = ["blocks.0.resid_pre[pos=2]", "blocks.0.attn.z[head=1]", "blocks.1.attn.out", "blocks.1.resid_post[pos=-1]"]
    edits, metric = [sonde.Scale(site, 0.5) for site in sites], LogitDifference()
    sweep = model.sweep(ids, edits, metric, verify=True)
    assert sweep.values.dtype == torch.bfloat16
    for edit, values in zip(edits, sweep.values, strict=True):
        run = model.run(ids, edits=[edit])
        assert (values - metric(run)).abs().max() <= BOUND_HALF * max(1.0, run.logits.abs().max().item())


def test_identities_and_edits_are_exact_in_it_too(low):
    """What was written is read back bit for bit: nothing goes through another type on the way."""
    model, ids = low
    base = model.run(ids, read=["blocks.1.attn.z", "blocks.0.resid_post"])
    for site in base:
        value = torch.linspace(-1, 1, base[site].numel()).view_as(base[site])  # single precision, as users have it
        run = model.run(ids, edits=[sonde.Set(site, value)], read=site)
        assert torch.equal(run[site], value.bfloat16())
        assert torch.equal(model.run(ids, edits=[sonde.Set(site, base[site])]).logits, base.logits)
        assert run.logits.dtype == torch.bfloat16


def test_what_does_not_fit_in_it_is_refused():
    model = sonde.Model(copy.deepcopy(subject_model("llama").module).half(), name="llama")
    with pytest.raises(sonde.SondeError, match=r"beyond the largest torch.float16, 6.55e\+04, and would be infinite"):
        model.run([[1, 2]], edits=[sonde.Set("embed", 7e4)])
    with pytest.raises(sonde.SondeError, match=r"beyond the largest torch.float16"):
        model.run([[1, 2]], edits=[sonde.Add("embed", torch.full((16,), 7e4))])
    model.run([[1, 2]], edits=[sonde.Set("blocks.0.attn.scores[query=-1, key=0]", -torch.inf)])  # infinity itself is meant
