"""One forward: what is called, what is kept, what is put back, and what is refused."""

import gc
import weakref

import pytest
import torch
from tiny_models import LAYERS, Words, logits_of, spread
from torch import nn

import sonde
from sonde.nn.transformer import Transformer, TransformerConfig
from sonde.results import EditError, InputError, SiteUnavailable, UnknownSite


def calls(model, path):
    """Count the calls of a module."""
    seen = []
    handle = model.module.get_submodule(path).register_forward_pre_hook(lambda module, args: seen.append(path))
    return seen, handle


# what is computed


def test_without_logits_the_forward_ends_after_the_last_site(model, ids):
    block = f"{model.architecture.blocks}.1"
    seen, handle = calls(model, block)
    run = model.run(ids, read="blocks.0.attn.z", logits=False)
    assert not seen
    model.run(ids, read="blocks.0.resid_post", logits=False)
    assert not seen
    with pytest.raises(UnknownSite, match="this run kept no logits: ask for logits=True or logits='last'"):
        run.logits  # noqa: B018
    model.run(ids, read="blocks.0.attn.z", edits=[sonde.Zero("blocks.1.attn.z")], logits=False)
    assert seen  # an edit further up still has to fire
    handle.remove()
    assert torch.equal(run["blocks.0.attn.z"], model.run(ids, read="blocks.0.attn.z")["blocks.0.attn.z"])


def test_the_last_logits_are_those_of_the_whole_run(model):
    """2.5 times faster gradients hang on this; rows end in different columns."""
    rows = [[5, 3, 0, 8, 1], [7, 0], [2, 2, 4]]
    whole, last = model.run(rows), model.run(rows, logits="last")
    assert last.logits.shape == (3, 1, 40)
    assert torch.allclose(last.last_logits, whole.last_logits, atol=1e-6)
    assert torch.allclose(whole.last_logits, torch.stack([whole.logits[0, 4], whole.logits[1, 1], whole.logits[2, 2]]))


@pytest.mark.parametrize("place", ["logits", "{unembed}:out", "{unembed}:in"])
def test_whoever_names_the_logits_as_a_site_means_all_positions(model, ids, place):
    site = place.format(unembed=model.architecture.unembed)
    run = model.run(ids, read=site, logits="last")
    assert run[site].shape[1] == 7
    assert torch.equal(run.last_logits, model.run(ids).last_logits)
    edited = model.run(ids, edits=[sonde.Zero(sonde.Site(site).at(pos=-1))], logits="last")
    assert torch.equal(edited.last_logits, torch.zeros(2, 40))


def test_nothing_asked_for_is_refused(model, ids):
    with pytest.raises(InputError, match="nothing was asked for: name sites in read=, or keep the logits"):
        model.run(ids, logits=False)
    with pytest.raises(InputError, match="logits='first': use True, 'last' or False"):
        model.run(ids, logits="first")


def test_only_what_is_named_is_kept(model, ids):
    """transformer-lens #807, attention-lens #5 and nnsight #102: caches that keep everything."""
    run = model.run(ids, read=["blocks.*.attn.z[pos=-1]", "embed"])
    assert list(run) == ["embed", "blocks.0.attn.z[pos=-1]", "blocks.1.attn.z[pos=-1]"]  # in the order of the computation
    assert len(run) == 3
    assert "embed[pos=2]" in run
    assert "blocks.0.attn.z" not in run
    part = run["blocks.0.attn.z[pos=-1]"]
    assert part.untyped_storage().nbytes() == part.numel() * part.element_size()  # not a view that keeps the whole tensor
    assert dict(run.items()).keys() == set(run)
    with pytest.raises(UnknownSite, match=r"'blocks.0.attn.z' was not read in this run; it holds 'blocks.0.attn.z\[pos=-1\]'"):
        run["blocks.0.attn.z"]


def test_heads_results_are_never_stored_whole(model, ids):
    run = model.run(ids, read="blocks.0.attn.result")
    held = run._held[sonde.Site("blocks.0.attn.result")]
    assert held.value.shape == (2, 7, 4, model.architecture.d_head)
    assert run["blocks.0.attn.result[head=1]"].shape == (2, 7, 16)


