"""A model whose mechanism is known because it was written down: one previous-token head and one induction head, and nothing else that works.

Two heads in two layers continue "A B ... A" with B (Elhage et al. 2021, "A Mathematical Framework for Transformer Circuits"). The residual
stream has four parts that never mix: the token (one-hot), its place (one-hot), the token before (empty at first), the answer (empty at first).
The previous-token head matches place i - 1 and copies token -> token before. The induction head matches its own token against the token before,
and copies token -> answer; where nothing matches it rests on the first token, which is copied as nothing. The unembedding reads the answer.
All other heads and the MLPs hold small random weights.
"""

import json
from pathlib import Path

import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from torch import Tensor

from sonde.nn import Transformer, TransformerConfig
from sonde.results import InputError
from sonde.specimens.words.world import NOUNS, THINGS

BOS, UNKNOWN = "<bos>", "<unk>"
_WORDS = NOUNS + THINGS
_N_LAYERS, _N_HEADS, _D_MLP = 2, 4, 64
_MATCH = 12.0  # score of a match: sharp enough to be known, soft enough to have gradients
_REST = 6.0  # score of the first token, between a match and nothing
_ANSWER = 10.0  # logit of a word copied with full attention
_NOISE = 0.03  # deviation of the weights that do nothing


def _word_tokenizer(words: tuple[str, ...]) -> Tokenizer:
    vocabulary = {word: i for i, word in enumerate((BOS, UNKNOWN, *words))}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token=UNKNOWN))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.add_special_tokens([BOS, UNKNOWN])
    return tokenizer


def induction(seed: int = 0, n_words: int = 40, n_ctx: int = 32) -> tuple[Transformer, Tokenizer, dict[str, object]]:
    """Build the model.

    Arguments:
        seed: decides which head of its layer each planted head is, and the weights that do nothing.
        n_words: words it knows, beside `<bos>` and `<unk>`.
        n_ctx: longest input, in tokens; every input should begin with `<bos>`.

    Returns:
        The model; its tokenizer (words separated by spaces); the truth: the planted heads as `layer.head`, and the words.

    Raises:
        InputError: more words are asked for than there are.

    >>> model, tokenizer, truth = induction(seed=0)
    >>> ids = torch.tensor([tokenizer.encode("<bos> dog lamp river road dog").ids])
    >>> tokenizer.id_to_token(model(ids)[0, -1].argmax().item())
    'lamp'
    """
    if not 2 <= n_words <= len(_WORDS):
        raise InputError(f"n_words={n_words}: choose from 2 to {len(_WORDS)}")
    words = _WORDS[:n_words]
    tokenizer = _word_tokenizer(words)
    v, d_head = n_words + 2, max(n_words + 2, n_ctx)
    token, place, before, answer = slice(0, v), slice(v, v + n_ctx), slice(v + n_ctx, 2 * v + n_ctx), slice(2 * v + n_ctx, 3 * v + n_ctx)
    config = TransformerConfig(
        n_layers=_N_LAYERS,
        d_model=3 * v + n_ctx,
        n_heads=_N_HEADS,
        d_vocab=v,
        n_ctx=n_ctx,
        d_mlp=_D_MLP,
        d_head=d_head,
        activation="relu",
        norm=None,
        tied=False,
        bias=False,
    )
    model = Transformer(config).requires_grad_(False)
    generator = torch.Generator().manual_seed(seed)
    first, second = torch.randint(_N_HEADS, (2,), generator=generator).tolist()
    for block in model.blocks:
        for weight in block.parameters():
            weight.normal_(std=_NOISE, generator=generator)
    for table in (model.embed.weight, model.pos_embed.weight, model.unembed.weight):
        table.zero_()
    model.embed.weight[:, token] = torch.eye(v)
    model.pos_embed.weight[:, place] = torch.eye(n_ctx)
    model.unembed.weight[:, answer] = _ANSWER * torch.eye(v)

    def plant(layer: int, head: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Query, key, value [d_head d_model] and output [d_model d_head] of one head, emptied for writing."""
        attn = model.attentions[layer]
        own = slice(head * d_head, (head + 1) * d_head)
        return attn.q.weight[own].zero_(), attn.k.weight[own].zero_(), attn.v.weight[own].zero_(), attn.o.weight[:, own].zero_()

    sharp = _MATCH * d_head**0.5  # undoes the division by sqrt(d_head)
    W_Q, W_K, W_V, W_O = plant(0, first)
    W_Q[: n_ctx - 1, place][:, 1:] = sharp * torch.eye(n_ctx - 1)  # place i asks for i - 1
    W_K[:n_ctx, place] = torch.eye(n_ctx)
    W_V[:v, token] = torch.eye(v)
    W_O[before, :v] = torch.eye(v)

    W_Q, W_K, W_V, W_O = plant(1, second)
    W_Q[:v, token] = sharp * torch.eye(v)
    W_K[:v, before] = torch.eye(v)
    W_K[:v, place.start] = _REST / _MATCH  # every query finds the first place half attractive
    W_V[:v, token] = torch.eye(v)
    W_V[0, 0] = 0  # <bos>, on which the head rests, is copied as nothing
    W_O[answer, :v] = torch.eye(v)

    truth = {"previous_token": f"0.{first}", "induction": f"1.{second}", "words": list(words), "seed": seed}
    return model.requires_grad_(True).eval(), tokenizer, truth


def save(folder: str | Path, seed: int = 0, n_words: int = 40, n_ctx: int = 32) -> dict[str, object]:
    """Build the model and write it as a folder that `sonde.load` reads, with its truth in `truth.json`.

    Arguments:
        folder: made if it is missing.
        seed: as for `induction`.
        n_words: as for `induction`.
        n_ctx: as for `induction`.

    Returns:
        The truth.
    """
    model, tokenizer, truth = induction(seed, n_words, n_ctx)
    folder = Path(folder)
    model.save(folder, tokenizer)
    special = {"bos_token": BOS, "pad_token": BOS, "unk_token": UNKNOWN, "add_bos": True}
    (folder / "tokenizer_config.json").write_text(json.dumps(special, indent=2) + "\n", encoding="utf-8")
    (folder / "truth.json").write_text(json.dumps(truth, indent=2) + "\n", encoding="utf-8")
    return truth
