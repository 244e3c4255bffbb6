"""The pages in real Chromium, opened from a file without network: listed, searched, filtered, read by pointer and by keyboard.

Screenshots go to `out/screens/` (ignored by git) to be looked at.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from features.planted import Planted
from views.browser import Watched, chromium
from views.extremes import HOSTILE

from sonde.features import pages

SCREENS = Path(__file__).parents[2] / "out" / "screens"
VIEWS = {"list": "", "latent": "latent/1", "prompt": "prompt", "map": "map", "compare": "compare", "sizes": "sizes"}


def extras(planted: Planted) -> pages.Extras:
    draw = torch.Generator().manual_seed(1)
    labels = [planted.record(latent)["label"] for latent in range(planted.size)]
    matches = [
        pages.Match(
            latent=one, other=one if one < 9 else None, label=label, other_label=label, cosine=0.9 - one / 30, correlation=None, relation="match"
        )
        for one, label in enumerate(labels)
    ]
    baseline = pages.Baseline(name="neurons", measure="cosine", values=[0.1, 0.2])
    sizes = [
        pages.Size(name="small", directions=torch.randn(4, 8, generator=draw), labels=["a", "b", "c", "d"], here=False),
        pages.Size(name="large", directions=torch.randn(planted.size, 8, generator=draw), labels=labels, here=True),
    ]
    return pages.Extras(
        comparisons=[pages.Comparison(name="another seed", about=planted.about(), note="", matches=matches, baselines=[baseline])],
        levels=pages.levels(sizes), plane=pages.plane(torch.randn(planted.size, 8, generator=draw)), prompts=[planted.active("the cat sat")],
    )  # fmt: skip


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    with chromium(tmp_path_factory.mktemp("pages"), "features.js") as one:
        yield one


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> str:
    planted = Planted(12)
    path = pages.export(planted, tmp_path_factory.mktemp("export") / "pages.html", effects=planted.effects, extras=extras(planted))
    return path.read_text(encoding="utf-8")


@pytest.fixture
def opened(watched: Watched, source: str) -> Iterator[Watched]:
    watched.open(source)
    yield watched
    assert watched.mishaps == []


def go(watched: Watched, view: str) -> None:
    watched.page.evaluate("view => { location.hash = `/${view}` }", view)
    watched.page.wait_for_selector(f".view.{view.split('/')[0] or 'list'}")
    watched.settle()


def test_every_view_in_both_schemes_and_widths(opened: Watched) -> None:
    SCREENS.mkdir(parents=True, exist_ok=True)
    for scheme, width in (("light", 1400), ("dark", 1400), ("light", 700), ("light", 400)):
        opened.page.emulate_media(color_scheme=scheme)
        opened.page.set_viewport_size({"width": width, "height": 900})
        for name, view in VIEWS.items():
            go(opened, view)
            assert opened.page.evaluate("document.documentElement.scrollWidth <= innerWidth"), f"{name} is wider than {width}"
            opened.page.screenshot(path=SCREENS / f"features-{name}-{scheme}-{width}.png")
            assert opened.page.get_by_text("This can't be shown").count() == 0


def test_a_search_a_filter_and_an_order(opened: Watched) -> None:
    page = opened.page
    assert page.get_by_role("listitem").count() == 12
    page.keyboard.press("/")
    page.keyboard.type("cat")
    assert page.get_by_text("2 of 12 features").is_visible()
    assert [row.get_attribute("href") for row in page.get_by_role("listitem").all()] == ["#/latent/6", "#/latent/0"]  # the best scored first
    page.get_by_role("searchbox").fill("")
    page.get_by_label("Filter by a statistic").select_option("density")
    page.get_by_label("density: at least").fill("0.1")
    assert page.get_by_text("4 of 12 features").is_visible()
    page.get_by_role("button", name="number").click()
    numbers = [int(row.locator(".number").inner_text()) for row in page.get_by_role("listitem").all()]
    assert numbers == sorted(numbers) == [3, 5, 9, 11]
    assert "where=density" in page.url  # a link to this very list
    page.reload()
    assert page.get_by_text("4 of 12 features").is_visible()
    page.get_by_label("density: at least").fill("nothing")
    assert page.get_by_label("density: at least").get_attribute("aria-invalid") == "true"
    page.get_by_label("density: at least").fill("2")
    assert page.get_by_text("No feature is left").is_visible()


def test_what_is_not_known_comes_last_in_both_orders(opened: Watched) -> None:
    page = opened.page
    for _ in range(2):
        page.get_by_role("button", name="maximum").click()
        last = [row.locator(".figure").nth(2).inner_text() for row in page.get_by_role("listitem").all()][-2:]
        assert last == ["–", "–"]


def test_by_keyboard_alone(opened: Watched) -> None:
    page = opened.page
    page.keyboard.press("/")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    second = page.get_by_role("listitem").nth(1).get_attribute("href")
    page.keyboard.press("Enter")
    page.wait_for_selector(".view.latent")
    assert page.url.endswith(str(second))
    page.keyboard.press("j")
    page.locator(f'.steps a[data-key=k][href="{second}"]').wait_for()
    page.keyboard.press("k")
    page.locator(".number", has_text=f"feature {str(second).split('/')[-1]}").wait_for()
    page.keyboard.press("Escape")
    page.wait_for_selector(".view.list")


def test_a_token_tells_its_activation_and_what_the_feature_does(opened: Watched) -> None:
    go(opened, "latent/1")
    page, planted = opened.page, Planted(12)
    strongest, effect = planted.record(1)["strongest"][0], planted.effects(1)["examples"][0]
    own = page.locator(".line").first.locator(".own")
    own.hover()
    said = page.locator(".readout").inner_text()
    assert f"position {strongest['position']}" in said
    assert f"activation {max(strongest['values']):.2f}" in said
    assert " up" in said.replace("·", " ") and "+1.50" in said and "−0.700" in said
    own.click()
    page.mouse.move(0, 0)
    assert page.locator(".readout").is_visible()  # locked
    page.keyboard.press("ArrowRight")
    assert f"{abs(effect['loss'][strongest['position'] + 1] or 0):.3f} nats" in page.locator(".readout").inner_text()
    next_token = page.locator(".line").first.locator(".own + .token")
    kind = "helps" if (effect["loss"][strongest["position"] + 1] or 0) > 0 else "hurts"
    assert kind in str(next_token.get_attribute("class"))
    style = {"helps": "solid", "hurts": "dashed"}[kind]  # told apart without colour
    assert next_token.evaluate("token => getComputedStyle(token).textDecorationStyle") == style
    assert page.locator(".line .amount").first.is_hidden()
    page.get_by_label("numbers").check()
    assert page.locator(".line .amount").first.is_visible()  # readable without hover


def test_every_part_of_a_page_is_there(opened: Watched) -> None:
    go(opened, "latent/1")
    text = opened.page.locator("main").inner_text()
    for words in (
        "fires after the", "In a person's words: <i>mine</i>", "detection 0.51 (shuffled 0.48)", "fuzzing not scored", "How strongly it fires",
        "Next tokens that it makes", "likelier", "less likely", "What it adds to the logits of all tokens", "The 20 strongest places",
        "of its firings, the highest", "How much likelier a property is", "Which heads its direction lies in", "Nearest directions", "Fires with",
        "Nearest in another seed", "Largest weights of its direction", "Correlated neurons of blocks.0.mlp.post", "How often, by position",
    ):  # fmt: skip
        assert words in text, words
    assert opened.page.locator(".interval").count() == 10
    assert opened.page.locator(".line", has_text="↑").count() > 0  # shown before
    assert opened.page.locator(".line .own").count() == opened.page.locator(".line").count()
    go(opened, "latent/4")
    assert opened.page.get_by_text("It never fired.").is_visible()


def test_a_feature_that_the_file_does_not_hold(opened: Watched) -> None:
    go(opened, "latent/99")
    assert opened.page.get_by_text("this file does not hold feature 99: it was exported with 12 features").is_visible()


def test_a_prompt_by_token_and_by_effect(opened: Watched) -> None:
    go(opened, "prompt")
    page = opened.page
    assert page.locator(".firing").count() == 2
    page.locator(".token-button", has_text="cat").click()
    assert [one.locator(".words").inner_text() for one in page.locator(".firing").all()] == ["fires on cat"]
    page.get_by_label("Order").select_option("effect")
    assert page.locator(".firing").count() == 1


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_is_only_text(watched: Watched, tmp_path: Path, text: str) -> None:
    planted = Planted(12, texts=[text] * 16, rules=[text] * 6)
    path = pages.export(planted, tmp_path / "p.html", [0, 1, 2], title=text, effects=planted.effects, extras=extras(planted))
    watched.open(path.read_text(encoding="utf-8"))
    for view in VIEWS.values():
        go(watched, view)
    assert watched.page.evaluate("window.pwned") is None
    assert watched.page.locator("main img, main svg").count() == 0
    assert watched.mishaps == []


def test_one_feature_is_a_small_page(watched: Watched, tmp_path: Path) -> None:
    planted = Planted()
    path = pages.export(planted, tmp_path / "one.html", [1], effects=planted.effects)
    assert path.stat().st_size < 200_000
    watched.open(path.read_text(encoding="utf-8"))
    go(watched, "latent/1")
    assert watched.page.locator(".line").count() > 50
    assert watched.mishaps == []