def test_a_run_is_let_go(model, ids):
    """nnsight #389, #538 and #169: memory that only the garbage collector frees."""
    run = model.run(ids, read="blocks.*.attn.z")
    value = weakref.ref(run["blocks.0.attn.z"].untyped_storage())
    gc.disable()
    try:
        run = weakref.ref(run)
        assert run() is None
        assert value() is None
    finally:
        gc.enable()


def test_selections_of_every_kind_agree(model):
    run = model.run([[5, 3, 0, 8, 1], [7, 0, 1]], read=["blocks.0.attn.z", "blocks.0.attn.z[pos=[-1,0], head=1:3]"])
    whole = run["blocks.0.attn.z"]
    assert torch.equal(run["blocks.0.attn.z[pos=-1]"], torch.stack([whole[0, 4], whole[1, 2]]))
    assert torch.equal(run["blocks.0.attn.z[pos=-2, head=-1, d_head=0]"], torch.stack([whole[0, 3, -1, 0], whole[1, 1, -1, 0]]))
    assert torch.equal(run["blocks.0.attn.z[pos=[-1,0], head=1:3]"], torch.stack([whole[0, [4, 0], 1:3], whole[1, [2, 0], 1:3]]))
    assert run.axes("blocks.0.attn.z[pos=-1]") == ("batch", "head", "d_head")


def test_repr(model, ids):
    text = repr(model.run(ids, read=["blocks.0.attn.scores", "embed"]))
    assert text.splitlines()[0] == "Run of 2 rows, logits 2 x 7 x 40, 2 sites read"
    assert "  embed: 2 x 7 x 16 (batch pos d_model)" in text
    assert "note: attention kernel: eager, recorded" in text
    assert repr(model).startswith(f"Model {model.name!r}: {model.architecture.family}, 2 blocks of 4 heads, d_model 16")


# what is put back


class Boom(Exception):
    pass


def boom(*args, **kwargs):
    raise Boom


def hooks(module):
    return [m for m in module.modules() if m._forward_hooks or m._forward_pre_hooks]


@pytest.mark.parametrize(
    "verb, where",
    [(verb, where) for verb in ("run", "grad", "sweep", "edited", "generate") for where in ("inside the forward", "in an edit")]
    + [("grad", "in the metric"), ("sweep", "in the metric")],
)
def test_no_hook_survives_an_error(model, ids, metric, verb, where):
    """transformer-lens #1323, #297 and saelens #278; the fixture compares hooks, kernel, modes and frozen weights afterwards."""
    # a site inside attention, so that the kernel is switched too
    edits = [sonde.Apply("blocks.0.attn.pattern", boom if where == "in an edit" else torch.clone)]
    of = boom if where == "in the metric" else metric
    module = model.module.get_submodule(f"{model.architecture.blocks}.1")
    forward, model_mode = module.forward, model.module.training
    if where == "inside the forward":
        module.forward = boom
    try:
        with pytest.raises(Boom):
            if verb == "run":
                model.run(ids, edits=edits)
            elif verb == "grad":
                model.grad(ids, of, edits=edits)
            elif verb == "sweep":
                model.sweep(ids, [edits], of)
            elif verb == "generate":
                speaking = sonde.Model(model.module, Words())
                speaking.generate([1, 2], edits=edits, max_new_tokens=3)
            else:
                with model.edited(edits):
                    model.module(ids)
    finally:
        module.__dict__.pop("forward", None)
    assert module.forward.__func__ is forward.__func__
    assert model.module.training == model_mode
    assert torch.equal(model.run(ids).logits, logits_of(model.module, ids))


def test_other_peoples_hooks_stay(model, ids):
    """transformer-lens #1638: a helper's cleaning up removed hooks that were not its own."""
    seen = []
    handle = model.module.get_submodule(model.architecture.embed).register_forward_hook(lambda *args: seen.append(1))
    model.run(ids, read="embed", edits=[sonde.Zero("embed")])
    with model.edited([sonde.Zero("embed")]):
        pass_through = model.run(ids).logits
    assert len(seen) == 2
    handle.remove()
    assert torch.equal(pass_through, model.run(ids, edits=[sonde.Zero("embed")]).logits)


