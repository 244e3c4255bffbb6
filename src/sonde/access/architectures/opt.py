"""OPT: learned positions; pre-norm in most sizes, post-norm in the one of 350 million parameters, which also has narrow token embeddings."""

from typing import Any

from torch import nn

from sonde.access.architectures.base import Architecture
from sonde.access.architectures.parts import Parts, Sizes, root, settings, unembedding
from sonde.access.architectures.transformer import transformer
from sonde.access.kernels import TransformersKernel

MODEL_TYPES = ("opt",)


def describe(module: nn.Module) -> Architecture:
    """The vocabulary of a model of this family."""
    config: Any = module.config
    at = root(module, "embed_tokens")
    decoder: Any = module.get_submodule(at.removesuffix("."))
    table = f"{at}embed_tokens"
    norm = f"{at}final_layer_norm" if decoder.final_layer_norm is not None else ""
    narrow = decoder.project_in is not None
    parts = Parts(
        table=table, embed=f"{at}project_in" if narrow else table, pos_embed=f"{at}embed_positions", blocks=f"{at}layers", final_norm=norm,
        final=tuple(path for path in (norm, f"{at}project_out" if narrow else "") if path),
        unembed=unembedding(module),
        attn="self_attn", attn_norm="self_attn_layer_norm", q="self_attn.q_proj", k="self_attn.k_proj", v="self_attn.v_proj", o="self_attn.out_proj",
        mlp_in="fc1", mlp_out="fc2", mlp_norm="final_layer_norm", up="fc1", down="fc2", folded=True,
    )  # fmt: skip
    sizes = Sizes(
        n_layers=config.num_hidden_layers, n_heads=config.num_attention_heads, n_kv_heads=config.num_attention_heads, d_model=config.hidden_size,
        d_head=config.hidden_size // config.num_attention_heads, d_mlp=config.ffn_dim, n_ctx=config.max_position_embeddings,
        d_vocab=config.vocab_size,
    )  # fmt: skip
    deciding = settings(config, "activation_function", "do_layer_norm_before", "layer_norm_elementwise_affine", "_remove_final_layer_norm")
    return transformer("opt", "pre" if config.do_layer_norm_before else "post", module, parts, sizes, TransformersKernel(), deciding)
