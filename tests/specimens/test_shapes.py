"""Pictures show what their factors say; the shipped network names the figures whichever way they face, a shuffled one does not."""

import pytest
import torch

import sonde
from sonde import specimens
from sonde.nn import permuted
from sonde.results import InputError
from sonde.specimens import shapes
from sonde.specimens.shapes import CLASSES, SIZE, recipe, render

FLAT, CYAN = torch.zeros(6), torch.full((6,), 180.0)
STILL = {"turn": FLAT, "scale": torch.full((6,), 10.0), "place": torch.zeros(6, 2), "hue": FLAT, "ground": CYAN}


@pytest.fixture(scope="module")
def model():
    return sonde.load("specimen:shapes")


@pytest.fixture(scope="module")
def drawn():
    return shapes.held_out()


def clean(world):
    return render(world.shape, world.facing, world.turn, world.scale, world.place, world.hue, world.ground)


def test_a_mirror_image_is_a_picture_of_the_same_world():
    world = shapes.pictures(60, seed=3)
    torch.testing.assert_close(clean(world.mirrored), clean(world).flip(-1), atol=1e-4, rtol=0)
    torch.testing.assert_close(world.mirrored.mirrored.pictures, world.pictures)


def test_four_figures_face_and_two_do_not():
    facing = [render(torch.arange(6), torch.full((6,), way), **STILL) for way in (0, 1)]
    apart = (facing[0] - facing[1]).abs().sum((1, 2, 3))
    assert (apart[:4] > 50).all() and (apart[4:] < 1e-3).all()
    flag = facing[1][3, 0] > 0.5  # red on cyan: the cloth flies to the right of the pole
    assert flag[:, : SIZE // 2 - 5].any() and flag[4:16, SIZE // 2 :].sum() > 3 * flag[16:, SIZE // 2 :].sum()


def test_factors_are_what_is_painted():
    world = {name: value[:1].clone() for name, value in STILL.items()} | {"shape": torch.tensor([4]), "facing": torch.tensor([0])}
    world |= {"place": torch.tensor([[3.0, -2.0]]), "hue": torch.tensor([120.0]), "ground": torch.tensor([0.0])}
    (picture,) = render(**world)
    ring = (picture[1] > picture[0]).nonzero().float()  # green on red
    middle = (SIZE - 1) / 2
    assert ring.mean(0).tolist() == pytest.approx([middle + 3, middle - 2], abs=0.3)
    assert (ring[:, 0].max() - ring[:, 0].min() + 1).item() == pytest.approx(2 * 0.83 * 10, abs=1.5)


def test_turned_clockwise():
    world = STILL | {"turn": torch.full((6,), 15.0)}
    flat, turned = (render(torch.full((6,), 2), torch.ones(6, dtype=torch.int64), **one)[0, 0] > 0.5 for one in (STILL, world))
    tip = [form[:, -9:].nonzero()[:, 0].float().mean().item() for form in (flat, turned)]  # of an arrow to the right
    assert tip[1] > tip[0] + 1


def test_the_same_seed_gives_the_same_pictures(drawn):
    assert torch.equal(shapes.pictures(5, seed=1).pictures, shapes.pictures(5, seed=1).pictures)
    assert not torch.equal(shapes.pictures(5, seed=1).pictures, shapes.pictures(5, seed=2).pictures)
    assert drawn.pictures.min() >= 0 and drawn.pictures.max() <= 1
    apart = (drawn.hue - drawn.ground) % 360
    assert (torch.minimum(apart, 360 - apart) >= 90 - 1e-3).all()
    assert len(drawn.only(drawn.shape == 0)) == (drawn.shape == 0).sum()
    with pytest.raises(InputError, match="n=0: ask for 1 or more pictures"):
        shapes.pictures(0, seed=0)


def test_the_card_holds(model, drawn):
    card = specimens.card("shapes")
    for stored, fresh in zip(card["measures"], recipe.measures(model.module, drawn), strict=True):
        assert fresh.name == stored["name"] and fresh.n == stored["n"]
        assert fresh.value == pytest.approx(stored["value"], abs=2 / fresh.n)  # a picture on the edge may fall either way on another machine
    assert all(line["low"] > 0.9 for line in card["measures"])
    assert {"an arrow", *(f"a {name}" for name in CLASSES if name != "arrow")} <= {line["name"] for line in card["measures"]}


def test_a_shuffled_network_names_nothing(model, drawn):
    some = drawn.only(torch.arange(300))
    overall = [recipe.measures(permuted(model.module, seed), some)[0] for seed in range(5)]
    assert max(measure.value for measure in overall) < 0.35


def test_the_recipe_writes_a_specimen(monkeypatch, tmp_path):
    monkeypatch.setattr(recipe, "held_out", lambda: shapes.pictures(60, seed=0))
    threads = torch.get_num_threads()
    try:
        recipe.train(tmp_path, seed=1, steps=2)
    finally:
        torch.set_num_threads(threads)
    assert {file.name for file in (tmp_path / "shapes").iterdir()} == {file.name for file in specimens.path("shapes").iterdir()}
    assert sonde.load(tmp_path / "shapes").run(shapes.pictures(3, seed=0).pictures).logits.shape == (3, 6)
