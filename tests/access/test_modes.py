"""The modes that a user's model may be in: each served, with what the bare module gives, or refused by name."""

import copy
import importlib.util
import json
import re
import threading

import pytest
import torch
import torch.utils.checkpoint
from tiny_families import build
from tiny_models import LogitDifference, bare, logits_of
from tiny_tokenizer import text, words

import sonde
from sonde.results import InputError, LoadError, SiteUnavailable

IDS = torch.tensor([[3, 1, 0, 4, 7], [9, 2, 6, 5, 5]])
METRIC = LogitDifference()
VECTOR = torch.linspace(-2, 2, 16)


# wrapped, compiled, spread


def test_wrappers_that_copy_or_spread_are_refused():
    wrapped = torch.nn.DataParallel(bare("native"))
    with pytest.raises(InputError, match=r"this module is a DataParallel, which copies .*; load the module inside it \(.module\)"):
        sonde.load(wrapped)
    assert sonde.load(wrapped.module).run(IDS).logits.shape == (2, 5, 40)
    with pytest.raises(InputError, match="'1' in this module is a DataParallel"):
        sonde.load(torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.DataParallel(torch.nn.Linear(2, 2))))
    for name in ("DistributedDataParallel", "FullyShardedDataParallel", "DeepSpeedEngine"):
        other = type(name, (torch.nn.Module,), {"__init__": lambda self: torch.nn.Module.__init__(self)})()
        with pytest.raises(InputError, match=f"is a {name}, which"):
            sonde.load(other)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_compiled_code_is_refused_wherever_it_is():
    whole, part, method = (bare("native") for _ in range(3))
    with pytest.raises(InputError, match=r"is a OptimizedModule, which is compiled, .* \(._orig_mod\)"):
        sonde.load(torch.compile(whole))
    part.blocks[1].compile()
    with pytest.raises(InputError, match=r"'blocks.1' in this module is compiled, .*: load the module before torch.compile"):
        sonde.load(part)
    method.forward = torch.compile(method.forward)
    with pytest.raises(InputError, match="this module is compiled"):
        sonde.load(method)
    assert sonde.load(whole).run(IDS).logits.shape == (2, 5, 40)  # the module inside is served
    scripted = torch.jit.script(torch.nn.Sequential(torch.nn.Linear(4, 4)))
    with pytest.raises(InputError, match=r"compiled \(TorchScript\)"):
        sonde.load(scripted)


def test_weights_that_are_not_here_are_refused():
    away = bare("native")
    away.blocks[1].mlp.to("meta")
    with pytest.raises(InputError, match=r"the weight 'blocks.1.mlp.up.weight' is not in memory \(it is on the meta device\)"):
        sonde.load(away)


# quantised


def quantised(kind):
    if kind == "torch":
        return torch.ao.quantization.quantize_dynamic(bare("native"), {torch.nn.Linear}, dtype=torch.qint8)
    module = build("llama")
    if kind == "torchao":
        torchao = pytest.importorskip("torchao.quantization", reason="torchao is not installed")
        torchao.quantize_(module, torchao.Int8WeightOnlyConfig())
    else:
        quanto = pytest.importorskip("optimum.quanto", reason="optimum-quanto is not installed")
        quanto.quantize(module, weights=quanto.qint8)
        quanto.freeze(module)
    return module


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", ["torch", "torchao", "quanto"])
def test_quantised_layers_are_read_and_edited_but_for_their_weights(kind):
    module = quantised(kind).eval()
    model = sonde.load(module)
    assert torch.equal(model.run(IDS, read="blocks.0.attn.z").logits, logits_of(module, IDS))
    source = model.run(IDS.flip(0), read="blocks.0.attn.z")
    patched = model.run(IDS, edits=sonde.Patch("blocks.0.attn.z", source), read="blocks.0.attn.z")
    assert torch.equal(patched["blocks.0.attn.z"], source["blocks.0.attn.z"])
    assert not torch.equal(patched.logits, model.run(IDS).logits)
    with pytest.raises(SiteUnavailable, match=r"the output projection is a .*, no plain linear map"):
        model.run(IDS, read="blocks.0.attn.result")
    assert model.hash == sonde.load(module).hash != sonde.load(bare("native")).hash