def test_the_mode_of_every_module_is_put_back(model, ids):
    whole = model.run(ids).logits
    model.module.train()
    some = model.module.get_submodule(f"{model.architecture.blocks}.0").eval()
    run = model.run(ids)
    assert torch.equal(run.logits, whole)
    assert run.notes == ("the module was in training mode: it ran in evaluation mode and was put back",)
    assert model.module.training
    assert not some.training
    assert model.module.get_submodule(f"{model.architecture.blocks}.1").training
    model.module.eval()


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode, torch.enable_grad])
def test_the_callers_gradient_mode_does_not_matter(model, ids, metric, mode):
    with mode():
        run = model.run(ids, read=["blocks.0.attn.z", "blocks.0.attn.pattern"])
        grads = model.grad(ids, metric, at="blocks.0.attn.z")
    assert torch.allclose(run.logits, model.run(ids).logits, atol=1e-5)
    assert not run.logits.requires_grad
    assert torch.equal(grads["blocks.0.attn.z"], model.grad(ids, metric, at="blocks.0.attn.z")["blocks.0.attn.z"])


def test_what_was_read_and_then_overwritten_is_not_handed_out(model, ids):
    """Two sites may be one tensor, and heads' results are formed when asked for: a change in between must not pass unseen."""
    run = model.run(ids, read=["blocks.0.resid_post", "blocks.1.resid_pre"])
    run["blocks.0.resid_post"].zero_()
    with pytest.raises(SiteUnavailable, match=r"'blocks.1.resid_pre' was changed in place since it was read"):
        run["blocks.1.resid_pre"]
    run = model.run(ids, read="blocks.0.attn.result")
    projection = model.module.get_submodule(model.locate("blocks.0.attn.result").point.module)
    with torch.no_grad():
        projection.weight.mul_(1.0)
    with pytest.raises(SiteUnavailable, match="changed in place since it was read"):
        run["blocks.0.attn.result[head=0]"]


# patches


def test_a_patch_from_the_same_run_changes_nothing_and_from_another_carries_over(model, ids):
    other = model.run(ids.flip(1), read="blocks.1.resid_pre")
    assert torch.allclose(model.run(ids, edits=[sonde.Patch("blocks.1.resid_pre", other)]).logits, other.logits, atol=1e-6)


def test_one_row_may_be_the_source_of_many(model, ids):
    source = model.run(ids[:1], read="blocks.1.resid_pre")
    run = model.run(ids, edits=[sonde.Patch("blocks.1.resid_pre", source)])
    assert torch.allclose(run.logits, source.logits.expand(2, -1, -1), atol=1e-5)


@pytest.mark.parametrize(
    "target, source",
    [([[1, 2, 3]], [[1, 2, 3, 4]]), ([[1, 2, 3], [4, 5]], [[1, 2], [3, 4, 5]]), ([[1, 2, 3], [4, 5]], [[1, 2, 3]]), ([[1, 2], [3, 4]], [[1, 2]] * 3),
     ([[1, 2, 3]], [[1, 2, 3], [4, 5]])],
)  # fmt: skip
def test_a_patch_of_another_length_is_refused(model, target, source):
    """Rows of 3 and 2 tokens against rows of 2 and 3: the shapes agree, and padding would be written over words."""
    for site in ("blocks.0.resid_post", "blocks.0.attn.pattern", "blocks.0.attn.z[head=1]"):
        with pytest.raises(EditError, match="patch runs of the same length, or select positions that both have"):
            model.run(target, edits=[sonde.Patch(site, model.run(source, read=site))])


def test_positions_that_both_have_can_be_patched(model):
    site = "blocks.0.resid_post[pos=-1]"
    source = model.run([[1, 2], [3, 4, 5]], read="blocks.0.resid_post")
    run = model.run([[1, 2, 3], [4, 5]], edits=[sonde.Patch(site, source)], read="blocks.0.resid_post")
    assert torch.equal(run[site], source[site])


# modules of every kind


class Net(nn.Module):
    """A convolutional net that overwrites its activations, as most do."""

    def __init__(self):
        super().__init__()
        self.conv1, self.relu, self.conv2, self.head = nn.Conv2d(1, 4, 3), nn.ReLU(inplace=True), nn.Conv2d(4, 6, 3), nn.Linear(96, 5)

    def forward(self, x):
        x = self.relu(self.conv1(x))
        x = torch.relu_(self.conv2(x))
        return self.head(x.flatten(1))


@pytest.fixture
def net():
    return sonde.Model(spread(Net()))


@pytest.fixture
def images():
    return torch.randn(3, 1, 8, 8, generator=torch.Generator().manual_seed(0))


