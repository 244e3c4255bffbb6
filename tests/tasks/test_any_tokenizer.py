"""Every task on models of other shapes with tokenizers of other kinds, and what each tokenizer makes of years."""

import functools

import pytest
import torch
from small_models import llama, words
from tokenizers import Regex, decoders, models, pre_tokenizers, trainers
from tokenizers import Tokenizer as Backend

import sonde
from sonde.results import InputError
from sonde.tasks import TEMPLATES, check, english, load
from sonde.tasks.prompt import Prompt

TEXTS = [f" {form}" for name in ("name", "noun", "adjective", "food", "event", "country", "weekday", "month", "number", "ordinal", "member")
         for entry in english()[name].entries for form in entry.forms]  # fmt: skip
TEXTS += [f" {word}" for forms in english().fixed["verb"] for word in forms] + [
    f" {name}" for kind in english().kinds.values() for name in kind.names
]
TEXTS += [" she he def self param the a an is kind of and other because"] * 20
TEXTS += [f" {year}" for year in range(1002, 2099)]


@functools.cache
def model(shape, digits):
    """A random network of this shape, with a byte-level tokenizer that cuts numbers into pieces of so many digits from the left."""
    from transformers import GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM

    backend = Backend(models.BPE())
    cut = pre_tokenizers.Split(Regex(r"\d" if digits == 1 else rf" ?\d{{1,{digits}}}"), "isolated")
    backend.pre_tokenizer = pre_tokenizers.Sequence([cut, pre_tokenizers.ByteLevel(add_prefix_space=False)])
    backend.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=8000, initial_alphabet=alphabet, special_tokens=["<|endoftext|>"], show_progress=False)
    backend.train_from_iterator(TEXTS * 3, trainer)
    torch.manual_seed(0)
    size = backend.get_vocab_size()
    if shape == "gpt2":
        config = GPT2Config(n_embd=16, n_layer=2, n_head=2, vocab_size=size, n_positions=128, bos_token_id=0, eos_token_id=0)
        return sonde.load(GPT2LMHeadModel(config).eval(), backend)
    config = LlamaConfig(
        hidden_size=16, intermediate_size=24, num_hidden_layers=2, num_attention_heads=2, num_key_value_heads=1, vocab_size=size,
        max_position_embeddings=128, bos_token_id=0, eos_token_id=0,
    )  # fmt: skip
    return sonde.load(LlamaForCausalLM(config).eval(), backend)


@pytest.mark.parametrize("name", TEMPLATES)
@pytest.mark.parametrize(("shape", "digits"), [("gpt2", 2), ("llama", 1)])
def test_every_task_runs(shape, digits, name):
    one = model(shape, digits)
    task = load(name, one, n=6)
    assert len(task) == 6 and all(len(clean) == len(corrupt) for clean, corrupt in zip(task.clean, task.corrupt, strict=True))
    strings = one.tokenizer.strings
    assert all("".join(strings(row)) == text for row, text in zip(task.clean, task.texts, strict=True))
    assert all(text in row for text, row in zip(task.corrupt_texts, map("".join, map(strings, task.corrupt)), strict=True))
    found = check(one, task)
    assert found.clean.isfinite().all() and found.corrupt.isfinite().all()
    # weights drawn at random do no task: the largest gap that chance gives here is far below one that a trained model has
    assert abs(found.gap) < 1


def _years(one, text):
    case = next(TEMPLATES["greater_than"].rule(Prompt(text, one.tokenizer)))
    return (sorted(tokens) for tokens in (case.answers, case.wrongs))


@pytest.mark.parametrize(("start", "right", "wrong"), [("1732", "456789", "012"), ("1739", "456789", "0123"), ("1789", "9", "012345678")])
def test_digits_one_by_one_ask_for_the_decade(start, right, wrong):
    """The first year's own decade may be right or wrong, unless it is over; the second tokenizer spells digits as bytes after a mark for spaces."""
    for one in (model("llama", 1), llama()):
        later, others = _years(one, f"The war lasted from {start} to 17")
        digit = {one.tokenizer.encode(f"17{d}", bos=False)[-1]: str(d) for d in range(10)}
        assert tuple("".join(sorted(digit[token] for token in tokens)) for tokens in (later, others)) == (right, wrong)


def test_where_no_decade_is_surely_wrong_there_is_no_question():
    assert next(TEMPLATES["greater_than"].rule(Prompt("The war lasted from 1705 to 17", model("llama", 1).tokenizer)), None) is None


def test_pairs_of_digits_ask_for_the_year():
    for one in (model("gpt2", 2), words()):
        later, others = _years(one, "The war lasted from 1732 to 17")
        assert sorted(map(int, one.tokenizer.strings(later))) == list(range(33, 100))
        assert sorted(map(int, one.tokenizer.strings(others))) == list(range(33))


def test_years_cut_elsewhere_are_refused_with_their_pieces():
    one = model("gpt2", 3)
    assert next(TEMPLATES["greater_than"].rule(Prompt("The war lasted from 1732 to 17", one.tokenizer)), None) is None
    with pytest.raises(
        InputError, match=r"no example of the task 'greater_than' suits this tokenizer: .*4 of 4 frames gave no example.*\d{3}\|\d\| "
    ) as refusal:
        load("greater_than", one)
    assert "\n" not in str(refusal.value)
