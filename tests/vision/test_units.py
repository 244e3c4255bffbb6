"""What replacing a unit does, on a network whose answer is known; and a unit's page, with its dead units and its missing parts."""

import functools

import pytest
import torch
from torch import nn
from views.browser import chromium

import sonde
from sonde.results import CheckRefused, InputError, SiteUnavailable
from sonde.specimens.digits import held_out
from sonde.tasks import Ablation
from sonde.views import page
from sonde.vision import UnitEffect, UnitPage, atlas, unit_effect, unit_page

STRENGTH = 3.0


def brightness(weight, inner=4):
    """A network that reads the mean brightness of four quarters of an 8 x 8 picture, and adds it up to three classes by these weights."""
    conv = nn.Conv2d(1, inner, 4, stride=4, bias=False)
    nn.init.constant_(conv.weight, 1 / 16)
    head = nn.Linear(inner, 3, bias=False)
    head.weight = nn.Parameter(torch.tensor(weight))
    return sonde.load(nn.Sequential(conv, nn.AdaptiveAvgPool2d(1), nn.Flatten(), head))


@functools.cache
def pictures(n=64):
    """Grey ones, each of one brightness."""
    return torch.rand(n, 1, 1, 1, generator=torch.Generator().manual_seed(0)).expand(-1, 1, 8, 8).contiguous()


def test_replacing_a_unit_has_the_known_effect_on_a_linear_network():
    """All four units are the picture's brightness b. Class 0 reads unit 0 by 3, so that its logit changes by 3 (mean b - b), or by -3 b; the others
    are read by nothing. Logits are centred: two thirds of it go to class 0, and a third from each of the others."""
    model = brightness([[STRENGTH, 0.0, 0.0, 0.0], [0.0] * 4, [0.0] * 4])
    b = pictures()[:, 0, 0, 0]
    zero = unit_effect(model, pictures(), "0", 0, ablation=Ablation("zero"), normalise="none")
    wanted = -STRENGTH * float(b.mean())
    torch.testing.assert_close(zero.change[0], wanted * torch.tensor([2 / 3, -1 / 3, -1 / 3]), atol=1e-5, rtol=1e-5)
    assert zero.falling == 0 and zero.others == [1, 2, 3] and not zero.change[1:].any() and not zero.moved[1:].any()
    before, after = (torch.stack([STRENGTH * one, 0 * b, 0 * b], 1).softmax(1) for one in (b, 0 * b))
    torch.testing.assert_close(zero.moved[0], (after - before).abs().sum(1) / 2, atol=1e-5, rtol=1e-5)
    matters, loses, gains = zero.check(model)
    assert matters.holds and loses.holds and gains.holds and "`class 0` loses" in loses.claim
    mean = unit_effect(model, pictures(), "0", 0, ablation=Ablation("mean"), normalise="none")
    assert mean.change[0].abs().max() < 1e-5 and mean.removed[0] == pytest.approx(float(b.std(correction=0)), rel=1e-4)
    assert mean.check(model)[0].holds and mean.check(model)[1].holds is False  # it matters by what differs, for no class in the mean
    for drawing in (zero.drawing(), zero.answers()):
        assert drawing.to_json()


def test_units_that_all_do_the_same_do_not_matter_more():
    model = brightness([[STRENGTH] * 4, [0.0] * 4, [0.0] * 4])
    assert [verdict.holds for verdict in unit_effect(model, pictures(), "0", 0, normalise="none").check(model)] == [False] * 3


def test_a_unit_that_is_always_its_mean_changes_nothing_and_is_not_testable():
    model = brightness([[STRENGTH, 0.0, 0.0, 0.0], [0.0] * 4, [0.0] * 4])
    with torch.no_grad():
        model.module[0].weight[0] = 0
    model = sonde.load(model.module)
    found = unit_effect(model, pictures(), "0", 0, normalise="none")
    assert found.idle and not found.others and not found.change.any() and not found.flipped.any()
    assert [verdict.holds for verdict in found.check(model)] == [None] * 3
    alone = unit_effect(model, pictures(), "0", 1, normalise="none", draws=0)
    assert alone.check(model)[0].holds is None and "no other two units" in alone.check(model)[0].reason


def test_effects_are_kept_resumed_and_shared_between_units(tmp_path, monkeypatch):
    model, images = sonde.load("specimen:digits"), held_out()[0][:24]
    kept = {"normalise": "none", "folder": tmp_path, "draws": 3, "batch_size": 10}
    first = unit_effect(model, images, "blocks.1.act", 3, **kept)
    again = unit_effect(model, images, "blocks.1.act", 3, **{**kept, "folder": None, "batch_size": 24})
    assert torch.allclose(first.change, again.change, atol=1e-5) and first.others == again.others
    monkeypatch.setattr("sonde.vision.ablated._answers", lambda *_: pytest.fail("the answers were kept"))
    assert torch.equal(unit_effect(model, images, "blocks.1.act", 3, **kept).change, first.change)
    first.save(tmp_path / "saved")
    assert UnitEffect.load(tmp_path / "saved").to_frame().equals(first.to_frame())
    with pytest.raises(CheckRefused):
        first.check(brightness([[1.0] * 4] * 3))


