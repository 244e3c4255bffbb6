"""SAELens 6, and what it reads of its earlier versions: `cfg.json` beside `sae_weights.safetensors`.

| architecture | activation here |
| --- | --- |
| `standard` | `relu` |
| `gated` | `gated` |
| `jumprelu` (also BatchTopK and Matryoshka, which are saved as such) | `jumprelu` |
| `topk`, `abstopk` | the same; where `rescale_acts_by_decoder_norm` is set, the norms go into the encoder |
| `transcoder`, `skip_transcoder`, `jumprelu_transcoder`, `jumprelu_skip_transcoder` | `relu` or `jumprelu` |

Activations at a scale that was not folded into the weights are read with the scale that a checkpoint keeps beside them, and refused without it.
Settings that are missing in files from before version 6 have the defaults that those versions had.
"""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from sonde.dictionaries.dictionary import Dictionary, Gate, Part
from sonde.dictionaries.formats.files import matrices, naming, read_settings, read_tensors, taken
from sonde.dictionaries.formats.format import Format
from sonde.dictionaries.normalising import Normaliser
from sonde.dictionaries.standardised import Scaling, Standardised
from sonde.results import InputError, shown

SETTINGS, WEIGHTS, SCALER = "cfg.json", "sae_weights.safetensors", "activation_scaler.json"

RENAMED = {"hook_point": "hook_name", "activation_fn_str": "activation_fn", "hook_point_head_index": "hook_head_index"}
ACTIVATIONS = {"standard": "relu", "transcoder": "relu", "skip_transcoder": "relu", "gated": "gated", "topk": "topk", "abstopk": "abstopk",
               "jumprelu": "jumprelu", "jumprelu_transcoder": "jumprelu", "jumprelu_skip_transcoder": "jumprelu"}  # fmt: skip
SCALINGS: dict[str, Scaling] = {"layer_norm": "layer_norm", "constant_norm_rescale": "constant_norm"}
KEPT = ("model_name", "hook_name", "hook_name_out", "hook_head_index", "prepend_bos", "context_size", "dataset_path", "exclude_special_tokens",
        "neuronpedia_id", "sae_lens_version", "sae_lens_training_version")  # fmt: skip
"""What the metadata keep of the settings."""


def read(file: Path) -> Dictionary | Standardised:
    """The dictionary in a folder of SAELens'.

    Arguments:
        file: its `sae_weights.safetensors`.
    """
    settings = _settings(read_settings(file.parent / SETTINGS))
    with naming(file.parent):
        return _built(settings, read_tensors(file), file)


def _settings(raw: dict[str, Any]) -> dict[str, Any]:
    """Settings as version 6 has them: where it is from moved to the top, defaults filled in."""
    found = {RENAMED.get(name, name): value for name, value in raw.items() if name != "metadata"}
    found = {**found, **(raw.get("metadata") or {})}
    if found.get("activation_fn") == "topk":
        found.update(architecture="topk", k=(found.get("activation_fn_kwargs") or {}).get("k"))
    normalised = found.get("normalize_activations")
    if normalised is None or isinstance(normalised, bool):
        found["normalize_activations"] = "expected_average_only_in" if normalised else "none"
    return {"architecture": "standard", "apply_b_dec_to_input": True, "rescale_acts_by_decoder_norm": False, **found}


