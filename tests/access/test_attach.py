"""Coordinates as sites: read, written, differentiated and swept as every site is; attaching alone changes nothing."""

from dataclasses import dataclass

import pytest
import torch
from small_models import words
from tiny_models import LogitDifference, bare, logits_of

import sonde
from sonde.bases import Neurons, Subspace
from sonde.results import InputError, SiteUnavailable, UnknownSite, content_hash

SITE = "blocks.0.resid_post"
FEATURES, ERROR = f"{SITE}.dict", f"{SITE}.dict.error"


@dataclass(frozen=True, eq=False)
class Dictionary:
    """A sparse dictionary such as one that is trained later: more features than entries, an encoder that is not linear, an error that stays."""

    encoder: torch.Tensor
    decoder: torch.Tensor
    bias: torch.Tensor
    names: tuple[str, ...] = ()

    @staticmethod
    def random(width=16, size=24, seed=0):
        generator = torch.Generator().manual_seed(seed)
        return Dictionary(*(torch.randn(shape, generator=generator) for shape in ((width, size), (size, width), (width,))))

    @property
    def width(self):
        return self.encoder.shape[0]

    @property
    def size(self):
        return self.encoder.shape[1]

    @property
    def hash(self):
        return content_hash([self.encoder, self.decoder, self.bias])

    def encode(self, x):
        return torch.relu((x - self.bias) @ self.encoder - 0.5)

    def decode(self, c):
        return c @ self.decoder + self.bias


BASIS = Dictionary.random()


@pytest.fixture
def attached(model):
    return model.attach(SITE, BASIS, name="dict")


@pytest.mark.parametrize("basis", [Neurons(16), Subspace.random(16, 3), BASIS], ids=["neurons", "subspace", "dictionary"])
def test_attaching_changes_nothing_and_reading_encodes(model, ids, basis):
    m = model.attach(SITE, basis, name="dict")
    run = m.run(ids, read=[FEATURES, ERROR, SITE])
    assert torch.equal(run.logits, model.run(ids).logits)
    assert torch.equal(m.run(ids).logits, logits_of(model.module, ids))
    x = model.run(ids, read=SITE)[SITE]
    assert torch.equal(run[SITE], x)
    assert torch.equal(run[FEATURES], basis.encode(x))
    assert torch.allclose(basis.decode(run[FEATURES]) + run[ERROR], x, atol=1e-5)
    assert run.axes(FEATURES) == ("batch", "pos", "feature") and run.axes(ERROR) == ("batch", "pos", "d_model")
    assert m.hash == model.hash and m.module is model.module and FEATURES in repr(m)
    with pytest.raises(UnknownSite, match=r"is no site of this model; nearest"):
        model.run(ids, read=FEATURES)  # the old handle stays as it was


def test_unchanged_coordinates_are_unchanged_bit_for_bit(attached, ids):
    base = attached.run(ids, read=[FEATURES, ERROR])
    for edits in (
        [sonde.Scale(FEATURES, 1.0)],
        [sonde.Set(FEATURES, base[FEATURES]), sonde.Apply(ERROR, torch.clone)],
        [sonde.Patch(ERROR, base), sonde.Patch(FEATURES, base)],
    ):
        assert torch.equal(attached.run(ids, edits=edits).logits, base.logits)


def test_writing_keeps_the_error(attached, ids):
    """x' = x + decode(c') - decode(c), also for an encoder that would not find c' again."""
    base = attached.run(ids, read=[SITE, FEATURES, ERROR])
    new = base[FEATURES].clone()
    new[..., 3] += 2.0
    edit = sonde.Add(f"{FEATURES}[feature=3]", 2.0)
    run = attached.run(ids, edits=edit, read=[SITE, FEATURES, ERROR])
    assert torch.equal(run[FEATURES], new)
    assert torch.equal(run[ERROR], base[ERROR])
    assert torch.allclose(run[SITE], base[SITE] + 2 * BASIS.decoder[3], atol=1e-5)
    by_hand = attached.run(ids, edits=sonde.Add(SITE, 2 * BASIS.decoder[3]))
    assert torch.allclose(run.logits, by_hand.logits, rtol=1e-5, atol=1e-5)
    assert not torch.allclose(BASIS.encode(run[SITE]), new, atol=1e-3)  # the control: encoding again gives something else


def test_zero_on_the_error_leaves_the_reconstruction(attached, ids):
    base = attached.run(ids, read=FEATURES)
    run = attached.run(ids, edits=sonde.Zero(ERROR), read=[SITE, ERROR])
    assert (run[ERROR] == 0).all()
    assert torch.allclose(run[SITE], BASIS.decode(base[FEATURES]), atol=1e-5)


