"""A tiny configuration of every family of transformers that sonde knows, in every shape that changes what its sites are.

`build(name)` gives a module as transformers makes it, with weights large enough that every part matters; `DECODERS` are the causal ones.
"""

import transformers
from tiny_models import CONTEXT, D_MODEL, HEADS, LAYERS, VOCAB, spread
from torch import nn

_TOKENS = {"bos_token_id": 0, "eos_token_id": 0, "pad_token_id": 0, "vocab_size": VOCAB}
_LLAMA = _TOKENS | {
    "num_hidden_layers": LAYERS, "num_attention_heads": HEADS, "num_key_value_heads": 2, "hidden_size": D_MODEL, "intermediate_size": 24,
    "max_position_embeddings": CONTEXT,
}  # fmt: skip
_GPT = _TOKENS | {"n_layer": LAYERS, "n_head": HEADS, "n_embd": D_MODEL, "n_positions": CONTEXT, "n_inner": 24}
_GEMMA = _LLAMA | {"head_dim": 6, "sliding_window": 4, "layer_types": ["sliding_attention", "full_attention"], "query_pre_attn_scalar": 6}
_EYE = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "image_size": 16, "patch_size": 8}
_NEOX = _TOKENS | {
    "num_hidden_layers": LAYERS, "num_attention_heads": HEADS, "hidden_size": D_MODEL, "intermediate_size": 24, "max_position_embeddings": CONTEXT,
    "rope_parameters": {"rope_type": "default", "rope_theta": 10000.0, "partial_rotary_factor": 0.5},
}  # fmt: skip
_OPT = _TOKENS | {
    "num_hidden_layers": LAYERS, "num_attention_heads": HEADS, "hidden_size": D_MODEL, "ffn_dim": 24, "max_position_embeddings": CONTEXT,
    "word_embed_proj_dim": D_MODEL,
}  # fmt: skip
_FALCON = _TOKENS | {
    "num_hidden_layers": LAYERS, "num_attention_heads": HEADS, "hidden_size": D_MODEL, "ffn_hidden_size": 24, "max_position_embeddings": CONTEXT,
    "alibi": False, "bias": True, "multi_query": True, "parallel_attn": True, "new_decoder_architecture": False,
}  # fmt: skip

# name: the model type, and its configuration
DECODERS: dict[str, tuple[str, dict[str, object]]] = {
    "gpt2": ("gpt2", _GPT),
    "llama": ("llama", _LLAMA),
    "mistral": ("mistral", _LLAMA | {"sliding_window": 3, "head_dim": None}),
    "qwen2": ("qwen2", _LLAMA),
    "qwen3": ("qwen3", _LLAMA | {"head_dim": 6}),
    "ministral": ("ministral", _LLAMA | {"head_dim": 4, "sliding_window": 3}),
    "seed_oss": ("seed_oss", _LLAMA | {"head_dim": 6}),
    "smollm3": ("smollm3", _LLAMA | {"no_rope_layers": [1, 0]}),
    "gemma": ("gemma", _LLAMA | {"head_dim": 6}),
    "gemma2": ("gemma2", _GEMMA | {"attn_logit_softcapping": 2.0, "final_logit_softcapping": 3.0}),
    "gemma3": ("gemma3_text", _GEMMA),
    "gemma3-images": ("gemma3", {"text_config": _GEMMA, "vision_config": _EYE}),
    "olmo2": ("olmo2", _LLAMA),
    "olmo3": ("olmo3", _LLAMA | {"sliding_window": 4, "layer_types": ["sliding_attention", "full_attention"]}),
    "phi": ("phi", _LLAMA),
    "phi-normed": ("phi", _LLAMA | {"qk_layernorm": True}),
    "phi3": ("phi3", _LLAMA),
    "gpt_neox": ("gpt_neox", _NEOX),
    "gpt_neox-sequential": ("gpt_neox", _NEOX | {"use_parallel_residual": False}),
    "gptj": ("gptj", _GPT | {"rotary_dim": 2}),
    "opt": ("opt", _OPT),
    "opt-post": ("opt", _OPT | {"do_layer_norm_before": False, "word_embed_proj_dim": 8}),
    "bloom": ("bloom", _TOKENS | {"n_layer": LAYERS, "n_head": HEADS, "hidden_size": D_MODEL}),
    "falcon": ("falcon", _FALCON),
    "falcon-sequential": ("falcon", _FALCON | {"parallel_attn": False, "multi_query": False}),
    "falcon-alibi": ("falcon", _FALCON | {"parallel_attn": False, "multi_query": False, "alibi": True}),
    "falcon-grouped": ("falcon", _FALCON | {"new_decoder_architecture": True, "num_kv_heads": 2}),
}

# language models of no known family
UNKNOWN: dict[str, tuple[str, dict[str, object]]] = {
    "mixtral": ("mixtral", _LLAMA | {"num_local_experts": 2, "num_experts_per_tok": 1}),
    "qwen2_moe": (
        "qwen2_moe",
        _LLAMA | {"num_experts": 2, "num_experts_per_tok": 1, "moe_intermediate_size": 8, "shared_expert_intermediate_size": 8},
    ),
    "mamba": ("mamba", _TOKENS | {"hidden_size": D_MODEL, "num_hidden_layers": LAYERS, "state_size": 4}),
    "recurrent_gemma": ("recurrent_gemma", _LLAMA | {"lru_width": D_MODEL, "block_types": ["recurrent", "attention"]}),
    "granite": ("granite", _LLAMA),
    "rwkv": ("rwkv", _TOKENS | {"hidden_size": D_MODEL, "num_hidden_layers": 4, "attention_hidden_size": D_MODEL, "rescale_every": 2}),
}


def build(name: str, seed: int = 0) -> nn.Module:
    """A module as its own library builds it; as `AutoModelForCausalLM` opens it, so that it can be saved and loaded."""
    model_type, settings = (DECODERS | UNKNOWN)[name]
    config = transformers.AutoConfig.for_model(model_type, **settings)
    return spread(transformers.AutoModelForCausalLM.from_config(config), seed)
