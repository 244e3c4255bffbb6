"""Every family of decoders is what its sites say, and what is written at any of them arrives."""

import copy

import pytest
import tiny_families
import torch
import transformers
from tiny_models import LogitDifference, logits_of, spread

import sonde
from sonde.access.kernels import PORTS
from sonde.results import SiteUnavailable

# some thousand forwards: the check of shapes at every call, which other tests make, would take most of the time
pytestmark = pytest.mark.usefixtures("unchecked")


def hooked(model):
    """The sites at which no attention kernel is switched."""
    return [name for name, spec in model.architecture.sites.items() if spec.point.port not in PORTS]


def offered(model):
    """The sites that the model can give under its own kernel or an equal one."""
    kernel = model.architecture.kernel
    return list(model.architecture.sites) if kernel.name(model.module) in kernel.known else hooked(model)


def half(base):
    """The sites without those of the first block, for which the other stands."""
    return [name for name in base if not name.startswith("blocks.0.")]


@pytest.fixture(scope="module")
def base(case):
    """Every site at once; this makes the run a recorded one."""
    _, model, ids = case
    return model.run(ids, read=offered(model))


def test_unedited_logits_are_the_bare_modules_bit_for_bit(case):
    """transformer-lens #693 (Gemma 2), #385 (Pythia), #683 (Qwen), #615 (Llama 3): logits that drift from the model's own."""
    module, model, ids = case
    assert torch.equal(model.run(ids).logits, logits_of(module, ids))
    assert torch.equal(model.run(ids, read=hooked(model)).logits, logits_of(module, ids))


def test_recording_changes_the_logits_by_rounding_only(case, base):
    module, model, ids = case
    assert torch.allclose(base.logits, logits_of(module, ids), atol=1e-5)
    own = model.architecture.kernel.name(module)
    assert base.kernel == "eager" or own not in model.architecture.kernel.known
    assert model.architecture.kernel.name(model.module) == own  # put back


def test_every_equation_holds(case):
    _, model, _ = case
    identities = model.prove()
    vouched = {site for identity in identities for site in identity.sites}
    ends = {"blocks.0.resid_pre", f"blocks.{model.n_layers - 1}.resid_post"}  # what enters the first block and leaves the last, whatever that is
    assert vouched >= set(offered(model)) - ends
    assert all(identity.off < identity.bound / 5 for identity in identities), [str(i) for i in identities if not i.off < i.bound / 5]


def test_shapes_follow_the_axes(case, base):
    _, model, _ = case
    a = model.architecture
    sizes = {"batch": 2, "pos": 7, "query": 7, "key": 7, "head": a.n_heads, "kv_head": a.n_kv_heads, "vocab": a.d_vocab}
    sizes |= {"d_model": a.d_model, "d_head": a.d_head, "d_mlp": a.d_mlp}
    for name in base:
        assert base[name].shape == tuple(sizes[axis] for axis in a.sites[name].axes), name


def test_the_identity_changes_nothing(case, base):
    _, model, ids = case
    record = [site for site in base if site == "blocks.0.attn.scores"]
    for name in half(base):
        run = model.run(ids, edits=[sonde.Apply(name, torch.clone), sonde.Set(name, base[name])], read=record, logits=True)
        assert torch.equal(run.logits, base.logits), name


def test_a_large_edit_is_read_back_and_felt(case, base):
    """transformer-lens #1688, #1526 and nnsight #468: edits that were accepted and never happened."""
    _, model, ids = case
    causal = torch.ones(7, 7).triu(1).bool()
    for name in half(base):
        value = base[name]
        bump = 0.5 + torch.rand(value.shape, generator=torch.Generator().manual_seed(3))
        run = model.run(ids, edits=[sonde.Set(name, bump)], read=[name, "blocks.0.resid_pre"])
        if name.endswith("scores"):  # what the mask hides stays hidden
            hidden = value < -1e30
            assert hidden[..., causal].all()
            bump = torch.where(hidden, value, bump)
        assert torch.allclose(run[name], bump, atol=1e-5 if name.endswith("resid_mid") else 0), name
        assert not torch.allclose(run.logits, base.logits, atol=1e-4), f"an edit of {name} does not reach the logits"


