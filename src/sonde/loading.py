"""`sonde.load`: a model from a specimen's name, a folder, a Hub id, a module that is already there, or a Python file that makes one.

Weights are read from safetensors, never unpickled, and code that comes with a model is never run; a Python file is run where the user names it. What
was not read is never made up: a weight or a tokenizer that is missing is an error or absent, not drawn at random.
"""

import contextlib
import inspect
import json
import os
import re
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import nn

from sonde import specimens
from sonde.access import Model, Tokenizer
from sonde.jobs import defined, said
from sonde.nn import NETWORKS
from sonde.results import InputError, LoadError, shown

SPECIMEN = "specimen:"
PICKLED = ("*.bin", "*.pt", "*.pth", "*.ckpt", "*.pkl")
TOKENIZER_FILES = ("tokenizer.json", "tokenizer.model", "vocab.json", "vocab.txt", "spiece.model", "sentencepiece.bpe.model", "tekken.json")

MADE = re.compile(r"(.+\.py):([A-Za-z_]\w*)")
PROCESSOR_FILES = ("preprocessor_config.json", "processor_config.json")


def load(
    source: str | os.PathLike[str] | nn.Module, tokenizer: Any = None, dtype: torch.dtype | None = None, device: str | torch.device | None = None,
    processor: Any = None,
) -> Model:  # fmt: skip
    """Open a model.

    Arguments:
        source: `"specimen:words"` (shipped with sonde), a folder with `config.json` and safetensors, a Hub id such as `"gpt2"`, an `nn.Module`, or
            `"nets.py:make"`: what the function of that name in a Python file of your own returns. The file is run; name none that you do not trust.
        tokenizer: for a module: its tokenizer, if it has one. Otherwise the one beside the weights is used.
        dtype: of the weights; by default float32 for specimens, as stored for others.
        device: where to put it; a module stays where it is.
        processor: for a module: its image processor, if it has one. Otherwise the one beside the weights is used (it needs Pillow).

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
        return Model(source, tokenizer, processor=processor)
    if not isinstance(source, str | os.PathLike) or not str(source):
        raise LoadError(f"{shown(source)} is no model: give the name of one, a folder, or a torch module")
    if dtype is not None and not (isinstance(dtype, torch.dtype) and dtype.is_floating_point):
        raise LoadError(f"dtype={dtype!r} is no type for weights: give torch.float32, torch.bfloat16 or another floating-point type")
    model = _open(os.fspath(source), dtype)
    _refuse_broken(model)
    if tokenizer is not None or processor is not None:
        model = Model(model.module, tokenizer or model.tokenizer, model.name, processor or model.processor)
    if device is not None:
        try:
            model.module.to(device)
        except (RuntimeError, AssertionError) as error:
            raise LoadError(f"the model can't be put on device {str(device)!r}: {_first_line(error)}") from None
    return model


def _open(source: str, dtype: torch.dtype | None) -> Model:
    if source.startswith(SPECIMEN):
        return _folder(specimens.path(source.removeprefix(SPECIMEN)), source, dtype or torch.float32)
    if made := MADE.fullmatch(source):
        return _made(Path(made[1]).expanduser(), made[2], dtype)
    path = Path(source).expanduser()
    try:
        folder, exists = path.is_dir(), path.exists()
    except OSError as error:  # such as a name too long
        raise LoadError(f"{source:.200} can't be opened: {error.strerror}") from None
    if folder:
        return _folder(path, path.resolve().name, dtype)
    if exists:
        way = (
            f"give {source}:NAME, the function in it that makes the model"
            if path.suffix == ".py"
            else "give the folder that holds config.json and the weights"
        )
        raise LoadError(f"{source} is a file: {way}")
    if source.startswith((".", "/", "~")) or source.count("/") > 1:
        raise LoadError(f"there is no folder {source}: give a folder with config.json and model.safetensors, a Hub id, or one of {_specimens()}")
    return _transformers(source, source, dtype, local=not _online(source))


def _made(file: Path, name: str, dtype: torch.dtype | None) -> Model:
    """The model that a function in a Python file of the user's returns."""
    try:
        held = defined(file)
    except InputError as error:
        raise LoadError(str(error)) from None
    if name not in held:
        makers = [
            key for key, value in held.items() if inspect.isfunction(value) and value.__module__ == held["__name__"] and not key.startswith("_")
        ]
        raise LoadError(f"{file} defines no {name}: it has {', '.join(makers) or 'no functions'}")
    made = held[name]
    if not isinstance(made, nn.Module | Model):
        if not callable(made):
            raise LoadError(f"{name} in {file} is {shown(made)}: it must be a torch module, or a function without arguments that returns one")
        try:
            made = made()
        except Exception as error:  # whatever a user's program raises
            raise LoadError(f"{name} in {file} can't be called without arguments: {said(error)}") from None
    if not isinstance(made, nn.Module | Model):
        raise LoadError(f"{name} in {file} returns {shown(made)}: it must return a torch module, or what sonde.load made of one")
    model = made if isinstance(made, Model) else Model(made.eval(), None, name)
    if dtype is not None:
        model.module.to(dtype)
    return model


def _folder(folder: Path, name: str, dtype: torch.dtype | None) -> Model:
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
    if config["model_type"] in NETWORKS:
        return _native(folder, name, NETWORKS[config["model_type"]].load(folder, dtype or torch.float32))
    if not any(folder.glob("*.safetensors")):
        pickled = sorted(path.name for pattern in PICKLED for path in folder.glob(pattern))
        found = f"only pickled weights ({pickled[0]}), which can run code when they are read and which sonde never opens" if pickled else "no weights"
        raise LoadError(f"{folder} holds {found}; sonde reads safetensors: save the model with save_pretrained into a new folder")
    return _transformers(str(folder), name, dtype, local=True)


