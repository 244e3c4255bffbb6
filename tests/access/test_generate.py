"""Text under edits: the same as repeated whole forwards, with positions that stay where they were."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_models import FAMILIES, VOCAB
from tiny_tokenizer import text, words
from tokenizers import Tokenizer as Backend
from tokenizers import decoders, models, pre_tokenizers

import sonde
from sonde.access import Tokenizer
from sonde.results import EditError, InputError, SiteUnavailable

VECTOR = torch.linspace(-3, 3, 16)
PROMPT = [5, 9, 3]
NEW = 5


@pytest.fixture(scope="module")
def speaking(loaded):
    """Every family with a tokenizer whose token 39 ends a text."""
    return {family: sonde.Model(model.module, Tokenizer(words(), bos_id=1, eos_id=39)) for family, model in loaded.items()}


def greedy(model, ids, edits, new=NEW):
    """Whole forwards by hand; `edits` gives the edits for a length."""
    ids = list(ids)
    for _ in range(new):
        token = model.run([ids], edits=edits(len(ids)), logits="last").last_logits[0].argmax().item()
        if token == 39:
            break
        ids.append(token)
    return ids


def steer(positions):
    """The edit of the tests at some positions, as far as they are there."""

    def edits(length):
        there = [p for p in positions if p < length]
        return [sonde.Add(sonde.Site("blocks.0.resid_post").at(pos=there), VECTOR)] if there else []

    return edits


@settings(max_examples=25)
@given(
    st.sampled_from(FAMILIES),
    st.sampled_from(["all", "prompt", "new"]),
    st.none()
    | st.integers(-3, 6)
    | st.sampled_from([slice(1, None), slice(-1, None), slice(None, -1), slice(2, 5), slice(None, None, 2), (0, 2, 4), (-1, 3)]),
)
def test_equals_repeated_forwards(speaking, family, when, pos):
    model = speaking[family]
    everywhere = range(len(PROMPT) + NEW)
    if pos is None:
        chosen = list(everywhere)
    elif isinstance(pos, slice):
        # negative ends speak of the prompt, an open end goes on
        start, stop = (end if end is None or end >= 0 else len(PROMPT) + end for end in (pos.start, pos.stop))
        chosen = list(everywhere[slice(start, stop, pos.step)])
    else:
        chosen = [p % len(PROMPT) if p < 0 else p for p in (pos if isinstance(pos, tuple) else (pos,))]
    chosen = [p for p in chosen if when == "all" or (p < len(PROMPT)) == (when == "prompt")]
    site = sonde.Site("blocks.0.resid_post") if pos is None else sonde.Site("blocks.0.resid_post").at(pos=pos)
    generate = lambda: model.generate(PROMPT, [sonde.Add(site, VECTOR)], when=when, max_new_tokens=NEW)
    if not [p for p in chosen if p < len(PROMPT) + NEW - 1]:
        with pytest.raises(SiteUnavailable, match=r"would never apply: .* computes? no such position"):
            generate()
        return
    assert generate() == text(greedy(model, PROMPT, steer(chosen))[len(PROMPT) :])


def test_without_edits(speaking):
    for model in speaking.values():
        expected = greedy(model, PROMPT, lambda length: [])
        assert model.generate(PROMPT, max_new_tokens=NEW) == text(expected[3:])
        assert model.generate("w5 w9 w3", max_new_tokens=NEW) == text(expected[3:])


def test_three_ways_of_applying_differ(speaking):
    """The control: if positions were ignored, the three would give one text."""
    model = speaking["gpt2"]
    edit = sonde.Add("blocks.0.resid_post", 3 * VECTOR)
    texts = {model.generate(PROMPT, [edit], when=when, max_new_tokens=8) for when in ("all", "prompt", "new")}
    assert len(texts) == 3


def test_patches_heads_and_patterns(speaking):
    model = speaking["llama"]
    source = model.run([[7, 7, 7]], read="blocks.1.attn.z")
    patch = sonde.Patch("blocks.1.attn.z[head=2]", source)
    expected = greedy(model, PROMPT, lambda length: [sonde.Patch("blocks.1.attn.z[head=2, pos=0:3]", source)])
    assert model.generate(PROMPT, [patch], when="prompt", max_new_tokens=NEW) == text(expected[3:])
    with pytest.raises(EditError, match="patch runs of the same length, or select positions that both have"):
        model.generate(PROMPT, [patch], max_new_tokens=NEW)  # the source has no token for the new positions
    blind = sonde.Zero("blocks.0.attn.pattern[key=0]")
    expected = greedy(model, PROMPT, lambda length: [blind.__class__(f"blocks.0.attn.pattern[key=0, query=3:{length}]")] if length > 3 else [])
    assert model.generate(PROMPT, [blind], when="new", max_new_tokens=NEW) == text(expected[3:])


def test_positions_by_token(speaking):
    model = speaking["gpt2"]
    by_text = model.generate("w5 w9 w3", [sonde.Add("blocks.0.resid_post[pos='w9']", VECTOR)], max_new_tokens=NEW)
    assert by_text == text(greedy(model, PROMPT, steer([1]))[3:])


def test_a_users_own_kind_of_edit(speaking):
    class Foreign:
        site = sonde.Site("blocks.0.resid_post")

        def new(self, old):
            return old + VECTOR

    model = speaking["native"]
    assert model.generate(PROMPT, [Foreign()], max_new_tokens=NEW, when="new") == text(greedy(model, PROMPT, steer(range(3, 8)))[3:])


def test_drawn_tokens_follow_the_softmax(speaking):
    """The share of each first token over many seeds against its probability; every row draws by its own seed."""
    model, temperature = speaking["native"], 2.0
    want = (model.run([PROMPT]).last_logits[0] / temperature).softmax(-1)
    drawn = model.generate([PROMPT] * 400, temperature=temperature, max_new_tokens=1)
    counts = torch.bincount(torch.tensor([int(word.strip().removeprefix("w")) if word else 39 for word in drawn]), minlength=VOCAB)
    assert (counts / 400 - want).abs().max() < 4 * (0.25 / 400) ** 0.5
    drawn = [model.generate(PROMPT, temperature=temperature, seed=seed, max_new_tokens=NEW) for seed in (3, 3, 4)]
    assert drawn[0] == drawn[1] != drawn[2]
    assert model.generate([PROMPT] * 2, temperature=temperature, seed=3, max_new_tokens=NEW) == [drawn[0], drawn[2]]


def test_the_end_of_a_text_ends_it(speaking, loaded, monkeypatch):
    model = speaking["native"]
    first = model.run([PROMPT]).last_logits[0].argmax().item()
    ending = sonde.Model(model.module, Tokenizer(words(), eos_id=first))
    assert ending.generate(PROMPT, max_new_tokens=NEW) == ""
    llama = sonde.Model(loaded["llama"].module, Tokenizer(words()))
    new = greedy(llama, PROMPT, lambda length: [])[3:]
    monkeypatch.setattr(llama.module.generation_config, "eos_token_id", [38, new[1]])  # models may name several
    assert llama.generate(PROMPT, max_new_tokens=NEW) == text(new[: new.index(new[1])])


def test_what_follows_keeps_its_space(loaded):
    """Metaspace tokenizers drop the space before the first word of whatever they decode."""
    pieces = ["<unk>", *(f"▁w{i}" for i in range(1, VOCAB))]
    backend = Backend(models.WordLevel({piece: i for i, piece in enumerate(pieces)}, unk_token="<unk>"))
    backend.pre_tokenizer, backend.decoder = pre_tokenizers.Metaspace(), decoders.Metaspace()
    model = sonde.Model(loaded["gpt2"].module, Tokenizer(backend))
    written = model.generate("w5 w9 w3", max_new_tokens=NEW)
    assert written.startswith(" w")
    assert model.tokenizer.encode("w5 w9 w3" + written) == greedy(loaded["gpt2"], PROMPT, lambda length: [])


@pytest.mark.parametrize(
    "kwargs, error, message",
    [
        ({"prompt": [1] * 10}, InputError, "the prompt has 10 tokens and the model's context is 12: ask for at most 2 with max_new_tokens="),
        ({"prompt": [1], "max_new_tokens": 0}, InputError, "max_new_tokens=0: write at least one token"),
        (
            {"prompt": [1], "temperature": -1.0, "max_new_tokens": 2},
            InputError,
            "temperature=-1.0: use 0 for the likeliest token, or a positive number",
        ),
        ({"prompt": [1], "temperature": float("nan"), "max_new_tokens": 2}, InputError, "temperature=nan"),
        ({"prompt": [1], "when": "later"}, InputError, "when='later': edits apply to 'all' tokens, those of the 'prompt', the 'new' ones, or a list"),
        ({"prompt": " "}, InputError, "the prompt ' ' is empty"),
        ({"prompt": ["w1", 2]}, InputError, "texts and other inputs are mixed: 2 is no text"),
        ({"prompt": [1], "edits": [sonde.Zero("embed")], "when": "new", "max_new_tokens": 1}, SiteUnavailable, "would never apply"),
        (
            {"prompt": [1], "edits": [sonde.Zero("embed[pos=-2]")], "max_new_tokens": 2},
            InputError,
            "position -2 is outside row 0, which has 1 tokens",
        ),
        ({"prompt": [1], "edits": [sonde.Scale("blocks.0.attn.z", float("inf"))], "max_new_tokens": 2}, EditError, "logits after 1 tokens hold NaN"),
    ],
)
def test_refused(speaking, kwargs, error, message):
    with pytest.raises(error) as raised:
        speaking["gpt2"].generate(**kwargs)
    assert message in str(raised.value)


def test_text_needs_a_tokenizer_and_a_language_model(loaded):
    with pytest.raises(InputError, match="generate writes text, and this model was loaded without a tokenizer: load it with tokenizer="):
        loaded["gpt2"].generate([1])
    other = sonde.Model(torch.nn.Sequential(torch.nn.Embedding(VOCAB, 4)), Tokenizer(words()))
    with pytest.raises(InputError, match="this module takes tensors"):
        other.generate([1])
