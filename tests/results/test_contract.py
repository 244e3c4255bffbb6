"""What holds for the result of every method, without knowing any of them."""

import inspect
import pkgutil
from importlib import import_module
from types import SimpleNamespace

import pytest

import sonde
from sonde.results import CheckRefused, Recipe, Result
from sonde.results.codec import class_of, kind_of

# about several models; what is refused is tested in tests/behaviour/pairs/test_minimal.py
SEVERAL = {"sonde.behaviour.MinimalPairs", "sonde.influence.Beside"}


def kinds():
    """All classes of results in all packages."""
    for package in pkgutil.iter_modules(sonde.__path__):
        if not package.name.startswith("_"):
            import_module(f"sonde.{package.name}")
    found, waiting = [], [Result]
    while waiting:
        subclasses = waiting.pop().__subclasses__()
        waiting += subclasses
        found += [cls for cls in subclasses if cls.__module__.startswith("sonde.") and not inspect.isabstract(cls)]
    return sorted(found, key=kind_of)


def test_there_are_some():
    assert len(kinds()) >= 3


def takes_a_model(cls):
    return "model" in inspect.signature(cls.check).parameters


def test_only_studies_that_train_their_own_networks_are_checked_without_a_model():
    assert {kind_of(cls).rsplit(".", 1)[0] for cls in kinds() if not takes_a_model(cls)} == {"sonde.superposition"}


@pytest.mark.parametrize("cls", [cls for cls in kinds() if kind_of(cls) not in SEVERAL and takes_a_model(cls)], ids=kind_of)
def test_another_model_is_refused_before_anything_else(cls, unchecked):
    result = object.__new__(cls)
    object.__setattr__(result, "recipe", Recipe("sonde.method", {}, "a" * 16, "b" * 16))
    wanted = [p for p in inspect.signature(result.check).parameters.values() if p.default is p.empty and p.kind is p.POSITIONAL_OR_KEYWORD]
    with pytest.raises(CheckRefused):
        result.check(SimpleNamespace(hash="c" * 16), *[None] * (len(wanted) - 1))


@pytest.mark.parametrize("cls", kinds(), ids=kind_of)
def test_what_is_saved_can_be_read_back(cls):
    assert class_of(kind_of(cls)) is cls, "name the class in its package's __init__, where the saved kind is looked for"