def test_padding_never_shows(case):
    """Positions, masks and biases are the family's own; a shorter row of a padded batch is what it is alone."""
    _, model, ids = case
    rows = [ids[0].tolist(), ids[1, :4].tolist()]
    reads = ["blocks.1.attn.z", "blocks.1.mlp.post", "blocks.1.resid_post"]
    together, alone = model.run(rows, read=reads), model.run([rows[1]], read=reads)
    for name in reads:
        assert torch.allclose(together[name][1, :4], alone[name][0], atol=1e-5), name
    assert torch.allclose(together.last_logits[1], alone.last_logits[0], atol=1e-5)


def test_a_sweep_equals_plain_forwards(case):
    _, model, ids = case
    metric = LogitDifference()
    sites = ["blocks.1.resid_pre[pos=2]", "blocks.0.resid_post[pos=-1]", "blocks.1.attn.z[head=1]", "blocks.0.attn.q[head=3]", "blocks.1.mlp.post"]
    edits = [sonde.Zero(site) for site in sites] + [sonde.Scale("blocks.0.attn.out", 2.0), sonde.Zero("blocks.1.attn.k[pos=0]")]
    sweep = model.sweep(ids, edits, metric)
    for edit, values in zip(edits, sweep.values, strict=True):
        assert torch.allclose(values, metric(model.run(ids, edits=[edit])), atol=1e-5), edit
    alone = model.sweep(ids[:1], edits, metric, batch_size=3)
    assert torch.allclose(alone.values[:, 0], sweep.values[:, 0], atol=1e-5)


def test_gradients_reach_every_site(case, base):
    _, model, ids = case
    grads = model.grad(ids, of=LogitDifference(), at=list(base))
    for name in base:
        assert grads[name].isfinite().all(), name
        assert grads[name].abs().max() > 0 or name == "logits", name


def test_unembed_gives_the_models_logits(case, base):
    """The soft-cap of Gemma 2 and the projection of OPT are part of it."""
    _, model, _ = case
    assert torch.allclose(model.unembed(base[f"blocks.{model.n_layers - 1}.resid_post"]), base.logits, atol=1e-5)


def test_embed_gives_the_models_embeddings(case, base):
    """The scale of Gemma and the projection of OPT are part of them."""
    _, model, ids = case
    assert torch.equal(model.embed(ids), base["embed"])


def test_what_a_family_has_not_is_refused_with_a_reason(case):
    _, model, ids = case
    for name, reason in model.architecture.unavailable.items():
        wanted = name if name in ("pos_embed", "embed.norm.scale", "final_norm", "final_norm.scale") else f"blocks.1.{name}"
        with pytest.raises(SiteUnavailable) as refusal:
            model.run(ids, read=wanted)
        assert reason in str(refusal.value)
        with pytest.raises(SiteUnavailable):
            model.run(ids, edits=[sonde.Zero(wanted)])


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float64])
def test_every_equation_holds_in_other_precisions(case, dtype):
    """Far from the bound, so that rounding refuses no one."""
    module, _, _ = case
    identities = sonde.Model(copy.deepcopy(module).to(dtype)).prove()
    assert all(identity.off < identity.bound / 5 for identity in identities), [str(i) for i in identities if not i.off < i.bound / 5]


@pytest.mark.parametrize("head", ["Model", "ModelForSequenceClassification", "ModelForTokenClassification"])
@pytest.mark.parametrize("name", ["llama", "gpt2", "bloom", "falcon"])
def test_a_stack_under_another_head_or_none(name, head):
    """The same sites at other paths; without an unembedding there are no logits to name."""
    model_type, settings = tiny_families.DECODERS[name]
    config = transformers.AutoConfig.for_model(model_type, **settings)
    model = sonde.Model(spread(getattr(transformers, f"Auto{head}").from_config(config)))
    assert all(identity.holds for identity in model.prove())
    assert {"blocks.0.attn.z", "blocks.1.mlp.post", "embed", "final_norm"} <= set(model.architecture.sites)
    with pytest.raises(SiteUnavailable, match="this module has no unembedding; load the language model around it"):
        model.run([[1, 2, 3]], read="logits")