def test_any_module_by_path(net, images):
    run = net.run(images, read=["conv1:out", "conv2:in", "conv2:out[channel=0:2]", "head:out"])
    assert torch.equal(run.logits, net.module(images))
    assert torch.equal(run["head:out"], run.logits)
    assert run.axes("conv1:out") == ("batch", "channel", "row", "col")
    assert run["conv2:out[channel=0:2]"].shape == (3, 2, 4, 4)


def test_what_is_overwritten_in_place_is_read_as_it_was(net, images):
    run = net.run(images, read=["conv1:out", "conv2:in", "conv2:out"])
    assert torch.equal(run["conv1:out"], net.module.conv1(images))
    assert torch.equal(run["conv2:in"], net.module.conv1(images).relu())
    assert (run["conv2:out"] < 0).any()


def test_edits_and_gradients_by_path(net, images):
    run = net.run(images, edits=[sonde.Zero("conv1:out[channel=2]")], read="conv2:in")
    assert (run["conv2:in"][:, 2] == 0).all()
    maps = net.module.conv1(images).detach().requires_grad_()
    grads = net.grad(images, lambda run: run.logits[:, 3], at=["conv1:out", "conv2:out"])
    expected = torch.autograd.grad(net.module.head(net.module.conv2(maps.relu()).relu().flatten(1))[:, 3].sum(), maps)[0]
    assert torch.allclose(grads["conv1:out"], expected, atol=1e-6)


def test_a_sweep_over_channels(net, images):
    edits = [sonde.Zero(f"conv1:out[channel={channel}]") for channel in range(4)]
    sweep = net.sweep(images, edits, lambda run: run.logits[:, 3])
    assert torch.allclose(sweep.values, torch.stack([net.run(images, edits=[edit]).logits[:, 3] for edit in edits]), atol=1e-5)
    assert str(sweep.plan) == "4 cells: 0 can't matter, 0 enter at their block, 4 need a whole forward; 1 passes"


@pytest.mark.parametrize(
    "site, error, message",
    [
        (
            "conv1",
            UnknownSite,
            "'conv1' is no site of this model; nearest: 'conv1:in', 'conv1:out', 'conv2:in'; it is a module: write 'conv1:in' or 'conv1:out'",
        ),
        ("conv9:out", UnknownSite, "'conv9:out': this model has no module 'conv9' (what a forward computes by functions is no place); nearest: "),
        ("conv1:out[channel=9]", UnknownSite, "conv1:out[channel=9]: channel 9 is out of range; there are 4 (channel 0 to 3)"),
        ("conv1:out[head=1]", UnknownSite, "there is no axis 'head' here; the axes are batch channel row col"),
        ("blocks.0.attn.z", UnknownSite, "Net is no known family, so its sites are module paths with ':in' or ':out'"),
    ],
)
def test_unknown_places_in_any_module(net, images, site, error, message):
    with pytest.raises(error) as raised:
        net.run(images, read=site)
    assert message in str(raised.value)


def test_a_module_takes_tensors(net):
    with pytest.raises(InputError, match="this module takes tensors: one, several in a tuple as its arguments, or by name in a dictionary; got str"):
        net.run("hi")
    with pytest.raises(InputError, match="bos=True speaks of texts"):
        net.run(torch.zeros(1, 1, 8, 8), bos=True)


