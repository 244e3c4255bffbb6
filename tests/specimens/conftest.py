"""One tokenizer for all tests of the specimens: making it takes a second."""

import pytest

from sonde.specimens.words.tokenizer import train_tokenizer


@pytest.fixture(scope="session")
def tokenizer():
    return train_tokenizer(documents=5000)
