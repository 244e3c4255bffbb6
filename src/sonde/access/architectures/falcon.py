"""Falcon: attention and MLP side by side behind one norm or two, or one after the other; one key for all queries, for groups, or for each.

Positions enter by rotation, or as a bias on the scores (ALiBi).
"""

from typing import Any

from torch import nn

from sonde.access.architectures.base import Architecture
from sonde.access.architectures.parts import ALIBI, Parts, Sizes, root, settings, unembedding
from sonde.access.architectures.transformer import transformer
from sonde.access.kernels import WatchedKernel

MODEL_TYPES = ("falcon",)


def describe(module: nn.Module) -> Architecture:
    """The vocabulary of a model of this family."""
    config: Any = module.config
    at = root(module, "word_embeddings")
    parallel = config.new_decoder_architecture or config.parallel_attn
    two = config.new_decoder_architecture and config.num_ln_in_parallel_attn == 2
    qkv = "self_attention.query_key_value"
    parts = Parts(
        embed=f"{at}word_embeddings", blocks=f"{at}h", final_norm=f"{at}ln_f", unembed=unembedding(module),
        no_pos_embed=ALIBI if config.alibi else "positions enter by rotation of queries and keys",
        attn="self_attention", attn_norm="ln_attn" if two else "input_layernorm", q=qkv, k=qkv, v=qkv, o="self_attention.dense", packing="grouped",
        mlp="mlp", mlp_norm="ln_mlp" if two else "" if parallel else "post_attention_layernorm", up="mlp.dense_h_to_4h", down="mlp.dense_4h_to_h",
    )  # fmt: skip
    heads = config.num_attention_heads
    sizes = Sizes(
        n_layers=config.num_hidden_layers, n_heads=heads, n_kv_heads=1 if config.multi_query and not config.new_decoder_architecture else
        config.num_kv_heads, d_model=config.hidden_size, d_head=config.hidden_size // heads, d_mlp=config.ffn_hidden_size,
        n_ctx=0 if config.alibi else config.max_position_embeddings, d_vocab=config.vocab_size,
    )  # fmt: skip
    # with ALiBi transformers' eager attention adds the bias twice, its fused one once: neither tells what the other computes
    equal = ("eager",) if config.alibi else ("eager", "sdpa")
    kernel = WatchedKernel(tuple(f"{at}h.{i}.self_attention" for i in range(config.num_hidden_layers)), equal)
    deciding = settings(config, "activation", "layer_norm_epsilon", "rope_parameters", "alibi", "new_decoder_architecture", "parallel_attn")
    return transformer("falcon", "parallel" if parallel else "pre", module, parts, sizes, kernel, deciding)
