"""States are the model's own, at the tokens that spell each span, for every kind of model."""

from types import MappingProxyType

import pytest
import torch
from torch import nn

import sonde
from sonde.access import Model
from sonde.bases import Subspace
from sonde.nn.charlstm import CharLSTM
from sonde.nn.transformer import Transformer, TransformerConfig
from sonde.probing import Labelled, States, read_states
from sonde.results import InputError, UnknownSite

TEXTS = ["The keys on the cabinet", "John gave a cup to Mary", "The key", "The key on the table"]
SPANS = [[(4, 8)], [(12, 15)], [(4, 7)], [(15, 20)]]
Y = [1, 0, 1, 0]


@pytest.fixture(scope="module")
def model():
    return sonde.load("specimen:words-small")


@pytest.fixture(scope="module")
def transformer():
    return Model(Transformer(TransformerConfig(n_layers=2, d_model=16, n_heads=2, d_vocab=50, n_ctx=8, d_mlp=32)))


@pytest.fixture(scope="module")
def data():
    return Labelled.of(TEXTS, Y, spans=SPANS)


def test_the_states_are_those_of_each_text_alone(model, data):
    states = read_states(model, data)
    assert states.sites == ["embed", *(f"blocks.{i}.resid_post" for i in range(model.n_layers))]
    for i, (text, [(start, stop)]) in enumerate(zip(TEXTS, SPANS, strict=True)):
        places = model.tokenizer.located(text)
        token = [n for n, place in enumerate(places) if place and place[0] < stop and place[1] > start][-1]
        run = model.run(text, read=states.sites)
        for site in states.sites:
            torch.testing.assert_close(states[site][i], run[site][0, token], rtol=1e-5, atol=1e-5)
        assert states.positions[i] == token
    assert states.model_hash == model.hash
    assert states.pooling == "last"


