"""A small transformer on one page: every part is a plain module at a predictable path, so that nothing inside it needs discovering.

A block adds to the residual stream twice: `mid = x + attn(attn_norm(x))`, then `mid + mlp(mlp_norm(mid))` (GPT-2's order, Radford et al. 2019;
with rms norms, rotary positions, grouped keys and a gated MLP the same page is Llama, Touvron et al. 2023).
Head h of attention reads queries q_h, keys k_h and values v_h: `pattern_h = softmax(q_h k_h^T / sqrt(d_head))`, each query seeing no later key;
`z_h = pattern_h v_h`; and the block's `o` maps all z_h together into the stream.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal, Protocol

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from sonde.nn import storage
from sonde.nn.solu import NormedSoLU, SoLU
from sonde.results import InputError

if TYPE_CHECKING:
    from tokenizers import Tokenizer

MODEL_TYPE = "sonde-transformer"

_ACTIVATIONS: dict[str, Callable[[int], nn.Module]] = {
    "gelu_new": lambda width: nn.GELU(approximate="tanh"),
    "gelu": lambda width: nn.GELU(),
    "relu": lambda width: nn.ReLU(),
    "silu": lambda width: nn.SiLU(),
    "solu": lambda width: SoLU(),
    "ln_solu": NormedSoLU,
}


@dataclass(frozen=True)
class TransformerConfig:
    """The shape of a transformer; two configurations that are equal make the same modules."""

    model_type: ClassVar[str] = MODEL_TYPE
    """What a handle and a folder recognise the family by."""

    n_layers: int
    """Number of blocks."""
    d_model: int
    """Width of the residual stream."""
    n_heads: int
    """Query heads in each block."""
    d_vocab: int
    """Entries of the vocabulary."""
    n_ctx: int
    """Longest sequence, in tokens; a longer one is refused."""
    d_mlp: int
    """Hidden neurons of each MLP; 0 leaves the MLPs out (attention only)."""
    n_kv_heads: int | None = None
    """Key and value heads, each shared by n_heads / n_kv_heads query heads; None: one for each query head."""
    d_head: int | None = None
    """Width of one head; None: d_model / n_heads."""
    activation: Literal["gelu_new", "gelu", "relu", "silu", "solu", "ln_solu"] = "gelu_new"
    """Nonlinearity of the MLP; gelu_new is the tanh approximation that GPT-2 uses, ln_solu is SoLU with a LayerNorm of the neurons after it."""
    gated: bool = False
    """Multiply the MLP's activations by a second linear map of its input (SwiGLU when the activation is silu)."""
    norm: Literal["layer", "rms"] | None = "layer"
    """Normalisation before attention, MLP and unembedding; None leaves it out."""
    norm_eps: float = 1e-5
    """Added to the variance (or mean square) before its root is taken."""
    positional: Literal["learned", "rotary"] | None = "learned"
    """How a token's place enters: a learned vector added to its embedding, a rotation of queries and keys, or not at all."""
    rotary_base: float = 10000.0
    """The slowest rotary pair turns by about 1 / rotary_base radians a position."""
    tied: bool = True
    """The unembedding is the embedding's own weight."""
    bias: bool = True
    """Linear maps and layer norms have a bias."""

    def __post_init__(self) -> None:
        if self.d_head is None and self.d_model % self.n_heads:
            raise InputError(f"d_model={self.d_model} is not a multiple of n_heads={self.n_heads}: change one of them or give d_head")
        if self.n_heads % self.kv_heads:
            raise InputError(f"n_heads={self.n_heads} is not a multiple of n_kv_heads={self.n_kv_heads}: change one of them")
        if self.positional == "rotary" and self.head_dim % 2:
            raise InputError(f"rotary positions turn pairs, but d_head={self.head_dim} is odd: give an even d_head")

    @property
    def kv_heads(self) -> int:
        """Key and value heads, resolved."""
        return self.n_heads if self.n_kv_heads is None else self.n_kv_heads

    @property
    def head_dim(self) -> int:
        """Width of one head, resolved."""
        return self.d_model // self.n_heads if self.d_head is None else self.d_head


