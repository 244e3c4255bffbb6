"""A sequence in pieces, with earlier keys and values kept, against the same sequence at once."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import DynamicCache, StaticCache

from sonde.nn import Transformer, TransformerConfig, eager_attention_forward
from sonde.nn.transformer import sdpa_attention_forward
from sonde.results import InputError

SHAPE = {"n_layers": 2, "d_model": 24, "n_heads": 4, "d_vocab": 50, "n_ctx": 12}
CONFIGS = {
    "gpt2": TransformerConfig(**SHAPE, d_mlp=40),
    "llama": TransformerConfig(**SHAPE, d_mlp=40, n_kv_heads=2, activation="silu", gated=True, norm="rms", positional="rotary", bias=False),
    "bare": TransformerConfig(**SHAPE, d_mlp=0, norm=None, positional=None, tied=False),
}


def model_of(name, kernel=sdpa_attention_forward):
    torch.manual_seed(0)
    model = Transformer(CONFIGS[name]).double().eval()
    with torch.no_grad():
        for parameter in model.parameters():  # larger than at the start of training, so that a difference shows
            parameter.add_(0.3 * torch.randn_like(parameter))
    for attention in model.attentions:
        attention.kernel = kernel
    return model


def in_pieces(model, ids, ends, mask=None):
    cache, logits, start = DynamicCache(), [], 0
    for end in (*ends, ids.shape[1]):
        logits.append(model(ids[:, start:end], None if mask is None else mask[:, :end], past_key_values=cache))
        start = end
    return torch.cat(logits, 1), cache


@settings(max_examples=40)
@given(
    st.sampled_from(sorted(CONFIGS)),
    st.sampled_from([sdpa_attention_forward, eager_attention_forward]),
    st.sets(st.integers(1, 8)),
    st.none() | st.lists(st.integers(0, 5), min_size=3, max_size=3),
)
def test_pieces_equal_the_whole(name, kernel, ends, padding):
    """Also where rows are padded on the left, as batches are that write on."""
    model = model_of(name, kernel)
    ids = torch.randint(0, 50, (3, 9), generator=torch.Generator().manual_seed(1))
    mask = None if padding is None else (torch.arange(9)[None] >= torch.tensor(padding)[:, None]).long()
    with torch.no_grad():
        pieces, cache = in_pieces(model, ids, sorted(ends), mask)
        whole = model(ids, mask)
    real = slice(None) if mask is None else mask.bool()
    torch.testing.assert_close(pieces[real], whole[real], rtol=0, atol=1e-12)
    assert cache.get_seq_length() == 9


def test_the_first_piece_is_bit_identical():
    model, ids = model_of("llama"), torch.randint(0, 50, (2, 7))
    with torch.no_grad():
        assert torch.equal(model(ids), model(ids, past_key_values=DynamicCache()))


def test_without_what_was_kept_the_pieces_differ():
    """The control: earlier tokens matter."""
    model, ids = model_of("gpt2"), torch.randint(0, 50, (2, 7), generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        assert (model(ids[:, 4:]) - model(ids)[:, 4:]).abs().max() > 0.1


def test_the_context_counts_what_is_kept():
    model, cache = model_of("gpt2"), DynamicCache()
    model(torch.zeros(1, 10, dtype=torch.long), past_key_values=cache)
    with pytest.raises(InputError, match="13 tokens do not fit into a context of 12"):
        model(torch.zeros(1, 3, dtype=torch.long), past_key_values=cache)


def test_a_cache_with_empty_places_is_refused():
    from transformers import LlamaConfig

    cache = StaticCache(LlamaConfig(num_hidden_layers=2), max_cache_len=12)
    with pytest.raises(InputError, match="a StaticCache returns places that hold nothing yet: use a cache that grows"):
        model_of("gpt2")(torch.zeros(1, 3, dtype=torch.long), past_key_values=cache)