@pytest.mark.filterwarnings("ignore")
def test_gradients_that_quantised_layers_would_drop_are_refused():
    """torch takes such an operation for a constant, and gives zero without a word."""
    model = sonde.load(quantised("torch"))
    with pytest.raises(SiteUnavailable, match="computes by operations without a derivative"):
        model.grad(IDS, METRIC, at="blocks.0.attn.z")


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", ["torchao", "quanto"])
def test_gradients_through_quantised_weights_are_slopes(kind):
    model = sonde.load(quantised(kind).eval())
    gradient = model.grad(IDS, METRIC, at="blocks.1.resid_post")["blocks.1.resid_post"][0, -1]
    step = 1e-2 * torch.sign(gradient)
    up, down = (METRIC(model.run(IDS, edits=sonde.Add("blocks.1.resid_post[batch=0, pos=-1]", by))) for by in (step, -step))
    assert torch.allclose((up - down)[0] / 2, gradient @ step, rtol=2e-2)


# adapters


def adapted(**options):
    peft = pytest.importorskip("peft", reason="peft is not installed")
    config = peft.LoraConfig(**{"r": 2, "target_modules": ["q_proj", "v_proj"], "init_lora_weights": False, "task_type": "CAUSAL_LM"} | options)
    torch.manual_seed(0)
    return peft.get_peft_model(build("llama"), config).eval()


def test_an_adapted_model_keeps_its_vocabulary():
    module = adapted()
    model = sonde.load(module)
    run = model.run(IDS, read=["blocks.*.attn.q", "blocks.*.attn.result", "blocks.0.attn.pattern"])
    assert model.architecture.family == "llama"
    assert torch.allclose(run.logits, logits_of(module, IDS), atol=1e-5)
    with module.disable_adapter():
        without = model.run(IDS, read="blocks.0.attn.q")
    assert torch.equal(without.logits, logits_of(build("llama"), IDS))
    assert not torch.allclose(without["blocks.0.attn.q"], run["blocks.0.attn.q"])  # queries are those that the adapter gives
    assert all(identity.holds for identity in model.prove())


def test_what_an_adapter_does_is_part_of_the_hash():
    module = adapted()
    model = sonde.load(module)
    active = model.hash
    with module.disable_adapter():
        off = model.hash
    module.base_model.merge_adapter()
    merged = model.hash
    module.base_model.unmerge_adapter()
    assert len({active, off, merged, sonde.load(build("llama")).hash}) == 4
    assert model.run(IDS).logits.shape == (2, 5, 40)


def test_results_of_heads_need_a_plain_projection():
    model = sonde.load(adapted(target_modules=["o_proj"]))
    with pytest.raises(SiteUnavailable, match="merge an adapter first"):
        model.run(IDS, read="blocks.0.attn.result")
    merged = sonde.load(adapted(target_modules=["o_proj"]).merge_and_unload())
    assert torch.allclose(merged.run(IDS).logits, model.run(IDS).logits, atol=1e-4)
    assert merged.run(IDS, read="blocks.0.attn.result")["blocks.0.attn.result"].shape == (2, 5, 4, 16)


def test_an_adapted_model_writes():
    module = adapted()
    module.base_model.model.generation_config.eos_token_id = None
    model = sonde.Model(module, words())
    ids = [3, 1, 4]
    for _ in range(3):
        ids.append(model.run([ids]).last_logits[0].argmax().item())
    assert model.generate([3, 1, 4], max_new_tokens=3) == text(ids[3:])


def test_tokens_of_an_adapter_are_refused():
    peft = pytest.importorskip("peft", reason="peft is not installed")
    module = peft.get_peft_model(build("llama"), peft.PromptTuningConfig(num_virtual_tokens=2, task_type="CAUSAL_LM"))
    with pytest.raises(InputError, match="'default', which puts tokens of its own before the prompt"):
        sonde.load(module)


# checkpointed


class Checkpointed(torch.nn.Module):
    """A block whose activations are computed again in the backward pass, whatever mode it is in."""

    def __init__(self, reentrant):
        super().__init__()
        self.first, self.second, self.reentrant = torch.nn.Linear(4, 4), torch.nn.Linear(4, 4), reentrant

    def forward(self, x):
        return torch.utils.checkpoint.checkpoint(lambda x: self.second(self.first(x).relu()), x, use_reentrant=self.reentrant)


