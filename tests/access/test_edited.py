"""The module itself under edits: called as always, also while it trains."""

import pytest
import torch
from tiny_models import bare, logits_of

import sonde
from sonde.results import InputError, SiteUnavailable

ROWS = [[3, 1, 0, 4, 7], [9, 2, 6]]


def test_the_module_gives_what_a_run_gives(model, ids):
    edits = [sonde.Zero("blocks.0.attn.z[head=1]"), sonde.Add("blocks.1.resid_mid", 0.3)]
    with model.edited(edits) as same:
        assert same is model
        edited = logits_of(model.module, ids)
    assert torch.equal(edited, model.run(ids, edits=edits).logits)
    assert not torch.equal(logits_of(model.module, ids), edited)


def test_one_edit_needs_no_list(model, ids):
    with model.edited(sonde.Zero("embed")):
        assert torch.equal(logits_of(model.module, ids), model.run(ids).logits)


def test_positions_follow_the_mask(model):
    """-1 is each row's last real token here too, on whichever side the padding is."""
    edits = [sonde.Zero("blocks.0.resid_post[pos=-1]")]
    run = model.run(ROWS, edits=edits)
    with model.edited(edits):
        inside = logits_of(model.module, run.ids, attention_mask=run.mask.long())
        again = model.run(ROWS).logits
    assert torch.equal(inside[run.mask], run.logits[run.mask])
    assert torch.equal(again[run.mask], run.logits[run.mask])


def test_gradients_flow_through_the_edits_into_the_weights(ids):
    for family in ("native", "llama"):
        model = sonde.Model(bare(family))
        vector = torch.zeros(16, requires_grad=True)
        with model.edited([sonde.Add("blocks.0.resid_post", vector), sonde.Zero("blocks.1.attn.z[head=2]")]):
            output = model.module(ids)
            (output if isinstance(output, torch.Tensor) else output.logits).logsumexp(-1).mean().backward()
        assert vector.grad.abs().sum() > 0
        o = model.module.get_submodule(model.locate("blocks.1.attn.result").point.module).weight
        width = model.architecture.d_head
        by_head = o.grad.unflatten(1, (4, width)).abs().sum((0, 2))
        assert by_head[2] == 0  # nothing came from the head that was removed
        assert (by_head[[0, 1, 3]] > 0).all()


def test_training_steps_under_an_edit(ids):
    """The module keeps its mode, and what it learns is learnt without the head."""
    model = sonde.Model(bare("native").train())
    optimiser = torch.optim.SGD(model.module.parameters(), lr=0.05)
    losses = []
    with model.edited([sonde.Zero("blocks.0.attn.z[head=0]")]):
        for _ in range(5):
            assert model.module.training
            loss = torch.nn.functional.cross_entropy(model.module(ids)[:, :-1].flatten(0, 1), ids[:, 1:].flatten())
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            losses.append(loss.item())
    assert losses[-1] < losses[0]
    assert model.module.training
    head = model.module.blocks[0].attn.v.weight[:4]
    assert torch.equal(head, bare("native").blocks[0].attn.v.weight[:4])


def test_the_attention_pattern_while_training(model, ids):
    model.module.train()
    with model.edited([sonde.Set("blocks.0.attn.scores", 0.0)]):
        run = model.run(ids, read="blocks.0.attn.pattern")
    model.module.eval()
    assert torch.allclose(run["blocks.0.attn.pattern"][0, 0], torch.ones(7, 7).tril() / torch.arange(1, 8)[:, None])


def test_nested(model, ids):
    """saelens #278: the order of leaving left ablations on."""
    first, second = sonde.Zero("blocks.0.attn.z[head=0]"), sonde.Scale("blocks.1.attn.pattern[head=1]", 0.5)
    with model.edited([first]):
        with model.edited([second]):
            both = logits_of(model.module, ids)
        one = logits_of(model.module, ids)
    assert torch.allclose(both, model.run(ids, edits=[first, second]).logits, atol=1e-5)
    assert torch.equal(one, model.run(ids, edits=[first]).logits)


def test_edits_outside_come_before_those_inside(model, ids):
    with model.edited([sonde.Set("blocks.0.resid_post", 1.0)]):
        run = model.run(ids, edits=[sonde.Scale("blocks.0.resid_post", 3.0)], read="blocks.0.resid_post")
    assert (run["blocks.0.resid_post"] == 3).all()


def test_every_verb_works_inside(model, ids, metric):
    edit = sonde.Zero("blocks.0.attn.z[head=1]")
    grads = model.grad(ids, metric, at="blocks.1.attn.z", edits=[edit])
    with model.edited([edit]):
        inside = model.grad(ids, metric, at="blocks.1.attn.z")
    assert torch.allclose(inside["blocks.1.attn.z"], grads["blocks.1.attn.z"], atol=1e-6)


def test_an_edit_that_never_fires_raises(model, ids):
    never = pytest.raises(SiteUnavailable, match="'embed' never fired in this forward: the model did not call the module")
    with never, model.edited([sonde.Zero("embed")]):
        pass


def test_an_error_inside_is_the_one_that_is_seen(model):
    with pytest.raises(ZeroDivisionError), model.edited([sonde.Zero("embed")]):
        1 / 0  # noqa: B018


def test_refused(model):
    with pytest.raises(InputError, match="is no edit"), model.edited(["embed"]):
        pass


def test_the_models_own_generation_under_an_edit():
    """sae-reasoning #3: steering that is skipped on the tokens that a cache decodes."""
    module = bare("llama")
    model = sonde.Model(module)
    prompt = torch.tensor([[3, 1, 4]])
    steer = sonde.Add("blocks.0.resid_post", torch.linspace(-2, 2, 16))
    with model.edited([steer]):
        cached = module.generate(prompt, max_new_tokens=5, do_sample=False, attention_mask=torch.ones_like(prompt), eos_token_id=None, pad_token_id=0)
    ids = prompt.tolist()[0]
    for _ in range(5):
        ids.append(model.run([ids], edits=[steer]).last_logits[0].argmax().item())
    assert cached[0].tolist() == ids
    # a position that was computed before is not there any more; the newest one is
    with (
        pytest.raises(SiteUnavailable, match="the first 3 columns are cached and not computed in this forward"),
        model.edited([sonde.Zero("blocks.0.resid_post[pos=0]")]),
    ):
        module.generate(prompt, max_new_tokens=3, do_sample=False, attention_mask=torch.ones_like(prompt), eos_token_id=None, pad_token_id=0)