def test_layers_without_places_are_replaced_too_and_what_has_no_classes_is_refused():
    model, images = sonde.load("specimen:digits"), held_out()[0][:16]
    found = unit_effect(model, images, "head", 3, ablation=Ablation("zero"), normalise="none", draws=2)
    logit = model.run(images).logits[:, 3]
    torch.testing.assert_close(found.change[0, 3], -0.9 * logit.mean(), atol=1e-5, rtol=1e-4)  # its own mean of ten goes with it
    with pytest.raises(SiteUnavailable, match="not a number for each"):
        unit_effect(sonde.load(nn.Sequential(nn.Conv2d(1, 4, 3))), images, "0", 1, normalise="none")
    for wrong, said in (
        ({"unit": 99}, "there is no unit 99"),
        ({"ablation": Ablation("resample")}, "no partners"),
        ({"classes": ["a"]}, "10 classes"),
    ):
        with pytest.raises(InputError, match=said):
            unit_effect(**{"model": model, "pictures": images, "layer": "head", "unit": 3, "normalise": "none", **wrong})


@functools.cache
def digits():
    images, labels = held_out()
    few = {"normalise": "none", "steps": 8, "variety": 2, "draws": 2, "others": 3, "partners": 2}
    model = sonde.load("specimen:digits")
    return unit_page(model, "blocks.1.act:3", images[:96], labels=labels[:96].tolist(), other=model, other_layer="blocks.1.conv", **few)


def test_a_page_tells_all_parts_and_is_drawn_again_without_the_model(tmp_path):
    found = digits()
    document = found.document()
    assert [section.key for section in document.sections] == ["unit", "looks", "fires", "tuned", "does", "wired", "elsewhere"]
    texts = " ".join(sentence.text for sentence in document.sections[0].sentences)
    for part in ("one of 32 units", "was found for it", "given pictures", "Of drawn waves", "Without it", "most like it is `blocks.1.conv:3`"):
        assert part in texts
    assert not found.dead and set(found.verdicts) == {"looks", "fires", "tuned", "does", "built"}
    assert len(found.built.incoming(3, 2)) == 2 and found.feeds.outgoing(0, 2)[0].name.startswith("blocks.2.conv:") and len(found.nearest) == 2
    found.save(tmp_path / "saved")
    assert page(UnitPage.load(tmp_path / "saved").document()) == page(document)
    assert len(page(document)) < 1.5e6 and found.to_frame().height == sum(map(len, found.verdicts.values()))
    assert found.drawing().data["pictures"][0][2] and found.drawing().data["pictures"][1][1] is None


def test_pages_fit_every_width_and_an_atlas_leads_to_them_by_mouse_and_keyboard(tmp_path):
    layer = atlas(sonde.load("specimen:digits"), "blocks.0.act", units=[3, 5], normalise="none", pixels=8, steps=2)
    (tmp_path / "unit-3.html").write_text(page(digits().document()), encoding="utf-8")
    with chromium(tmp_path) as watched:
        for document in (digits().document(), layer.document({3: "unit-3.html"})):
            for width, scheme in ((390, "dark"), (1100, "light")):
                shown = watched.open(page(document), width=width, scheme=scheme)
                watched.settle()
                assert shown.evaluate("() => document.documentElement.scrollWidth - document.documentElement.clientWidth") == 0
        link = shown.locator("a[href='unit-3.html']")
        assert link.count() == 1
        link.focus()
        shown.keyboard.press("Enter")
        shown.wait_for_url("**/unit-3.html")
        assert shown.locator("h1").inner_text() == "What is blocks.1.act:3?"
        shown.go_back()
        shown.locator("a[href='unit-3.html']").click()
        shown.wait_for_url("**/unit-3.html")
        assert not watched.mishaps


def test_what_is_missing_is_said(tmp_path):
    model = sonde.load("specimen:digits")
    short = {"normalise": "none", "pixels": 8, "steps": 2, "draws": 0, "partners": 1}
    bare = unit_page(model, "blocks.1.act:3", **short)
    assert bare.examples is None and bare.matches is None and bare.effect is None and "no pictures were given" in bare.notes[0]
    flat = unit_page(model, "head:3", **short)
    assert flat.varied is None and "has no places" in flat.notes[0]
    with pytest.raises(InputError, match="there is no unit 32 at"):
        unit_page(model, "blocks.1.act:32", **short)
    with pytest.raises(InputError, match="give pictures and other_layer="):
        unit_page(model, "blocks.1.act:3", other=model, other_layer="head", **short)
    with pytest.raises(InputError, match="is no unit: give"):
        unit_page(model, "blocks.1.act", **short)
    images = pytest.importorskip("PIL.Image")
    for i in range(3):
        images.new("L", (8, 8), 60 * i).save(tmp_path / f"{i}.png")
    (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"x" * 40)
    left = unit_page(model, "blocks.1.act:3", tmp_path, **short)
    assert left.examples.count == left.effect.count == 3
    notes = next(section for section in left.document().sections if section.key == "notes").sentences
    assert any("broken.png is broken" in sentence.text for sentence in notes)


def test_a_dead_unit_is_said_to_be_dead():
    conv = nn.Conv2d(1, 2, 3)
    with torch.no_grad():
        conv.bias[0] = -1e4
    model = sonde.load(nn.Sequential(conv, nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(2, 3)))
    found = unit_page(model, "1:0", pictures(), normalise="none", steps=20, variety=0, draws=2)
    summary = [sentence.text for sentence in found.document().sections[0].sentences]
    assert found.dead and "It is dead" in summary[-1] and "none of the 64 given pictures" in summary[-1]
    assert not any(verdict.holds for part in found.verdicts.values() for verdict in part)
    assert not unit_page(model, "1:1", pictures(), normalise="none", steps=20, variety=0, draws=0).dead
