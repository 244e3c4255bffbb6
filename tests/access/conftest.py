"""Every family, saved by its own library and opened as a user would."""

import pytest
import torch
from tiny_models import FAMILIES, NATIVE, VOCAB, LogitDifference, bare

import sonde


@pytest.fixture(scope="session")
def loaded(tmp_path_factory):
    """Every family, saved by its own library and opened by `sonde.load`."""
    models = {}
    for family in FAMILIES:
        folder = tmp_path_factory.mktemp(family)
        module = bare(family)
        module.save(folder) if family in NATIVE else module.save_pretrained(folder)
        models[family] = sonde.load(folder)
    return models


@pytest.fixture(params=FAMILIES)
def model(request, loaded):
    """Each family in turn; whatever a test does, the module is left without hooks, in evaluation mode, under its own kernel and thawed."""
    model = loaded[request.param]
    kernel, training = model.architecture.kernel.name(model.module), [m.training for m in model.module.modules()]
    yield model
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.module.modules())
    assert model.architecture.kernel.name(model.module) == kernel
    assert [m.training for m in model.module.modules()] == training
    assert all(p.requires_grad and p.grad is None for p in model.module.parameters())


@pytest.fixture
def ids():
    """Two rows of seven tokens; token 0 is among them, which is also what rows are padded with."""
    ids = torch.randint(VOCAB, (2, 7), generator=torch.Generator().manual_seed(1))
    ids[0, -1] = ids[1, 0] = 0
    return ids


@pytest.fixture
def metric():
    return LogitDifference()
