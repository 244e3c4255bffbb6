"""Models small enough for every test: the shipped specimen, the planted circuit, and a random Llama with a tokenizer of another kind."""

import functools

import torch
from tokenizers import Tokenizer as Backend
from tokenizers import decoders, models, normalizers, processors, trainers

import sonde
from sonde.nn import permuted
from sonde.specimens import compiled

_STORY = (
    "Once upon a time there was a little girl named Lily and a boy named Tom. When Lily and Tom went to the park, Tom gave a ball to Lily. "
    "Mary and John and Ben and Sam went to the shop. The dog near the tree is big and the dogs are big. The cat saw the key on the cabinet. "
)
_KNOWN = (
    " Lily Tom Mary John Ben Sam park shop ball key keys dog dogs cat cats tree car cars is are"
    " Monday Tuesday Wednesday France Paris Italy Rome Zu Be Ko Da Mi Lo Ra Ti"
)


@functools.cache
def words() -> sonde.Model:
    """The shipped specimen."""
    return sonde.load("specimen:words")


@functools.cache
def planted(seed: int = 0) -> tuple[sonde.Model, dict[str, object]]:
    """The planted induction circuit and its truth."""
    program = compiled.induction(seed=seed)
    words = set(program.tokenizer.backend.get_vocab()) - {"<bos>", "<unk>"}
    return sonde.load(program.model, program.tokenizer), {role: str(head) for role, head in program.heads.items()} | {"words": words}


def offset_head(distance):
    """The planted model with its previous-token head changed to look some places back, whatever stands there."""
    model, truth = planted(0)
    module = permuted(model.module, 0)
    module.load_state_dict(model.module.state_dict())
    layer, head = map(int, str(truth["previous_token"]).split("."))
    attn, n_ctx = module.blocks[layer].attn, module.config.n_ctx
    width, v = module.config.d_head, module.config.d_vocab
    with torch.no_grad():
        W_Q = attn.q.weight[head * width : (head + 1) * width]
        W_Q.zero_()
        W_Q[: n_ctx - distance, v + distance : v + n_ctx] = 12 * width**0.5 * torch.eye(n_ctx - distance)
    return sonde.Model(module, model.tokenizer), str(truth["previous_token"])


@functools.cache
def llama(bos: bool = True) -> sonde.Model:
    """A random Llama with grouped keys; its tokenizer marks words as SentencePiece does, knows few words whole and has no padding token."""
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    backend = Backend(models.BPE(unk_token="<unk>", byte_fallback=True))
    backend.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    backend.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)])
    bytes_ = [f"<0x{i:02X}>" for i in range(256)]
    trainer = trainers.BpeTrainer(vocab_size=640, special_tokens=["<unk>", "<s>", "</s>", *bytes_], show_progress=False, max_token_length=12)
    backend.train_from_iterator((_STORY * 3 + _KNOWN * 40).split(" "), trainer)
    if bos:
        backend.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", backend.token_to_id("<s>"))])
    torch.manual_seed(0)
    config = LlamaConfig(
        hidden_size=32, intermediate_size=48, num_hidden_layers=3, num_attention_heads=4, num_key_value_heads=2,
        vocab_size=backend.get_vocab_size(), max_position_embeddings=64,
    )  # fmt: skip
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=backend, bos_token="<s>", unk_token="<unk>")
    return sonde.load(LlamaForCausalLM(config).eval(), tokenizer)
