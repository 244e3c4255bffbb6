"""Every family, saved by its own library and opened as a user would."""

import pytest
import tiny_families
import torch
from tiny_models import VOCAB

import sonde


@pytest.fixture(scope="package", params=tiny_families.DECODERS)
def case(request, tmp_path_factory):
    """A family's module, the same opened from a folder, and two rows of tokens."""
    module = tiny_families.build(request.param)
    folder = tmp_path_factory.mktemp(request.param)
    module.save_pretrained(folder)
    ids = torch.randint(VOCAB, (2, 7), generator=torch.Generator().manual_seed(1))
    return module, sonde.load(folder), ids
