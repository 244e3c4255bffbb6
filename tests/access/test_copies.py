"""Reading keeps the tensors that the model computed: not one byte more than hooks written by hand would keep."""

import torch
from transformers import GPT2Config, GPT2LMHeadModel

import sonde
from bench.subjects import plain_hooks
from bench.subjects import workload as w


def storages(values):
    """Where the memory lies that some tensors keep alive."""
    return {value.untyped_storage().data_ptr() for value in values}


def test_no_copy_that_bare_hooks_do_not_make(monkeypatch):
    """Bare hooks listen to the same forward: what sonde read is the very memory that they keep."""
    monkeypatch.setattr(w, "HEADS", 2)
    monkeypatch.setattr(w, "D_MODEL", 24)
    monkeypatch.setattr(w, "D_HEAD", 12)
    torch.manual_seed(0)
    config = GPT2Config(n_layer=3, n_embd=24, n_head=2, vocab_size=50, n_positions=16, bos_token_id=0, eos_token_id=0, attn_implementation="eager")
    module = GPT2LMHeadModel(config).eval()
    bare = {}
    for i, block in enumerate(module.transformer.h):
        plain_hooks.hooks(f"blocks.{i}", block, bare)
    run = sonde.load(module).run(torch.randint(0, 50, (2, 5)), read=[f"blocks.*.{site}" for site in w.CACHED])
    assert {name: run[name].shape for name in run} == {name: value.shape for name, value in bare.items()}
    assert all(torch.equal(run[name], bare[name]) for name in run)
    assert storages(dict(run).values()) == storages(bare.values())
    assert not storages([run["blocks.0.resid_mid"].clone()]) & storages(bare.values())  # the control
