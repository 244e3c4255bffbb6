"""A dictionary as SAELens 6 keeps it: normalisers and centring folded into the weights, BatchTopK and Matryoshka with thresholds as `jumprelu`."""

from typing import Any

from torch import Tensor

from sonde.access.translation import foreign
from sonde.dictionaries.dictionary import Dictionary
from sonde.dictionaries.formats.saelens import KEPT, SCALINGS, SETTINGS, WEIGHTS
from sonde.dictionaries.standardised import Standardised
from sonde.results import InputError

__all__ = ["SETTINGS", "WEIGHTS", "contents"]

LAYOUT = "6.0.0"
"""The version of SAELens whose layout this is: without it, its reader takes settings for those of an older one."""
ARCHITECTURES = {"relu": "standard", "gated": "gated", "jumprelu": "jumprelu", "topk": "topk", "abstopk": "abstopk"}
TRANSCODERS = {"relu": "", "jumprelu": "jumprelu_"}


def contents(dictionary: Dictionary | Standardised) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """What stands in `cfg.json`, and the tensors.

    Arguments:
        dictionary: which is written.

    Raises:
        InputError: SAELens has no architecture for it.
    """
    normalised = "none"
    if isinstance(dictionary, Standardised):
        normalised = next(theirs for theirs, ours in SCALINGS.items() if ours == dictionary.kind)
        dictionary = dictionary.dictionary
    inner = dictionary.folded()
    if len(inner.reads) > 1 or len(inner.writes) > 1:
        raise InputError(f"{inner!r} reads {len(inner.reads)} sites and writes {len(inner.writes)}: SAELens has no crosscoders; keep it with save()")
    architecture = _architecture(inner)
    tensors = {"W_enc": inner.encoder.T, "W_dec": inner.decoder, "b_dec": inner.decoder_bias}
    if inner.gate is not None:
        tensors |= {"b_gate": inner.gate.bias, "b_mag": inner.encoder_bias, "r_mag": inner.gate.log_scale}
    else:
        tensors |= {"b_enc": inner.encoder_bias}
    if inner.threshold is not None:
        tensors |= {"threshold": inner.threshold}
    if inner.skip is not None:
        tensors |= {"W_skip": inner.skip}
    hook = foreign(inner.reads[0].site)
    settings: dict[str, Any] = {
        "architecture": architecture, "d_in": inner.width, "d_sae": inner.size, "dtype": str(inner.encoder.dtype).removeprefix("torch."),
        "device": "cpu", "apply_b_dec_to_input": False, "reshape_activations": "hook_z" if hook.endswith("hook_z") else "none",
        "normalize_activations": normalised,
    }  # fmt: skip
    if inner.k is not None:
        settings |= {"k": inner.k, "rescale_acts_by_decoder_norm": False}
    if architecture.endswith("transcoder"):
        settings |= {"d_out": inner.decoder.shape[1]}
    kept = {name: inner.metadata[name] for name in KEPT if name in inner.metadata}
    places = {"hook_name": hook} | ({"hook_name_out": foreign(inner.writes[0].site)} if inner.transcodes else {})
    settings["metadata"] = {**kept, **{name: site for name, site in places.items() if site}, "sae_lens_version": LAYOUT}
    return settings, tensors


def _architecture(inner: Dictionary) -> str:
    if not inner.transcodes and inner.skip is None:
        if inner.activation not in ARCHITECTURES:
            raise InputError(f"{inner!r}: SAELens has no {inner.activation}; it has {', '.join(ARCHITECTURES)}, and sonde keeps any with save()")
        return ARCHITECTURES[inner.activation]
    if inner.activation not in TRANSCODERS:
        raise InputError(f"{inner!r}: SAELens has no transcoders with {inner.activation}; it has relu and jumprelu, and sonde keeps any with save()")
    return TRANSCODERS[inner.activation] + ("skip_transcoder" if inner.skip is not None else "transcoder")