def _norm(config: TransformerConfig) -> nn.Module:
    if config.norm == "layer":
        return nn.LayerNorm(config.d_model, config.norm_eps, bias=config.bias)
    if config.norm == "rms":
        return nn.RMSNorm(config.d_model, config.norm_eps)
    return nn.Identity()


def rotary_embeddings(
    position_ids: Int[Tensor, "batch pos"], d_head: int, base: float
) -> tuple[Float[Tensor, "batch pos d_head"], Float[Tensor, "batch pos d_head"]]:
    """Cosine and sine of the angles by which queries and keys are turned (RoFormer, Su et al. 2021).

    Coordinate i is paired with i + d_head / 2, and pair i turns by position / base^(2i / d_head) radians.

    Arguments:
        position_ids: each token's place.
        d_head: width of a head, even.
        base: sets the slowest rotation.

    Returns:
        `(cos, sin)`, each with both halves of the coordinates filled alike.
    """
    exponents = torch.arange(0, d_head, 2, device=position_ids.device, dtype=torch.float32) / d_head
    angles = position_ids[..., None].float() * base**-exponents
    angles = torch.cat([angles, angles], dim=-1)
    return angles.cos(), angles.sin()


def rotate(x: Float[Tensor, "batch head pos d_head"], cos: Tensor, sin: Tensor) -> Float[Tensor, "batch head pos d_head"]:
    """Turn each head vector by its position's angles."""
    low, high = x.chunk(2, dim=-1)
    return x * cos[:, None].to(x.dtype) + torch.cat([-high, low], dim=-1) * sin[:, None].to(x.dtype)


def causal_mask(
    queries: int, keys: int, dtype: torch.dtype, device: torch.device, visible: Tensor | None = None
) -> Float[Tensor, "mask_batch 1 query key"]:
    """The additive mask of a causal model: 0 where a query may look, the dtype's lowest number elsewhere.

    The lowest number rather than -inf: a padding token that may look nowhere then gets a uniform pattern, not NaN.

    Arguments:
        queries: number of queries; they are the last of the keys.
        keys: number of keys.
        dtype: of the scores that the mask is added to.
        device: of the scores.
        visible: further restriction, True where looking is allowed; broadcasts to [batch query key].

    Returns:
        The mask, of one row where `visible` is None.
    """
    allowed = torch.ones(queries, keys, dtype=torch.bool, device=device).tril(keys - queries)[None]
    if visible is not None:
        allowed = allowed & visible
    return torch.zeros_like(allowed, dtype=dtype).masked_fill(~allowed, torch.finfo(dtype).min)[:, None]


class KeyValueCache(Protocol):
    """Keys and values of earlier tokens, by layer, as transformers keeps them: its `DynamicCache` is one."""

    def update(self, key_states: Tensor, value_states: Tensor, layer_idx: int) -> tuple[Tensor, Tensor]:
        """Keep what a layer has computed for new tokens; returns its keys and values of all tokens so far, and of nothing else."""
        ...

    def get_seq_length(self) -> int:
        """How many tokens are kept."""
        ...


def _repeat_kv(x: Float[Tensor, "batch kv_head pos d_head"], groups: int) -> Float[Tensor, "batch head pos d_head"]:
    return x if groups == 1 else x.repeat_interleave(groups, dim=1)


# The two kernels follow the calling convention of transformers' attention functions, so one recorder serves both worlds.


