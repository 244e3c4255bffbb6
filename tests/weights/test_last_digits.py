"""Counting by the last digit: found where it was written down, not where only pairs are known, and refused without numbers."""

import pytest
import torch
from small_models import words

import sonde
from sonde.nn import Transformer, TransformerConfig
from sonde.results import InputError, Result
from sonde.specimens.compiled.assembly import word_tokenizer
from sonde.weights import last_digits


@pytest.fixture(scope="module")
def counting():
    """Head 0.0 raises every number that ends in the next digit, 0.1 the successor alone, 0.2 the number itself."""
    tokenizer = word_tokenizer(tuple(map(str, range(100)))).backend
    v, known = tokenizer.get_vocab_size(), [tokenizer.token_to_id(str(n)) for n in range(100)]
    config = TransformerConfig(n_layers=1, d_model=v, n_heads=3, d_head=v, d_vocab=v, n_ctx=8, d_mlp=0, norm=None, tied=False, bias=False)
    module = Transformer(config).requires_grad_(False).eval()
    for weight in module.parameters():
        weight.zero_()
    module.embed.weight.copy_(torch.eye(v))
    module.unembed.weight.copy_(torch.eye(v))
    digit, after = torch.zeros(v, v), torch.zeros(v, v)
    for a in range(100):
        for b in range(100):
            digit[known[b], known[a]] = float(b % 10 == (a + 1) % 10)
            after[known[b], known[a]] = float(b == a + 1)
    attn = module.blocks[0].attn
    attn.v.weight.copy_(torch.cat([torch.eye(v)] * 3))
    attn.o.weight.copy_(torch.cat([digit, after, torch.eye(v)], 1))
    return sonde.Model(module, tokenizer)


def test_only_the_head_that_counts_by_the_last_digit_is_named(counting, tmp_path):
    found = last_digits(counting)
    assert found.numbers == list(range(100)) and found.named() == ["0.0"]
    # nine of the ninety numbers of other decades end in the next digit: raised by 1 where the others are not, 3 deviations above the mean
    assert torch.allclose(found.values[0, 0], torch.tensor(3.0), atol=0.35)
    assert found.digits[0, 0].argmax(1).tolist() == [*range(1, 10), 0]
    assert [verdict.holds for verdict in found.check(counting)] == [True]
    # who knows pairs alone counts by the last digit only where a decade ends
    assert found.values[0, 1].mean() < 0.5 and abs(found.values[0, 2].mean()) < 0.4
    back = Result.load(found.save(tmp_path / "digits"))
    assert back.named() == ["0.0"] and back.to_frame().height == 300 and back.drawing().kind == "head_grid" and back.table("0.0").kind == "matrix"


def test_a_vocabulary_without_numbers_says_so():
    with pytest.raises(InputError, match="numbers below 100 as single tokens"):
        last_digits(sonde.load("specimen:induction"))
    with pytest.raises(InputError, match="at least 20"):
        last_digits(words(), draws=3)
