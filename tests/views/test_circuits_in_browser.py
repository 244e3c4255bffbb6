"""Circuits in real Chromium: what the slider shows and reads, what hangs together with a node, what the list holds."""

import csv
import io
from collections.abc import Iterator

import pytest
from views.browser import Watched, chromium
from views.circuits import model, sample_circuit, sample_pair, scored

from sonde.results.document import Document, Section
from sonde.results.drawing import Curve, Drawing, circuit_graph, circuits
from sonde.views import page
from sonde.views.text import readable


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    with chromium(tmp_path_factory.mktemp("pages")) as one:
        yield one


@pytest.fixture
def drawn(watched: Watched):
    """Open one drawing, and give its figure."""

    def opened(drawing: Drawing, **how):
        watched.open(page(Document("t", sections=[Section("s", "s", drawings=[drawing])])), **how)
        return watched.page.locator("figure")

    yield opened
    assert watched.mishaps == []


def edges(figure) -> int:
    return figure.locator(".edges path").count()


def through(drawing: Drawing, node: int, shown: int) -> set[int]:
    """The edges that are seen on any path through a node."""
    data = drawing.data
    wires = [(data["senders"][i], data["inputs"][data["receivers"][i]]["feeds"], i) for i in range(shown)]
    found: set[int] = set()
    below, above = {node}, {node}
    for _ in range(shown):
        found |= {i for sender, feeds, i in wires if below & set(feeds) or sender in above}
        below |= {sender for sender, feeds, _ in wires if below & set(feeds)}
        above |= {feed for sender, feeds, _ in wires if sender in above for feed in feeds}
    return found


def test_the_slider_chooses_edges_and_reads_the_measure_there(drawn, watched: Watched) -> None:
    drawing = sample_circuit()
    curve, scores = drawing.to_json()["data"]["curve"], drawing.to_json()["data"]["scores"]
    figure = drawn(drawing)
    slider, count, least = figure.get_by_role("slider"), *figure.get_by_role("spinbutton").all()
    reading = figure.locator(".dial-reading")

    def at(place: int, row: dict) -> str:
        return readable(row["values"][place], like=0.999 * max(curve["values"]))

    assert edges(figure) == 20
    assert float(least.input_value()) == abs(scores[19])
    assert f"faithfulness {at(4, curve)} " in reading.inner_text()  # 20 is the fifth size
    assert f"random circuits of the same size {at(4, curve['control'])}" in reading.inner_text()
    assert "≈" not in reading.inner_text()
    slider.focus()
    watched.page.keyboard.press("ArrowRight")
    assert (edges(figure), count.input_value()) == (21, "21")
    assert "≈" in reading.inner_text()  # nobody measured 21 edges
    assert f"interpolated between 20 ({readable(curve['values'][4])}) and 50 ({readable(curve['values'][5])}) edges" in reading.inner_text()
    watched.page.keyboard.press("End")
    assert edges(figure) == drawing.data["total"]
    count.fill("50")
    assert edges(figure) == 50
    assert f"faithfulness {at(5, curve)} " in reading.inner_text()
    least.fill(str(abs(scores[9])))
    assert edges(figure) == sum(abs(score) >= abs(scores[9]) for score in scores)


def test_no_measure_is_invented_beyond_the_measured_sizes(drawn) -> None:
    nodes, rows = model(2, 2)
    figure = drawn(circuit_graph("T", "logits", nodes, scored(nodes), rows=rows, shown=3, curve=Curve("faithfulness", [5, 9], [0.5, None])))
    assert figure.locator(".dial-reading").inner_text() == "faithfulness was not measured at 3 edges, only at 5 to 9"
    figure.get_by_role("spinbutton").first.fill("7")
    assert "faithfulness ≈ missing, interpolated between 5 (0.500) and 9 (missing) edges" in figure.locator(".dial-reading").inner_text()