def sdpa_attention_forward(
    module: "Attention",
    query: Float[Tensor, "batch head query d_head"],
    key: Float[Tensor, "batch kv_head key d_head"],
    value: Float[Tensor, "batch kv_head key d_head"],
    attention_mask: Float[Tensor, "mask_batch 1 query key"] | None,
    scaling: float,
    dropout: float = 0.0,
    **kwargs: object,
) -> tuple[Float[Tensor, "batch query head d_head"], None]:
    """Attention by torch's fused kernel, which never makes the pattern; a mask of None means causal."""
    groups = module.num_key_value_groups
    queries, keys = query.shape[2], key.shape[2]
    if attention_mask is None and 1 < queries < keys:  # torch aligns its own causal mask to the first key, and these queries are the last
        attention_mask = causal_mask(queries, keys, query.dtype, query.device)
    out = nn.functional.scaled_dot_product_attention(
        query,
        _repeat_kv(key, groups),
        _repeat_kv(value, groups),
        attn_mask=attention_mask,
        dropout_p=dropout,
        is_causal=attention_mask is None and queries > 1,  # a single query, being the last, may look everywhere
        scale=scaling,
    )
    return out.transpose(1, 2).contiguous(), None


def eager_attention_forward(
    module: "Attention",
    query: Float[Tensor, "batch head query d_head"],
    key: Float[Tensor, "batch kv_head key d_head"],
    value: Float[Tensor, "batch kv_head key d_head"],
    attention_mask: Float[Tensor, "mask_batch 1 query key"] | None,
    scaling: float,
    dropout: float = 0.0,
    **kwargs: object,
) -> tuple[Float[Tensor, "batch query head d_head"], Float[Tensor, "batch head query key"]]:
    """Attention written out, one softmax a call, returning the pattern; a mask of None means causal."""
    groups = module.num_key_value_groups
    key, value = _repeat_kv(key, groups), _repeat_kv(value, groups)
    scores = query @ key.transpose(2, 3) * scaling
    if attention_mask is None:
        attention_mask = causal_mask(query.shape[2], key.shape[2], scores.dtype, scores.device)
    # through the module, at call time: whoever watches the pattern replaces this very name
    pattern = torch.nn.functional.softmax(scores + attention_mask, dim=-1)
    z = nn.functional.dropout(pattern, dropout, module.training) @ value
    return z.transpose(1, 2).contiguous(), pattern


class Attention(nn.Module):
    """Causal self-attention with separate linear maps for queries, keys, values and output."""

    def __init__(self, config: TransformerConfig, layer_idx: int) -> None:
        super().__init__()
        self.layer_idx = layer_idx
        self.n_heads, self.n_kv_heads, self.d_head = config.n_heads, config.kv_heads, config.head_dim
        self.num_key_value_groups = self.n_heads // self.n_kv_heads
        self.scaling = self.d_head**-0.5
        self.q = nn.Linear(config.d_model, self.n_heads * self.d_head, bias=config.bias)
        self.k = nn.Linear(config.d_model, self.n_kv_heads * self.d_head, bias=config.bias)
        self.v = nn.Linear(config.d_model, self.n_kv_heads * self.d_head, bias=config.bias)
        self.o = nn.Linear(self.n_heads * self.d_head, config.d_model, bias=config.bias)
        self.kernel: Callable[..., tuple[Tensor, Tensor | None]] = sdpa_attention_forward

    def forward(
        self,
        hidden: Float[Tensor, "batch pos d_model"],
        attention_mask: Float[Tensor, "mask_batch 1 query key"] | None = None,
        position_embeddings: tuple[Tensor, Tensor] | None = None,
        past_key_values: KeyValueCache | None = None,
    ) -> Float[Tensor, "batch pos d_model"]:
        query = self.q(hidden).unflatten(-1, (self.n_heads, self.d_head)).transpose(1, 2)
        key = self.k(hidden).unflatten(-1, (self.n_kv_heads, self.d_head)).transpose(1, 2)
        value = self.v(hidden).unflatten(-1, (self.n_kv_heads, self.d_head)).transpose(1, 2)
        if position_embeddings is not None:
            query, key = rotate(query, *position_embeddings), rotate(key, *position_embeddings)
        if past_key_values is not None:
            key, value = past_key_values.update(key, value, self.layer_idx)
        z, _ = self.kernel(self, query, key, value, attention_mask, scaling=self.scaling)
        return self.o(z.flatten(2))


