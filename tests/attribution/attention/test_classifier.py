"""The classifier: padding, batches, questions, imposed weights, storage."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import f1_score

import sonde
from sonde.attribution.attention import AttentionClassifier, AttentionConfig, Setting, Texts, f1, marker_texts, stories, train
from sonde.attribution.attention.encoders import ENCODERS
from sonde.attribution.attention.weighing import WEIGHINGS
from sonde.results import InputError, LoadError

WORDS = ("<pad>", "<unknown>", "a", "b", "c", "d")
ROWS = [["a", "b", "c", "d", "a", "c", "b", "d", "d"], ["b"], ["c", "new", "a"]]


def network(encoder="bilstm", attention="additive", asks=False):
    torch.manual_seed(0)
    return AttentionClassifier(AttentionConfig(WORDS, ("x", "y", "z"), encoder, attention, asks, d_embed=8, d_hidden=8)).eval()


def asked(rows, questions):
    return Texts(rows, [0] * len(rows), questions)


@pytest.mark.parametrize("attention", WEIGHINGS)
@pytest.mark.parametrize("encoder", ENCODERS)
def test_padding_has_no_weight_and_no_say(encoder, attention):
    """A text alone, and beside a longer one, gives the same; and padding has a weight of exactly 0."""
    for asks in (False, True):
        net = network(encoder, attention, asks)
        questions = [["a"], ["b", "c", "d"], ["d"]] if asks else None
        together = net.attend(asked(ROWS, questions))
        assert bool((together.weights[~together.mask] == 0).all()) and bool((together.votes[~together.mask] == 0).all())
        assert torch.allclose(together.weights.sum(1), torch.ones(3))
        for i, row in enumerate(ROWS):
            alone = net.attend(asked([row], questions and [questions[i]]))
            assert torch.allclose(alone.weights[0], together.weights[i, : len(row)], atol=1e-6)
            assert torch.allclose(alone.probabilities[0], together.probabilities[i], atol=1e-6)


@pytest.mark.parametrize("encoder", ENCODERS)
def test_the_output_from_votes_is_that_of_the_network(encoder):
    net = network(encoder)
    rows = net.rows(asked(ROWS, None))
    attended = net.attend(rows)
    with torch.no_grad():
        assert torch.allclose(attended.probabilities, net(rows.ids).softmax(-1), atol=1e-6)
        assert torch.allclose(attended.under(attended.uniform[:, None])[:, 0], net(rows.ids, weights=attended.uniform).softmax(-1), atol=1e-6)


def test_only_the_projection_sees_words_alone():
    """Another word at the end changes the first word's state where there is context, and not where there is none."""
    for encoder, context in (("bilstm", True), ("cnn", True), ("projection", False)):
        net = network(encoder)
        first, second = (net.states(net.rows(asked([["a", "b", last]], None)).ids)[0, 0] for last in "cd")
        assert torch.equal(first, second) is not context


def test_the_question_matters():
    net = network(asks=True)
    here, there = (net.attend(asked([ROWS[0]], [[word]])).weights for word in "ad")
    assert not torch.allclose(here, there, atol=1e-4)


def test_the_handle_reads_and_edits_it():
    """It is a module like any other: its weights can be read and edited by name."""
    net = network()
    model = sonde.Model(net)
    ids = net.rows(asked(ROWS, None)).ids
    run = model.run(ids, read="attention:out")
    attended = net.attend(asked(ROWS, None))
    assert torch.allclose(run["attention:out"], attended.weights, atol=1e-6)
    edited = model.run(ids, edits=sonde.Set("attention:out", attended.uniform))
    assert torch.allclose(edited.logits.softmax(-1), attended.under(attended.uniform[:, None])[:, 0], atol=1e-6)
    assert net.hash == model.hash


def test_the_same_seed_gives_the_same_network():
    corpus = marker_texts(64, 16)
    plan = Setting(d_embed=8, d_hidden=8, epochs=2)
    before = torch.get_rng_state()
    first, again, other = (train(corpus, plan, seed=seed).hash for seed in (3, 3, 4))
    assert first == again != other
    assert torch.equal(before, torch.get_rng_state())


def test_stories_are_answered_by_looking_at_the_place():
    """A network that is asked where a person is looks at the person's last place; asked of the other one, at the other's."""
    corpus = stories(1200, 60, sentences=(2, 2))
    net = train(corpus, Setting(d_embed=24, d_hidden=24, lr=1e-2, epochs=6), seed=0)
    story = ["John", "went", "to", "the", "garden", ".", "Sandra", "went", "to", "the", "kitchen", "."]
    both = Texts([story, story], [0, 1], [["Where", "is", "John", "?"], ["Where", "is", "Sandra", "?"]])
    attended = net.attend(both)
    assert [net.config.classes[i] for i in attended.predicted] == ["garden", "kitchen"]
    assert (net.attend(corpus.test).predicted == torch.tensor(corpus.test.labels)).float().mean() > 0.95
    assert attended.weights[0, :6].sum() > 0.5 and attended.weights[1, 6:].sum() > 0.5


def test_kept_and_read_back(tmp_path):
    net = network("cnn", "dot", asks=True)
    net.save(tmp_path / "net")
    again = AttentionClassifier.load(tmp_path / "net")
    assert again.config == net.config and again.hash == net.hash
    with pytest.raises(LoadError, match="model_type"):
        sonde.nn.ConvNet.load(tmp_path / "net")


def test_mistakes_are_named():
    net = network()
    ids = net.rows(asked(ROWS, None)).ids
    with pytest.raises(InputError, match="0 on padding"):
        net(ids, weights=torch.full(ids.shape, 1 / 9))
    with pytest.raises(InputError, match="takes no question"):
        net.attend(asked(ROWS, [["a"]] * 3))
    with pytest.raises(InputError, match="takes a question"):
        network(asks=True).attend(asked(ROWS, None))
    with pytest.raises(InputError, match="encoder='rnn'"):
        AttentionConfig(WORDS, ("x", "y"), "rnn")
    with pytest.raises(InputError, match="d_hidden=6"):
        AttentionConfig(WORDS, ("x", "y"), d_hidden=6)
    with pytest.raises(InputError, match="must begin"):
        AttentionConfig(("a", "b"), ("x", "y"))
    with pytest.raises(InputError, match="weights of shape"):
        train(marker_texts(32, 16), weights=torch.ones(3, 3))


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2)), min_size=1, max_size=20))
@settings(max_examples=40, deadline=None)
def test_f1_is_that_of_scikit_learn(pairs):
    predicted, labels = (list(column) for column in zip(*pairs, strict=True))
    binary = [[min(x, 1) for x in column] for column in (predicted, labels)]
    assert f1(*map(torch.tensor, binary), 2) == pytest.approx(f1_score(binary[1], binary[0], zero_division=0))
    expected = f1_score(labels, predicted, labels=[0, 1, 2], average="macro", zero_division=0)
    assert f1(torch.tensor(predicted), torch.tensor(labels), 3) == pytest.approx(expected)
