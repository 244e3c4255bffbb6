"""Direct contributions: by hand where the sum can be written down, in every family, and right where the truth is planted."""

import copy

import pytest
import torch
from small_models import llama, planted, words
from tiny_families import build
from tiny_models import bare

import sonde
from sonde.evidence import permuted
from sonde.lens import direct_contributions, written_by
from sonde.lens.writers import component_sites
from sonde.results import CheckRefused, InputError, SiteUnavailable
from sonde.tasks import KL, LogitDifference, Task, counterfactuals, siblings

INPUTS = [[3, 7, 11, 5], [9, 2, 4]]
DIFFERENCE = LogitDifference([5, 6], foils=[8, 1])
# every residual law that adds, every kind of norm, caps, projections after the norm, norms of the embeddings
FAMILIES = ["gpt2", "llama", "qwen3", "gemma", "gemma2", "olmo2", "phi", "gpt_neox", "gptj", "opt", "bloom", "falcon-alibi"]


def repeats(model, n):
    """Siblings of a repeated list, for the planted model's few words."""
    pair = counterfactuals("dog lamp river road horse tree lamp", model).best.pair
    return siblings(pair.clean, pair.corrupt, pair.target, pair.foil, model, n=n)


def by_name(found, example):
    return dict(zip(found.names, found.values[:, example].tolist(), strict=True))


def test_gpt2_by_hand():
    """LayerNorm with its centring and bias, a bias on the attention's output, learned positions, tied embeddings."""
    module = bare("gpt2").double()
    found = direct_contributions(sonde.Model(module), INPUTS[:1], DIFFERENCE.select([0]))
    seen = {}
    blocks, norm, W_U = module.transformer.h, module.transformer.ln_f, module.lm_head.weight
    for i, block in enumerate(blocks):
        block.attn.c_proj.register_forward_pre_hook(lambda _, args, i=i: seen.__setitem__(("z", i), args[0]))
        block.mlp.register_forward_hook(lambda _, args, out, i=i: seen.__setitem__(("mlp", i), out))
    norm.register_forward_pre_hook(lambda _, args: seen.__setitem__("stream", args[0]))
    with torch.no_grad():
        logits = module(torch.tensor(INPUTS[:1])).logits[0, -1]
        stream = seen["stream"][0, -1]
        scale = (stream.var(unbiased=False) + norm.eps).sqrt()
        u = norm.weight * (W_U[5] - W_U[8]) / scale
        g = u - u.mean()
        expected = {"embed": module.transformer.wte.weight[5] @ g, "pos_embed": module.transformer.wpe.weight[3] @ g}
        width = module.config.n_embd // module.config.n_head
        for i, block in enumerate(blocks):
            for head in range(module.config.n_head):
                own = slice(head * width, (head + 1) * width)
                expected[f"head {i}.{head}"] = seen["z", i][0, -1, own] @ block.attn.c_proj.weight[own] @ g
            expected[f"MLP {i}"] = seen["mlp", i][0, -1] @ g
        expected["attention biases"] = sum(block.attn.c_proj.bias @ g for block in blocks)
        constant = norm.bias @ (W_U[5] - W_U[8])
    assert found.names == list(expected)
    assert torch.allclose(found.values[:, 0], torch.stack(list(expected.values())).float(), atol=1e-5)
    assert found.constant.item() == pytest.approx(constant.item(), abs=1e-5)
    assert found.metric.item() == pytest.approx((logits[5] - logits[8]).item(), abs=1e-5)


@pytest.mark.parametrize("name", FAMILIES)
def test_the_parts_add_up(name):
    model = sonde.Model(build(name))
    found = direct_contributions(model, INPUTS, DIFFERENCE)
    assert found.remainder.abs().max() < 1e-4 * found.values.abs().sum(0).max()
    assert found.values.abs().max() > 0.01, "control: the parts are no zeros"
    logits = model.run(INPUTS).last_logits
    cap = model.architecture.softcap
    logits = torch.atanh(logits / cap) * cap if cap else logits
    assert torch.allclose(found.metric, torch.stack([logits[0, 5] - logits[0, 8], logits[1, 6] - logits[1, 1]]), atol=1e-3)
    assert found.before_cap == bool(cap)


def test_an_example_stands_for_itself():
    model = sonde.Model(build("gpt2"))
    together = direct_contributions(model, INPUTS, DIFFERENCE)
    for i, row in enumerate(INPUTS):
        alone = direct_contributions(model, [row], DIFFERENCE.select([i]))
        assert torch.allclose(together.values[:, i], alone.values[:, 0], atol=1e-5)


