"""The shipped network reads the digits that its card says, and a shuffled one does not."""

import pytest
import torch

import sonde
from sonde import specimens
from sonde.nn import permuted
from sonde.results import LoadError
from sonde.specimens import digits


@pytest.fixture(scope="module")
def held_out():
    return digits.held_out()


@pytest.fixture(scope="module")
def model():
    return sonde.load("specimen:digits")


def test_the_card_holds(model, held_out):
    card = specimens.card("digits")
    for stored, fresh in zip(card["measures"], digits.measures(model.module, *held_out), strict=True):
        assert fresh.name == stored["name"] and fresh.n == stored["n"]
        assert fresh.value == pytest.approx(stored["value"], abs=2 / fresh.n)  # a picture on the edge may fall either way on another machine
    assert card["measures"][0]["low"] > 0.95


def test_a_shuffled_network_reads_nothing(model, held_out):
    overall = [digits.measures(permuted(model.module, seed), *held_out)[0] for seed in range(5)]
    assert max(measure.value for measure in overall) < 0.3


def test_the_maps_carry_the_answer(model, held_out):
    """The last maps' means are all that the classes are read from: without them only the bias is left."""
    pictures = held_out[0][:20]
    run = model.run(pictures, read="blocks.2.act:out", edits=[sonde.Zero("blocks.2.act:out")])
    assert run.axes("blocks.2.act:out") == ("batch", "channel", "row", "col")
    torch.testing.assert_close(run.logits, model.module.head.bias.expand(20, -1))


def test_pictures_held_out_are_not_trained_on(held_out):
    pytest.importorskip("sklearn")
    seen, held = digits._everything()
    assert torch.equal(held["images"][:, None].float() / 16, held_out[0]) and torch.equal(held["digits"].long(), held_out[1])
    assert len(seen["digits"]) + len(held["digits"]) == 1797
    assert not {bytes(picture.numpy()) for picture in seen["images"]} & {bytes(picture.numpy()) for picture in held["images"]}


def test_moves_keep_the_picture():
    """Each training picture is one of the given, moved by at most a pixel: with a dot in the middle the dot is found at nine places."""
    dot = torch.zeros(1, 1, 8, 8)
    dot[0, 0, 4, 4] = 1
    recipe = digits.Recipe(rows=200, noise=0.0)
    pictures, answers = digits._batch(dot, torch.tensor([3]), recipe, step=0)
    assert pictures.shape == (200, 1, 8, 8) and (answers == 3).all()
    assert {tuple(place) for place in pictures[:, 0].nonzero()[:, 1:].tolist()} == {(row, col) for row in (3, 4, 5) for col in (3, 4, 5)}
    assert torch.equal(pictures, digits._batch(dot, torch.tensor([3]), recipe, step=0)[0])


def test_the_recipe_writes_a_specimen(monkeypatch, tmp_path, held_out):
    pictures = {"images": (held_out[0][:, 0] * 16).to(torch.uint8), "digits": held_out[1].to(torch.uint8)}
    monkeypatch.setattr(digits, "_everything", lambda: (pictures, pictures))
    threads = torch.get_num_threads()
    try:
        digits.train(tmp_path, seed=1, steps=2)
    finally:
        torch.set_num_threads(threads)
    assert {file.name for file in (tmp_path / "digits").iterdir()} == {file.name for file in specimens.path("digits").iterdir()}
    assert sonde.load(tmp_path / "digits").run(held_out[0][:3]).logits.shape == (3, 10)


def test_without_scikit_learn_it_says_what_to_install(monkeypatch, tmp_path):
    monkeypatch.setitem(__import__("sys").modules, "sklearn.datasets", None)
    with pytest.raises(LoadError, match="needs the pictures of scikit-learn: pip install scikit-learn"):
        digits.train(tmp_path)
