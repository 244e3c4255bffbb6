"""`sonde.load`: a model from a specimen's name, a folder, a Hub id, or a module that is already there.

Weights are read from safetensors, never unpickled, and code that comes with a model is never run.
"""

import contextlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import nn

from sonde import specimens
from sonde.access import Model, Tokenizer
from sonde.access.architectures import native
from sonde.results import LoadError

SPECIMEN = "specimen:"


def load(
    source: str | os.PathLike[str] | nn.Module, tokenizer: Any = None, dtype: torch.dtype | None = None, device: str | torch.device | None = None
) -> Model:
    """Open a model.

    Arguments:
        source: `"specimen:words"` (shipped with sonde), a folder with `config.json` and safetensors, a Hub id such as `"gpt2"`, or an `nn.Module`.
        tokenizer: for a module: its tokenizer, if it has one. Otherwise the one beside the weights is used.
        dtype: of the weights; by default float32 for specimens, as stored for others.
        device: where to put it; a module stays where it is.

    Returns:
        The handle. A module given by the user is used as it is: not copied, not moved, not changed.

    Raises:
        LoadError: nothing readable there; the message says what was looked for.

    >>> load("specimen:words").architecture.family
    'sonde'
    """
    if isinstance(source, nn.Module):
        if dtype is not None or device is not None:
            raise LoadError("a module is used as it is: move or convert it yourself, then load it without dtype and device")
        return Model(source, tokenizer)
    source = os.fspath(source)
    if source.startswith(SPECIMEN):
        model = _native(specimens.path(source.removeprefix(SPECIMEN)), source, dtype)
    elif Path(source).is_dir():
        model = _folder(Path(source), dtype)
    elif Path(source).exists():
        raise LoadError(f"{source} is a file: give the folder that holds config.json and the weights")
    elif source.startswith((".", "/", "~")) or source.count("/") > 1:
        raise LoadError(f"there is no folder {source}: give a folder with config.json and model.safetensors, a Hub id, or one of {_specimens()}")
    else:
        model = _transformers(source, source, dtype, local=False)
    _refuse_broken(model)
    if tokenizer is not None:
        model = Model(model.module, tokenizer, model.name)
    if device is not None:
        model.module.to(device)
    return model


def _folder(folder: Path, dtype: torch.dtype | None) -> Model:
    file = folder / "config.json"
    if not file.is_file():
        raise LoadError(
            f"{folder} holds no config.json, so it is no model folder; a model saved by transformers or sonde.nn has one beside its weights"
        )
    try:
        config = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise LoadError(f"{file} can't be read: {error}") from None
    if not isinstance(config, dict) or "model_type" not in config:
        raise LoadError(f"{file} names no model_type, so it is unclear what these weights are; save the model with save_pretrained or sonde.nn")
    if config["model_type"] in native.MODEL_TYPES:
        return _native(folder, folder.name, dtype)
    return _transformers(str(folder), folder.name, dtype, local=True)


def _native(folder: Path, name: str, dtype: torch.dtype | None) -> Model:
    from tokenizers import Tokenizer as Backend

    from sonde.nn.transformer import Transformer

    module = Transformer.load(folder, dtype or torch.float32)
    if not (folder / "tokenizer.json").is_file():
        return Model(module, None, name)
    try:
        backend = Backend.from_file(str(folder / "tokenizer.json"))
        file = folder / "tokenizer_config.json"
        settings = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    except Exception as error:  # tokenizers raises plain Exception
        raise LoadError(f"the tokenizer in {folder} can't be read: {error}") from None
    bos, pad = (backend.token_to_id(settings[key]) if key in settings else None for key in ("bos_token", "pad_token"))
    return Model(module, Tokenizer(backend, bos, pad, add_bos=bool(settings.get("add_bos", False))), name)


def _transformers(source: str, name: str, dtype: torch.dtype | None, local: bool) -> Model:
    import transformers

    options: dict[str, Any] = {"local_files_only": local, "trust_remote_code": False}
    with _quiet():
        try:
            module = transformers.AutoModelForCausalLM.from_pretrained(source, use_safetensors=True, dtype=dtype or "auto", **options)
        except Exception as error:
            raise LoadError(_why(source, local, error)) from None
        try:
            tokenizer = transformers.AutoTokenizer.from_pretrained(source, **options)
        except Exception:
            tokenizer = None  # a model without a tokenizer takes token ids
    return Model(module.eval(), tokenizer, name)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """No progress bars and warnings of transformers inside this context; its settings are put back."""
    from transformers.utils import logging

    verbosity, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if bars:
            logging.enable_progress_bar()


def _why(source: str, local: bool, error: Exception) -> str:
    """One line for the many ways in which reading a model fails."""
    first = next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
    if local:
        return f"{source} can't be read as a model: {first}"
    return f"{source!r} is no specimen ({_specimens()}), no folder here, and can't be fetched from the Hub: {first}"


def _specimens() -> str:
    return ", ".join(SPECIMEN + name for name in specimens.names())


def _refuse_broken(model: Model) -> None:
    for name, weight in model.module.named_parameters():
        if not torch.isfinite(weight).all():
            raise LoadError(f"the weights of {model.name} hold NaN or infinity, first in {name!r}: the file is damaged or its training diverged")
