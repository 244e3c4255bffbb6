"""Edits of coordinates in a basis: what changes inside a subspace, and that nothing else does."""

import pytest
import torch

import sonde
from sonde.bases import PCA, Neurons, Subspace
from sonde.results import EditError

SITE = "blocks.0.resid_post"
PLANE = Subspace.random(16, 3, seed=4)


@pytest.fixture
def runs(model, ids):
    """The run that is edited, and one to take from."""
    return model.run(ids, read=[SITE, "blocks.1.attn.z"]), model.run((ids + 3) % 40, read=[SITE, "blocks.1.attn.z"])


def test_swap_takes_the_part_inside_and_keeps_the_part_outside(model, ids, runs):
    base, source = runs
    run = model.run(ids, edits=sonde.Swap(SITE, source, PLANE), read=SITE)
    assert torch.allclose(PLANE.encode(run[SITE]), PLANE.encode(source[SITE]), atol=1e-5)
    rest = PLANE.complement()
    assert torch.allclose(rest.encode(run[SITE]), rest.encode(base[SITE]), atol=1e-5)
    assert not torch.allclose(run[SITE], base[SITE], atol=1e-2)


def test_swap_of_some_coordinates(model, ids, runs):
    base, source = runs
    run = model.run(ids, edits=sonde.Swap(f"{SITE}[pos=-1]", source, PLANE, dims=[2]), read=SITE)
    c = PLANE.encode(run[SITE][:, -1])
    assert torch.allclose(c[:, 2], PLANE.encode(source[SITE])[:, -1, 2], atol=1e-5)
    assert torch.allclose(c[:, :2], PLANE.encode(base[SITE])[:, -1, :2], atol=1e-5)
    assert torch.equal(run[SITE][:, :-1], base[SITE][:, :-1])


def test_swap_in_all_coordinates_is_a_patch_and_from_itself_nothing(model, ids, runs):
    base, source = runs
    patched = model.run(ids, edits=sonde.Patch(SITE, source))
    for basis in (Neurons(16), Subspace.random(16, 16)):
        assert torch.allclose(model.run(ids, edits=sonde.Swap(SITE, source, basis)).logits, patched.logits, rtol=1e-4, atol=1e-4)
    assert torch.equal(model.run(ids, edits=sonde.Swap(SITE, base, PLANE)).logits, base.logits)


def test_swap_refuses_what_patch_refuses(model, ids, runs):
    with pytest.raises(EditError, match="patch runs of the same length"):
        model.run(ids[:, :5], edits=sonde.Swap(SITE, runs[1], PLANE))
    assert torch.equal(
        model.run(ids, edits=sonde.Swap(f"{SITE}[pos=1]", runs[1], PLANE, at=f"{SITE}[pos=4]"), read=SITE)[SITE][:, 2], runs[0][SITE][:, 2]
    )


def test_project_divides_a_vector_in_two(model, ids, runs):
    x = runs[0][SITE]
    kept = model.run(ids, edits=sonde.Project(SITE, PLANE, "keep"), read=SITE)[SITE]
    gone = model.run(ids, edits=sonde.Project(SITE, PLANE, "remove"), read=SITE)[SITE]
    assert torch.allclose(kept + gone, x, atol=1e-5)
    assert torch.allclose(PLANE.encode(gone), torch.zeros(2, 7, 3), atol=1e-5)
    assert torch.allclose(kept, PLANE.decode(PLANE.encode(x)), atol=1e-6)
    line = Subspace.span(PLANE.directions[:, 1])
    assert torch.allclose(
        model.run(ids, edits=sonde.Project(SITE, PLANE, "remove", dims=[1]), read=SITE)[SITE], x - line.decode(line.encode(x)), atol=1e-5
    )


def test_what_an_affine_basis_removes_goes_to_its_mean(model, ids, runs):
    x = runs[0][SITE]
    pca = PCA.fit(x, 2)
    gone = model.run(ids, edits=sonde.Project(SITE, pca, "remove"), read=SITE)[SITE]
    assert torch.allclose(pca.encode(gone), torch.zeros(2, 7, 2), atol=1e-4)
    kept = model.run(ids, edits=sonde.Project(SITE, pca, "keep"), read=SITE)[SITE]
    assert torch.allclose(kept, pca.decode(pca.encode(x)), atol=1e-5)