def _built(settings: dict[str, Any], held: dict[str, Any], file: Path) -> Dictionary | Standardised:
    architecture, normalised = settings["architecture"], settings["normalize_activations"]
    if architecture not in ACTIVATIONS:
        raise InputError(f"architecture={shown(architecture)} has no counterpart here; read are {', '.join(ACTIVATIONS)}")
    if settings.get("activation_fn", "relu") not in ("relu", "topk"):
        raise InputError(f"activation_fn={shown(settings['activation_fn'])} has no counterpart here; read are relu and topk")
    transcodes = architecture.endswith("transcoder")
    if transcodes and normalised != "none":
        raise InputError(f"a transcoder with normalize_activations={shown(normalised)}: SAELens does not undo that; save it with none")
    tensors = _tensors(architecture, held)
    matrices(tensors, "encoder", "decoder")
    encoder, decoder, encoder_bias, gate = tensors["encoder"].T.contiguous(), tensors["decoder"], tensors["encoder_bias"], None
    if architecture == "gated":
        gate = Gate(tensors["gate_bias"], tensors["log_scale"])
    if settings["rescale_acts_by_decoder_norm"] and architecture in ("topk", "abstopk"):
        norms = decoder.norm(dim=1)
        encoder, encoder_bias = encoder * norms[:, None], encoder_bias * norms
        decoder = decoder / torch.where(norms > 0, norms, torch.ones_like(norms))[:, None]
    if "factor" in tensors:
        decoder = decoder * _factor(settings, tensors["factor"])
    scale = _scale(normalised, file, encoder.shape[1])
    hook = str(settings.get("hook_name") or "")
    reads = (Part(hook, encoder.shape[1]),)
    writes = (Part(str(settings.get("hook_name_out") or "output"), decoder.shape[1]),) if transcodes else reads
    found = Dictionary(
        encoder, encoder_bias, decoder, tensors["decoder_bias"], ACTIVATIONS[architecture], k=settings.get("k"),  # type: ignore[arg-type]
        threshold=tensors["threshold"].clamp(min=0) if "threshold" in tensors else None, gate=gate, skip=tensors.get("skip"),
        centred=bool(settings["apply_b_dec_to_input"]) and not transcodes, normaliser=scale, target=scale, reads=reads, writes=writes,
        metadata={"format": "saelens", "architecture": architecture, **{name: settings[name] for name in KEPT if settings.get(name) is not None}},
    )  # fmt: skip
    return Standardised(found, SCALINGS[normalised]) if normalised in SCALINGS else found


def _tensors(architecture: str, held: dict[str, Any]) -> dict[str, Tensor]:
    names = {"W_enc": "encoder", "W_dec": "decoder", "b_dec": "decoder_bias"}
    if architecture == "gated":
        names |= {"b_gate": "gate_bias", "b_mag": "encoder_bias", "r_mag": "log_scale"}
    else:
        names |= {"b_enc": "encoder_bias"}
    if architecture.startswith("jumprelu"):
        names |= {"threshold": "threshold"}
    if "skip" in architecture:
        names |= {"W_skip": "skip"}
    return taken(held, {**names, "scaling_factor": "factor"}, optional=("scaling_factor",))


def _factor(settings: dict[str, Any], factor: Tensor) -> Tensor:
    """What each latent is multiplied by before it is decoded, in files from before version 6."""
    if not settings.get("finetuning_scaling_factor") and not torch.allclose(factor, torch.ones_like(factor)):
        raise InputError("scaling_factor is not 1, and finetuning_scaling_factor does not say that it was used; say so in cfg.json, or remove it")
    return factor.reshape(-1, 1)


def _scale(normalised: str, file: Path, width: int) -> Normaliser | None:
    """The scale of activations that was not folded into the weights."""
    if normalised == "none" or normalised in SCALINGS:
        return None
    kept = file.parent / SCALER
    factor = read_settings(kept).get("scaling_factor") if kept.is_file() else None
    if normalised != "expected_average_only_in" or not isinstance(factor, float | int):
        raise InputError(
            f"normalize_activations={shown(normalised)}, and the scale is not in the weights nor in a {SCALER} beside them: "
            "save it again with SAELens, which folds it in at the end of training"
        )
    return Normaliser(torch.zeros(width), torch.full((width,), float(factor)))


FORMAT = Format("saelens", f"{SETTINGS} with {WEIGHTS}", lambda file: file.name == WEIGHTS and (file.parent / SETTINGS).is_file(), read)