class Twice(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer, self.never, self.act = nn.Linear(4, 4), nn.Linear(4, 4), nn.Tanh()

    def forward(self, x):
        return self.act(self.layer(self.act(self.layer(x))))


@pytest.mark.parametrize("logits", [True, False])
def test_a_module_that_is_called_twice_names_no_single_tensor(logits):
    """Without logits too: stopping at the first call would hand out one of two tensors."""
    model = sonde.Model(Twice())
    with pytest.raises(SiteUnavailable, match="the module 'layer' runs more than once in a forward, so 'layer:out' names no single tensor"):
        model.run(torch.ones(2, 4), read="layer:out", logits=logits)
    with pytest.raises(SiteUnavailable, match="runs more than once"):
        model.run(torch.ones(2, 4), edits=[sonde.Zero("layer:out")])


def test_a_place_that_is_never_passed_is_an_error():
    """nnsight #468 and pyvene's attention weights: reads and edits that silently do nothing."""
    model = sonde.Model(Twice())
    for kwargs in ({"read": "never:out"}, {"edits": [sonde.Zero("never:in")]}, {"read": "never:out", "logits": False}):
        with pytest.raises(
            SiteUnavailable, match=r"'never:(in|out)' never fired in this forward: the model did not call the module 'never'; nothing"
        ):
            model.run(torch.ones(2, 4), **kwargs)


class Tuples(nn.Module):
    """Outputs as other libraries give them, inputs by name."""

    def __init__(self):
        super().__init__()
        self.lstm, self.head = nn.LSTM(3, 4, batch_first=True), nn.Linear(4, 2)

    def forward(self, x, scale=None, flag=None):
        out, _ = self.lstm(x)
        return {"aux": [1, 2], "logits": self.head(out) * (1 if scale is None else scale)}


def test_tuples_and_mappings_are_unwrapped_and_wrapped_again():
    model = sonde.Model(spread(Tuples()))
    x = torch.randn(2, 5, 3)
    run = model.run({"x": x, "scale": torch.full((2, 1, 1), 2.0), "flag": "yes"}, read="lstm:out[pos=-1]")
    assert torch.allclose(run.logits, model.module(x)["logits"] * 2)
    assert run["lstm:out[pos=-1]"].shape == (2, 4)
    edited = model.run(x, edits=[sonde.Zero("lstm:out")]).logits
    assert torch.allclose(edited, model.module.head(torch.zeros(2, 5, 4)))
    with pytest.raises(SiteUnavailable, match="no tensor enters the module"):
        sonde.Model(Nothing()).run(x, read="inner:in")
    with pytest.raises(SiteUnavailable, match="the module 'inner' returns no tensor but int; name one of its submodules"):
        sonde.Model(Nothing()).run(x, read="inner:out")


class Nothing(nn.Module):
    class Inner(nn.Module):
        def forward(self, n):
            return n

    def __init__(self):
        super().__init__()
        self.inner = self.Inner()

    def forward(self, x):
        self.inner(3)
        return x


class Masked(nn.Module):
    """A classifier over padded rows, of no known family."""

    def __init__(self):
        super().__init__()
        self.embed, self.head = nn.Embedding(9, 4), nn.Linear(4, 3)

    def forward(self, input_ids, attention_mask):
        return self.head((self.embed(input_ids) * attention_mask.unsqueeze(-1)).mean(1))


def test_positions_follow_the_mask_in_any_module():
    model = sonde.Model(Masked())
    given = {"input_ids": torch.tensor([[1, 2, 3], [0, 4, 5]]), "attention_mask": torch.tensor([[1, 1, 0], [0, 1, 1]])}
    run = model.run(given, read=["embed:out", "embed:out[pos=-1]"])
    assert torch.equal(run["embed:out[pos=-1]"], torch.stack([run["embed:out"][0, 1], run["embed:out"][1, 2]]))
    assert run.last_logits.shape == (2, 3)  # a classifier's logits have no positions
    with pytest.raises(InputError, match="side by side"):
        model.run({**given, "attention_mask": torch.tensor([[1, 0, 1], [1, 1, 1]])})


def test_whole_numbers_take_no_fractions():
    model = sonde.Model(Masked())
    given = {"input_ids": torch.tensor([[1, 2, 3]]), "attention_mask": torch.ones(1, 3).long()}
    assert torch.equal(model.run(given, edits=[sonde.Set("embed:in", 2)], read="embed:in")["embed:in"], torch.tensor([[2, 2, 2]]))
    with pytest.raises(EditError, match="the site holds whole numbers"):
        model.run(given, edits=[sonde.Add("embed:in", 0.5)])
    with pytest.raises(SiteUnavailable, match="'embed:in' holds whole numbers"):
        model.grad(given, lambda run: run.logits[:, 0], at="embed:in")


# unknown and missing places


@pytest.mark.parametrize(
    "site, error, message",
    [
        ("pos_embed", SiteUnavailable, "positions enter by rotation of queries and keys; use 'attn.q_rot' and 'attn.k_rot'"),
        ("blocks.2.attn.z", UnknownSite, "'blocks.2.attn.z' is no site of this model; nearest: 'blocks.1.attn.z', 'blocks.0.attn.z'"),
        ("blocks.2.attn.z", UnknownSite, "; the blocks are 0 to 1"),
        ("blocks.1.atn.z", UnknownSite, "'blocks.1.atn.z' is no site of this model; nearest: 'blocks.1.attn.z'"),
        ("blocks.1.attn.z[head=7]", UnknownSite, "blocks.1.attn.z[head=7]: head 7 is out of range; there are 4 (head 0 to 3)"),
        ("blocks.1.attn.k[head=1]", UnknownSite, "there is no axis 'head' here; the axes are batch pos kv_head d_head"),
        ("model.layers.0", UnknownSite, "it is a module: write 'model.layers.0:in' or 'model.layers.0:out'"),
        ("blocks.*.foo", UnknownSite, "'blocks.*.foo' matches no site of this model; nearest: "),
        ("blocks.0.attn.z[pos=20]", InputError, "blocks.0.attn.z[pos=20]: position 20 is outside row 0, which has 3 tokens (0 to 2, or -3 to -1)"),
    ],
)
def test_unknown_places_in_a_known_family(loaded, site, error, message):
    with pytest.raises(error) as raised:
        loaded["llama"].run([[1, 2, 3]], read=site)
    assert message in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    "family, site, message",
    [
        ("native-attention", "blocks.0.mlp.out", "does not exist in this sonde model: this model has no MLPs"),
        ("native-attention", "blocks.0.attn.norm.scale", "this model has no norm there"),
        ("native-attention", "final_norm.scale", "this model has no norm there"),
        ("native", "blocks.1.mlp.gate", "the MLP of this model is not gated; use 'mlp.pre' and 'mlp.post'"),
    ],
)
def test_what_a_family_lacks_has_a_reason(loaded, family, site, message):
    with pytest.raises(SiteUnavailable, match=message):
        loaded[family].run([[1]], edits=[sonde.Zero(site)])