def test_clamp(model, ids, runs):
    x = runs[0][SITE]
    run = model.run(ids, edits=sonde.Clamp(f"{SITE}[pos=2:4]", 2.5, PLANE, dims=[0, 2]), read=SITE)
    c = PLANE.encode(run[SITE][:, 2:4])
    assert torch.allclose(c[..., [0, 2]], torch.full((2, 2, 2), 2.5), atol=1e-5)
    assert torch.allclose(c[..., 1], PLANE.encode(x)[:, 2:4, 1], atol=1e-5)
    vector = torch.tensor([1.0, -1.0, 0.5])
    assert torch.allclose(PLANE.encode(model.run(ids, edits=sonde.Clamp(SITE, vector, PLANE), read=SITE)[SITE]), vector.expand(2, 7, 3), atol=1e-5)
    some = model.run(ids, edits=sonde.Clamp(SITE, 1.5, dims=[3]), read=SITE)[SITE]  # without a basis the site's own entries
    assert (some[..., 3] == 1.5).all() and torch.equal(some[..., :3], x[..., :3])


def test_heads(model, ids, runs):
    width = model.architecture.d_head
    line, site = Subspace.span(torch.ones(width)), "blocks.1.attn.z[head=2]"
    z = model.run(ids, edits=sonde.Project(site, line, "remove"), read="blocks.1.attn.z")["blocks.1.attn.z"]
    base = runs[0]["blocks.1.attn.z"]
    assert z[:, :, 2].mean(-1).abs().max() < 1e-5 and torch.equal(z[:, :, :2], base[:, :, :2])


def test_swept_and_differentiated(model, ids, runs, metric):
    cells = [
        sonde.Swap(SITE, runs[1], PLANE, dims=[1]), sonde.Project("blocks.1.resid_pre", PLANE, "keep"), sonde.Clamp(SITE, 1.0, PLANE),
    ]  # fmt: skip
    sweep = model.sweep(ids, cells, metric, verify=True)
    for i, cell in enumerate(cells):
        assert torch.allclose(sweep.values[i], metric(model.run(ids, edits=cell)), rtol=1e-5, atol=1e-5)
    below = model.grad(ids, metric, at="embed", edits=sonde.Clamp(SITE, 1.0, Neurons(16)))
    assert (below["embed"] == 0).all()  # what is written over lets nothing through
    assert model.grad(ids, metric, at="embed", edits=sonde.Clamp(SITE, 1.0, PLANE))["embed"].abs().max() > 0


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda run: sonde.Project(SITE, PLANE, "drop"), "write 'keep' or 'remove'"),
        (lambda run: sonde.Project(SITE, "plane", "keep"), "'plane' is no basis; give one of sonde.bases"),
        (lambda run: sonde.Swap(SITE, run, PLANE, dims=[3]), r"dims=\(3,\) are no coordinates; give different whole numbers from 0 to 2"),
        (lambda run: sonde.Clamp(SITE, 1.0, PLANE, dims=[]), r"dims=\(\) are no coordinates"),
        (lambda run: sonde.Clamp(SITE, 1.0, PLANE, dims=[1, 1]), r"dims=\(1, 1\) are no coordinates"),
        (lambda run: sonde.Clamp(SITE, float("nan"), PLANE), "the value holds NaN"),
        (lambda run: sonde.Clamp(SITE, 1.0, dims=[16]), "from 0 to 15"),
        (lambda run: sonde.Project("blocks.0.mlp.post", PLANE, "keep"), r"the basis takes 16 entries and the site's last axis has 24 here"),
        (lambda run: sonde.Project(f"{SITE}[d_model=0:16]", PLANE, "keep"), "coordinates need the whole last axis of a site"),
        (lambda run: sonde.Project("blocks.0.attn.pattern", Neurons(7), "keep"), "coordinates need the whole last axis of a site"),
        (lambda run: sonde.Clamp("transformer.wte:in[batch=0]", 1, dims=[0]), "coordinates need the whole last axis"),
        (lambda run: sonde.Clamp(SITE, torch.zeros(4), PLANE), r"a value of shape \(4,\) does not fit the site, which has \(2, 7, 3\) here"),
    ],
)
def test_refused(loaded, ids, make, message):
    model = loaded["gpt2"]
    run = model.run(ids, read=SITE)
    with pytest.raises(EditError, match=message):
        model.run(ids, edits=make(run))


def test_equal_by_content(loaded, ids):
    run = loaded["gpt2"].run(ids, read=SITE)
    first, second = (
        [sonde.Swap(SITE, run, PLANE), sonde.Swap(SITE, run, PLANE, [1]), sonde.Project(SITE, PLANE, "keep"), sonde.Project(SITE, PLANE, "remove"),
         sonde.Clamp(SITE, 1.0, PLANE), sonde.Clamp(SITE, 1.0), sonde.Project(SITE, Subspace.random(16, 3), "keep")]
        for _ in range(2)
    )  # fmt: skip
    assert first == second and len(set(first)) == len(first)
    assert repr(first[1]) == f"Swap('{SITE}', source=<Run>, basis=Subspace(3 of 16), dims=(1,))"
