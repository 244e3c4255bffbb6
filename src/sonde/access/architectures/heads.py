"""What stands on an encoder: an unembedding over all positions, a classifier of the whole input, or nothing."""

from collections.abc import Mapping
from typing import Any

from torch import nn


def text_head(module: nn.Module, masked: Mapping[str, Any]) -> dict[str, Any] | None:
    """The head of a text encoder as transformers names its classes, in the terms of `Parts`.

    Arguments:
        module: the model.
        masked: the parts of the family's masked-word head.

    Returns:
        The parts; `None` for a head that is none of these.
    """
    kinds: dict[str, dict[str, Any]] = {
        "ForMaskedLM": dict(masked),
        "ForSequenceClassification": {"head": "classifier"},
        "ForTokenClassification": {"unembed": "classifier"},
        "Model": {},
    }
    return _named(module, kinds)


def image_head(module: nn.Module) -> dict[str, Any] | None:
    """The head of an image encoder, in the terms of `Parts`; `None` for one that is neither a classifier nor absent."""
    kinds = {"ForImageClassificationWithTeacher": {"head": "cls_classifier"}, "ForImageClassification": {"head": "classifier"}, "Model": {}}
    return _named(module, kinds)


def _named(module: nn.Module, kinds: Mapping[str, dict[str, Any]]) -> dict[str, Any] | None:
    """What belongs to the ending of the name of the module's class, or of one that it inherits from."""
    names = [cls.__name__ for cls in type(module).__mro__ if not cls.__name__.endswith("PreTrainedModel")]
    return next((parts for name in names for kind, parts in kinds.items() if name.endswith(kind)), None)
