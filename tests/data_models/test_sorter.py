"""A transformer that sorts six digits, through the handle: what its README says, and where it looks."""

import itertools

import pytest
import torch
from data_models import nets
from data_models.shared import DATA, needs

import sonde

pytestmark = needs("gpt_nano_sort")


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """Saved by transformers and opened as a user would."""
    folder = tmp_path_factory.mktemp("sorter")
    nets.sorter(DATA / "gpt_nano_sort").save_pretrained(folder)
    return sonde.load(folder)


def test_it_sorts_729_of_729_inputs(model):
    digits = torch.tensor(list(itertools.product(range(3), repeat=6)))
    ids = digits
    for _ in range(6):
        ids = torch.cat([ids, model.run(ids, logits="last").last_logits.argmax(-1, keepdim=True)], 1)
    assert (ids[:, 6:] == digits.sort(1).values).all(1).sum() == 729


def test_every_equation_holds_on_trained_weights(model):
    assert all(identity.holds for identity in model.prove())


def test_its_parts_matter(model):
    """A control for the figure above: without attention in one block it does not sort."""
    digits = torch.tensor(list(itertools.product(range(3), repeat=6)))
    ids = torch.cat([digits, digits.sort(1).values[:, :5]], 1)
    right = digits.sort(1).values
    whole = (model.run(ids).logits[:, 5:].argmax(-1) == right).all(1).float().mean()
    cut = (model.run(ids, edits=[sonde.Zero("blocks.0.attn.out")]).logits[:, 5:].argmax(-1) == right).all(1).float().mean()
    assert whole == 1 and cut < 0.5
