"""How a result was made: enough to make it again, and to tell whether another model would give another one."""

import platform
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import metadata
from typing import Any

from sonde.results.hashing import content_hash, is_tensor

PACKAGES = ("sonde", "torch", "transformers", "tokenizers", "numpy")


@dataclass(frozen=True)
class Recipe:
    """The function, its arguments, and what they were applied to.

    Arguments:
        function: the public name of the function, such as "sonde.lens.logit_lens".
        arguments: its arguments as plain data; large or opaque ones as their description.
        model_hash: the hash of the model's weights and configuration.
        inputs_hash: the hash of the inputs.
        seed: the seed of everything random in it; `None` where nothing is.
        versions: the versions of Python and of the packages that the numbers depend on.

    >>> print(Recipe.of("sonde.lens.logit_lens", {"k": 5}, model_hash="3f2a", inputs=["The keys"], seed=0))
    sonde.lens.logit_lens(k=5), seed 0, model 3f2a, inputs d9b9eab5
    """

    function: str
    arguments: dict[str, Any]
    model_hash: str
    inputs_hash: str
    seed: int | None = None
    versions: dict[str, str] = field(default_factory=dict)

    @staticmethod
    def of(function: str, arguments: Mapping[str, Any], *, model_hash: str, inputs: Any, seed: int | None = None) -> "Recipe":
        """Note down a call.

        Arguments:
            function: the public name of the function.
            arguments: the arguments as they were given; tensors are kept as shape and hash, other objects as their text.
            model_hash: `model.hash`.
            inputs: what the model was given: token ids, texts, or anything that has a content hash.
            seed: the seed, where something is random.
        """
        plain = {name: _plain(value) for name, value in arguments.items()}
        return Recipe(function, plain, model_hash, content_hash(inputs), seed, versions())

    def __str__(self) -> str:
        call = ", ".join(f"{name}={value!r}" for name, value in self.arguments.items())
        seed = "" if self.seed is None else f", seed {self.seed}"
        return f"{self.function}({call}){seed}, model {self.model_hash[:8]}, inputs {self.inputs_hash[:8]}"


def versions() -> dict[str, str]:
    """The versions of Python and of the installed packages that the numbers of a result depend on."""
    return dict(_versions())


@cache
def _versions() -> tuple[tuple[str, str], ...]:
    found = [("python", platform.python_version())]
    for package in PACKAGES:
        try:
            found.append((package, metadata.version(package)))
        except metadata.PackageNotFoundError:
            continue
    return tuple(found)


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if is_tensor(value):
        return f"tensor {list(value.shape)} {content_hash(value)}"
    if isinstance(value, Mapping):
        return {str(key): _plain(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(part) for part in value]
    if callable(value) and hasattr(value, "__qualname__"):
        return f"{value.__module__}.{value.__qualname__}"
    return str(value)
