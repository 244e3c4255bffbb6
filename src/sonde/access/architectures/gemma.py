"""Gemma, Gemma 2 and Gemma 3: embeddings scaled by the root of the width, norms whose weights count from one.

From Gemma 2 on what each branch adds goes through a norm of its own (the sandwich), and attention slides its window in some of the blocks; Gemma 2
caps its scores and logits, Gemma 3 norms queries and keys. A Gemma 3 that also takes images is served as the language model that it is for texts.
"""

from typing import Any

from sonde.access.architectures.base import Architecture
from sonde.access.architectures.llama import DECIDING, llama_parts, llama_sizes
from sonde.access.architectures.parts import settings
from sonde.access.architectures.transformer import transformer
from sonde.access.kernels import TransformersKernel

MODEL_TYPES = ("gemma", "gemma2", "gemma3", "gemma3_text")


def describe(module: Any) -> Architecture:
    """The vocabulary of a model of this family."""
    config: Any = module.config.get_text_config()  # of the language model inside one that also takes images
    sandwich = {"mlp_norm": "pre_feedforward_layernorm", "attn_out": "post_attention_layernorm", "mlp_out": "post_feedforward_layernorm"}
    norms = {"mlp_norm": "post_attention_layernorm"} if config.model_type == "gemma" else sandwich
    return transformer(
        config.model_type, "pre" if config.model_type == "gemma" else "sandwich", module,
        llama_parts(module, attn_norm="input_layernorm", norm_offset=1.0, **norms), llama_sizes(config), TransformersKernel(),
        settings(config, *DECIDING, "query_pre_attn_scalar", "attn_logit_softcapping", "final_logit_softcapping", "use_bidirectional_attention"),
        causal=not getattr(config, "use_bidirectional_attention", None), softcap=getattr(config, "final_logit_softcapping", None) or 0.0,
    )  # fmt: skip
