"""A basis as wide as all heads of a site together reads them side by side: a dictionary of concatenated attention outputs."""

import pytest
import torch

import sonde
from sonde.bases import PCA, Neurons
from sonde.results import SiteUnavailable

SITE = "blocks.1.attn.z"
TEXT = "The keys on the cabinet are here."


@pytest.fixture(scope="module")
def model():
    return sonde.load("specimen:words-small")


@pytest.fixture(scope="module")
def basis(model):
    z = model.run([TEXT, "Mary went to the old shop and bought a book."], read=SITE, logits=False)[SITE]
    return PCA.fit(z.flatten(0, 1).flatten(1), 5)


def test_coordinates_are_those_of_the_heads_side_by_side(model, basis):
    attached = model.attach(SITE, basis, name="c")
    run = attached.run(TEXT, read=[SITE, f"{SITE}.c", f"{SITE}.c.error"])
    wide = run[SITE].flatten(-2)
    torch.testing.assert_close(run[f"{SITE}.c"], basis.encode(wide))
    torch.testing.assert_close(run[f"{SITE}.c.error"].flatten(-2), wide - basis.decode(basis.encode(wide)))
    assert torch.equal(run.logits, model.run(TEXT).logits)  # attaching alone changes nothing


def test_what_is_written_reaches_every_head(model, basis):
    attached = model.attach(SITE, basis, name="c")
    old = attached.run(TEXT, read=[SITE, f"{SITE}.c"])
    new = attached.run(TEXT, read=SITE, edits=[sonde.Zero(f"{SITE}.c[feature=2]")])
    change = (new[SITE] - old[SITE]).flatten(-2)
    torch.testing.assert_close(change, -old[f"{SITE}.c"][..., 2:3] * basis.components[2], rtol=1e-4, atol=1e-5)
    by_hand = model.run(TEXT, edits=[sonde.Apply(SITE, lambda z: z + change.unflatten(-1, z.shape[-2:]))])
    torch.testing.assert_close(new.logits, by_hand.logits, rtol=1e-4, atol=1e-4)
    assert not torch.allclose(new.logits, old.logits, atol=1e-3)


def test_another_width_is_refused(model):
    with pytest.raises(SiteUnavailable, match="entries along d_head"):
        model.attach(SITE, Neurons(30), name="c")