@pytest.mark.parametrize("reentrant", [True, False])
def test_edits_in_a_checkpointed_part_are_refused(reentrant):
    """The backward pass computes it again after the edits are gone; torch compares shapes only, so the gradients would be wrong without a word."""
    model = sonde.load(torch.nn.Sequential(torch.nn.Linear(4, 4), Checkpointed(reentrant)))
    x = torch.randn(2, 4)
    with pytest.raises(SiteUnavailable, match=r"gradient checkpointing computes '1.first:out' again"), model.edited(sonde.Scale("1.first:out", 2.0)):
        model.module(x)
    with model.edited(sonde.Scale("0:out", 2.0)):  # before it: the part is computed again from what the edit wrote
        model.module(x).sum().backward()
    plain = copy.deepcopy(model.module)
    plain[1].forward = lambda x: plain[1].second(plain[1].first(x).relu())
    plain.zero_grad()
    plain[1](2 * plain[0](x)).sum().backward()
    assert all(torch.allclose(a.grad, b.grad, atol=1e-6) for a, b in zip(model.module.parameters(), plain.parameters(), strict=True))
    if not reentrant:
        with pytest.raises(SiteUnavailable, match=r"computes '1.first:out' again"):
            model.grad(x, of=lambda run: run.logits.sum(-1), at="1.first:out")
    assert model.run(x, edits=sonde.Scale("1.first:out", 2.0)).logits.shape == (2, 4)  # nothing is differentiated


def test_transformers_checkpointing_while_training():
    module = build("llama")
    module.activation_checkpointing_enable()
    model = sonde.load(module.train())
    with pytest.raises(SiteUnavailable, match="gradient checkpointing"), model.edited(sonde.Zero("blocks.0.attn.z")):
        module(IDS)
    assert model.run(IDS, edits=sonde.Zero("blocks.0.attn.z")).logits.shape == (2, 5, 40)
    assert model.grad(IDS, METRIC, at="blocks.0.attn.z").metric.shape == (2,)
    with model.edited(sonde.Zero("embed")):
        module(IDS)


# dtypes and contexts


@pytest.mark.parametrize("dtype, bound", [(torch.bfloat16, 5e-2), (torch.float16, 1e-2), (torch.float64, 1e-10)])
def test_float32_edits_into_models_of_other_types(model, dtype, bound):
    """What is edited keeps the site's type; bounds are of the largest logit, against the same edit in float32."""
    edits = [sonde.Add("blocks.0.resid_post", VECTOR), sonde.Scale("blocks.1.attn.z[head=1]", 0.5), sonde.Zero("blocks.0.attn.pattern[head=0]")]
    other = sonde.Model(copy.deepcopy(model.module).to(dtype))
    run = other.run(IDS, edits=edits, read=["blocks.0.resid_post", "blocks.1.attn.pattern"])
    assert run.logits.dtype == run["blocks.0.resid_post"].dtype == dtype
    expected = model.run(IDS, edits=edits).logits
    bound = 1e-5 if dtype == torch.float64 else bound  # there float32 is the coarser one
    assert (run.logits.float() - expected).abs().max() <= bound * expected.abs().max()
    source = other.run(IDS.flip(0), read="blocks.0.resid_post")
    across = model.run(IDS, edits=sonde.Patch("blocks.0.resid_post", source), read="blocks.0.resid_post")["blocks.0.resid_post"]
    assert torch.equal(across, source["blocks.0.resid_post"].float())


@pytest.mark.parametrize("context", [torch.no_grad, torch.inference_mode, torch.enable_grad])
def test_contexts_around_a_call_change_nothing(model, context):
    edits = [sonde.Add("blocks.0.resid_post", VECTOR)]
    plain, grads = model.run(IDS, edits=edits, read="blocks.1.attn.z"), model.grad(IDS, METRIC, at="blocks.0.attn.z")
    with context():
        run, inside = model.run(IDS, edits=edits, read="blocks.1.attn.z"), model.grad(IDS, METRIC, at="blocks.0.attn.z")
    assert torch.equal(run.logits, plain.logits)
    assert not run.logits.requires_grad
    assert torch.equal(inside["blocks.0.attn.z"], grads["blocks.0.attn.z"])


def test_autocast_is_what_it_is_for_the_bare_module():
    module = bare("native")
    model = sonde.load(module)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        run = model.run(IDS, edits=sonde.Add("blocks.0.attn.z", 0.5), read="blocks.0.attn.z")
        assert torch.equal(model.run(IDS).logits, logits_of(module, IDS))
    assert run["blocks.0.attn.z"].dtype == torch.bfloat16
    assert (run.logits - model.run(IDS, edits=sonde.Add("blocks.0.attn.z", 0.5)).logits).abs().max() < 0.1