def test_edges_that_are_left_out_are_told(drawn, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(circuits, "MOST_EDGES", 30)
    figure = drawn(sample_circuit())
    assert "449 of 479 edges are left out: those of smallest score" in figure.inner_text()
    assert "The 30 first edges are drawn" not in figure.inner_text()
    figure.get_by_role("spinbutton").first.fill("50")
    assert "The 30 first edges are drawn; the drawing leaves out the others." in figure.inner_text()
    assert edges(figure) == 30


def test_a_node_shows_its_neighbours_and_keeps_its_paths(drawn, watched: Watched) -> None:
    drawing = sample_circuit()
    data = drawing.to_json()["data"]
    figure = drawn(drawing)
    node = data["nodes"]["labels"].index("3.1")
    direct = sum(data["senders"][i] == node or node in data["inputs"][data["receivers"][i]]["feeds"] for i in range(20))
    box = figure.locator(".node", has_text="3.1")
    box.scroll_into_view_if_needed()
    box.hover()
    words = figure.locator(":scope > .readout").inner_text()
    assert f"effect {readable(data['nodes']['values'][node], signed=True)[:5]}" in words
    assert "name mover" in words
    assert "·to (13) looks most at" in words
    assert "of those seen" in words
    lit = figure.locator(".circuit svg:not(.edges) .edge")
    assert lit.count() == direct
    box.click()
    paths = through(drawing, node, 20)
    assert len(paths) > direct
    assert lit.count() == len(paths)
    assert "3.1 (name mover, effect " in figure.inner_text()
    assert f" is kept: {len(paths)} of the 20 edges that are seen lie on paths through it." in figure.inner_text()
    assert figure.locator(".part-label").inner_text().startswith("head 3.1")
    watched.page.mouse.move(0, 0)
    assert lit.count() == len(paths)  # kept
    figure.get_by_role("button", name="let go").click()
    watched.page.mouse.move(0, 0)  # from the list, which has moved under it
    assert lit.count() == 0
    assert not figure.locator(".part-label").is_visible()


def test_an_edge_is_read_where_it_is(drawn, watched: Watched) -> None:
    drawing = sample_circuit(2, 2, shown=1)
    data = drawing.to_json()["data"]
    figure = drawn(drawing)
    path = figure.locator(".edges path")
    path.scroll_into_view_if_needed()
    x, y = path.evaluate(
        "p => { const at = p.getPointAtLength(p.getTotalLength() * 0.4), box = p.ownerSVGElement.getBoundingClientRect();"
        "return [box.x + at.x, box.y + at.y] }"
    )
    watched.page.mouse.move(x + 2, y)
    sender, receiver = (data["nodes"]["labels"][i] for i in (data["senders"][0], data["inputs"][data["receivers"][0]]["feeds"][0]))
    assert f"{sender} → {receiver}" in figure.locator(":scope > .readout").inner_text()
    assert f"{abs(data['scores'][0])} logits" in figure.locator(":scope > .readout").inner_text()
    watched.page.mouse.move(x + 40, y)
    assert figure.locator(":scope > .readout").is_hidden()


def test_a_circuit_is_read_by_keyboard(drawn, watched: Watched) -> None:
    figure = drawn(sample_circuit())
    readout = figure.locator(":scope > .readout")
    figure.locator(".circuit").focus()
    watched.page.keyboard.press("ArrowDown")
    assert readout.inner_text().startswith("MLP 3 · blocks.3.mlp.out")
    watched.page.keyboard.press("ArrowDown")
    watched.page.keyboard.press("End")
    assert readout.inner_text().startswith("3.3 ")
    watched.page.keyboard.press("ArrowRight")  # the row ends here
    watched.page.keyboard.press("ArrowLeft")
    assert readout.inner_text().startswith("3.2 ")
    watched.page.keyboard.press("Enter")
    assert "3.2 (effect " in figure.inner_text()
    watched.page.keyboard.press("Escape")
    assert "is kept" not in figure.inner_text()
    for _ in range(12):
        watched.page.keyboard.press("ArrowDown")
    watched.page.keyboard.press("Home")
    assert "number 1 of 479 by size" in readout.inner_text()  # below the nodes come the edges
    watched.page.keyboard.press("ArrowRight")
    assert "number 2 of 479" in readout.inner_text()


def test_the_list_holds_what_is_seen_and_asked_for(drawn) -> None:
    drawing = sample_circuit()
    labels = drawing.data["nodes"]["labels"]
    figure = drawn(drawing)
    rows = figure.locator(".circuit-list tbody tr:visible")
    assert rows.count() == 12
    figure.get_by_role("button", name="Show all 20 rows").click()
    assert rows.count() == 20
    search = figure.get_by_role("searchbox")
    search.fill("MLP")
    touched = [
        i
        for i in range(20)
        if any("MLP" in labels[node] for node in (drawing.data["senders"][i], *drawing.data["inputs"][drawing.data["receivers"][i]]["feeds"]))
    ]
    assert 0 < rows.count() == len(touched) < 20
    search.fill("9.9")
    assert rows.count() == 0
    assert "has an end called “9.9”" in figure.inner_text()
    search.fill("")
    figure.get_by_role("button", name="score (logits)").click()
    shown = [float(text.replace("−", "-")) for text in figure.locator("tbody tr:visible td:last-child").all_inner_texts()]
    assert shown == sorted(shown, reverse=True)
    assert len(shown) == 20
    figure.locator("tbody tr").first.click()
    assert "is kept" in figure.inner_text()


def test_sides_of_a_pair_are_put_out_of_sight(drawn) -> None:
    drawing = sample_pair()
    alone, both, other = drawing.data["counts"]
    figure = drawn(drawing)
    assert edges(figure) == alone + both + other
    for name, left in ((f"both {both}", alone + other), (f"ACDC alone {other}", alone)):
        button = figure.get_by_role("button", name=name)
        button.click()
        assert button.get_attribute("aria-pressed") == "false"
        assert edges(figure) == left
    assert figure.locator(".edges .side-0").count() == alone
    assert set(figure.locator("tbody tr td:nth-child(4)").all_inner_texts()) == {"EAP-IG alone"}
    colours = {side: figure.locator(f".choices .side-{side}").evaluate("e => getComputedStyle(e).stroke") for side in range(3)}
    dashes = {side: figure.locator(f".choices .side-{side}").evaluate("e => getComputedStyle(e).strokeDasharray") for side in range(3)}
    assert len(set(colours.values())) == len(set(dashes.values())) == 3  # told apart without colour too


def test_a_circuit_is_saved_as_it_is_seen_with_all_its_numbers(drawn, watched: Watched) -> None:
    drawing = sample_circuit()
    figure = drawn(drawing)
    with watched.page.expect_download() as picture:
        figure.get_by_role("button", name="Save as SVG").click()
    svg = picture.value.path().read_text(encoding="utf-8")
    assert svg.count("<path") >= 20
    assert ">20</text>" in svg  # the number of edges that are seen
    assert svg.count("C", svg.index("<path")) < 479  # edges that are not seen are not in it
    with watched.page.expect_download() as numbers:
        figure.get_by_role("button", name="Save as CSV").click()
    rows = list(csv.reader(io.StringIO(numbers.value.path().read_text(encoding="utf-8"))))
    assert rows[0] == ["sender", "receivers", "input", "score (logits)"]
    assert [float(row[3]) for row in rows[1:480]] == drawing.to_json()["data"]["scores"]
    measured = [row for row in rows if row[1:2] == ["faithfulness"]]
    assert [int(row[0]) for row in measured] == drawing.data["curve"]["sizes"]


def test_shared_inputs_stand_between_the_heads_that_share_them(drawn) -> None:
    figure = drawn(sample_circuit(2, 4, shown=40, shared=2))
    assert "an input between heads is shared by them" in figure.inner_text()
    assert figure.locator(".brace").count() > 0
    assert figure.locator(".brace").count() % 2 == 0


@pytest.mark.parametrize("width", [400, 1280])
def test_a_wide_circuit_scrolls_inside_itself(drawn, watched: Watched, width: int) -> None:
    figure = drawn(sample_circuit(4, 12, shown=2000), width=width, scheme="dark")
    assert edges(figure) == 2000
    assert watched.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    boxes = figure.locator(".node rect.box").evaluate_all("rects => rects.map(r => ['x', 'y', 'width'].map(n => Number(r.getAttribute(n))))")
    for x, y, w in boxes:
        assert not any(other[1] == y and x < other[0] < x + w for other in boxes)  # none lies over another in its row
