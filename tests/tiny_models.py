"""A tiny random model of every shape that the vocabulary of sites knows, with weights large enough that every part matters."""

import torch
from transformers import GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM

from sonde.nn.transformer import Transformer, TransformerConfig

VOCAB, CONTEXT, LAYERS, HEADS, D_MODEL = 40, 12, 2, 4, 16
SHAPE = {"n_layers": LAYERS, "n_heads": HEADS, "d_model": D_MODEL, "d_vocab": VOCAB, "n_ctx": CONTEXT}

NATIVE = {
    "native": TransformerConfig(**SHAPE, d_mlp=24),
    "native-gated": TransformerConfig(**SHAPE, d_mlp=24, n_kv_heads=2, gated=True, activation="silu", norm="rms", positional="rotary", bias=False),
    "native-attention": TransformerConfig(**SHAPE, d_mlp=0, norm=None, d_head=6, tied=False),
}
FAMILIES = (*NATIVE, "gpt2", "llama")


def spread(module, seed=0):
    """Weights large enough that every part matters; at the usual initialisation attention is next to uniform."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, weight in module.named_parameters():
            noise = torch.randn(weight.shape, generator=generator)
            weight.copy_(1 + 0.2 * noise if "norm" in name or "ln_" in name else 0.3 * noise)
    return module.eval()


def bare(family, seed=0):
    """A module as its own library builds it."""
    if family in NATIVE:
        return spread(Transformer(NATIVE[family]), seed)
    if family == "gpt2":
        config = GPT2Config(
            n_layer=LAYERS, n_head=HEADS, n_embd=D_MODEL, vocab_size=VOCAB, n_positions=CONTEXT, bos_token_id=0, eos_token_id=0, n_inner=24
        )
        return spread(GPT2LMHeadModel(config), seed)
    config = LlamaConfig(
        num_hidden_layers=LAYERS, num_attention_heads=HEADS, num_key_value_heads=2, hidden_size=D_MODEL, intermediate_size=24,
        vocab_size=VOCAB, max_position_embeddings=CONTEXT, bos_token_id=0, eos_token_id=0,
    )  # fmt: skip
    return spread(LlamaForCausalLM(config), seed)


class LogitDifference:
    """The metric of the tests: it reads the last token only, and says so."""

    pos = -1

    def __call__(self, run):
        return run.last_logits[:, 3] - run.last_logits[:, 5]


def logits_of(module, ids, **kwargs):
    """The module called by itself, without sonde."""
    with torch.no_grad():
        output = module(ids, **kwargs)
    return output if isinstance(output, torch.Tensor) else output.logits


class Words:
    """As little of a transformers tokenizer as the handle asks for."""

    bos_token_id = pad_token_id = eos_token_id = None
    added_tokens_decoder: dict = {}  # noqa: RUF012

    def __len__(self):
        return 40

    def get_vocab(self):
        return {f"w{i}": i for i in range(40)}

    def convert_ids_to_tokens(self, i):
        return f"w{i}"

    def decode(self, ids, skip_special_tokens):
        return " ".join(f"w{i}" for i in ids)
