"""The transformer against closed forms and identities that hold for any weights."""

import json
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sonde.nn import Transformer, TransformerConfig, eager_attention_forward
from sonde.nn.transformer import causal_mask, rotary_embeddings, rotate
from sonde.results import InputError, LoadError

GPT2 = TransformerConfig(n_layers=2, d_model=24, n_heads=4, d_vocab=50, n_ctx=12, d_mlp=40)
LLAMA = TransformerConfig(
    n_layers=2, d_model=24, n_heads=4, n_kv_heads=2, d_head=8, d_vocab=50, n_ctx=12, d_mlp=40, activation="silu", gated=True, norm="rms",
    positional="rotary", tied=False, bias=False,
)  # fmt: skip
BARE = TransformerConfig(n_layers=2, d_model=24, n_heads=2, d_vocab=50, n_ctx=12, d_mlp=0, norm=None, positional=None, tied=False)
SHAPES = pytest.mark.parametrize("config", [GPT2, LLAMA, BARE], ids=["gpt2", "llama", "bare"])


def model_of(config: TransformerConfig) -> Transformer:
    torch.manual_seed(0)
    model = Transformer(config)
    with torch.no_grad():
        for parameter in model.parameters():  # larger than at the start of training, so that a difference shows
            parameter.add_(0.3 * torch.randn_like(parameter))
    return model.eval()


def ids_of(config: TransformerConfig, rows: int = 3, pos: int = 9) -> torch.Tensor:
    return torch.randint(0, config.d_vocab, (rows, pos), generator=torch.Generator().manual_seed(1))


def test_number_of_parameters():
    d, m, v, c = GPT2.d_model, GPT2.d_mlp, GPT2.d_vocab, GPT2.n_ctx
    attention, mlp, norm = 4 * (d * d + d), 2 * d * m + m + d, 2 * d
    expected = v * d + c * d + GPT2.n_layers * (attention + mlp + 2 * norm) + norm
    assert sum(p.numel() for p in Transformer(GPT2).parameters()) == expected

    d, m, v = LLAMA.d_model, LLAMA.d_mlp, LLAMA.d_vocab
    attention, mlp, norm = 2 * d * 4 * 8 + 2 * d * 2 * 8, 3 * d * m, d
    expected = 2 * v * d + LLAMA.n_layers * (attention + mlp + 2 * norm) + norm
    assert sum(p.numel() for p in Transformer(LLAMA).parameters()) == expected


def test_paths_of_the_parts():
    names = dict(Transformer(LLAMA).named_modules())
    block = {"attn_norm", "attn", "attn.q", "attn.k", "attn.v", "attn.o", "mlp_norm", "mlp", "mlp.up", "mlp.gate", "mlp.act", "mlp.down"}
    assert {"embed", "blocks", "final_norm", "unembed"} | {f"blocks.1.{part}" for part in block} <= names.keys()
    assert "pos_embed" not in names
    assert "pos_embed" in dict(Transformer(GPT2).named_modules())
    assert "gate" not in dict(Transformer(GPT2).blocks[0].mlp.named_modules())
    assert not hasattr(Transformer(BARE).blocks[0], "mlp")


def test_tied_weights_are_one_tensor():
    model = Transformer(GPT2)
    assert model.unembed.weight is model.embed.weight
    assert Transformer(LLAMA).unembed.weight is not Transformer(LLAMA).embed.weight


def test_first_weights():
    model = Transformer(TransformerConfig(n_layers=4, d_model=128, n_heads=4, d_vocab=500, n_ctx=16, d_mlp=512))
    for name, weight in model.named_parameters():
        if weight.ndim == 2:
            expected = 0.02 / math.sqrt(8) if name.endswith(("o.weight", "down.weight")) else 0.02
            assert weight.std().item() == pytest.approx(expected, rel=0.05), name


def test_one_layer_by_hand():
    """The equations of the first page, written with loops."""
    config = TransformerConfig(n_layers=1, d_model=6, n_heads=2, d_vocab=7, n_ctx=5, d_mlp=8, norm=None, activation="relu")
    model, ids = model_of(config), torch.tensor([[3, 1, 4, 1]])
    block = model.blocks[0]
    x = model.embed.weight[ids[0]] + model.pos_embed.weight[:4]
    q, k, v = (part(x) for part in (block.attn.q, block.attn.k, block.attn.v))
    z = torch.zeros(4, 6)
    for head in (slice(0, 3), slice(3, 6)):
        for query in range(4):
            weights = torch.stack([(q[query, head] @ k[key, head] / math.sqrt(3)).exp() for key in range(query + 1)])
            z[query, head] = sum(w * v[key, head] for key, w in enumerate(weights / weights.sum()))
    mid = x + z @ block.attn.o.weight.T + block.attn.o.bias
    neurons = (mid @ block.mlp.up.weight.T + block.mlp.up.bias).clamp(min=0)
    out = mid + neurons @ block.mlp.down.weight.T + block.mlp.down.bias
    torch.testing.assert_close(model(ids)[0], out @ model.embed.weight.T)


