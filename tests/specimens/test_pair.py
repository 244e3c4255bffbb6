"""Pictures show what their truth says; the shipped encoders match them with captions, shuffled ones do not."""

import random

import pytest
import torch

import sonde
from sonde import specimens
from sonde.nn import permuted
from sonde.results import InputError
from sonde.specimens import pair
from sonde.specimens.pair import HELD_OUT, Scene, Thing, recipe
from sonde.specimens.pair.scenes import COLORS, RADIUS, RELATIONS, SHAPES, draw, render

ALL = [Thing(size, color, shape) for size in RADIUS for color in COLORS for shape in SHAPES]


def painted(picture, color):
    """Where a picture is nearer to this colour than to any other, or to the ground."""
    palette = torch.tensor([(0.0, 0.0, 0.0), *COLORS.values()])
    nearest = (picture[None] - palette[:, :, None, None]).pow(2).sum(1).argmin(0)
    return nearest == 1 + list(COLORS).index(color)


@pytest.mark.parametrize("relation", RELATIONS)
def test_things_lie_where_the_caption_says(relation):
    first, second = Thing("small", "red", "circle"), Thing("large", "green", "square")
    for seed in range(20):
        (picture,) = render([Scene((first, second), relation)], seed)
        here, there = (painted(picture, color).nonzero().float().mean(0) for color in ("red", "green"))
        down, right = (here - there).tolist()
        assert {"above": down < -4, "below": down > 4, "left of": right < -4, "right of": right > 4}[relation]


@pytest.mark.parametrize("thing", ALL, ids=lambda thing: thing.words)
def test_color_size_and_shape(thing):
    (picture,) = render([Scene((thing,))], seed=3)
    form = painted(picture, thing.color)
    assert not any(painted(picture, color).sum() > 3 for color in COLORS if color != thing.color)
    rows = form.any(1).sum().item()
    assert rows == pytest.approx(2 * RADIUS[thing.size], abs=1.6)
    if thing.size == "small":
        return  # too few pixels to tell the shape by its share
    share = form.sum().item() / (rows * form.any(0).sum().item())  # of the frame around it
    assert {"square": share > 0.9, "circle": 0.65 < share < 0.92, "triangle": share < 0.68}[thing.shape]


def test_scenes_differ_and_keep_what_is_held_out():
    seen, held = pair.scenes(100, seed=0), pair.scenes(100, seed=0, held=True)
    assert not any(scene.is_held_out for scene in seen.truth) and all(scene.is_held_out for scene in held.truth)
    assert len({frozenset({scene, scene.turned}) for scene in seen.truth}) == 100
    assert seen.captions == [scene.caption for scene in seen.truth]
    assert torch.equal(seen.pictures, pair.scenes(100, seed=0).pictures)
    assert not torch.equal(seen.pictures, pair.scenes(100, seed=1).pictures)
    with pytest.raises(InputError, match="n=301: ask for 1 to 300 scenes at a time"):
        pair.scenes(301, seed=0)


def test_twins():
    scene = Scene((Thing("small", "red", "circle"), Thing("large", "blue", "square")), "above")
    assert scene.caption == "a small red circle above a large blue square"
    assert scene.turned.caption == "a large blue square below a small red circle"
    assert scene.moved.caption == "a small red circle below a large blue square"
    assert scene.recolored.caption == "a small blue circle above a large red square"
    one = Scene((Thing("small", "red", "circle"),))
    assert one.turned == one.moved == one.recolored == one
    rng = random.Random(0)
    for drawn in (draw(rng) for _ in range(100)):
        assert drawn.turned.turned == drawn.moved.moved == drawn.recolored.recolored == drawn


def test_training_never_shows_what_is_held_out():
    reader = recipe.tokenizer()
    for step in range(30):
        _, captions = recipe._batch(recipe.Recipe(), step)
        texts = [reader.decode(ids.tolist()) for ids in captions["input_ids"]]
        assert len(set(texts)) == len(texts) > 20
        assert not any(f"{color} {shape}" in text for color, shape in HELD_OUT for text in texts)


def test_the_loss_of_a_perfect_and_of_a_blind_matcher():
    assert recipe.contrastive_loss(100 * torch.eye(7)).item() == pytest.approx(0, abs=1e-6)
    assert recipe.contrastive_loss(torch.zeros(7, 7)).item() == pytest.approx(torch.tensor(7.0).log().item())


@pytest.fixture(scope="module")
def model():
    return sonde.load("specimen:pair")


def test_the_card_holds(model):
    card = {m["name"]: m for m in specimens.card("pair")["measures"]}
    for fresh in recipe.measures(model.module, n=100, seed=5):
        if "of a caption" in fresh.name or "of a picture" in fresh.name:
            continue  # among fewer others it is easier
        assert fresh.high > card[fresh.name]["low"] and fresh.low < card[fresh.name]["high"], fresh.name


def test_shuffled_encoders_match_nothing(model):
    for fresh in recipe.measures(permuted(model.module, 0), n=60, seed=5)[:4]:
        assert fresh.high < 0.2  # a handful of sixty at most; the trained ones find four in five among more


def test_both_towers_have_sites(model):
    drawn = pair.scenes(3, seed=1)
    inputs = {"images": drawn.pictures, "text": drawn.captions}
    run = model.run(inputs, read=["text.blocks.1.resid_post", "vision.blocks.1.attn.pattern"])
    assert run["vision.blocks.1.attn.pattern"].shape == (3, 4, 37, 37)
    torch.testing.assert_close(run.logits, recipe.likeness(model.module, drawn.pictures, drawn.captions))


def test_the_recipe_writes_a_specimen(monkeypatch, tmp_path):
    whole = recipe.measures
    monkeypatch.setattr(recipe, "measures", lambda model, n=20, seed=0: whole(model, 20, seed))
    threads = torch.get_num_threads()
    try:
        recipe.train(tmp_path, steps=2)
    finally:
        torch.set_num_threads(threads)
    assert {file.name for file in (tmp_path / "pair").iterdir()} == {file.name for file in specimens.path("pair").iterdir()}