@pytest.mark.parametrize("order", [1, -1])
def test_both_may_be_written_in_any_order(attached, ids, order):
    base = attached.run(ids, read=[FEATURES, ERROR])
    run = attached.run(ids, edits=[sonde.Zero(ERROR), sonde.Scale(FEATURES, 0.5)][::order], read=[SITE, FEATURES, ERROR])
    assert torch.allclose(run[SITE], BASIS.decode(base[FEATURES] / 2), atol=1e-5)
    assert torch.equal(run[FEATURES], base[FEATURES] / 2) and (run[ERROR] == 0).all()


def test_the_site_is_written_before_its_coordinates(attached, ids):
    run = attached.run(ids, edits=[sonde.Zero(f"{FEATURES}[feature=0]"), sonde.Set(SITE, 1.0)], read=[SITE, FEATURES])
    x = torch.ones(16)
    c = BASIS.encode(x)
    assert torch.allclose(run[SITE], (x - c[0] * BASIS.decoder[0]).expand(2, 7, 16), atol=1e-5)


def test_every_edit_works_on_features(attached, ids):
    base = attached.run(ids, read=FEATURES)
    other = attached.run((ids + 1) % 40, read=FEATURES)
    site, old = f"{FEATURES}[pos=2]", base[f"{FEATURES}[pos=2]"]
    clamped = old.clone()
    clamped[:, [1, 4]] = 3.0
    plane = Subspace.random(24, 2)
    for edit, expected in [
        (sonde.Zero(site), torch.zeros_like(old)),
        (sonde.Mean(site, old.mean(0)), old.mean(0).expand(2, 24)),
        (sonde.Patch(site, other), other[site]),
        (sonde.Clamp(site, 3.0, dims=[1, 4]), clamped),
        (sonde.Project(site, plane, "remove"), old - plane.decode(plane.encode(old))),
        (sonde.Apply(site, lambda c: c + 1), old + 1),
    ]:
        assert torch.allclose(attached.run(ids, edits=edit, read=FEATURES)[site], expected, atol=1e-5), edit
    assert not torch.equal(attached.run(ids, edits=sonde.Noise(site, 1.0), read=FEATURES)[site], old)


def test_the_gradient_splits_between_coordinates_and_error(attached, ids, metric):
    """With resid = decode(c) + e: d/dc = decode^T d/dresid, d/de = d/dresid."""
    grads = attached.grad(ids, metric, at=[SITE, FEATURES, ERROR])
    whole = attached.grad(ids, metric, at=SITE)[SITE]
    assert torch.allclose(grads[SITE], whole, atol=1e-5)
    assert torch.allclose(grads[ERROR], whole, atol=1e-5)
    assert torch.allclose(grads[FEATURES], whole @ BASIS.decoder.T, rtol=1e-4, atol=1e-4)
    alone = attached.grad(ids, metric, at=[ERROR, FEATURES])
    for site in (ERROR, FEATURES):
        assert torch.allclose(alone[site], grads[site], rtol=1e-4, atol=1e-4)