class Adapter(nn.Module):
    """An adapter around a projection: its output is not its weight times its input."""

    def __init__(self, inner):
        super().__init__()
        self.inner, self.weight = inner, inner.weight

    def forward(self, x):
        return self.inner(x) + 0.1 * x


def test_heads_results_behind_an_adapter_are_refused():
    module = Transformer(TransformerConfig(n_layers=1, d_model=16, n_heads=4, d_vocab=40, n_ctx=8, d_mlp=0))
    module.blocks[0].attn.o = Adapter(module.blocks[0].attn.o)
    model = sonde.Model(module)
    with pytest.raises(SiteUnavailable, match="the output projection is a Adapter, no plain linear map"):
        model.run([[1]], read="blocks.0.attn.result")
    assert model.run([[1]], read="blocks.0.attn.z")["blocks.0.attn.z"].shape == (1, 1, 4, 4)


def test_a_norm_of_an_unknown_kind_has_no_scale():
    module = Transformer(TransformerConfig(n_layers=1, d_model=16, n_heads=4, d_vocab=40, n_ctx=8, d_mlp=0))
    module.final_norm = nn.GroupNorm(1, 3)
    with pytest.raises(SiteUnavailable, match="its norm is a GroupNorm, of which sonde does not know by what it divides"):
        sonde.Model(module).run([[1, 2, 3]], read="final_norm.scale")


def test_the_hash_follows_weights_and_settings(loaded, tmp_path):
    model = loaded["llama"]
    model.module.save_pretrained(tmp_path)
    other = sonde.load(tmp_path)
    assert other.hash == model.hash
    assert loaded["gpt2"].hash != model.hash
    before = other.hash
    with torch.no_grad():
        other.module.lm_head.weight[0, 0] += 1
    assert other.hash != before  # also where the handle had computed it already
    shape = {"n_layers": 1, "d_model": 16, "n_heads": 4, "d_vocab": 40, "n_ctx": 8, "d_mlp": 8, "positional": "rotary"}
    modules = [
        spread(Transformer(TransformerConfig(**shape, **more))) for more in ({}, {"rotary_base": 100.0}, {"activation": "relu"}, {"norm_eps": 0.1})
    ]
    assert len({sonde.Model(module).hash for module in modules}) == 4


def test_facts(loaded):
    model = loaded["llama"]
    assert (model.n_layers, model.n_heads, model.d_model, model.context, model.dtype, model.device.type) == (LAYERS, 4, 16, 12, "float32", "cpu")


def test_a_run_becomes_a_dictionary():
    model = sonde.Model(torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.ReLU()))
    run = model.run(torch.randn(2, 3), read=["0:out", "1:out"])
    assert list(dict(run)) == list(run.keys()) == run.sites == ["0:out", "1:out"]
    assert torch.equal(dict(run)["1:out"], run["1:out"])