def test_target_and_foil_change_places():
    model = sonde.Model(build("llama"))
    one, other = (direct_contributions(model, INPUTS, LogitDifference(a, foils=b)) for a, b in (([5, 6], [8, 1]), ([8, 1], [5, 6])))
    assert torch.allclose(one.values, -other.values, atol=1e-5)


def test_another_position_is_read_there():
    model = sonde.Model(build("gpt2"))
    there = direct_contributions(model, INPUTS[:1], LogitDifference(5, foils=8, pos=1))
    cut = direct_contributions(model, [INPUTS[0][:2]], LogitDifference(5, foils=8))
    assert torch.allclose(there.values, cut.values, atol=1e-5)


def test_the_direct_effect_is_the_difference_of_contributions():
    """Without a norm, path patching to the logits moves the metric by exactly what contributions say: two ways of asking, one answer."""
    model, _ = planted(0)
    task = repeats(model, 6)
    found = direct_contributions(model, task)
    sites = component_sites(model)
    clean, corrupt = (
        model.run(task.clean, read=["blocks.*.attn.in", "blocks.*.mlp.in"]),
        model.run(task.corrupt, read=["blocks.*.attn.z", "blocks.*.mlp.out"]),
    )
    held = [sonde.Patch(f"blocks.{i}.{branch}.in", clean) for i in range(2) for branch in ("attn", "mlp")]
    swept = model.sweep(task.clean, [[sonde.Patch(site, corrupt), *held] for site in sites.values()], task.metric)
    rows = [found.names.index(name) for name in sites]
    assert torch.allclose(swept.base - swept.values, found.values[rows] - found.counterfactual[rows], atol=1e-3)
    assert (swept.base - swept.values).abs().max() > 1


@pytest.mark.parametrize("seed", range(2))
def test_the_planted_induction_head_writes_the_answer_and_nothing_else_does(seed):
    model, truth = planted(seed)
    search, evaluate = repeats(model, 24).split()
    found = direct_contributions(model, search)
    assert found.strongest() == [f"head {truth['induction']}"]
    assert by_name(found, 0)[f"head {truth['previous_token']}"] == pytest.approx(0, abs=0.05), "it writes for the other head, not for the output"
    assert found.check(model, evaluate)[0].holds
    # control: another part of the model
    assert not written_by(model, evaluate, [f"head {truth['previous_token']}"]).holds


def test_the_specimen_s_writers_hold_on_other_prompts():
    search, evaluate = sonde.tasks.load("ioi", words(), n=32).split()
    found = direct_contributions(words(), search)
    verdict = found.check(words(), evaluate)[0]
    assert verdict.holds and verdict.n == 16 and all(name in verdict.claim.replace("Head", "head") for name in found.strongest())


@pytest.mark.parametrize("seed", range(3))
def test_on_permuted_weights_nothing_holds(seed):
    broken = sonde.Model(permuted(words().module, seed), words().tokenizer)
    search, evaluate = sonde.tasks.load("ioi", broken, n=32).split()
    assert not direct_contributions(broken, search).check(broken, evaluate)[0].holds


def test_forms(tmp_path):
    task = sonde.tasks.load("agreement", words(), n=8)
    found = direct_contributions(words(), task)
    frame = found.to_frame()
    assert frame.height == 8 * (len(found.names) + 2)
    assert frame.group_by("example").agg(total=frame["contribution"].sum() / 8)["total"][0] == pytest.approx(found.metric.mean().item(), abs=1e-3)
    back = type(found).load(found.save(tmp_path / "kept"))
    assert torch.equal(back.values, found.values) and back.names == found.names
    assert found.drawing().to_json()["title"] and found.head_grid().to_json()["title"]


def test_a_llama_with_grouped_keys():
    found = direct_contributions(llama(), "When Lily and Tom went to the park, Tom gave a ball to", LogitDifference(40, foils=41))
    assert len(found.components) == 3 * 4 + 3 and found.remainder.abs().max() < 1e-5


# refusals


def test_families_whose_parts_do_not_add_up_are_refused_by_name():
    with pytest.raises(SiteUnavailable, match=r"opt.*norms its stream after every sum"):
        direct_contributions(sonde.Model(build("opt-post")), INPUTS, DIFFERENCE)
    with pytest.raises(SiteUnavailable, match="known family"):
        direct_contributions(sonde.Model(torch.nn.Linear(2, 2)), [[1]], DIFFERENCE)


def test_a_block_that_adds_something_else_is_refused():
    class Extra(torch.nn.Module):
        def __init__(self, block):
            super().__init__()
            self.block = block

        def __getattr__(self, name):
            try:
                return super().__getattr__(name)
            except AttributeError:
                return getattr(super().__getattr__("block"), name)

        def forward(self, *args, **kwargs):
            out = self.block(*args, **kwargs)
            return out + 3 * torch.arange(out.shape[-1]) if isinstance(out, torch.Tensor) else (out[0] + 3 * torch.arange(out[0].shape[-1]), *out[1:])

    module = bare("gpt2")
    module.transformer.h[1] = Extra(module.transformer.h[1])
    with pytest.raises(SiteUnavailable):
        direct_contributions(sonde.Model(module), INPUTS, DIFFERENCE)


