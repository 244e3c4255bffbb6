"""ViT, DeiT and DINOv2: pre-norm encoders of images, whose positions are special tokens first, then the patches row by row.

DeiT has a distillation token after the class token, DINOv2 may have registers there and scales what each branch adds.
"""

from typing import Any

from torch import nn

from sonde.access.architectures.base import Architecture, Images, refused
from sonde.access.architectures.heads import image_head
from sonde.access.architectures.parts import Parts, Sizes, settings
from sonde.access.architectures.transformer import transformer
from sonde.access.kernels import EncoderKernel

MODEL_TYPES = ("vit", "deit", "dinov2", "dinov2_with_registers")
PARAMETER = "position embeddings are a parameter of this model, no module's output; use 'blocks.0.resid_pre', which they are a part of"
SCALED: dict[str, Any] = {"attn_norm": "norm1", "attn_out": "layer_scale1", "mlp_norm": "norm2", "mlp_out": "layer_scale2"}  # as DINOv2 names them
PLAIN: dict[str, Any] = {"attn_norm": "layernorm_before", "mlp_norm": "layernorm_after"}
UNGATED: dict[str, Any] = {"up": "mlp.fc1", "down": "mlp.fc2"}
GATED: dict[str, Any] = {"gate": "mlp.gate_proj", "up": "mlp.up_proj", "down": "mlp.down_proj"}


def describe(module: nn.Module) -> Architecture:
    """The vocabulary of a model of this family."""
    config: Any = module.config
    kind, dino = config.model_type, config.model_type.startswith("dinov2")
    head = image_head(module)
    if head is None:
        return refused(kind, f"sonde does not know the head of {type(module).__name__}")
    root = next((f"{name}." for name in ("vit", "deit", "dinov2", "dinov2_with_registers") if hasattr(module, name)), "")
    mlp = GATED if getattr(config, "use_swiglu_ffn", False) else UNGATED
    parts = Parts(
        embed=f"{root}embeddings.patch_embeddings", no_pos_embed=PARAMETER, blocks=f"{root}encoder.layer" if dino else f"{root}layers",
        final_norm=f"{root}layernorm", attn="attention", q="attention.q_proj", k="attention.k_proj", v="attention.v_proj", o="attention.o_proj",
        mlp="mlp", patches="list", specials=specials(config), **(SCALED if dino else PLAIN), **mlp, **head,
    )  # fmt: skip
    d_model, down = config.hidden_size, module.get_submodule(f"{parts.blocks}.0.{parts.down}")
    sizes = Sizes(
        n_layers=config.num_hidden_layers, n_heads=config.num_attention_heads, n_kv_heads=config.num_attention_heads, d_model=d_model,
        d_head=d_model // config.num_attention_heads, d_mlp=int(getattr(down, "in_features", 0)), n_ctx=0, d_vocab=0,
    )  # fmt: skip
    deciding = settings(config, "hidden_act", "layer_norm_eps", "patch_size", "use_swiglu_ffn")
    return transformer(kind, "pre", module, parts, sizes, EncoderKernel(), deciding, causal=False, images=images(config, resizable=dino))


def specials(config: Any) -> tuple[str, ...]:
    """The tokens before the patches."""
    if config.model_type == "deit":
        return "class", "distillation"
    return "class", *("register",) * getattr(config, "num_register_tokens", 0)


def images(config: Any, resizable: bool = False) -> Images:
    """The images that a configuration speaks of."""
    size = config.image_size if isinstance(config.image_size, tuple | list) else (config.image_size, config.image_size)
    return Images(config.num_channels, size[0], size[1], resizable)
