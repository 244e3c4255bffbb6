"""Noise that belongs to an example: the same in every batch, at every padding, in sweeps, selections and generation."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from small_models import words
from tiny_models import VOCAB

import sonde
from sonde.results import EditError

SITE = "blocks.0.resid_post"
rows = st.lists(st.lists(st.integers(0, VOCAB - 1), min_size=1, max_size=8), min_size=1, max_size=4)


def noise(model, ids, site=SITE, edit=None, **kwargs):
    """What was added."""
    name = sonde.Site.parse(site).name
    edit = edit or sonde.Noise(site, 1.0, **kwargs)
    return model.run(ids, edits=edit, read=name)[name] - model.run(ids, read=name)[name]


def test_standard_normal():
    model = sonde.Model(torch.nn.Sequential(torch.nn.Identity()))
    values = model.run(torch.zeros(40, 50, 60), edits=sonde.Noise("0:out", 1.0), read="0:out")["0:out"]
    n = values.numel()
    assert abs(values.mean()) < 4 / n**0.5 and abs(values.var() - 1) < 4 * (2 / n) ** 0.5
    below = (values.flatten().sort().values[None] < torch.tensor([-2.0, -1.0, 0.5, 1.5])[:, None]).float().mean(1)
    assert torch.allclose(below, torch.distributions.Normal(0, 1).cdf(torch.tensor([-2.0, -1.0, 0.5, 1.5])), atol=5e-3)
    for left, right in [(values[1:], values[:-1]), (values[:, 1:], values[:, :-1]), (values[..., 1:], values[..., :-1])]:
        assert abs((left * right).mean()) < 0.02  # neighbours know nothing of one another


@given(rows)
@settings(max_examples=10)
def test_an_example_has_its_noise_in_every_batch(loaded, batch):
    model = loaded["gpt2"]
    together = noise(model, batch)
    for i, row in enumerate(batch):
        assert torch.allclose(together[i, : len(row)], noise(model, [row])[0], atol=1e-5)
    backwards = noise(model, batch[::-1])
    assert torch.allclose(backwards.flip(0)[:, : min(map(len, batch))], together[:, : min(map(len, batch))], atol=1e-5)


def test_a_prefix_has_the_noise_of_the_whole(loaded):
    model = loaded["llama"]
    long = noise(model, [[3, 1, 4, 1, 5]])
    assert torch.allclose(noise(model, [[3, 1, 4]]), long[:, :3], atol=1e-5)
    assert not torch.allclose(noise(model, [[4, 1, 4]])[:, 0], long[:, 0], atol=0.1)


@pytest.mark.parametrize("selection", ["pos=-1", "pos=[0,2]", "d_model=3:7", "pos=1, d_model=2"])
def test_a_selection_has_its_part(model, ids, selection):
    whole, part = noise(model, ids), noise(model, ids, f"{SITE}[{selection}]")
    changed = part != 0
    assert changed.any() and torch.allclose(part[changed], whole[changed], atol=1e-5)


def test_seeds_and_sites_have_noise_of_their_own(model, ids):
    first = noise(model, ids)
    assert torch.equal(noise(model, ids), first)
    for other in (noise(model, ids, seed=1), noise(model, ids, "blocks.1.resid_pre")):
        assert abs(torch.corrcoef(torch.stack([first.flatten(), other.flatten()]))[0, 1]) < 0.3
    assert torch.allclose(noise(model, ids, edit=sonde.Noise(SITE, 3.0)), 3 * first, atol=1e-4)


def test_in_stacked_sweeps_and_by_row(model, ids, metric):
    cells = [sonde.Noise(SITE, 0.5, seed) for seed in range(4)] + [sonde.Noise("blocks.1.attn.pattern", 0.1)]
    sweep = model.sweep(ids, cells, metric, verify=True)
    for i, cell in enumerate(cells):
        assert torch.allclose(sweep.values[i], metric(model.run(ids, edits=cell)), rtol=1e-5, atol=1e-5)
    mine = noise(model, ids, edit=sonde.PerRow([None, sonde.Noise(SITE, 1.0)]))
    assert (mine[0] == 0).all() and torch.allclose(mine[1], noise(model, ids)[1], atol=1e-5)


def test_in_generation_the_noise_of_a_token_stays():
    """Cached, a step sees the newest token only; its noise is that of a whole forward."""
    model, edit = words(), sonde.Noise("blocks.0.resid_post", 0.3, seed=2)
    prompts = ["The keys on the cabinet", "The key"]
    written = model.generate(prompts, edits=edit, max_new_tokens=5)
    for prompt, text in zip(prompts, written, strict=True):
        ids = model.prepare(prompt).ids[0].tolist()
        new = []
        for _ in range(5):
            token = model.run([ids + new], edits=edit).last_logits[0].argmax().item()
            new.append(token)
        expected = model.tokenizer.decode(ids + new)
        assert expected.startswith(prompt[:3]) and text in expected


def test_refused(loaded):
    for std in (0, -1.0, float("nan"), float("inf")):
        with pytest.raises(EditError, match="is no standard deviation; give a positive number"):
            sonde.Noise(SITE, std)
    with pytest.raises(EditError, match="holds whole numbers"):
        loaded["gpt2"].run([[1, 2]], edits=sonde.Noise("transformer.wte:in", 1.0))


def test_without_its_place_it_says_what_it_needs():
    with pytest.raises(EditError, match="must know where it is made"):
        sonde.Noise("embed", 1.0).new(torch.zeros(2))
