"""Convert the 260,032-parameter story model of llama2.c to a folder that sonde and transformers read.

    python -m bench.stories260k SOURCE_FOLDER OUT_FOLDER

SOURCE_FOLDER holds `stories260K.bin` and `tok512.bin` (MIT; github.com/karpathy/llama2.c, doc/stories260K.md); OUT_FOLDER gets `config.json`,
`model.safetensors` and the tokenizer. Both files are plain arrays; two things differ in how transformers wants them:

- llama2.c rotates neighbouring entries of queries and keys (2i with 2i + 1), transformers entry i with i + d_head / 2; so the rows of Wq and Wk are
  put in another order within each head, which leaves every product of a query with a key as it was;
- llama2.c merges the neighbouring pair whose joined piece has the highest score, the tokenizers library follows a list of merges; so every way to
  make a piece of two others is listed, the highest score first.
"""

import struct
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from sonde.results import LoadError, SondeError

SPACE = "\u2581"  # stands for a space inside pieces, as in SentencePiece
UNK, BOS, EOS = "<unk>", "<s>", "</s>"


@dataclass(frozen=True)
class Shape:
    """The header of the checkpoint."""

    d_model: int
    d_mlp: int
    n_layers: int
    n_heads: int
    n_kv_heads: int
    d_vocab: int
    n_ctx: int

    @property
    def d_head(self) -> int:
        return self.d_model // self.n_heads


def convert(source: Path, out: Path) -> None:
    """Write the converted model and tokenizer.

    Arguments:
        source: folder with `stories260K.bin` and `tok512.bin`.
        out: folder to write.

    Raises:
        LoadError: where a file is missing or is not of this form.
    """
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    shape, weights = read_weights(source / "stories260K.bin")
    model = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=shape.d_vocab,
            hidden_size=shape.d_model,
            intermediate_size=shape.d_mlp,
            num_hidden_layers=shape.n_layers,
            num_attention_heads=shape.n_heads,
            num_key_value_heads=shape.n_kv_heads,
            max_position_embeddings=shape.n_ctx,
            rms_norm_eps=1e-5,
            tie_word_embeddings=True,
            bos_token_id=1,
            eos_token_id=2,
        )
    )
    model.load_state_dict({**weights, "lm_head.weight": weights["model.embed_tokens.weight"]})
    model.save_pretrained(out)
    backend = build_tokenizer(read_pieces(source / "tok512.bin", shape.d_vocab))
    PreTrainedTokenizerFast(tokenizer_object=backend, bos_token=BOS, eos_token=EOS, unk_token=UNK, model_max_length=shape.n_ctx).save_pretrained(out)


def read_weights(path: Path) -> tuple[Shape, dict[str, Tensor]]:
    """The header and the weights, under the names that transformers gives them."""
    data = _bytes(path)
    shape = Shape(*struct.unpack_from("<7i", data))
    flat = torch.frombuffer(bytearray(data[28:]), dtype=torch.float32)
    d, layers, kv = shape.d_model, shape.n_layers, shape.n_kv_heads * shape.d_head
    order = [
        ("model.embed_tokens", (shape.d_vocab, d)),
        ("input_layernorm", (layers, d)),
        ("self_attn.q_proj", (layers, d, d)),
        ("self_attn.k_proj", (layers, kv, d)),
        ("self_attn.v_proj", (layers, kv, d)),
        ("self_attn.o_proj", (layers, d, d)),
        ("post_attention_layernorm", (layers, d)),
        ("mlp.gate_proj", (layers, shape.d_mlp, d)),
        ("mlp.down_proj", (layers, d, shape.d_mlp)),
        ("mlp.up_proj", (layers, shape.d_mlp, d)),
        ("model.norm", (d,)),
    ]
    rotary_tables = shape.n_ctx * shape.d_head
    sizes = [torch.Size(size).numel() for _, size in order]
    if len(flat) != sum(sizes) + rotary_tables:
        raise LoadError(f"{path} holds {len(flat)} numbers where its header {shape} asks for {sum(sizes) + rotary_tables}; fetch it again")
    weights: dict[str, Tensor] = {}
    for (name, size), part in zip(order, flat[: sum(sizes)].split(sizes), strict=True):
        value = part.view(size)
        if name.startswith("model."):
            weights[f"{name}.weight"] = value.clone()
            continue
        for layer, of_layer in enumerate(value):
            turned = half_split(of_layer, shape.d_head) if name in ("self_attn.q_proj", "self_attn.k_proj") else of_layer
            weights[f"model.layers.{layer}.{name}.weight"] = turned.clone()
    return shape, weights


def half_split(weight: Tensor, d_head: int) -> Tensor:
    """The rows of a query or key matrix in the order of half-split rotary positions: within each head the even rows, then the odd ones."""
    return weight.unflatten(0, (-1, d_head // 2, 2)).transpose(1, 2).reshape(weight.shape)


def read_pieces(path: Path, n: int) -> list[tuple[str, float]]:
    """The pieces of the vocabulary with their merge scores."""
    data, at, pieces = _bytes(path), 4, []
    for _ in range(n):
        score, length = struct.unpack_from("<fi", data, at)
        pieces.append((data[at + 8 : at + 8 + length].decode(), score))
        at += 8 + length
    return pieces


def build_tokenizer(pieces: list[tuple[str, float]]) -> Any:
    """A `tokenizers.Tokenizer` that splits text as llama2.c does; a text that spells out "<s>" gets the special token, as always in transformers."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, processors

    names = [UNK, BOS, EOS, *(piece.replace(" ", SPACE) for piece, _ in pieces[3:])]
    ids = {name: i for i, name in enumerate(names)}
    merges = [
        (-score, ids[name], (name[:cut], name[cut:]))
        for name, (_, score) in zip(names[259:], pieces[259:], strict=True)
        for cut in range(1, len(name))
        if name[:cut] in ids and name[cut:] in ids
    ]
    model = models.BPE(vocab=ids, merges=[pair for _, _, pair in sorted(merges)], unk_token=UNK, byte_fallback=True)
    tokenizer = Tokenizer(model)
    tokenizer.add_special_tokens([AddedToken(name, normalized=False, special=True) for name in (UNK, BOS, EOS)])
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend(SPACE), normalizers.Replace(" ", SPACE)])
    tokenizer.post_processor = processors.TemplateProcessing(single=f"{BOS} $A", special_tokens=[(BOS, ids[BOS])])
    tokenizer.decoder = decoders.Sequence([decoders.Replace(SPACE, " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)])
    return tokenizer


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise LoadError(f"{path} cannot be read ({error.strerror}); give the folder that holds stories260K.bin and tok512.bin") from error


def main(arguments: list[str]) -> int:
    """The command."""
    if len(arguments) != 2:
        print("usage: python -m bench.stories260k SOURCE_FOLDER OUT_FOLDER", file=sys.stderr)
        return 2
    try:
        convert(Path(arguments[0]), Path(arguments[1]))
    except SondeError as error:
        print(f"bench.stories260k: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
