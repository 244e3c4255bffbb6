"""Every token's log-probability, with shared beginnings computed once, is that of one plain forward of its row."""

import itertools
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_families import DECODERS, UNKNOWN, build
from tiny_models import CONTEXT, NATIVE, VOCAB, bare
from torch import nn

import sonde
from sonde.access.likelihood import log_likelihoods
from sonde.results import InputError


def plainly(model, row):
    """One forward of one row."""
    logits = model.run([row]).logits[0].float()
    return logits[:-1].log_softmax(-1).gather(-1, torch.tensor(row[1:])[:, None])[:, 0].tolist()


def assert_plain(model, rows, **options):
    for row, found in zip(rows, log_likelihoods(model, rows, **options), strict=True):
        assert len(found) == len(row) and math.isnan(found[0])
        assert found[1:] == pytest.approx(plainly(model, row), abs=2e-5, rel=2e-5)


def branching(seed, n=CONTEXT - 1):
    """Rows that part from one another at every place, some of which are beginnings of others, and one of them twice."""
    generator = torch.Generator().manual_seed(seed)
    trunk = torch.randint(1, VOCAB, (CONTEXT,), generator=generator).tolist()
    rows = [trunk, trunk, trunk[:5], trunk[:1]]
    for k in range(1, n):
        tail = torch.randint(1, VOCAB, (CONTEXT - k,), generator=generator).tolist()
        rows += [[*trunk[:k], *tail], [*trunk[:k], *tail[: 1 + k % 3]]]
    return rows


@pytest.mark.parametrize("family", [*NATIVE, *DECODERS])
def test_every_token(family):
    """Of families whose cache forgets (sliding windows) or counts positions by itself, too."""
    model = sonde.load(bare(family) if family in NATIVE else build(family))
    assert_plain(model, branching(0))
    assert "likelihood" in model.verified


@pytest.mark.parametrize("family", UNKNOWN)
def test_every_token_of_models_of_no_known_family(family):
    assert_plain(sonde.load(build(family)), branching(1, n=3))


@settings(max_examples=15, deadline=None)
@given(rows=st.lists(st.lists(st.integers(1, 3), min_size=1, max_size=CONTEXT), min_size=1, max_size=12), size=st.sampled_from(["auto", 1, 3]))
def test_neither_order_nor_company_nor_batch_size_matters(rows, size):
    """With three tokens many rows begin alike."""
    assert_plain(MODEL, rows, batch_size=size)


MODEL = sonde.load(bare("llama"))


@pytest.mark.parametrize("rows", [[[1, 2, 3], [1, 2, 4]], [[1, 1], [1, 2], [1, 3]]])
def test_rows_that_part_at_their_last_token(rows):
    """Their whole beginnings are shared, and nothing is computed at the last column."""
    assert_plain(MODEL, rows)


def test_a_cache_that_is_no_continuation_is_not_used():
    """A model that forgets what came before the cached columns is found out, and computed whole."""
    module = bare("llama")
    plain = sonde.load(bare("llama"))
    forward = module.model.forward

    def forgetful(*args, past_key_values=None, **kwargs):
        if past_key_values is not None and past_key_values.get_seq_length():
            past_key_values.layers[0].values = past_key_values.layers[0].values * 0.5
        return forward(*args, past_key_values=past_key_values, **kwargs)

    module.model.forward = forgetful
    model, rows = sonde.load(module), branching(0)
    found = log_likelihoods(model, rows)
    assert "likelihood" not in model.verified
    for row, values in zip(rows, found, strict=True):
        assert values[1:] == pytest.approx(plainly(plain, row), abs=2e-5, rel=2e-5)


class Bigram(nn.Module):
    """Says after each token what its table says."""

    def __init__(self, table):
        super().__init__()
        self.table = nn.Parameter(table)

    def forward(self, ids):
        return self.table[ids]


def test_a_module_of_no_known_family():
    table = torch.randn(6, 6, generator=torch.Generator().manual_seed(0))
    rows = [[1, 2, 3], [1, 2], [5, 4, 3, 2, 1], [1, 2, 3]]
    for row, found in zip(rows, log_likelihoods(sonde.load(Bigram(table)), rows), strict=True):
        assert found[1:] == pytest.approx([float(table[a].log_softmax(0)[b]) for a, b in itertools.pairwise(row)], abs=1e-6)


def test_what_the_model_can_t_take_is_refused():
    assert log_likelihoods(MODEL, []) == []
    with pytest.raises(InputError, match="context"):
        log_likelihoods(MODEL, [[1] * (CONTEXT + 1)])
    with pytest.raises(InputError, match="empty"):
        log_likelihoods(MODEL, [[1], []])
