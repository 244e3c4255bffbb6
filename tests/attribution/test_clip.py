"""Where a picture speaks for a text: planted things in the specimen, with the wrong query as the control."""

import pytest
import torch
from torch import nn

import sonde
from sonde.attribution import ImageTextSaliency, image_text_saliency
from sonde.nn import permuted
from sonde.results import InputError
from sonde.specimens.pair import scenes
from sonde.specimens.pair.scenes import RELATIONS

N = 40  # so many that a tie which another processor breaks otherwise decides nothing


@pytest.fixture(scope="module")
def planted():
    """Pictures of two things that differ in colour and shape, with the direction in which the first one lies."""
    drawn = scenes(120, seed=11)
    kept = [
        i for i, s in enumerate(drawn.truth)
        if len(s.things) == 2 and s.things[0].color != s.things[1].color and s.things[0].shape != s.things[1].shape
    ]  # fmt: skip
    return [(drawn.pictures[i], [thing.words for thing in drawn.truth[i].things], RELATIONS[drawn.truth[i].relation]) for i in kept[:N]]


def on_side(one, direction):
    """Whether the peak of a map lies in this direction from the middle."""
    row, col = divmod(int(one.argmax()), one.shape[1])
    return (row - 11.5) * direction[0] + (col - 11.5) * direction[1] > 0


@pytest.mark.parametrize("method, least", [("dense", 0.7), ("gradient", 0.75), ("relevance", 0.9)])
def test_the_peak_is_at_the_thing_that_is_named(planted, method, least):
    model = sonde.load("specimen:pair")
    found = [(image_text_saliency(model, picture, texts, method=method), direction) for picture, texts, direction in planted]
    right = [on_side(one.maps[0], direction) for one, direction in found]
    wrong = [on_side(one.maps[1], direction) for one, direction in found]  # the map of the other thing
    assert sum(right) / N >= least and sum(wrong) / N <= 1 - least
    assert sum(float(one.common[0, 1] - one.alike[0, 1]) for one, _ in found) > 0  # contrast takes away what they have in common


def test_shuffled_encoders_find_nothing(planted):
    model = sonde.load("specimen:pair")
    broken = sonde.Model(permuted(model.module, 0), model.tokenizer)
    right = [on_side(image_text_saliency(broken, picture, texts).maps[0], direction) for picture, texts, direction in planted]
    assert sum(right) / N < 0.85


def test_the_words_that_matter_are_those_that_tell_things_apart(planted):
    model = sonde.load("specimen:pair")
    found = image_text_saliency(model, planted[0][0], planted[0][1], method="gradient")
    assert [row[0] for row in found.tokens] == ["<bos>", "<bos>"] and found.words.shape[0] == 2
    for row, values in zip(found.tokens, found.words, strict=True):
        telling = [float(value) for token, value in zip(row, values, strict=False) if token not in ("<bos>", "<eos>", "a")]
        assert max(telling) > float(values[row.index("a")])


def test_maps_of_a_text_with_itself_cancel():
    model, picture = sonde.load("specimen:pair"), scenes(1, seed=0).pictures[0]
    texts = ["a small red circle", "a large blue square"]
    same = image_text_saliency(model, picture, texts[:1], distractors=texts[:1])
    assert same.maps.abs().max() < 1e-4
    there, back = (image_text_saliency(model, picture, [texts[i]], distractors=[texts[1 - i]]).maps for i in (0, 1))
    assert torch.allclose(there, -back, atol=1e-4)
    alone = image_text_saliency(model, picture, texts[0])
    assert alone.contrast == "Scores without contrast" and "for every text" in alone.notes[0]


def test_it_is_drawn_and_kept(tmp_path):
    found = image_text_saliency(sonde.load("specimen:pair"), scenes(1, seed=0).pictures, ["a small red circle", "a large blue square"])
    assert found.drawing().kind and found.to_frame().height == 2 * 24 * 24
    back = ImageTextSaliency.load(found.save(tmp_path / "found"))
    assert torch.equal(back.maps, found.maps) and back.texts == found.texts


@pytest.mark.parametrize(
    "call, error, message",
    [
        (lambda m, x: image_text_saliency(m, x, []), InputError, "0 texts and 1 pictures: give one picture, and at least one text"),
        (lambda m, x: image_text_saliency(m, torch.cat([x[None]] * 2), ["a"]), InputError, "1 texts and 2 pictures"),
        (lambda m, x: image_text_saliency(m, x, ["a"], method="rollout"), InputError, "method='rollout': use 'dense', 'gradient' or 'relevance'"),
        (lambda m, x: image_text_saliency(sonde.Model(nn.Linear(2, 2)), x, ["a"]), InputError, "does not compare pictures with texts"),
    ],
)
def test_refusals(call, error, message):
    with pytest.raises(error, match=message):
        call(sonde.load("specimen:pair"), scenes(1, seed=0).pictures[0])
