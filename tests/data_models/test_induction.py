"""A trained two-layer attention-only transformer, through the handle: the heads that its README found."""

import pytest
import torch
from data_models import nets
from data_models.shared import DATA, needs

import sonde

pytestmark = needs("induction_2l")


@pytest.fixture(scope="module")
def model():
    return sonde.load(nets.induction(DATA / "induction_2l"))


@pytest.fixture(scope="module")
def run(model):
    """64 sequences with a piece of 16 tokens at 10..25 and again at 40..55; the README does not say which, so its figures hold up to the draw."""
    ids = torch.randint(128, (64, 85), generator=torch.Generator().manual_seed(0))
    ids[:, 40:56] = ids[:, 10:26]
    return model.run(ids, read="blocks.*.attn.pattern")


def test_the_loss_on_the_first_copy_and_on_the_second(run):
    surprisal = -run.logits[:, :-1].log_softmax(-1).gather(-1, run.ids[:, 1:, None])[..., 0]
    assert surprisal[:, 10:25].mean() == pytest.approx(5.46, abs=0.1)  # other draws give 5.39 to 5.41
    assert surprisal[:, 40:55].mean() == pytest.approx(1.71, abs=0.12)  # other draws give 1.73 to 1.82


def test_three_heads_look_at_what_followed_the_earlier_copy(run):
    pattern = run["blocks.1.attn.pattern"]
    scores = torch.stack([pattern[:, :, query, query - 29] for query in range(41, 55)]).mean((0, 1))
    assert torch.allclose(scores, torch.tensor([0.06, 0.48, 0.49, 0.48]), atol=0.02)


def test_one_head_looks_at_the_token_before(run):
    scores = run["blocks.0.attn.pattern"].diagonal(-1, 2, 3).mean((0, 2))
    assert torch.allclose(scores, torch.tensor([0.05, 0.05, 0.27, 0.05]), atol=0.01)


def test_the_second_copy_needs_the_head_before(model, run):
    """A control: without the head that looks back, the second copy costs what any token costs; without another one it does not."""

    def second(run):
        return -run.logits[:, 40:54].log_softmax(-1).gather(-1, run.ids[:, 41:55, None]).mean((1, 2))

    sweep = model.sweep(run.ids, [sonde.Zero(f"blocks.0.attn.z[head={head}]") for head in range(4)], second)
    losses = sweep.values.mean(1)
    assert losses.argmax() == 2
    assert losses[2] > sweep.base.mean() + 2