class MLP(nn.Module):
    """Two linear maps with a nonlinearity between them; the input of `down` is the neurons' activation."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.up = nn.Linear(config.d_model, config.d_mlp, bias=config.bias)
        if config.gated:
            self.gate = nn.Linear(config.d_model, config.d_mlp, bias=config.bias)
        self.gated = config.gated
        self.act = _ACTIVATIONS[config.activation](config.d_mlp)
        self.down = nn.Linear(config.d_mlp, config.d_model, bias=config.bias)

    def forward(self, hidden: Float[Tensor, "batch pos d_model"]) -> Float[Tensor, "batch pos d_model"]:
        return self.down(self.act(self.gate(hidden)) * self.up(hidden) if self.gated else self.act(self.up(hidden)))


class Block(nn.Module):
    """Attention, then the MLP, each reading the normalised residual stream and adding to it."""

    def __init__(self, config: TransformerConfig, layer_idx: int) -> None:
        super().__init__()
        self.attn_norm = _norm(config)
        self.attn = Attention(config, layer_idx)
        self.has_mlp = config.d_mlp > 0
        if self.has_mlp:
            self.mlp_norm = _norm(config)
            self.mlp = MLP(config)

    def forward(
        self,
        hidden: Float[Tensor, "batch pos d_model"],
        attention_mask: Float[Tensor, "mask_batch 1 query key"] | None = None,
        position_embeddings: tuple[Tensor, Tensor] | None = None,
        past_key_values: KeyValueCache | None = None,
    ) -> Float[Tensor, "batch pos d_model"]:
        """Arguments: the residual stream; an additive mask (None: causal); cosine and sine of the rotary angles; earlier keys and values."""
        mid = hidden + self.attn(self.attn_norm(hidden), attention_mask, position_embeddings, past_key_values)
        return mid + self.mlp(self.mlp_norm(mid)) if self.has_mlp else mid


class Transformer(nn.Module):
    """A causal language model.

    Arguments:
        config: its shape.

    Weights are drawn from torch's global generator: normal with deviation 0.02, divided by sqrt(2 n_layers) where a map writes
    to the residual stream (GPT-2's rule); biases are zero.

    >>> model = Transformer(TransformerConfig(n_layers=2, d_model=16, n_heads=2, d_vocab=50, n_ctx=8, d_mlp=32))
    >>> model(torch.tensor([[3, 1, 4]])).shape
    torch.Size([1, 3, 50])
    """

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.config = config
        self.embed = nn.Embedding(config.d_vocab, config.d_model)
        if config.positional == "learned":
            self.pos_embed = nn.Embedding(config.n_ctx, config.d_model)
        self.blocks = nn.ModuleList(Block(config, i) for i in range(config.n_layers))
        self.final_norm = _norm(config)
        self.unembed = nn.Linear(config.d_model, config.d_vocab, bias=False)
        if config.tied:
            self.unembed.weight = self.embed.weight
        for name, module in self.named_modules():
            if isinstance(module, nn.Linear | nn.Embedding):
                writes = name.endswith((".o", ".down"))
                nn.init.normal_(module.weight, std=0.02 / math.sqrt(2 * config.n_layers) if writes else 0.02)
            if isinstance(module, nn.Linear) and module.bias is not None:
                nn.init.zeros_(module.bias)

    @property
    def attentions(self) -> list[Attention]:
        """The attention of each block, first to last."""
        return [block.attn for block in self.blocks if isinstance(block, Block)]

    def forward(
        self,
        input_ids: Int[Tensor, "batch pos"],
        attention_mask: Int[Tensor, "batch key"] | Float[Tensor, "mask_batch 1 pos key"] | None = None,
        position_ids: Int[Tensor, "batch pos"] | None = None,
        logits_to_keep: int = 0,
        past_key_values: KeyValueCache | None = None,
    ) -> Float[Tensor, "batch kept_pos d_vocab"]:
        """Logits of the next token at each position.

        Arguments:
            input_ids: token ids, at most n_ctx a row.
            attention_mask: 1 for real tokens and 0 for padding on either side, earlier tokens included; or an additive mask handed to the blocks
                as it is.
            position_ids: each token's place; None: counted from the row's first real token.
            logits_to_keep: compute only the last so many columns; 0 means all.
            past_key_values: keys and values of the tokens before these; those of these tokens are added to it.

        Returns:
            The logits; at padding they mean nothing.

        Raises:
            InputError: the rows are longer than n_ctx; a cache of fixed length, whose empty places would be looked at.
        """
        if getattr(past_key_values, "is_compileable", False):
            raise InputError(f"a {type(past_key_values).__name__} returns places that hold nothing yet: use a cache that grows, such as DynamicCache")
        batch, new = input_ids.shape
        pos = new if past_key_values is None else past_key_values.get_seq_length() + new
        if pos > self.config.n_ctx:
            raise InputError(f"{pos} tokens do not fit into a context of {self.config.n_ctx}: shorten the input")
        padding = attention_mask if attention_mask is not None and attention_mask.ndim == 2 else None
        if position_ids is None:
            real = torch.ones(batch, pos, dtype=torch.long, device=input_ids.device) if padding is None else padding.long()
            position_ids = (real.cumsum(-1) - 1).clamp(min=0)[:, -new:]
        hidden = self.embed(input_ids)
        if self.config.positional == "learned":
            hidden = hidden + self.pos_embed(position_ids)
        rotary = rotary_embeddings(position_ids, self.config.head_dim, self.config.rotary_base) if self.config.positional == "rotary" else None
        if padding is not None:
            attention_mask = causal_mask(new, pos, hidden.dtype, hidden.device, visible=padding[:, None, :].bool())
        for block in self.blocks:
            hidden = block(hidden, attention_mask, rotary, past_key_values)
        return self.unembed(self.final_norm(hidden[:, -logits_to_keep:]))

    def stored_tensors(self) -> dict[str, Tensor]:
        """The tensors that a file of this model holds: all of the state, but a tied unembedding only once, as `embed.weight`."""
        state = {name: w.detach() for name, w in self.state_dict().items()}
        if self.config.tied:
            del state["unembed.weight"]
        return state

    def load_stored(self, weights: dict[str, Tensor]) -> None:
        """Take over what `stored_tensors` gave, from this or an equally shaped model.

        Arguments:
            weights: by name; they become the parameters themselves, without a copy.

        Raises:
            LoadError: a tensor is missing, unknown or of another shape.
        """
        storage.fit(self.stored_tensors(), weights)
        # strict=False lets only the tied unembedding be absent: the names were compared above
        self.load_state_dict(weights, strict=False, assign=True)
        if self.config.tied:
            self.unembed.weight = self.embed.weight

    def save(self, folder: str | Path, tokenizer: "Tokenizer | None" = None, dtype: torch.dtype | None = None) -> None:
        """Write `config.json`, `model.safetensors` and, if given, `tokenizer.json`.

        Arguments:
            folder: made if it is missing.
            tokenizer: kept beside the weights.
            dtype: of the stored weights; None keeps theirs.
        """
        storage.write(folder, self.config, self.stored_tensors(), dtype)
        if tokenizer is not None:
            tokenizer.save(str(Path(folder) / "tokenizer.json"))

    @classmethod
    def load(cls, folder: str | Path, dtype: torch.dtype = torch.float32) -> "Transformer":
        """Read a folder written by `save`.

        Arguments:
            folder: with `config.json` and `model.safetensors`.
            dtype: of the weights in memory; weights stored in half precision are computed with in float32 unless told otherwise.

        Returns:
            The model, in evaluation mode.

        Raises:
            LoadError: a file is missing, unreadable, or not of this kind of model.
        """
        return storage.read(folder, cls, TransformerConfig, dtype)
