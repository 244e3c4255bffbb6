"""The library dictionary_learning: `config.json` beside `ae.pt`, or above `checkpoints/ae_STEP.pt`; the class is in the settings.

| class | activation here |
| --- | --- |
| `AutoEncoder` (bias taken away first), `AutoEncoderNew` | `relu` |
| `GatedAutoEncoder` | `gated` |
| `JumpReluAutoEncoder` (no bias taken away) | `jumprelu` |
| `AutoEncoderTopK` | `topk`; the threshold that it keeps is not what it encodes with |
| `BatchTopKSAE`, `MatryoshkaBatchTopKSAE` | `jumprelu` at their one threshold, as they encode after training |
"""

from pathlib import Path
from re import fullmatch
from typing import Any

from sonde.dictionaries.dictionary import Dictionary, Gate, Part
from sonde.dictionaries.formats.files import matrices, naming, read_settings, read_tensors, taken
from sonde.dictionaries.formats.format import Format
from sonde.results import InputError, shown

SETTINGS = "config.json"
LINEAR = {"encoder.weight": "encoder", "decoder.weight": "decoder"}  # as nn.Linear keeps them: [F, D] and [D, F]
PLAIN = {"W_enc": "encoder", "W_dec": "decoder", "b_enc": "encoder_bias", "b_dec": "decoder_bias"}  # [D, F] and [F, D]
CLASSES = {
    "AutoEncoder": {**LINEAR, "encoder.bias": "encoder_bias", "bias": "decoder_bias"},
    "AutoEncoderNew": {**LINEAR, "encoder.bias": "encoder_bias", "decoder.bias": "decoder_bias"},
    "GatedAutoEncoder": {**LINEAR, "decoder_bias": "decoder_bias", "r_mag": "log_scale", "gate_bias": "gate_bias", "mag_bias": "encoder_bias"},
    "JumpReluAutoEncoder": {**PLAIN, "threshold": "threshold"},
    "AutoEncoderTopK": {**LINEAR, "encoder.bias": "encoder_bias", "b_dec": "decoder_bias"},
    "BatchTopKSAE": {**LINEAR, "encoder.bias": "encoder_bias", "b_dec": "decoder_bias", "threshold": "threshold"},
    "MatryoshkaBatchTopKSAE": {**PLAIN, "threshold": "threshold"},
}
IGNORED = {"AutoEncoderTopK": ("k", "threshold"), "BatchTopKSAE": ("k",), "MatryoshkaBatchTopKSAE": ("k", "group_sizes")}
UNCENTRED = ("AutoEncoderNew", "JumpReluAutoEncoder")
ACTIVATIONS = {"AutoEncoder": "relu", "AutoEncoderNew": "relu", "GatedAutoEncoder": "gated", "AutoEncoderTopK": "topk"}

KEPT = ("lm_name", "layer", "submodule_name")


def read(file: Path) -> Dictionary:
    """The dictionary that a trainer of dictionary_learning left.

    Arguments:
        file: `ae.pt`, or a checkpoint of it.
    """
    settings = read_settings(_settings_of(file)).get("trainer")
    with naming(file):
        if not isinstance(settings, dict):
            raise InputError(f"{SETTINGS} has no part 'trainer', which says what class it is")
        return _built(settings, read_tensors(file))


def _built(settings: dict[str, Any], held: dict[str, Any]) -> Dictionary:
    kind = settings.get("dict_class")
    if kind not in CLASSES:
        raise InputError(f"dict_class={shown(kind)} has no counterpart here; read are {', '.join(CLASSES)}")
    tensors = taken(held, CLASSES[kind], IGNORED.get(kind, ()))
    matrices(tensors, "encoder", "decoder")
    turned = "decoder" if "decoder.weight" in held else "encoder"
    tensors[turned] = tensors[turned].T.contiguous()
    size, width = tensors["encoder"].shape
    gate = Gate(tensors.pop("gate_bias"), tensors.pop("log_scale")) if kind == "GatedAutoEncoder" else None
    if (threshold := tensors.pop("threshold", None)) is not None and threshold.ndim == 0:
        if threshold < 0:
            raise InputError(f"a threshold of {float(threshold):g} says that it was not yet estimated: take a checkpoint from later in training")
        threshold = threshold.expand(size).clone()
    k = held.get("k", settings.get("k")) if kind == "AutoEncoderTopK" else None
    reads = (Part(_site(settings), width),)
    return Dictionary(
        **tensors, activation=ACTIVATIONS.get(kind, "jumprelu"), k=None if k is None else int(k),  # type: ignore[arg-type]
        threshold=None if threshold is None else threshold.clamp(min=0), gate=gate, centred=kind not in UNCENTRED, reads=reads, writes=reads,
        metadata={"format": "dictionary_learning", "dict_class": kind, **{name: settings[name] for name in KEPT if name in settings}},
    )  # fmt: skip


def _site(settings: dict[str, Any]) -> str:
    """The residual stream after a block, where the name that was given says so; names are free in this library."""
    found = fullmatch(r"resid_post_layer_(\d+)", str(settings.get("submodule_name")))
    return f"blocks.{found[1]}.resid_post" if found else ""


def _settings_of(file: Path) -> Path:
    folder = file.parent.parent if file.parent.name == "checkpoints" else file.parent
    return folder / SETTINGS


def _fits(file: Path) -> bool:
    return fullmatch(r"ae(_\d+)?\.pt", file.name) is not None and _settings_of(file).is_file()


FORMAT = Format("dictionary_learning", f"{SETTINGS} with ae.pt or checkpoints/ae_STEP.pt", _fits, read)