def test_tied_weights_are_edited_where_they_are_used():
    """The embedding and the unembedding share a weight: an edit at one site is not an edit at the other."""
    module = bare("gpt2")
    assert module.lm_head.weight is module.transformer.wte.weight
    model = sonde.load(module)
    before = model.run(IDS, read=["embed", "final_norm"])
    assert torch.equal(model.run(IDS, edits=sonde.Add("logits", 1.0)).logits, before.logits + 1)
    assert torch.equal(model.run(IDS, edits=sonde.Add("logits", 1.0), read="embed")["embed"], before["embed"])
    untied = copy.deepcopy(module)
    untied.lm_head.weight = torch.nn.Parameter(module.lm_head.weight.clone() + 0.1)
    assert sonde.load(untied).hash != model.hash


def test_two_models_of_one_configuration_object():
    """transformers keeps the attention kernel in the configuration: to record one model is to change the other, unless it is put back."""
    module = build("llama")
    other = type(module)(module.config)
    assert other.config is module.config
    first, second = sonde.load(module), sonde.load(other.eval())
    expected, before, kernel = first.run(IDS).logits, second.run(IDS).logits, first.architecture.kernel.name(module)
    with first.edited(sonde.Zero("blocks.0.attn.pattern[head=0]")):
        assert not torch.allclose(first.run(IDS).logits, expected, atol=1e-2)
        assert torch.allclose(second.run(IDS).logits, before, atol=1e-6)
        assert "blocks.0.attn.pattern" in second.run(IDS, read="blocks.0.attn.pattern")
    with pytest.raises(ZeroDivisionError):
        first.run(IDS, edits=sonde.Apply("blocks.0.attn.pattern", lambda old: 1 / 0))
    assert first.architecture.kernel.name(module) == second.architecture.kernel.name(other) == kernel
    assert torch.equal(second.run(IDS).logits, before)


# threads, and runs inside runs


@pytest.mark.parametrize("family", ["native", "llama"])
def test_threads_take_turns(family):
    """Two handles on one module, one of them recording patterns of a module in training mode: each gets its own edits and nothing of the other's."""
    module = bare(family).train()
    models = [sonde.Model(module), sonde.Model(module)]
    edits = [sonde.Add("blocks.0.resid_post", VECTOR), sonde.Scale("blocks.0.attn.pattern[head=1]", 0.5)]
    expected = [model.run(IDS, edits=edit).logits for model, edit in zip(models, edits, strict=True)]
    wrong = []

    def work(model, edit, logits):
        for _ in range(20):
            if not torch.equal(model.run(IDS, edits=edit).logits, logits):
                wrong.append(edit)

    threads = [threading.Thread(target=work, args=each) for each in zip(models, edits, expected, strict=True)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    assert all(m.training for m in module.modules())
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in module.modules())


def test_another_threads_own_call_is_let_alone():
    module = bare("native")
    model = sonde.load(module)
    expected, seen = logits_of(module, IDS), []

    def elsewhere(old):
        thread = threading.Thread(target=lambda: seen.append(logits_of(module, IDS)))
        thread.start()
        thread.join()
        return old * 0

    model.run(IDS, edits=sonde.Apply("blocks.0.resid_post", elsewhere))
    assert torch.equal(seen[0], expected)


def test_a_run_inside_a_run():
    """A function of an edit may ask the same model: the inner run is refused where it would meet the outer one's edit."""
    model = sonde.load(bare("native"))

    def inner(old):
        return old + model.run(IDS, read="blocks.0.resid_post")["blocks.0.resid_post"]

    with pytest.raises(SiteUnavailable, match=re.escape("runs more than once in a forward")):
        model.run(IDS, edits=sonde.Apply("blocks.0.resid_pre", inner))
    expected = model.run(IDS).logits
    other = sonde.load(bare("native"))
    nested = model.run(IDS, edits=sonde.Apply("blocks.0.resid_pre", lambda old: other.run(IDS, read="embed")["embed"] * 0 + old)).logits
    assert torch.equal(nested, expected)


# on disk


@pytest.mark.parametrize(
    "settings, needs", [({"quant_method": "bitsandbytes", "load_in_8bit": True}, "bitsandbytes"), ({"quant_method": "gptq", "bits": 4}, "optimum")]
)
def test_quantised_files_that_need_another_library_say_which(tmp_path, settings, needs):
    if importlib.util.find_spec(needs):
        pytest.skip(f"{needs} is installed")
    build("llama").save_pretrained(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(config | {"quantization_config": settings}))
    with pytest.raises(LoadError, match=f"can't be read as a model: .*{needs}"):
        sonde.load(tmp_path)
