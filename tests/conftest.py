"""What every test stands on: the same draws and the same threads on every machine."""

import os
from collections.abc import Iterator

import jaxtyping
import pytest
import torch
from hypothesis import settings

# one thread: small tensors gain nothing from more, and sums keep their order
torch.set_num_threads(1)

settings.register_profile("local", deadline=None, max_examples=50)
settings.register_profile("ci", deadline=None, max_examples=50, derandomize=True, print_blob=True)
settings.load_profile("ci" if os.environ.get("CI") else "local")


@pytest.fixture
def unchecked() -> Iterator[None]:
    """Without the checks of shapes, as users run it: for tests of sonde's own refusals."""
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)
