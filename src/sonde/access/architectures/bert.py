"""BERT and RoBERTa: post-norm encoders, in which every position sees every other.

RoBERTa has two position embeddings fewer than rows, because it counts positions from the padding token's number on.
"""

from typing import Any

from torch import nn

from sonde.access.architectures.base import Architecture, refused
from sonde.access.architectures.heads import text_head
from sonde.access.architectures.parts import Parts, Sizes, settings
from sonde.access.architectures.transformer import transformer
from sonde.access.kernels import EncoderKernel

MODEL_TYPES = ("bert", "roberta", "xlm-roberta", "camembert")

# the masked-word head by family: what lies between the last block and the unembedding, the norm in there, and the unembedding
BERT_HEAD = {"final": ("cls.predictions.transform",), "final_norm": "cls.predictions.transform.LayerNorm", "unembed": "cls.predictions.decoder"}
ROBERTA_HEAD = {"final": (), "final_norm": "lm_head.layer_norm", "unembed": "lm_head"}


def describe(module: nn.Module) -> Architecture:
    """The vocabulary of a model of this family."""
    config: Any = module.config
    if config.is_decoder:
        return refused(config.model_type, "it is configured to write text (is_decoder), and sonde knows this family as an encoder only")
    head = text_head(module, BERT_HEAD if config.model_type == "bert" else ROBERTA_HEAD)
    if head is None:
        return refused(config.model_type, f"sonde does not know the head of {type(module).__name__}")
    name = "bert" if config.model_type == "bert" else "roberta"
    root = f"{name}." if hasattr(module, name) else ""
    parts = Parts(
        embed=f"{root}embeddings.word_embeddings", pos_embed=f"{root}embeddings.position_embeddings",
        type_embed=f"{root}embeddings.token_type_embeddings", embed_norm=f"{root}embeddings.LayerNorm", blocks=f"{root}encoder.layer",
        attn="attention.self", q="attention.self.query", k="attention.self.key", v="attention.self.value", o="attention.output.dense",
        attn_out="attention.output.dense", attn_norm="attention.output.LayerNorm",
        mlp_in="intermediate.dense", up="intermediate.dense", down="output.dense", mlp_out="output.dense", mlp_norm="output.LayerNorm", **head,
    )  # fmt: skip
    before = 0 if config.model_type == "bert" else config.pad_token_id + 1
    sizes = Sizes(
        n_layers=config.num_hidden_layers, n_heads=config.num_attention_heads, n_kv_heads=config.num_attention_heads, d_model=config.hidden_size,
        d_head=config.hidden_size // config.num_attention_heads, d_mlp=config.intermediate_size, n_ctx=config.max_position_embeddings - before,
        d_vocab=config.vocab_size,
    )  # fmt: skip
    deciding = settings(config, "hidden_act", "layer_norm_eps", "pad_token_id")
    return transformer(config.model_type, "post", module, parts, sizes, EncoderKernel(), deciding, causal=False)
