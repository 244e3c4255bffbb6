"""What every method returns: a frozen dataclass of tensors and names, with the recipe that made it."""

from abc import ABC, abstractmethod
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from sonde.results.artifact import Artifact
from sonde.results.codec import Packed, kind_of, pack, unpack
from sonde.results.drawing import Drawing
from sonde.results.errors import CheckRefused, LoadError
from sonde.results.hashing import is_tensor
from sonde.results.recipe import Recipe
from sonde.results.verdict import Verdict

if TYPE_CHECKING:
    from polars import DataFrame


@dataclass(frozen=True, eq=False, repr=False)
class Result(ABC):
    """Base of all results.

    A method's result is a subclass, decorated in the same way, with the method's own fields; tensors, frames, numbers, text, sequences,
    mappings and dataclasses of these can be saved. It says how it becomes a table and a drawing, and how it is checked on the model:

        @dataclass(frozen=True, eq=False, repr=False)
        class LensResult(Result):
            values: Float[Tensor, "layer pos"]

            def to_frame(self) -> DataFrame: ...
            def drawing(self) -> Drawing: ...
            def check(self, model, task) -> list[Verdict]:
                self.refuse_other(model)
                ...

    Arguments:
        recipe: how it was made; given by keyword.
    """

    recipe: Recipe = field(kw_only=True)

    @abstractmethod
    def to_frame(self) -> "DataFrame":
        """The result as a polars table, one row per value."""

    @abstractmethod
    def drawing(self) -> Drawing:
        """The result as a drawing."""

    def check(self, model: Any, *args: Any, **kwargs: Any) -> list[Verdict]:
        """Test what the result claims by interventions on its model; a result that claims nothing has no verdicts.

        Raises:
            CheckRefused: where the model is not the one that the result was computed on.
        """
        self.refuse_other(model)
        return []

    def refuse_other(self, model: Any) -> None:
        """Raise `CheckRefused` unless this is the model that the result was computed on, to the bit."""
        if model.hash != self.recipe.model_hash:
            raise CheckRefused(
                f"this {type(self).__name__} was computed on the model {self.recipe.model_hash[:8]}, and the model given is {model.hash[:8]}; "
                f"compute it again on this model with {self.recipe.function}"
            )

    def save(self, folder: str | Path) -> Path:
        """Keep the result as an artifact: a directory with `artifact.json`, safetensors and Parquet."""
        packed = pack({f.name: getattr(self, f.name) for f in fields(self) if f.name != "recipe"})
        return Artifact(kind_of(type(self)), packed.plain, pack(self.recipe).plain, packed.tensors, packed.frames).save(folder)

    @classmethod
    def load(cls, folder: str | Path) -> Self:
        """Read a result back; `Result.load` takes any kind, a subclass only its own.

        Raises:
            LoadError: where the folder keeps no such result, or was changed since it was written.
        """
        artifact = Artifact.load(folder)
        parts = {**artifact.configuration, "recipe": artifact.provenance}
        result = unpack(Packed({**parts, "$type": artifact.kind}, artifact.tensors, artifact.frames))
        if not isinstance(result, cls):
            raise LoadError(f"{folder} keeps a {artifact.kind}, not a {kind_of(cls)}")
        return result

    def __repr__(self) -> str:
        names = [f.name for f in fields(self) if f.name != "recipe"]
        width = max((len(name) for name in names), default=0)
        lines = [f"  {name:<{width}}  {_brief(getattr(self, name))}" for name in names]
        return "\n".join([type(self).__name__, *lines, f"  by {self.recipe}"])


def _brief(value: Any, length: int = 80) -> str:
    """One line that says what a field holds."""
    if is_tensor(value):
        shape = " x ".join(str(size) for size in value.shape)
        return f"{str(value.dtype).removeprefix('torch.')} {shape}" if value.ndim else f"{value.item():.5g}"
    if isinstance(value, float):
        return f"{value:.5g}"
    if hasattr(value, "columns") and hasattr(value, "height"):
        return f"table of {value.height} rows: {', '.join(value.columns)}"
    text = repr(value) if not isinstance(value, Result) else type(value).__name__
    if len(text) > length and isinstance(value, list | tuple | dict):
        return f"{len(value)} entries: {text[: length - 15]} ..."
    return text if len(text) <= length else f"{text[: length - 4]} ..."