def test_what_is_no_difference_of_logits_is_refused():
    with pytest.raises(InputError, match="add up to a logit difference"):
        direct_contributions(words(), "The keys", KL(torch.zeros(1, 5)))
    with pytest.raises(InputError, match="add up to a logit difference"):
        direct_contributions(words(), "The keys")
    with pytest.raises(InputError, match=r"no part 'head 9\.9'"):
        written_by(words(), sonde.tasks.load("agreement", words(), n=4), ["head 9.9"])


def test_without_prompts_or_parts_there_is_a_reason():
    task = sonde.tasks.load("agreement", words(), n=4)
    assert written_by(words(), task, []).reason and written_by(words(), Task.of([], "none"), ["MLP 0"]).reason


def test_another_model_is_refused():
    found = direct_contributions(words(), sonde.tasks.load("agreement", words(), n=4))
    with pytest.raises(CheckRefused):
        found.check(sonde.Model(permuted(words().module, 0), words().tokenizer), sonde.tasks.load("agreement", words(), n=4))


# the ways of dealing with the final norm


def test_removing_a_part_is_leaving_it_out_of_the_stream():
    model = words()
    task = sonde.tasks.load("agreement", model, n=3)
    found, frozen = direct_contributions(model, task, norm="removed"), direct_contributions(model, task)
    run = model.run(task.clean, read=["blocks.3.resid_post", "blocks.2.attn.result", "blocks.3.mlp.out"])
    stream = run["blocks.3.resid_post[pos=-1]"]
    for name, part in (("head 2.1", run["blocks.2.attn.result[pos=-1]"][:, 1]), ("MLP 3", run["blocks.3.mlp.out[pos=-1]"])):
        logits = model.unembed(stream - part).detach()
        rows = torch.arange(3)
        without = logits[rows, task.targets] - logits[rows, task.foils]
        assert torch.allclose(found.of([name])[0], found.metric - without, atol=1e-4)
    assert found.norm == "removed" and found.names == frozen.names
    assert not torch.allclose(found.values, frozen.values, atol=1e-2), "control: the norm matters"


def test_slopes_of_the_norm_sum_to_nothing():
    """A norm forgets length (Euler's theorem), so what a little more of everything changes is nothing; and each is a derivative."""
    model = words()
    task = sonde.tasks.load("agreement", model, n=2)
    found = direct_contributions(model, task, norm="linear")
    assert found.values.sum(0).abs().max() < 1e-2 * found.values.abs().sum(0).max()
    run = model.run(task.clean, read=["blocks.3.resid_post", "blocks.3.mlp.out"])
    stream, part = run["blocks.3.resid_post[pos=-1]"].double(), run["blocks.3.mlp.out[pos=-1]"].double()
    rows, step = torch.arange(2), 1e-3
    read = copy.deepcopy(model.module.final_norm).double(), copy.deepcopy(model.module.unembed).double()

    def difference(x):
        logits = read[1](read[0](x)).detach()
        return logits[rows, task.targets] - logits[rows, task.foils]

    slope = (difference(stream + step * part) - difference(stream - step * part)) / (2 * step)
    assert torch.allclose(found.of(["MLP 3"])[0].double(), slope, atol=1e-3)


@pytest.mark.parametrize("norm", ["linear", "removed"])
def test_without_a_norm_all_ways_are_one(norm):
    model, _ = planted(0)
    task = repeats(model, 2)
    assert torch.allclose(direct_contributions(model, task, norm=norm).values, direct_contributions(model, task).values, atol=1e-3)


@pytest.mark.parametrize("name", ["gpt2", "llama", "gptj", "gpt_neox", "opt", "bloom"])
def test_every_way_in_other_families(name):
    model = sonde.Model(build(name))
    for norm in ("linear", "removed"):
        found = direct_contributions(model, INPUTS, DIFFERENCE, norm=norm)
        assert found.values.isfinite().all() and found.drawing().to_json()["note"].endswith("do not sum to the difference.")


def test_ways_that_are_none_are_refused():
    with pytest.raises(InputError, match="use 'frozen', 'linear', 'removed'"):
        direct_contributions(words(), "The keys", DIFFERENCE, norm="none")
    with pytest.raises(SiteUnavailable, match="norm='frozen'"):
        direct_contributions(sonde.Model(build("gemma2")), INPUTS, DIFFERENCE, norm="removed")
