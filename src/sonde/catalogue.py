"""What every family offers, told without any weights: its model of one block is built on no device, and described like a user's own."""

import functools
import sys
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from sonde.access.architectures import FAMILIES, Architecture, describe, unindexed
from sonde.loading import quiet
from sonde.nn.transformer import Transformer, TransformerConfig


@dataclass(frozen=True)
class Entry:
    """What one type of model offers, at the settings that its family comes with.

    Arguments:
        model_type: as `config.json` names it.
        family: the file of sonde that describes it.
        description: that file's first sentence.
        architecture: of a model of one block.
    """

    model_type: str
    family: str
    description: str
    architecture: Architecture

    @property
    def law(self) -> str:
        """The residual law of each of its stacks."""
        return ", ".join(dict.fromkeys(stack.law for stack in self.architecture.towers or (self.architecture,)))

    @property
    def sites(self) -> dict[str, tuple[tuple[str, ...], str]]:
        """The sites that it offers, without their block: axes and meaning."""
        return {unindexed(name): (spec.axes, spec.meaning) for name, spec in self.architecture.sites.items()}

    @property
    def refused(self) -> dict[str, str]:
        """The sites that it has not, and why."""
        return dict(self.architecture.unavailable)


@functools.cache
def catalogue() -> tuple[Entry, ...]:
    """Every type of model that sonde knows and the installed transformers can build.

    >>> {entry.law for entry in catalogue() if entry.family == "gpt_neox"}
    {'parallel'}
    """
    entries = []
    for model_type, family in sorted(FAMILIES.items(), key=lambda item: (item[1].__module__, item[0])):
        module = _native() if model_type == "sonde-transformer" else _empty(model_type)
        if module is not None:
            file = sys.modules[family.__module__]
            description = (file.__doc__ or "").partition("\n")[0]
            entries.append(Entry(model_type, file.__name__.rpartition(".")[2], description, describe(module)))
    return tuple(entries)


def _native() -> nn.Module:
    return Transformer(TransformerConfig(n_layers=1, d_model=16, n_heads=2, d_vocab=50, n_ctx=8, d_mlp=32))


def _empty(model_type: str) -> nn.Module | None:
    """A model of one block without weights; `None` where transformers builds none of this type by itself."""
    import transformers

    with quiet(), torch.device("meta"):
        try:
            config: Any = transformers.AutoConfig.for_model(model_type)
        except ValueError:
            return None
        for part in (config, *(getattr(config, tower, None) for tower in ("text_config", "vision_config"))):
            if part is not None:
                part.num_hidden_layers = 1
        if getattr(config, "head_dim", 0) is None:  # some types leave it to their checkpoints
            config.head_dim = config.hidden_size // config.num_attention_heads
        config.architectures = ()  # no checkpoint has named a class
        heads = ("MaskedLM", "CausalLM", "TextEncoding", *(() if hasattr(config, "vision_config") else ("ImageClassification",)))
        for auto in (*(getattr(transformers, f"AutoModelFor{head}") for head in heads), transformers.AutoModel):
            if type(config) in auto._model_mapping:
                module: nn.Module = auto.from_config(config)
                return module
    return None
