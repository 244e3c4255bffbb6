"""The training loop: resumed equals uninterrupted, and mistakes are refused."""

import json

import pytest
import torch

from sonde.nn import Transformer, TransformerConfig
from sonde.nn.training import Training, TrainingConfig
from sonde.results import InputError, LoadError

SHAPE = TransformerConfig(n_layers=1, d_model=16, n_heads=2, d_vocab=20, n_ctx=8, d_mlp=24)
PLAN = TrainingConfig(steps=12, lr=1e-2, warmup_steps=3, cooldown=0.5)


def start() -> Training:
    torch.manual_seed(0)
    return Training(Transformer(SHAPE), PLAN)


def loss_at(model: Transformer, step: int) -> torch.Tensor:
    ids = torch.randint(0, 20, (4, 8), generator=torch.Generator().manual_seed(step))
    return torch.nn.functional.cross_entropy(model(ids[:, :-1]).flatten(0, 1), ids[:, 1:].flatten())


def test_resumed_equals_uninterrupted(tmp_path):
    whole = start()
    for step in whole.remaining():
        whole.update(loss_at(whole.model, step))

    first = start()
    for step in first.remaining(tmp_path / "checkpoint", every=5):
        if step == 7:  # two updates after the last checkpoint
            break
        first.update(loss_at(first.model, step))
        first.notes["last"] = step

    second = Training(Transformer(SHAPE), PLAN)  # other first weights: all comes from the checkpoint
    second.restore(tmp_path / "checkpoint")
    assert second.step == 5
    assert second.notes == {"last": 4}
    for step in second.remaining(tmp_path / "checkpoint"):
        second.update(loss_at(second.model, step))
    for (name, expected), found in zip(whole.model.named_parameters(), second.model.parameters(), strict=True):
        assert torch.equal(expected, found), name
    assert second.model.unembed.weight is second.model.embed.weight
    assert json.loads((tmp_path / "checkpoint/training.json").read_text())["step"] == 12
    assert sorted(p.name for p in (tmp_path / "checkpoint").iterdir()) == ["model.safetensors", "optimizer.safetensors", "training.json"]


def test_weights_without_their_moments_would_differ(tmp_path):
    """The control of the test above: the optimiser's moments matter."""
    whole, forgetful = start(), start()
    for step in range(6):
        whole.update(loss_at(whole.model, step))
        forgetful.update(loss_at(forgetful.model, step))
    forgetful.optimizer.state.clear()
    for training in (whole, forgetful):
        training.update(loss_at(training.model, 6))
    assert not torch.equal(whole.model.embed.weight, forgetful.model.embed.weight)


def test_only_linear_maps_decay():
    training = start()
    decayed, kept = ({id(p) for p in group["params"]} for group in training.optimizer.param_groups)
    model = training.model
    assert id(model.blocks[0].mlp.up.weight) in decayed
    assert id(model.blocks[0].attn.q.weight) in decayed
    assert {id(model.embed.weight), id(model.pos_embed.weight), id(model.blocks[0].mlp.up.bias), id(model.final_norm.weight)} <= kept
    assert len(decayed) + len(kept) == len(list(model.parameters()))


def test_gradients_are_shortened():
    """With AdamW a shorter gradient shows in the first moment."""
    training = start()
    training.update(1000 * loss_at(training.model, 0))
    squares = [training.optimizer.state[p]["exp_avg"].square().sum() for p in training.model.parameters()]
    assert torch.stack(squares).sum().sqrt().item() == pytest.approx(0.1 * PLAN.max_norm, rel=1e-3)


def test_other_configuration_is_refused(tmp_path):
    training = start()
    training.save(tmp_path / "checkpoint")
    with pytest.raises(LoadError, match="was made with"):
        Training(Transformer(SHAPE), TrainingConfig(steps=13)).restore(tmp_path / "checkpoint")


def test_broken_checkpoint_is_refused(tmp_path):
    with pytest.raises(LoadError, match="cannot resume from"):
        start().restore(tmp_path)


def test_infinite_loss_is_refused_before_the_update():
    training = start()
    before = training.model.embed.weight.detach().clone()
    with pytest.raises(InputError, match="the loss at step 0 is nan"):
        training.update(loss_at(training.model, 0) * float("nan"))
    assert training.step == 0
    assert torch.equal(before, training.model.embed.weight)