def test_the_batch_size_changes_nothing(model, data):
    one, all_ = read_states(model, data, batch_size=1), read_states(model, data, batch_size=3)
    for site in one.sites:
        torch.testing.assert_close(one[site], all_[site], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("how", ["first", "last", "mean", "max"])
def test_pooling_over_a_span_of_tokens(transformer, how):
    data = Labelled.of([[3, 1, 4, 1, 5], [9, 2, 6]], [0, 1], spans=[[(1, 4)], [(0, 2)]])
    states = read_states(transformer, data, "blocks.1.resid_post", pooling=how)
    by_hand = {"first": lambda x: x[0], "last": lambda x: x[-1], "mean": lambda x: x.mean(0), "max": lambda x: x.amax(0)}[how]
    for i, [(start, stop)] in enumerate(data.spans):
        x = transformer.run([list(data.texts[i])], read="blocks.1.resid_post")["blocks.1.resid_post"][0, start:stop]
        torch.testing.assert_close(states["blocks.1.resid_post"][i], by_hand(x), rtol=1e-5, atol=1e-5)


def test_a_pair_lies_side_by_side(transformer):
    data = Labelled.of([[3, 1, 4, 1, 5]], [0, 1], text=[0, 0], spans=[[(1, 2), (4, 5)], [(4, 5), (0, 1)]])
    states = read_states(transformer, data, "embed")
    x = transformer.run([[3, 1, 4, 1, 5]], read="embed")["embed"][0]
    assert torch.equal(states["embed"], torch.stack([torch.cat([x[1], x[4]]), torch.cat([x[4], x[0]])]))
    assert states.positions.tolist() == [3, -4]


def test_sites_of_bases_heads_and_selections(model, data):
    basis = Subspace.random(model.d_model, 3)
    attached = model.attach("blocks.0.resid_post", basis, name="plane")
    states = read_states(attached, data, ["blocks.0.resid_post.plane", "blocks.0.attn.z", "blocks.*.resid_post"])
    torch.testing.assert_close(states["blocks.0.resid_post.plane"], basis.encode(states["blocks.0.resid_post"]), rtol=1e-4, atol=1e-5)
    assert states["blocks.0.attn.z"].shape == (4, model.n_heads * (model.architecture.d_head))
    whole = Labelled.of(TEXTS, Y)
    first = read_states(model, whole, "blocks.0.resid_post[pos=0]")
    run = model.run(TEXTS[1], read="blocks.0.resid_post")
    torch.testing.assert_close(first["blocks.0.resid_post[pos=0]"][1], run["blocks.0.resid_post"][0, 0], rtol=1e-5, atol=1e-5)
    with pytest.raises(InputError, match="has one vector for a whole text"):
        read_states(model, data, "blocks.0.resid_post[pos=0]")


def test_special_tokens_are_no_part_of_a_whole_text(model):
    whole = read_states(model, Labelled.of(["The key", "The keys"], [0, 1]), "embed", pooling="mean")
    run = model.run("The key", read="embed")
    own = [i for i, place in enumerate(model.tokenizer.located("The key")) if place is not None]
    assert len(own) < run["embed"].shape[1]  # the specimen puts a token before every text
    torch.testing.assert_close(whole["embed"][0], run["embed"][0, own].mean(0), rtol=1e-5, atol=1e-6)


def test_a_text_beyond_the_context_is_left_out_and_named(model):
    long = " ".join(["key"] * (model.context + 5))
    states = read_states(model, Labelled.of(["The key", long, "The keys"], [0, 1, 1]), "embed")
    assert len(states) == len(states.data) == 2
    assert "1 of 3 texts were left out, such as text 1: it has" in states.notes[0]
    with pytest.raises(InputError, match="the context of"):
        read_states(model, Labelled.of([long], [0, 1], text=[0, 0], spans=[[(0, 3)], [(4, 7)]]), "embed")


def test_a_word_that_shares_its_token_is_named():
    from tokenizers import Tokenizer, models, pre_tokenizers

    backend = Tokenizer(models.WordLevel({"?": 0, "don't": 1, "go": 2, "away": 3}, unk_token="?"))
    backend.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    joined = Model(Transformer(TransformerConfig(n_layers=1, d_model=8, n_heads=2, d_vocab=4, n_ctx=8, d_mlp=8)), tokenizer=backend)
    data = Labelled.of(["don't go away"], [0, 1, 0], text=[0, 0, 0], spans=[[(0, 2)], [(6, 8)], [(9, 13)]])
    states = read_states(joined, data, "embed")
    assert states.notes == ("1 spans share a token with other characters, such as 'do': what is read there is not theirs alone",)
    blank = Labelled.of(["go away"], [0, 1], text=[0, 0], spans=[[(2, 3)], [(0, 2)]])
    states = read_states(joined, blank, "embed")
    assert len(states) == 1
    assert "the tokenizer makes no token of them, such as ' '" in states.notes[0]


def test_a_tokenizer_without_offsets_is_refused(data):
    class Slow:
        bos_token_id = pad_token_id = eos_token_id = None
        added_tokens_decoder = MappingProxyType({})

        def __call__(self, text, **_):
            return type("Encoding", (), {"input_ids": [1, 2]})()

        def get_vocab(self):
            return {"x": 0}

        def convert_ids_to_tokens(self, i):
            return "x"

    slow = Model(Transformer(TransformerConfig(n_layers=1, d_model=8, n_heads=2, d_vocab=4, n_ctx=8, d_mlp=8)), tokenizer=Slow())
    with pytest.raises(InputError, match="Slow does not tell where its tokens stand"):
        read_states(slow, data)


def test_no_tokenizer(transformer, data):
    with pytest.raises(InputError, match="loaded without a tokenizer"):
        read_states(transformer, data)


def test_a_recurrent_module_by_path_reads_rows_of_any_length():
    torch.manual_seed(3)
    lstm = Model(CharLSTM(d_vocab=20, d_model=8))
    rows = [[3, 1, 4, 1], [5, 9], [2, 6, 5, 3]]
    states = read_states(lstm, Labelled.of(rows, [0, 1, 0]), ["lstm0:out", "lstm1:out", "embed:out"])
    for i, row in enumerate(rows):
        run = lstm.run(torch.tensor([row]), read=["lstm0:out"])
        torch.testing.assert_close(states["lstm0:out"][i], run["lstm0:out"][0, -1], rtol=1e-5, atol=1e-6)
    with pytest.raises(InputError, match="has no blocks that sonde knows: name the sites"):
        read_states(lstm, Labelled.of(rows, [0, 1, 0]))


def test_pictures():
    torch.manual_seed(4)
    net = Model(nn.Sequential(nn.Conv2d(1, 3, 3), nn.ReLU(), nn.Flatten(), nn.Linear(3 * 16, 5)))
    images = torch.randn(7, 1, 6, 6)
    data = Labelled.of(images, [0, 1, 0, 1, 0, 1, 1])
    states = read_states(net, data, ["1:out", "3:out"], pooling="mean", batch_size=3)
    maps = torch.relu(net.module[0](images))
    torch.testing.assert_close(states["1:out"], maps.mean((2, 3)))
    torch.testing.assert_close(states["3:out"], net.module(images))
    with pytest.raises(InputError, match="the last place of an item says little"):
        read_states(net, data, "1:out")


def test_mistakes(model, transformer, data):
    with pytest.raises(UnknownSite, match="resid_pos"):
        read_states(model, data, "blocks.0.resid_pos")
    with pytest.raises(InputError, match=r"pooling='sum' is none: choose 'last', 'first', 'mean', 'max'"):
        read_states(model, data, pooling="sum")
    with pytest.raises(InputError, match="has the axes batch head query key"):
        read_states(model, data, "blocks.0.attn.pattern")
    with pytest.raises(InputError, match="give 1 or more texts per pass"):
        read_states(model, data, batch_size=0)
    with pytest.raises(InputError, match="names no site"):
        read_states(model, data, sites=[])
    with pytest.raises(InputError, match="reads tokens"):
        read_states(transformer, Labelled.of(torch.randn(3, 4), [0, 1, 0]))


def test_labels_that_the_position_tells_are_named(model):
    texts = ["The key is there", "A cup is there", "The keys are on", "John gave a cup"] * 3
    spans = [[(0, text.index(" "))] for text in texts] + [[(text.rindex(" ") + 1, len(text))] for text in texts]
    targets = ["first"] * 12 + ["last"] * 12
    leaking = Labelled.of(texts, targets, text=[*range(12), *range(12)], spans=spans)
    notes = read_states(model, leaking, "embed").notes
    assert [note for note in notes if "the position alone tells 100% of 'label'" in note]
    mixed = Labelled.of(texts, ["a", "b"] * 12, text=[*range(12), *range(12)], spans=spans)
    assert not [note for note in read_states(model, mixed, "embed").notes if "position" in note]


def test_numbers_that_the_position_tells_are_named(model):
    """The place of a word in its sentence, asked as a number; beside the same numbers in another order, and numbers that are all alike."""
    texts = ["The key is there", "A cup is there", "The keys are on", "John gave a cup"] * 3
    spans = [[(0, text.index(" "))] for text in texts] + [[(text.rindex(" ") + 1, len(text))] for text in texts]
    places = [0.1] * 12 + [2.9] * 12
    draw = torch.randperm(24, generator=torch.Generator().manual_seed(0)).tolist()
    for numbers, told in ((places, True), ([places[i] for i in draw], False), ([1.0] * 24, False)):
        notes = read_states(model, Labelled.of(texts, numbers, text=[*range(12), *range(12)], spans=spans), "embed").notes
        assert any("the position alone tells 'label' with R^2 1.00" in note for note in notes) is told


def test_states_of_tensors(unchecked):
    x = torch.randn(6, 3)
    states = States.of(x, [0, 1, 0, 1, 0, 1], groups=[0, 0, 1, 1, 2, 2])
    some = states.select([4, 1])
    assert torch.equal(some["given"], x[[4, 1]])
    assert some.y.tolist() == [0, 1]
    assert some.data.groups.tolist() == [2, 0]
    with pytest.raises(InputError, match="was not read; there are given"):
        states["blocks.0"]
    with pytest.raises(InputError, match=r"\(5, 3\) for 6 examples"):
        States.of(x[:5], [0, 1, 0, 1, 0, 1])
    with pytest.raises(InputError, match="hold nan or inf at example 2"):
        States.of(torch.cat([x[:2], torch.full((4, 3), torch.nan)]), [0, 1, 0, 1, 0, 1])
