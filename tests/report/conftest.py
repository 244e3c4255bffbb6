"""One explanation of each README prompt for the whole folder: they are read, not changed."""

import pytest

import sonde

GIFT = "When Mary and John went to the shop, John gave a book to"
KEYS = "The keys on the cabinet"


@pytest.fixture(scope="session")
def words():
    return sonde.load("specimen:words")


@pytest.fixture(scope="session")
def gift(words):
    return sonde.explain(words, GIFT)


@pytest.fixture(scope="session")
def keys(words):
    return sonde.explain(words, KEYS)
