"""The drawings in real Chromium: every kind, ordinary and extreme, light and dark, wide and narrow; by pointer and by keyboard.

Screenshots go to `out/screens/` (ignored by git) to be looked at.
"""

import csv
import io
import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from views.browser import Watched, chromium
from views.extremes import HOSTILE, extreme_documents
from views.sample import PROMPT, sample_document, sample_drawings, sample_patterns

from sonde.results.document import Document, Section
from sonde.results.drawing import table, unpacked_map
from sonde.views import notebook, page
from sonde.views.text import readable, shared_size, token

SCREENS = Path(__file__).parents[2] / "out" / "screens"
DOCUMENTS = {"sample": sample_document(), **extreme_documents()}


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    with chromium(tmp_path_factory.mktemp("pages")) as one:
        yield one


@pytest.fixture
def sample(watched: Watched) -> Iterator[Watched]:
    watched.open(page(sample_document()))
    yield watched
    assert watched.mishaps == []


def figure(watched: Watched, title: str):
    return watched.page.locator("figure", has=watched.page.get_by_role("heading", name=title))


@pytest.mark.parametrize("name", DOCUMENTS)
def test_draws_without_mishap(watched: Watched, name: str) -> None:
    shown = watched.open(page(DOCUMENTS[name]))
    SCREENS.mkdir(parents=True, exist_ok=True)
    for scheme, width in (("light", 1280), ("light", 400), ("dark", 400), ("dark", 1280)):
        shown.emulate_media(color_scheme=scheme, media="screen")  # what is painted is painted again
        shown.set_viewport_size({"width": width, "height": 900})
        watched.settle()
        if scheme == "light" or name == "sample":
            shown.screenshot(path=SCREENS / f"{name.replace(' ', '-')}-{scheme}-{width}.png", full_page=True)
        assert shown.evaluate("document.documentElement.scrollWidth <= innerWidth"), f"the page is wider than {width}"
        assert watched.mishaps == []
        assert (shown.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(253, 253, 251)") == (scheme == "light")
    assert shown.locator("figure").count() == sum(len(section.drawings) for section in DOCUMENTS[name].sections)
    assert shown.get_by_text("This drawing failed").count() == 0


def test_hostile_text_is_inert_and_readable(watched: Watched) -> None:
    shown = watched.open(page(DOCUMENTS["hostile"]))
    for summary in shown.locator("summary").all():
        summary.click()
    for stage in shown.locator(".stage").all():
        stage.focus()
        shown.keyboard.press("ArrowRight")
    assert shown.evaluate("window.pwned") is None
    assert shown.locator("main :is(img, script, iframe, object, embed, form, [onload], [onerror])").count() == 0
    assert shown.locator("h1").inner_text() == HOSTILE[0]
    assert "⟨202E⟩" in shown.locator(".strip").first.inner_text()
    assert watched.mishaps == []


def test_values_by_keyboard(sample: Watched) -> None:
    drawn = figure(sample, "Where does the counterfactual")
    drawn.locator(".stage").focus()
    sample.page.keyboard.press("ArrowDown")
    sample.page.keyboard.press("ArrowRight")
    readout = drawn.get_by_role("status")
    value = sample_drawings()["patching"].to_json()["data"]["values"][1][1]
    assert f"{abs(value)} logit difference restored" in readout.inner_text()
    assert "·Mary (1)" in readout.inner_text()
    sample.page.keyboard.press("End")
    assert "(13)" in readout.inner_text()
    sample.page.keyboard.press("Enter")
    sample.page.keyboard.press("Tab")
    assert readout.is_visible()  # locked
    drawn.locator(".stage").focus()
    sample.page.keyboard.press("Escape")
    assert readout.is_hidden()


@pytest.mark.parametrize(
    "key", ["surprisal", "task", "lens", "kl", "patching", "ranked", "adds", "deletion", "plane", "spread", "pixels", "roses", "family"]
)
def test_every_kind_reads_by_keyboard(sample: Watched, key: str) -> None:
    drawn = figure(sample, sample_drawings()[key].title.split("`")[0])
    drawn.locator(".stage").last.focus()
    sample.page.keyboard.press("ArrowRight")
    sample.page.keyboard.press("ArrowDown")
    assert re.search(r"\d", drawn.get_by_role("status").last.inner_text())  # a figure, or at least a position
    outline, stage = drawn.locator(".cursor:not(.echo)").last.bounding_box(), drawn.locator(".stage").last.bounding_box()
    assert outline["x"] >= stage["x"] - 1
    assert outline["y"] >= stage["y"] - 1


def test_pointer_reads_and_a_click_locks(sample: Watched) -> None:
    drawn = figure(sample, "Which words push")
    word = drawn.locator(".strip .token").nth(1)
    readout = drawn.get_by_role("status")
    word.hover()
    assert "+1.62 logits" in readout.inner_text()
    word.click()
    drawn.locator(".strip .token").nth(5).hover()
    assert "+1.62 logits" in readout.inner_text()
    word.click()
    assert readout.is_hidden()


def test_drawings_of_one_prompt_share_their_hover(sample: Watched) -> None:
    figure(sample, "Which words push").locator(".strip .token").nth(9).hover()
    echoes = sample.page.locator(".echo:visible")
    assert echoes.count() == 9  # three other strips, the lens, the matrix over positions; strip and pattern of two open heads
    strip = figure(sample, "How surprised")
    token, echo = strip.locator(".strip .token").nth(9).bounding_box(), strip.locator(".echo").bounding_box()
    assert abs(token["x"] - echo["x"]) < 2


def test_a_head_is_chosen_and_read_token_by_token(sample: Watched) -> None:
    drawn = figure(sample, "Where do these heads look")
    assert "head 2.1" in drawn.locator(".part-label").inner_text()
    drawn.locator(".overview").focus()
    sample.page.keyboard.press("ArrowUp")
    sample.page.keyboard.press("Enter")
    assert drawn.locator(".part-label").inner_text() == "head 1.0 · previous token 0.91"
    drawn.locator(".strip").focus()
    sample.page.keyboard.press("End")
    looks = drawn.locator(".looks")
    assert f"·to (13) looks at ·book (12) {sample_patterns()[1][0][13][12]:.2f}" in looks.inner_text()
    sample.page.keyboard.press("ArrowLeft")
    sample.page.keyboard.press("Enter")  # kept, while another head is opened
    drawn.locator(".mini").nth(1).click()
    assert looks.inner_text().startswith("·book (12) looks at")
    assert "head 2.1" in drawn.locator(".part-label").inner_text()


def test_a_cell_of_the_grid_opens_its_head(sample: Watched) -> None:
    drawn = figure(sample, "Which heads write the answer")
    assert drawn.locator(".part-label").inner_text().startswith("head 2.1 · +1.34 logits")  # the strongest
    drawn.locator(".stage").first.focus()
    sample.page.keyboard.press("ArrowDown")
    sample.page.keyboard.press("Enter")
    assert drawn.locator(".part-label").inner_text().startswith("head 1.0 · −0.410 logits")


def test_a_waterfall_is_one_unbroken_way_to_the_total(sample: Watched) -> None:
    drawn = figure(sample, "What does the choice of")

    def bars() -> list[tuple[float, float, bool]]:
        boxes = [(bar.bounding_box(), "negative" in bar.get_attribute("class")) for bar in drawn.locator(".bar:visible").all()]
        return [(box["x"], box["x"] + box["width"], negative) for box, negative in boxes]

    for rows in (17, 31):  # 14 bars, the others, the remainder, the total; then all 29
        *parts, total = bars()
        assert 1 + len(parts) == rows
        ends = [left if negative else right for left, right, negative in parts]
        starts = [right if negative else left for left, right, negative in parts]
        assert all(abs(end - start) < 1 for end, start in zip(ends, starts[1:], strict=False))
        assert (abs(ends[-1] - total[1]) < 1, abs(starts[0] - total[0]) < 1) == (True, True)
        drawn.locator("button.more").click()


def test_tabs_are_gone_through_by_keyboard(sample: Watched) -> None:
    drawn = sample.page.locator("figure.tabs-drawing")
    drawn.get_by_role("tab").first.focus()
    for key, chosen in (("ArrowRight", 1), ("ArrowRight", 2), ("ArrowRight", 0), ("End", 2), ("Home", 0)):
        sample.page.keyboard.press(key)
        assert [tab.get_attribute("aria-selected") for tab in drawn.get_by_role("tab").all()] == [str(i == chosen).lower() for i in range(3)]
        assert [panel.is_visible() for panel in drawn.locator(".panel .strip").all()] == [i == chosen for i in range(3)]
    sample.page.keyboard.press("Tab")
    assert sample.page.evaluate("document.activeElement.closest('.panel') === document.querySelector('.panel')")


def test_a_map_is_read_over_its_picture(sample: Watched) -> None:
    drawn = figure(sample, "Which pixels speak")
    canvas, readout = drawn.locator(".easel canvas"), drawn.get_by_role("status")
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    sample.page.mouse.move(box["x"] + box["width"] * 5.5 / 24, box["y"] + box["height"] * 10.5 / 24)
    value = unpacked_map(sample_drawings()["pixels"].data["map"])[10][5]
    assert "row 10, column 5" in readout.inner_text()
    assert f"{abs(value):.5g} logits" in readout.inner_text()

    def colour(across: float, down: float) -> list[int]:
        """The middle of a cell of the map, as painted."""
        return canvas.evaluate(
            """(c, [x, y]) => { const copy = new OffscreenCanvas(1, 1).getContext('2d');
            copy.drawImage(c, c.width * x / 24, c.height * y / 24, 1, 1, 0, 0, 1, 1); return [...copy.getImageData(0, 0, 1, 1).data] }""",
            [across + 0.5, down + 0.5],
        )

    assert colour(5, 10)[0] > colour(5, 10)[2] + 60  # on the ring: orange
    assert colour(22, 2)[2] > colour(22, 2)[0] + 60  # on the bar: blue
    drawn.get_by_role("button", name="map", exact=True).click()
    assert min(colour(0, 23)) > 235  # near zero: the page
    drawn.get_by_role("button", name="picture", exact=True).click()
    assert colour(22, 2) == [round(255 * part) for part in (0.12, 0.16, 0.25)] + [255]
    drawn.get_by_role("button", name="map over picture").click()
    drawn.get_by_role("slider").fill("0")
    assert max(colour(5, 10)[:3]) - min(colour(5, 10)[:3]) < 3  # no map: the picture in grey


def test_a_cell_of_the_gallery_opens_its_map(sample: Watched) -> None:
    drawn = figure(sample, "Does the explanation notice")
    assert drawn.locator(".part-label").inner_text() == "gradient · none"
    drawn.locator(".gallery").focus()
    for key in ("ArrowDown", "ArrowRight", "Enter"):
        sample.page.keyboard.press(key)
    assert drawn.locator(".part-label").inner_text() == "guided backpropagation · 1"
    assert drawn.locator(".chosen .name").inner_text() == "ρ = 0.94"


def test_the_nearest_point_is_read(sample: Watched) -> None:
    drawn = figure(sample, "How far can attention move")
    drawn.scroll_into_view_if_needed()
    # the third adversary, from the axes' own tick labels
    at = drawn.locator("svg").first.evaluate(
        """svg => { const texts = [...svg.querySelectorAll('text')], box = svg.getBoundingClientRect();
        const x = (label) => Number(texts.find(t => t.textContent === label && t.getAttribute('text-anchor') === 'middle').getAttribute('x'));
        const y = (label) => Number(texts.find(t => t.textContent === label && t.getAttribute('text-anchor') === 'end').getAttribute('y'));
        return [box.x + x('0') + (x('0.10') - x('0')) * 0.8, box.y + y('0.5')] }"""
    )
    sample.page.mouse.move(at[0] + 4, at[1] + 4)
    words = drawn.get_by_role("status").inner_text()
    assert all(word in words for word in ("adversaries", "λ = 0.01", "0.08", "0.5"))
    sample.page.mouse.move(at[0], at[1] + 60)
    assert drawn.get_by_role("status").is_hidden()


def test_weights_are_swapped_and_both_outputs_stay(sample: Watched) -> None:
    drawn = figure(sample, "Must it look where")
    colours = []
    for name in ("learned", "adversarial"):
        drawn.get_by_role("tab", name=name).click()
        colours.append([one.evaluate("e => getComputedStyle(e).backgroundColor") for one in drawn.locator(".panel:not(.closed) .token").all()])
        assert [output.inner_text() for output in drawn.locator(".output").all()] == ["positive 0.981", "positive 0.974", "positive 0.913"]
    assert colours[0] != colours[1]
    drawn.locator(".panel:not(.closed) .token").nth(7).hover()
    words = drawn.locator(".panel:not(.closed)").get_by_role("status").inner_text()
    assert "0.02 attention weight" in words
    assert "0.71" in words  # under the learned weights
    assert "0.830 apart" in drawn.inner_text()


def test_a_table_is_sorted_by_its_heads_and_scrolls_inside_itself(sample: Watched) -> None:
    drawn = figure(sample, "Which phenomena does each")
    names = [row[0] for row in sample_drawings()["phenomena"].data["rows"]]
    figures = {row[0]: row[3] for row in sample_drawings()["phenomena"].data["rows"]}
    head = drawn.get_by_role("button", name="binding")
    for order in (sorted(names, key=lambda name: -figures[name]), sorted(names, key=figures.get), names):
        head.click()
        assert drawn.locator("tbody tr td:first-child").all_inner_texts() == order
    sample.page.set_viewport_size({"width": 400, "height": 900})
    scroller, first = drawn.locator(".table"), drawn.locator("tbody td").first
    assert scroller.evaluate("e => e.scrollWidth > e.clientWidth")
    before = first.bounding_box()["x"]
    scroller.evaluate("e => { e.scrollLeft = 400 }")
    assert first.bounding_box()["x"] == before  # the names stay


def test_a_control_with_a_course_of_its_own_is_read_beside_the_curves(sample: Watched) -> None:
    drawn = figure(sample, "How fast does the answer go")
    drawn.locator(".stage").focus()
    sample.page.keyboard.press("End")
    assert "control, random order" in drawn.get_by_role("status").inner_text()
    assert "0.34 (0.19 to 0.49)" in drawn.get_by_role("status").inner_text()


def test_strips_side_by_side_share_their_hover(sample: Watched) -> None:
    sample.page.locator(".contents a", has_text="Does another model").click()
    left, right = sample.page.locator(".beside .part").all()
    left.locator(".token").nth(3).hover()
    token, echo = right.locator(".strip .token").nth(3).bounding_box(), right.locator(".echo").bounding_box()
    assert (abs(token["x"] - echo["x"]) < 2, abs(token["y"] - echo["y"]) < 2) == (True, True)


def test_a_link_opens_a_folded_section(sample: Watched) -> None:
    strip = sample.page.locator(".fold .strip").first
    assert not strip.is_visible()
    sample.page.locator(".contents a", has_text="Does another model").click()
    assert strip.is_visible()
    left, right = sample.page.locator(".beside .strip").all()
    assert left.bounding_box()["y"] == right.bounding_box()["y"]
    sample.page.set_viewport_size({"width": 690, "height": 900})
    assert left.bounding_box()["y"] < right.bounding_box()["y"]


def test_a_badge_opens_to_its_evidence(sample: Watched) -> None:
    badge = sample.page.locator("summary", has_text="does not hold").first
    badge.focus()
    sample.page.keyboard.press("Enter")
    evidence = sample.page.locator("details[open] .evidence").first.inner_text()
    for words in ("drop of the logit difference", "0.12", "−0.05 to +0.09", "64", "at least 0.300", "200 random sets", "sonde explain"):
        assert words in evidence


def test_the_focus_goes_through_the_page_in_reading_order(sample: Watched) -> None:
    sample.page.evaluate("document.body.focus()")
    tops = []
    # within a figure, columns are gone through one after the other
    top = "(e => e === document.body ? null : (e.closest('figure') ?? e).getBoundingClientRect().top + scrollY)(document.activeElement)"
    for _ in range(100):
        sample.page.keyboard.press("Tab")
        place = sample.page.evaluate(top)
        if place is None:
            break
        tops.append(place)
    in_page = tops[len(sample_document().sections) :]  # the table of contents comes first and stays in view
    assert len(in_page) > 20
    assert all(later > earlier - 60 for earlier, later in pairwise(in_page))


def test_everything_focusable_has_a_name(sample: Watched) -> None:
    names = sample.page.evaluate(
        "[...document.querySelectorAll('a, button, summary, [tabindex]')].map(e => (e.getAttribute('aria-label') || e.textContent).trim())"
    )
    assert all(names)


def test_pictures_and_numbers_can_be_saved(sample: Watched) -> None:
    # Chromium asks before the eleventh download of one page: half the kinds are enough here
    for key in ("pushes", "attention", "lens", "adds", "pixels"):
        drawing = sample_drawings()[key]
        drawn = figure(sample, drawing.title.split("`")[0])
        with sample.page.expect_download() as picture:
            drawn.get_by_role("button", name="Save as SVG").click()
        root = ET.parse(picture.value.path()).getroot()
        assert root.tag.endswith("svg")
        assert len(list(root.iter())) > 20
        with sample.page.expect_download() as numbers:
            drawn.get_by_role("button", name="Save as CSV").click()
        assert numbers.value.suggested_filename.endswith(".csv")
        rows = list(csv.reader(io.StringIO(numbers.value.path().read_text(encoding="utf-8"))))
        if key == "pushes":
            assert [row[1] for row in rows[1:]] == PROMPT
            assert [float(row[2]) for row in rows[1:]] == drawing.data["values"]
        if key == "attention":
            stored = {(row[0], int(row[1]), int(row[3])): float(row[5]) for row in rows[1:]}
            patterns = sample_patterns()
            assert max(abs(weight - patterns[2][1][query][place]) for (head, query, place), weight in stored.items() if head == "2.1") < 0.0025
        if key == "pixels":
            assert [float(row[2]) for row in rows[1:]] == [value for line in unpacked_map(drawing.data["map"]) for value in line]
            assert root.find(".//{*}image").get("href").startswith("data:image/png")
        if key == "adds":
            assert [row[0] for row in rows[-3:]] == ["remainder", "total", "control: a random head"]
            assert sum(float(row[1]) for row in rows[1:-2]) == pytest.approx(float(rows[-2][1]), abs=1e-3)


def test_paper_is_light_and_shows_the_evidence(watched: Watched) -> None:
    shown = watched.open(page(sample_document()), scheme="dark")
    shown.emulate_media(media="print", color_scheme="dark")
    shown.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert shown.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(253, 253, 251)"
    assert shown.locator(".evidence:visible").count() == shown.locator("details.claim").count()
    assert shown.locator(".panel .strip:visible").count() == 6  # every tab, and every set of weights
    assert shown.locator(".fold .strip:visible").count() == 2
    shown.set_viewport_size({"width": 680, "height": 900})  # the width of a sheet of A4 between its margins
    watched.settle()
    cut = "[...document.querySelectorAll('.table, .gallery, .lens')].filter(e => e.scrollWidth > 681).length"
    assert shown.evaluate(cut) == 0  # nothing scrolls on paper
    corner = shown.evaluate(
        "(() => { const c = document.querySelector('canvas'); return [...c.getContext('2d').getImageData(c.width - 4, 4, 1, 1).data] })()"
    )
    assert min(corner[:3]) > 200  # the canvas was repainted for paper
    assert watched.mishaps == []


def test_page_and_terminal_write_alike(watched: Watched) -> None:
    amounts = [0.5, -0.213, 12.26, 0.1]
    wide = [1e300, -1234.6, 2e-7, 99999.0]
    names = [" keys", "a\n", "", "\x1b[0m"]
    drawing = table("t", ["name", "near", "wide"], list(zip(names, amounts, wide, strict=True)))
    shown = watched.open(page(Document("t", sections=[Section("s", "s", drawings=[drawing])])))
    cells = shown.locator("tbody td").all_inner_texts()
    assert cells[0::3] == [token(name) for name in names]
    assert cells[1::3] == [readable(amount, like=shared_size(amounts)) for amount in amounts]
    assert cells[2::3] == [readable(amount) for amount in wide]


def test_a_notebook_frame_is_isolated(watched: Watched) -> None:
    frames = "".join(notebook(drawing)._repr_html_() for drawing in sample_drawings().values())
    shown = watched.open(f"<!doctype html><meta charset=utf-8><body>{frames}")
    for place, drawing in enumerate(sample_drawings().values()):
        inner = shown.frame_locator("iframe").nth(place)
        inner.locator("figure").wait_for()
        assert inner.locator("h3").inner_text().replace("·", " ") == drawing.title.replace("`", "")
    assert frames.count('sandbox="allow-scripts allow-downloads"') == len(sample_drawings())  # no allow-same-origin: the frame is a stranger
    assert watched.mishaps == []