def test_gradients_against_finite_differences():
    model = sonde.Model(bare("native").double())
    basis = Dictionary(*(t.double() for t in (BASIS.encoder, BASIS.decoder, BASIS.bias)))
    m, ids, metric = model.attach(SITE, basis, "dict"), [[3, 1, 4, 1]], LogitDifference()
    grads = m.grad(ids, metric, at=[FEATURES, ERROR])
    for site in (FEATURES, ERROR):
        direction = torch.randn(grads[site].shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
        up, down = (metric(m.run(ids, edits=sonde.Add(site, sign * 1e-5 * direction))) for sign in (1, -1))
        assert torch.allclose((up - down) / 2e-5, (grads[site] * direction).sum(), rtol=1e-6)


def test_a_detached_error_leaves_the_gradient_through_the_features(ids, metric):
    """What sparse feature circuits and attribution graphs do: the error is a constant. The chain rule by hand, through the block's own autograd."""
    model = sonde.Model(bare("native"))
    m, below = model.attach(SITE, BASIS, "dict"), "blocks.0.resid_pre"
    grads = m.grad(ids, metric, at=below, edits=sonde.Detach(ERROR))
    assert torch.equal(grads.metric, metric(m.run(ids, logits="last")))
    x = m.run(ids, read=below)[below].clone().requires_grad_()
    reconstruction = BASIS.decode(BASIS.encode(model.module.blocks[0](x)))
    (expected,) = torch.autograd.grad(reconstruction, x, m.grad(ids, metric, at=SITE)[SITE])
    assert torch.allclose(grads[below], expected, rtol=1e-4, atol=1e-5)
    assert not torch.allclose(grads[below], m.grad(ids, metric, at=below)[below], atol=1e-2)
    nothing = m.grad(ids, metric, at=below, edits=[sonde.Detach(ERROR), sonde.Detach(FEATURES)])
    assert nothing[below].abs().max() < 1e-5


def test_swept_as_other_sites(attached, ids, metric):
    sites = attached.sites(FEATURES).each(feature=range(4), pos=[0, -1])
    cells = [sonde.Zero(site) for site in sites] + [sonde.Zero(ERROR), [sonde.Set(SITE, 0.5), sonde.Clamp(f"{FEATURES}[feature=1]", 2.0)]]
    sweep = attached.sweep(ids, cells, metric, verify=True)
    for i, cell in enumerate(cells):
        assert torch.allclose(sweep.values[i], metric(attached.run(ids, edits=cell)), rtol=1e-5, atol=1e-5)


def test_a_wide_dictionary_makes_a_sweeps_passes_smaller(loaded, ids, metric, monkeypatch):
    """A million coordinates of every token must fit into memory, too."""
    monkeypatch.setattr("sonde.access.engine.costs.rows_within", lambda _: 40_000_000)
    model = loaded["gpt2"]
    wide = model.attach(SITE, Dictionary.random(size=20_000), "dict")
    cells = [sonde.Zero(f"blocks.1.attn.z[head={i}]") for i in range(4)]
    assert wide.sweep(ids, cells, metric).plan.passes > model.sweep(ids, cells, metric).plan.passes


def test_several_bases_at_one_site_and_at_several(model, ids):
    plane, other = Subspace.random(16, 2), Subspace.random(16, 4, seed=1)
    m = model.attach(SITE, BASIS, "dict").attach(SITE, plane, "plane").attach("blocks.1.resid_post", other, "plane")
    m = m.attach("blocks.1.attn.z", Subspace.random(model.architecture.d_head, 2), "plane")
    base = m.run(ids, read=[SITE, FEATURES, ERROR, f"{SITE}.plane", "blocks.*.resid_post.plane", "blocks.1.attn.z.plane"])
    assert base["blocks.1.resid_post.plane"].shape == (2, 7, 4)
    assert base["blocks.1.attn.z.plane"].shape == (2, 7, 4, 2) and base.axes("blocks.1.attn.z.plane") == ("batch", "pos", "head", "feature")
    run = m.run(ids, edits=[sonde.Zero(f"{SITE}.plane"), sonde.Add(f"{FEATURES}[feature=3]", 1.0)], read=[SITE, FEATURES, f"{SITE}.plane"])
    changed = base[SITE] + BASIS.decoder[3]
    changed = changed - plane.decode(plane.encode(changed))  # attached later, written later
    assert torch.allclose(run[SITE], changed, atol=1e-4)
    assert torch.allclose(run[f"{SITE}.plane"], torch.zeros(2, 7, 2), atol=1e-5)
    assert torch.allclose(run[FEATURES], BASIS.encode(changed), atol=1e-4)  # what the second edit made of the first one's coordinates


def test_heads_one_by_one(model, ids):
    """A basis of one head's output serves every head."""
    line = Subspace.span(torch.ones(model.architecture.d_head))
    m = model.attach("blocks.0.attn.z", line, "line")
    z = m.run(ids, read="blocks.0.attn.z")["blocks.0.attn.z"]
    run = m.run(ids, edits=sonde.Zero("blocks.0.attn.z.line[head=2]"), read="blocks.0.attn.z")["blocks.0.attn.z"]
    expected = z.clone()
    expected[:, :, 2] -= z[:, :, 2].mean(-1, keepdim=True)
    assert torch.allclose(run, expected, atol=1e-5)


@pytest.mark.parametrize("site", ["attn.result", "resid_mid", "mlp.post", "attn.out"])
def test_sites_that_are_computed_or_packed(model, ids, site):
    name = f"blocks.1.{site}"
    if name not in model.architecture.sites:
        pytest.skip("this family has no such site")
    width = 24 if site == "mlp.post" else 16
    m = model.attach(name, Subspace.random(width, 3), "s")
    base = m.run(ids, read=[name, f"{name}.s"])
    run = m.run(ids, edits=[sonde.Scale(name, 2.0), sonde.Set(f"{name}.s", 0.5)], read=[name, f"{name}.s", f"{name}.s.error"])
    assert (run[f"{name}.s"] == 0.5).all()
    basis = Subspace.random(width, 3)
    assert torch.allclose(basis.encode(run[name]), torch.full_like(base[f"{name}.s"], 0.5), atol=1e-4)
    rest = 2 * (base[name] - basis.decode(base[f"{name}.s"]))
    assert torch.allclose(run[f"{name}.s.error"], rest, atol=1e-4)


def test_the_table_shows_them(attached):
    table = repr(attached.sites())
    assert "blocks.0.resid_post.dict " in table and "batch pos feature" in table and "blocks.0.resid_post.dict.error" in table
    names = [site.name for site in attached.sites()]
    assert names.index(FEATURES) == names.index(SITE) + 1 and names.index(ERROR) == names.index(SITE) + 2
    assert [str(site) for site in attached.sites("blocks.*.resid_post.*")] == [FEATURES]
    assert all(identity.holds for identity in attached.prove())


def test_the_module_itself_under_coordinates(ids):
    model = sonde.Model(bare("native"))
    m = model.attach(SITE, BASIS, "dict")
    edit = sonde.Clamp(f"{FEATURES}[feature=5]", 4.0)
    run = m.run(ids, edits=edit)
    with m.edited(edit):
        assert torch.equal(logits_of(model.module, ids), run.logits)
    with m.edited(edit), torch.enable_grad():
        model.module(ids).sum().backward()
    assert model.module.embed.weight.grad is not None


def test_generation_under_coordinates():
    """As whole forwards under the same edit would write."""
    model = words()
    basis = Dictionary.random(model.d_model, 50)
    m, prompt = model.attach("blocks.1.resid_post", basis, "dict"), "The keys on the cabinet"
    edit = sonde.Clamp("blocks.1.resid_post.dict[feature=[3,7]]", 2.0)
    ids = m.run(prompt).ids[0].tolist()
    new = []
    for _ in range(4):
        new.append(m.run([ids + new], edits=edit).last_logits[0].argmax().item())
    assert m.tokenizer.decode(ids + new).endswith(m.generate(prompt, edits=edit, max_new_tokens=4))
    assert m.generate(prompt, edits=edit, max_new_tokens=4) != m.generate(prompt, max_new_tokens=4)


def test_any_module_by_its_path():
    net = torch.nn.Sequential(torch.nn.Conv2d(3, 5, 3), torch.nn.ReLU(), torch.nn.Flatten(), torch.nn.Linear(80, 4))
    model = sonde.Model(net)
    x = torch.randn(2, 3, 6, 6, generator=torch.Generator().manual_seed(0))
    basis = Subspace.random(5, 2)
    m = model.attach("0:out", basis, "colour").attach("3:out", Neurons(4), "unit")
    run = m.run(x, read=["0:out", "0:out.colour", "0:out.colour.error", "3:out.unit"])
    maps = run["0:out"]
    assert torch.allclose(run["0:out.colour"], basis.encode(maps.movedim(1, -1)), atol=1e-6)
    assert run.axes("0:out.colour") == ("batch", "row", "col", "feature") and run.axes("3:out.unit") == ("batch", "feature")
    assert run["0:out.colour.error"].shape == maps.shape
    gone = m.run(x, edits=sonde.Zero("0:out.colour[feature=1]"), read="0:out")["0:out"]
    assert torch.allclose(gone, maps - (run["0:out.colour"][..., 1:] * basis.directions[:, 1]).movedim(-1, 1), atol=1e-5)
    with pytest.raises(SiteUnavailable, match="'1:out' has 5 entries here, and the basis reads 7"):
        model.attach("1:out", Neurons(7), "n").run(x, read="1:out.n")


@pytest.mark.parametrize(
    "site, basis, name, error, message",
    [
        (SITE, Neurons(15), "n", SiteUnavailable, "'blocks.0.resid_post' has 16 entries along d_model, and the basis reads 15"),
        (SITE, "pca", "n", InputError, "'pca' is no basis: give one of sonde.bases"),
        (SITE, Neurons(16), "a.b", InputError, "name='a.b' can't be part of a site's name"),
        ("final_norm", Neurons(16), "scale", InputError, "'final_norm.scale' is a site already"),
        ("blocks.*.resid_post", Neurons(16), "n", InputError, "a basis is attached to one whole site"),
        (f"{SITE}[pos=1]", Neurons(16), "n", InputError, "a basis is attached to one whole site"),
        ("blocks.0.attn.pattern", Neurons(7), "n", SiteUnavailable, "its last axis counts rows or tokens"),
        ("blocks.0.resid_pots", Neurons(16), "n", UnknownSite, "nearest: 'blocks.0.resid_post'"),
    ],
)
def test_refused(loaded, site, basis, name, error, message):
    with pytest.raises(error, match=message.replace("(", r"\(")):
        loaded["gpt2"].attach(site, basis, name)


def test_names_are_taken_once(attached):
    with pytest.raises(InputError, match=r"'blocks\.0\.resid_post\.dict' is a site already"):
        attached.attach(SITE, BASIS, "dict")
    with pytest.raises(InputError, match="a basis is attached to one whole site of the model itself"):
        attached.attach(FEATURES, Neurons(24), "again")