@SHAPES
def test_later_tokens_do_not_matter(config):
    model, ids = model_of(config), ids_of(config)
    changed = ids.clone()
    changed[:, 5:] = (changed[:, 5:] + 1) % config.d_vocab
    before, after = model(ids), model(changed)
    torch.testing.assert_close(before[:, :5], after[:, :5])
    assert (before[:, 5:] - after[:, 5:]).abs().max() > 0.1


@SHAPES
@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("explicit_positions", [True, False])
def test_padding_changes_nothing(config, side, explicit_positions):
    model, ids = model_of(config), ids_of(config)
    lengths = [9, 6, 1]
    padded, mask, positions = torch.zeros_like(ids), torch.zeros_like(ids), torch.zeros_like(ids)
    for row, length in enumerate(lengths):
        place = slice(9 - length, 9) if side == "left" else slice(0, length)
        padded[row, place], mask[row, place], positions[row, place] = ids[row, :length], 1, torch.arange(length)
    logits = model(padded, attention_mask=mask, position_ids=positions if explicit_positions else None)
    assert torch.isfinite(logits).all()
    for row, length in enumerate(lengths):
        torch.testing.assert_close(logits[row][mask[row].bool()], model(ids[row : row + 1, :length])[0])


@SHAPES
@pytest.mark.parametrize("padded", [True, False])
def test_both_kernels_agree(config, padded):
    model, ids = model_of(config), ids_of(config)
    mask = torch.ones_like(ids)
    mask[1, :4] = 0
    arguments = {"attention_mask": mask} if padded else {}
    fused = model(ids, **arguments)
    for block in model.blocks:
        block.attn.kernel = eager_attention_forward
    real = mask.bool() if padded else torch.ones_like(mask, dtype=torch.bool)
    torch.testing.assert_close(model(ids, **arguments)[real], fused[real])


def test_eager_kernel_gives_a_causal_pattern_by_one_softmax(monkeypatch):
    calls = []
    softmax = torch.nn.functional.softmax
    monkeypatch.setattr(torch.nn.functional, "softmax", lambda *a, **k: calls.append(1) or softmax(*a, **k))
    attention = model_of(LLAMA).blocks[0].attn
    query, key, value = torch.randn(2, 4, 5, 8), torch.randn(2, 2, 5, 8), torch.randn(2, 2, 5, 8)
    out, pattern = eager_attention_forward(attention, query, key, value, None, scaling=attention.scaling)
    assert len(calls) == 1
    assert out.shape == (2, 5, 4, 8)
    assert pattern.shape == (2, 4, 5, 5)
    torch.testing.assert_close(pattern.sum(-1), torch.ones(2, 4, 5))
    assert (pattern.triu(1) == 0).all()


def test_shared_key_heads_equal_repeated_ones():
    grouped = model_of(LLAMA)
    full = Transformer(TransformerConfig(**{**vars(LLAMA), "n_kv_heads": 4})).eval()
    weights = {}
    for name, weight in grouped.stored_tensors().items():
        if name.endswith(("attn.k.weight", "attn.v.weight")):
            weight = weight.unflatten(0, (2, 8)).repeat_interleave(2, dim=0).flatten(0, 1)
        weights[name] = weight
    full.load_stored(weights)
    ids = ids_of(LLAMA)
    torch.testing.assert_close(full(ids), grouped(ids))


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 50), st.integers(0, 50), st.integers(0, 50))
def test_rotated_products_depend_on_the_distance_alone(query_place, key_place, shift):
    generator = torch.Generator().manual_seed(0)
    q, k = torch.randn(2, 1, 1, 1, 16, generator=generator, dtype=torch.float64)

    def product(i: int, j: int) -> float:
        turned = [rotate(x, *rotary_embeddings(torch.tensor([[place]]), 16, 100.0)) for x, place in ((q, i), (k, j))]
        return (turned[0] * turned[1]).sum().item()

    assert product(query_place, key_place) == pytest.approx(product(query_place + shift, key_place + shift), abs=1e-4)


