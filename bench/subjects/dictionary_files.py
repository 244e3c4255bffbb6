"""Dictionaries kept and read by the program that made the format, in its own environment.

python -m bench.subjects.dictionary_files PEER make FOLDER      dictionaries of every kind, and beside each FOLDER/KIND.safetensors: x and y
python -m bench.subjects.dictionary_files PEER answer FOLDER    y = what it writes for FOLDER/x.safetensors, for each dictionary below FOLDER
"""

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

WIDTH, SIZE, ROWS = 24, 64, 256


def drawn(module: torch.nn.Module) -> torch.nn.Module:
    """A module with weights that no symmetry hides: decoders that are no transposes, thresholds and biases that are not 0."""
    with torch.no_grad():
        for name, weight in module.named_parameters():
            weight.copy_(torch.randn_like(weight) * (0.3 if weight.ndim == 2 or name == "r_mag" else 1.0))
            if name == "threshold":
                weight.abs_()
    return module


def sae_lens(folder: Path) -> Iterator[tuple[str, Callable[[Any], Any]]]:
    """Every architecture that SAELens keeps for inference."""
    from sae_lens import SAE

    about = {"d_in": WIDTH, "d_sae": SIZE, "metadata": {"hook_name": "blocks.1.hook_resid_post", "model_name": "gpt2", "sae_lens_version": "6.54.12"}}
    kinds: dict[str, dict[str, Any]] = {
        "standard": {}, "standard-centred": {"apply_b_dec_to_input": True}, "gated": {}, "jumprelu": {"apply_b_dec_to_input": True}, "topk": {"k": 5},
        "topk-rescaled": {"k": 5, "rescale_acts_by_decoder_norm": True}, "abstopk": {"k": 5},
        "standard-layer": {"normalize_activations": "layer_norm"}, "standard-norm": {"normalize_activations": "constant_norm_rescale"},
        "transcoder": {"d_out": 16}, "skip_transcoder": {"d_out": 16},
        "jumprelu_transcoder": {"d_out": 16}, "jumprelu_skip_transcoder": {"d_out": 16},
    }  # fmt: skip
    for kind, settings in kinds.items():
        sae = drawn(SAE.from_dict({**about, "apply_b_dec_to_input": False, **settings, "architecture": kind.split("-")[0]}))
        sae.save_model(folder / kind)
        yield kind, sae


def eai_sparsify(folder: Path) -> Iterator[tuple[str, Callable[[Any], Any]]]:
    """Every kind that sparsify keeps."""
    from sparsify import SparseCoder, SparseCoderConfig

    kinds = {
        "topk": {},
        "groupmax": {"activation": "groupmax"},
        "transcoder": {"transcode": True},
        "skip": {"transcode": True, "skip_connection": True},
    }
    for kind, settings in kinds.items():
        sae = drawn(SparseCoder(WIDTH, SparseCoderConfig(num_latents=SIZE, k=8, **settings)))
        sae.save_to_disk(folder / kind)
        yield kind, lambda x, sae=sae: sae(x).sae_out


def dictionary_learning(folder: Path) -> Iterator[tuple[str, Callable[[Any], Any]]]:
    """Every class that dictionary_learning keeps."""
    from dictionary_learning import dictionary
    from dictionary_learning.trainers import batch_top_k, matryoshka_batch_top_k, top_k

    made = [
        dictionary.AutoEncoder(WIDTH, SIZE), dictionary.AutoEncoderNew(WIDTH, SIZE), dictionary.GatedAutoEncoder(WIDTH, SIZE),
        dictionary.JumpReluAutoEncoder(WIDTH, SIZE), top_k.AutoEncoderTopK(WIDTH, SIZE, 5), batch_top_k.BatchTopKSAE(WIDTH, SIZE, 5),
        matryoshka_batch_top_k.MatryoshkaBatchTopKSAE(WIDTH, SIZE, 5, [16, 48]),
    ]  # fmt: skip
    for sae in made:
        drawn(sae)
        kind = type(sae).__name__
        if hasattr(sae, "k"):
            sae.threshold.fill_(0.7)
        (folder / kind).mkdir()
        torch.save(sae.state_dict(), folder / kind / "ae.pt")
        (folder / kind / "config.json").write_text(json.dumps({"trainer": {"dict_class": kind, "k": 5}, "buffer": {}}))
        yield kind, sae


MAKERS = {"sae-lens": sae_lens, "eai-sparsify": eai_sparsify, "dictionary-learning": dictionary_learning}


def main(peer: str, do: str, place: str) -> None:
    """Make dictionaries, or answer with them."""
    folder = Path(place)
    torch.manual_seed(0)
    if do == "make":
        x = 2 * torch.randn(ROWS, WIDTH) + torch.randn(WIDTH)
        for kind, sae in MAKERS[peer](folder):
            with torch.no_grad():
                save_file({"x": x, "y": sae(x).contiguous()}, folder / f"{kind}.safetensors")
        return
    from sae_lens import SAE  # the one format that sonde writes

    x = load_file(folder / "x.safetensors")["x"]
    for settings in sorted(folder.glob("*/cfg.json")):
        with torch.no_grad():
            y = SAE.load_from_disk(settings.parent)(x)
        save_file({"y": y.contiguous()}, settings.parent / "answer.safetensors")


if __name__ == "__main__":
    main(*sys.argv[1:])