def _native(folder: Path, name: str, module: nn.Module) -> Model:
    from tokenizers import Tokenizer as Backend

    if not (folder / "tokenizer.json").is_file():
        return Model(module, None, name)
    try:
        backend = Backend.from_file(str(folder / "tokenizer.json"))
        file = folder / "tokenizer_config.json"
        settings = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
        bos, pad, eos = (backend.token_to_id(settings[key]) if key in settings else None for key in ("bos_token", "pad_token", "eos_token"))
    except Exception as error:  # tokenizers raises plain Exception
        raise LoadError(f"the tokenizer in {folder} can't be read: {_first_line(error)}") from None
    return Model(module, Tokenizer(backend, bos, pad, add_bos=bool(settings.get("add_bos", False)), eos_id=eos), name)


def _transformers(source: str, name: str, dtype: torch.dtype | None, local: bool) -> Model:
    options: dict[str, Any] = {"local_files_only": local, "trust_remote_code": False}
    with quiet():
        try:
            module, info = _class(source, options).from_pretrained(
                source, use_safetensors=True, dtype=dtype or "auto", output_loading_info=True, ignore_mismatched_sizes=True, **options
            )
        except Exception as error:
            raise LoadError(_why(source, error)) from None
        _refuse_incomplete(name, info)
        tokenizer = _tokenizer(source, options)
        processor = _processor(source, options) if "pixel_values" in inspect.signature(module.forward).parameters else None
    return Model(module.eval(), tokenizer, name, processor)


def _class(source: str, options: dict[str, Any]) -> Any:
    """The class that opens a model: the one that its configuration names, and with its head for a stack that was saved without one."""
    import transformers
    from transformers.models.auto import modeling_auto as known

    config = transformers.AutoConfig.from_pretrained(source, **options)
    named = next(iter(config.architectures or ()), "")
    writes = config.model_type in known.MODEL_FOR_CAUSAL_LM_MAPPING_NAMES and config.model_type not in known.MODEL_FOR_MASKED_LM_MAPPING_NAMES
    if writes and (named.endswith("Model") or not named):
        return transformers.AutoModelForCausalLM
    found = getattr(transformers, named, None) if named else transformers.AutoModel
    return found or transformers.AutoModelForCausalLM  # which says what it does not know


def _processor(source: str, options: dict[str, Any]) -> Any:
    """The image processor beside a model; `None` where there is none, or no Pillow for it: such a model takes tensors."""
    import transformers

    try:
        return transformers.AutoImageProcessor.from_pretrained(source, **options)
    except ImportError:
        return None
    except Exception as error:
        if any((Path(source) / file).is_file() for file in PROCESSOR_FILES):
            raise LoadError(f"the image processor in {source} can't be read: {_first_line(error)}") from None
        return None


def _tokenizer(source: str, options: dict[str, Any]) -> Any:
    """The tokenizer beside a model; `None` where there is none: such a model takes token ids."""
    import transformers

    try:
        tokenizer = transformers.AutoTokenizer.from_pretrained(source, **options)
    except Exception as error:
        if any((Path(source) / name).is_file() for name in TOKENIZER_FILES):
            raise LoadError(f"the tokenizer in {source} can't be read: {_first_line(error)}") from None
        return None
    # without files transformers makes up a tokenizer of special tokens only, which turns every text into nothing
    return tokenizer if len(tokenizer) > len(set(tokenizer.all_special_ids)) else None


def _refuse_incomplete(name: str, info: dict[str, Any]) -> None:
    """transformers fills what a file lacks with random numbers; a model with such weights explains nothing."""
    missing = sorted(info["missing_keys"])
    if missing:
        raise LoadError(f"the weights of {name} lack {len(missing)} tensors, first {missing[0]!r}: these files do not hold this whole model")
    wrong = sorted(info["mismatched_keys"])
    if wrong:
        tensor, stored, expected = wrong[0]
        raise LoadError(f"tensor {tensor!r} of {name} has shape {tuple(stored)}, and config.json says {tuple(expected)}: they are of two models")
    unused = sorted(info["unexpected_keys"])
    if unused:
        warnings.warn(f"{name} holds {len(unused)} tensors that its architecture does not use, first {unused[0]!r}: they were left out", stacklevel=2)


@contextlib.contextmanager
def quiet() -> Iterator[None]:
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


def _online(source: str) -> bool:
    """Whether the Hub can be asked for this model now; where not, what was downloaded before may still be there."""
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError

    try:
        HfApi().model_info(source, timeout=10)
    except HfHubHTTPError as error:
        raise LoadError(f"{source!r} is no specimen ({_specimens()}), no folder here, and the Hub says: {_first_line(error)}") from None
    except Exception:  # no network: the kinds of errors differ between versions
        return False
    return True


def _why(source: str, error: Exception) -> str:
    """One line for the many ways in which reading a model fails."""
    if Path(source).is_dir():
        return f"{source} can't be read as a model: {_first_line(error)}"
    return f"{source!r} is no specimen ({_specimens()}), no folder here, and can't be fetched from the Hub: {_first_line(error)}"


def _first_line(error: Exception) -> str:
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)


def _specimens() -> str:
    return ", ".join(SPECIMEN + name for name in specimens.names())


def _refuse_broken(model: Model) -> None:
    for name, weight in model.module.named_parameters():
        if not torch.isfinite(weight).all():
            raise LoadError(f"the weights of {model.name} hold NaN or infinity, first in {name!r}: the file is damaged or its training diverged")