def test_rotation_keeps_lengths_and_starts_at_identity():
    x = torch.randn(1, 2, 6, 8)
    turned = rotate(x, *rotary_embeddings(torch.arange(6)[None], 8, 10000.0))
    torch.testing.assert_close(turned.norm(dim=-1), x.norm(dim=-1))
    torch.testing.assert_close(turned[:, :, 0], x[:, :, 0])


def test_additive_mask_keeps_documents_apart():
    model, ids = model_of(GPT2), ids_of(GPT2, rows=1, pos=8)
    document = torch.tensor([0, 0, 0, 0, 0, 1, 1, 1])
    mask = causal_mask(8, 8, torch.float32, ids.device, visible=document[:, None] == document[None, :])
    joint = model(ids, attention_mask=mask)
    torch.testing.assert_close(joint[:, 5:], model(ids[:, 5:], position_ids=torch.tensor([[5, 6, 7]])))


@SHAPES
def test_only_the_last_columns(config):
    model, ids = model_of(config), ids_of(config)
    assert model(ids, logits_to_keep=1).shape == (3, 1, config.d_vocab)
    torch.testing.assert_close(model(ids, logits_to_keep=2), model(ids)[:, -2:])


def test_beyond_the_context_is_refused():
    with pytest.raises(InputError, match="13 tokens do not fit into a context of 12"):
        Transformer(GPT2)(torch.zeros(1, 13, dtype=torch.long))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"n_heads": 5}, "d_model=24 is not a multiple of n_heads=5"),
        ({"n_kv_heads": 3}, "n_kv_heads=3"),
        ({"d_head": 5, "positional": "rotary"}, "d_head=5 is odd"),
    ],
)
def test_impossible_shapes_are_refused(wrong, message):
    with pytest.raises(InputError, match=message):
        TransformerConfig(**{**vars(GPT2), **wrong})


@SHAPES
def test_saved_and_loaded_bit_for_bit(config, tmp_path):
    model, ids = model_of(config), ids_of(config)
    model.save(tmp_path / "model")
    loaded = Transformer.load(tmp_path / "model")
    assert loaded.config == config
    assert not loaded.training
    assert torch.equal(loaded(ids), model(ids))
    assert (loaded.unembed.weight is loaded.embed.weight) == config.tied
    assert json.loads((tmp_path / "model/config.json").read_text())["model_type"] == "sonde-transformer"


def test_half_precision_file_is_computed_with_in_float32(tmp_path):
    model = model_of(GPT2)
    model.save(tmp_path, dtype=torch.float16)
    loaded = Transformer.load(tmp_path)
    assert loaded.embed.weight.dtype == torch.float32
    assert torch.equal(loaded.embed.weight, model.embed.weight.half().float())
    assert Transformer.load(tmp_path, dtype=torch.float16).embed.weight.dtype == torch.float16


def test_unreadable_folders_say_why(tmp_path):
    with pytest.raises(LoadError, match=r"cannot read .*config\.json"):
        Transformer.load(tmp_path / "nowhere")
    model_of(GPT2).save(tmp_path)
    stored = json.loads((tmp_path / "config.json").read_text())

    def with_config(changes: dict) -> None:
        (tmp_path / "config.json").write_text(json.dumps({**stored, **changes}))

    with_config({"model_type": "gpt2"})
    with pytest.raises(LoadError, match="model_type='gpt2'"):
        Transformer.load(tmp_path)
    with_config({"experts": 8})
    with pytest.raises(LoadError, match="unknown entry 'experts'"):
        Transformer.load(tmp_path)
    with_config({"n_layers": 3})
    with pytest.raises(LoadError, match=r"blocks\.2\.attn\.k\.bias is missing"):
        Transformer.load(tmp_path)
    with_config({"d_vocab": 51})
    with pytest.raises(LoadError, match=r"embed.weight has shape \(50, 24\), the configuration says \(51, 24\)"):
        Transformer.load(tmp_path)
    with_config({"n_heads": 7})
    with pytest.raises(LoadError, match="n_heads=7"):
        Transformer.load(tmp_path)
    with_config({})
    (tmp_path / "model.safetensors").write_bytes(b"not a tensor file")
    with pytest.raises(LoadError, match="cannot read the weights"):
        Transformer.load(tmp_path)


def test_learns_a_tiny_batch_by_heart():
    torch.manual_seed(0)
    model, ids = Transformer(GPT2), ids_of(GPT2, rows=4, pos=12)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    for _ in range(200):
        loss = torch.nn.functional.cross_entropy(model(ids[:, :-1]).flatten(0, 1), ids[:, 1:].flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss.item() < 0.01  # from log 50 = 3.9; the first tokens differ, so all is predictable
