"""CLIP and SigLIP: pre-norm encoders of texts and of images, alone or as two towers whose outputs are compared.

CLIP's texts are causal and read at their last token; SigLIP's see every position and are read in the last column, which its processor fills with
padding: there padding is a token like others.
"""

from typing import Any

from torch import nn

from sonde.access.architectures.base import Architecture, Point, SiteSpec, refused
from sonde.access.architectures.parts import Parts, Sizes, settings
from sonde.access.architectures.transformer import transformer
from sonde.access.architectures.vit import images
from sonde.access.kernels import EncoderKernel
from sonde.access.views import Whole

MODEL_TYPES = ("clip", "clip_text_model", "clip_vision_model", "siglip", "siglip_text_model", "siglip_vision_model")
CLASS_ONLY = "the norm after the blocks sees the class token alone; use '{path}:out', or the last 'resid_post'"


def describe(module: nn.Module) -> Architecture:
    """The vocabulary of a model of this family."""
    config: Any = module.config
    if config.model_type.endswith("text_model"):
        return _text(module, config, "text_model." if hasattr(module, "text_model") else "")
    if config.model_type.endswith("vision_model"):
        return _vision(module, config, "vision_model." if hasattr(module, "vision_model") else "")
    if not hasattr(module, "text_model"):  # an image classifier
        return _vision(module, config.vision_config, "vision_model.", head="classifier")
    if not hasattr(module, "logit_scale"):
        return refused(config.model_type, f"sonde does not know the head of {type(module).__name__}")
    text, vision = _text(module, config.text_config, "text_model.", "text."), _vision(module, config.vision_config, "vision_model.", "vision.")
    meaning = "every image's similarity to every text"
    logits = SiteSpec("logits", ("batch", "text"), Point("", "out", "logits_per_image"), Whole(), meaning, 0, of_tokens=False)
    return Architecture(
        config.model_type, "pre", {**text.sites, **vision.sites, "logits": logits}, {**text.unavailable, **vision.unavailable},
        towers=(text, vision), kernel=EncoderKernel(), causal=False, images=vision.images, fills_rows=text.fills_rows, rows_meet=True,
        settings={"text": text.settings, "vision": vision.settings}, n_ctx=text.n_ctx, d_vocab=text.d_vocab,
    )  # fmt: skip


def _text(module: nn.Module, config: Any, root: str, prefix: str = "") -> Architecture:
    sig = config.model_type.startswith("siglip")
    parts = Parts(embed=f"{root}embeddings.token_embedding", final_norm=f"{root}final_layer_norm", **_blocks(root))
    deciding = settings(config, "hidden_act", "layer_norm_eps", "eos_token_id")
    return transformer(
        config.model_type, "pre", module, parts, _sizes(config, config.max_position_embeddings, config.vocab_size), EncoderKernel(), deciding, prefix,
        causal=not sig, fills_rows=sig,
    )  # fmt: skip


def _vision(module: nn.Module, config: Any, root: str, prefix: str = "", head: str = "") -> Architecture:
    sig = config.model_type.startswith("siglip")
    norm = f"{root}post_layernorm"
    lacks = {} if sig else dict.fromkeys(("final_norm", "final_norm.scale"), CLASS_ONLY.format(path=norm))
    parts = Parts(
        embed=f"{root}embeddings.patch_embedding", embed_norm="" if sig else f"{root}pre_layrnorm", final_norm=norm if sig else "", patches="map",
        specials=() if sig else ("class",), head=head, reasons=lacks, **_blocks(root),
    )  # fmt: skip
    deciding = settings(config, "hidden_act", "layer_norm_eps", "patch_size")
    return transformer(
        config.model_type, "pre", module, parts, _sizes(config, 0, 0), EncoderKernel(), deciding, prefix, causal=False, images=images(config)
    )


def _blocks(root: str) -> dict[str, Any]:
    """What both towers have."""
    return {
        "pos_embed": f"{root}embeddings.position_embedding", "blocks": f"{root}encoder.layers", "attn": "self_attn", "attn_norm": "layer_norm1",
        "q": "self_attn.q_proj", "k": "self_attn.k_proj", "v": "self_attn.v_proj", "o": "self_attn.out_proj",
        "mlp": "mlp", "mlp_norm": "layer_norm2", "up": "mlp.fc1", "down": "mlp.fc2",
    }  # fmt: skip


def _sizes(config: Any, n_ctx: int, d_vocab: int) -> Sizes:
    heads = config.num_attention_heads
    return Sizes(
        n_layers=config.num_hidden_layers, n_heads=heads, n_kv_heads=heads, d_model=config.hidden_size, d_head=config.hidden_size // heads,
        d_mlp=config.intermediate_size, n_ctx=n_ctx, d_vocab=d_vocab,
    )  # fmt: skip
