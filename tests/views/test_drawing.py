"""Constructors refuse what does not fit, and what they build is valid by the published schema."""

import base64
import json
import math
from importlib.resources import files

import jsonschema
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import gaussian_kde
from views.extremes import extreme_documents
from views.sample import sample_drawings

from sonde.results import Verdict
from sonde.results.document import Document, Section
from sonde.results.drawing import (
    Control,
    DrawingError,
    Points,
    Series,
    bars,
    beside,
    evidence,
    lens,
    lines,
    matrix,
    overlay,
    overlays,
    picture_grid,
    pictures,
    rose,
    scatter,
    swap,
    table,
    tabs,
    tokens,
    unpacked_map,
    violins,
    waterfall,
)

GRID = {"row_name": "row", "rows": ["r"], "col_name": "col", "cols": ["c"]}
SCHEMA = json.loads(files("sonde.results").joinpath("schemas/drawing.json").read_text(encoding="utf-8"))
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)


def test_every_kind_is_valid_by_the_schema() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    drawings = [*sample_drawings().values(), *(one for document in extreme_documents().values() for one in document.sections[0].drawings)]
    assert {drawing.kind for drawing in drawings} == set(SCHEMA["properties"]["kind"]["enum"])
    for drawing in drawings:
        VALIDATOR.validate(json.loads(json.dumps(drawing.to_json(), allow_nan=False)))


def test_the_schema_refuses_another_kinds_data() -> None:
    strip = tokens("t", "u", ["a"], [1.0]).to_json()
    with pytest.raises(jsonschema.ValidationError):
        VALIDATOR.validate(strip | {"kind": "matrix"})


def test_tensors_and_arrays_are_taken_as_they_are() -> None:
    rows = [[1.0, float("nan")], [-2.0, 0.5]]
    how = {"row_name": "layer", "rows": [0, 1], "col_name": "head", "cols": [0, 1]}
    drawn = [matrix("t", "u", values, **how).to_json() for values in (rows, np.array(rows), torch.tensor(rows, requires_grad=True))]
    assert drawn[0] == drawn[1] == drawn[2]
    assert drawn[0]["data"]["values"] == [[1.0, None], [-2.0, 0.5]]


def test_means_are_of_sizes_on_a_diverging_scale_and_skip_what_is_missing() -> None:
    how = {"row_name": "r", "rows": [0, 1], "col_name": "c", "cols": [0, 1]}
    signed = matrix("t", "u", [[1.0, -3.0], [None, 5.0]], **how)
    assert (signed.data["row_means"], signed.data["col_means"]) == ([2.0, 5.0], [1.0, 4.0])
    plain = matrix("t", "u", [[1.0, 3.0], [None, None]], **how, scale="sequential")
    assert (plain.data["row_means"], plain.data["col_means"]) == ([2.0, None], [1.0, 3.0])


@pytest.mark.parametrize(
    ("build", "words"),
    [
        (lambda: tokens("T", "u", ["a", "b"], [1.0]), "values has 1 entries where 2 belong"),
        (lambda: tokens("T", "u", ["a"], [math.inf]), "infinite"),
        (lambda: tokens("T", "u", ["a"], [1.0], limit=0.0), "limit 0.0 must be above zero"),
        (lambda: tokens("T", "u", ["a"], ["x"]), "values holds 'x'"),
        (lambda: matrix("T", "u", [[1.0], [1.0, 2.0]], row_name="r", rows=[0, 1], col_name="c", cols=[0]), "values has 2 entries where 1 belong"),
        (lambda: matrix("T", "u", [1.0], row_name="r", rows=[0], col_name="c", cols=[0]), "values needs a list here, not 1.0"),
        (lambda: lens("T", "u", tokens=["a"], layers=[0], top=[["b"]], values=[[0.1]], details=[[[("b",)]]]), "details holds ('b',)"),
        (lambda: lines("T", "u", "x", [0], []), "0 series"),
        (lambda: lines("T", "u", "x", [0], [Series("one", [1.0], low=[0.0])]), "series 'one' has one end"),
        (lambda: rose("T", "u", "x", [0, 90], []), "0 series are none"),
        (lambda: rose("T", "u", "x", [0], [Series(str(i), [1.0]) for i in range(9)], together=True), "9 series are more than can be told apart"),
        (lambda: rose("T", "u", "x", [0, 90], [Series("a", [1.0, 2.0])], period=100), "period 100 is no whole part of 360 degrees"),
        (lambda: rose("T", "u", "x", [0, 180], [Series("a", [1.0, 2.0])], period=180), "give rising places within one period of 180"),
        (lambda: rose("T", "u", "x", [0, 90], [Series("a", [1.0])]), "series 'a' has 1 entries where 2 belong"),
        (lambda: table("T", ["a", "b"], [["x"]]), "rows has 1 entries where 2 belong"),
        (lambda: waterfall("T", "u", ["a", "b"], [1.0, None]), "the value of 'b' is missing"),
        (lambda: waterfall("T", "u", ["a"], [1.0], total=math.nan), "the total is missing"),
        (lambda: waterfall("T", "u", ["a", "b"], [1.7e308, 1.7e308]), "infinite"),
        (lambda: tokens("T", "u", ["a"], None, roles={"x": [1]}), "role 'x' holds position 1, and there are 1 tokens"),
        (lambda: tokens("T", "u", ["a"], None, roles={"x": [0], "y": [0]}), "position 0 ('a') has two roles, 'x' and 'y'"),
        (lambda: tokens("T", "u", ["a"], None, roles={str(i): [] for i in range(9)}), "9 roles cannot be told apart"),
        (lambda: overlay("T", "u", [[[0.5]]] * 4, [[1.0]]), "picture has 4 channels; its axes are (channel, row, col)"),
        (lambda: overlay("T", "u", [[[0.5, None]]], [[1.0]]), "picture has a missing pixel"),
        (lambda: overlay("T", "u", [[[0.5], [0.5, 0.1]]], [[1.0]]), "picture has 2 entries where 1 belong"),
        (lambda: overlay("T", "u", [[[0.5]], [[0.5, 1]], [[0.5]]], [[1.0]]), "picture has 2 entries where 1 belong"),
        (lambda: overlay("T", "u", [[[0.5]]], []), "values is empty; its axes are (row, col)"),
        (lambda: overlay("T", "u", [[[0.5]]], [1.0]), "values needs a list here"),
        (lambda: overlays("T", "u", [[[0.5]]], [[[[1.0]]]], **GRID, colours="each"), "colours 'each' is unknown"),
        (lambda: overlays("T", "u", [[[0.5]]], [[[[1.0]]]], **GRID, colours="own", limit=1.0), "limit 1.0 is for colours that are alike"),
        (lambda: overlays("T", "u", [[[[0.5]]]] * 2, [[[[1.0]]]], **GRID), "picture has 2 entries where 1 belong"),
        (lambda: overlays("T", "u", [[[0.5]]], [[[1.0]]], **GRID), "a map of 'r' needs a list here, not 1.0"),
        (lambda: scatter("T", "x", "y", []), "0 sets of points"),
        (lambda: scatter("T", "x", "y", [Points("a", [1.0], [1.0, 2.0])]), "y of 'a' has 2 entries where 1 belong"),
        (lambda: scatter("T", "x", "y", [Points("a", [1.0], [1.0], low=[0.0])]), "points 'a' have one end"),
        (lambda: scatter("T", "x", "y", [Points("a", [0.0] * 5001, [0.0] * 5001)]), "5001 points are too many"),
        (lambda: violins("T", "u", ["a", "b"], [[1.0]]), "samples has 1 entries where 2 belong"),
        (lambda: violins("T", "u", ["a"], [[math.inf]]), "infinite"),
        (lambda: swap("T", ["a"], []), "it has no weights"),
        (lambda: swap("T", ["a"], [("one", [-0.1], "")]), "the weights 'one' holds -0.1: a weight is a number of at least zero"),
        (lambda: swap("T", ["a"], [("one", [math.nan], "")]), "a weight is a number of at least zero"),
        (lambda: swap("T", ["a"], [("one", [0.1], ""), ("one", [0.1], "")]), "two sets of weights are called 'one'"),
        (lambda: lines("T", "u", "x", [0, 1], [Series("one", [1.0, 0.0])], control=Series("random", [1.0])), "'random' has 1 entries where 2 belong"),
        (lambda: table("T", ["a"], [[1.0]], best="most"), "best 'most' is unknown"),
        (lambda: table("T", ["a"], [[1.0]], unranked=[1]), "unranked holds row 1, and there are 1 rows"),
        (lambda: table("T", ["a"], [[1.0]], intervals=[[(0.0,)]]), "an interval has 1 entries where 2 belong"),
        (lambda: tabs("T", []), "it holds no drawing"),
        (lambda: beside("T", [("a", table("t", [], [])), ("a", table("t", [], []))]), "two of its drawings have the label 'a'"),
    ],
)
def test_what_does_not_fit_is_named(build, words: str) -> None:
    with pytest.raises(DrawingError, match="drawing 'T': ") as refusal:
        build()
    assert words in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_values_beyond_the_limit_are_counted_and_rounding_noise_is_not() -> None:
    assert tokens("t", "u", ["a", "b"], [5.0, -0.5], limit=1.0).legend["clipped"] == 1
    divergence = tokens("t", "bits", ["a", "b"], [-1e-9, 2.0], scale="sequential")
    assert (divergence.legend["low"], divergence.legend["clipped"]) == (0.0, 0)
    assert tokens("t", "bits", ["a", "b"], [-1.0, 2.0], scale="sequential").legend["clipped"] == 1


def test_bars_keep_each_label_with_its_own_figures() -> None:
    drawn = bars("t", "u", ["small", "none", "big"], [0.1, None, -2.0], intervals=[(0, 1), None, (-3, -1)], bar_control=Series("c", [7.0, 8.0, 9.0]))
    assert drawn.data["labels"] == ["big", "small", "none"]
    assert drawn.data["values"] == [-2.0, 0.1, None]
    assert drawn.data["intervals"] == [[-3.0, -1.0], [0.0, 1.0], None]
    assert drawn.data["controls"] == [9.0, 7.0, 8.0]


def test_a_waterfall_adds_up_to_its_total() -> None:
    parts = [0.5, -2.0, 1.25]
    summed = waterfall("t", "u", ["a", "b", "c"], parts).data
    assert (summed["labels"], summed["total"], summed["remainder"]) == (["b", "c", "a"], -0.25, None)
    measured = waterfall("t", "u", ["a", "b", "c"], parts, total=1.0, intervals=[(0, 1), None, (1, 2)]).data
    assert measured["total"] == 1.0
    assert sum(measured["values"]) + measured["remainder"] == pytest.approx(1.0)
    assert measured["intervals"] == [None, [1.0, 2.0], [0.0, 1.0]]


def test_what_is_compared_is_coloured_alike() -> None:
    weak, strong = tokens("a", "logits", ["x"], [1.0]), tokens("b", "logits", ["x"], [-4.0])
    bits, clipped = tokens("c", "bits", ["x"], [9.0]), tokens("d", "logits", ["x"], [9.0], limit=2.0)
    limits = [
        [part["drawing"]["legend"]["high"] for part in tabs("t", list(zip("abc", row, strict=False))).data["parts"]]
        for row in ((weak, strong, bits), (weak, clipped))
    ]
    assert limits == [[4.0, 4.0, 9.0], [1.0, 2.0]]  # a unit of its own, and a limit that was chosen, stay


@given(st.lists(st.one_of(st.none(), st.floats(-1e30, 1e30)), min_size=1, max_size=12), st.integers(1, 3))
def test_a_packed_map_is_as_exact_as_it_says(row: list[float | None], height: int) -> None:
    packed = overlay("t", "u", [[[0.5]]], [row] * height).data["map"]
    kept = unpacked_map(packed)
    assert len(kept) == height
    for value, back in zip(row, kept[-1], strict=True):
        assert (value is None) == (back is None)
        # half a step of 1/30,000 of the largest value, and five digits of that value itself
        assert value is None or back == pytest.approx(value, abs=3e-5 * packed["largest"], rel=5e-5)


def test_the_largest_value_is_not_beyond_itself() -> None:
    drawn = overlay("t", "u", [[[0.5]]], [[2.65595, -1.0]])  # its five digits are fewer than it has
    assert unpacked_map(drawn.data["map"])[0][0] == drawn.to_json()["legend"]["high"]


def test_a_picture_beyond_zero_to_one_is_rescaled_and_says_so() -> None:
    drawn = overlay("t", "u", [[[-2.0, 0.0, 2.0]]], [[1.0]]).data["picture"]
    assert (drawn["range"], list(base64.b64decode(drawn["pixels"]))) == ([-2.0, 2.0], [0, 128, 255])
    within = overlay("t", "u", [[[0.2, 0.4]]], [[1.0]]).data["picture"]
    assert (within["range"], list(base64.b64decode(within["pixels"]))) == ([0.0, 1.0], [51, 102])
    colours = overlay("t", "u", [[[1.0, 0.0]], [[0.0, 1.0]], [[0.0, 0.0]]], [[1.0]]).data["picture"]
    assert list(base64.b64decode(colours["pixels"])) == [255, 0, 0, 0, 255, 0]  # red, then green


def test_what_is_too_large_for_a_page_is_pooled_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pictures, "MOST_VALUES", 24)
    monkeypatch.setattr(pictures, "MOST_PIXELS", 9)
    values = [[0.0] * 5 for _ in range(5)]
    values[0][1], values[4][4] = -7.0, 3.0
    drawn = overlay("t", "u", [[[0.0, 1.0] * 3] * 6], values).data
    assert (drawn["map"]["pool"], drawn["map"]["rows"], drawn["map"]["cols"]) == (2, 3, 3)
    kept = unpacked_map(drawn["map"])
    assert (kept[0][0], kept[2][2]) == (-7.0, 3.0)  # the value of largest size in each block
    assert (drawn["picture"]["pool"], set(base64.b64decode(drawn["picture"]["pixels"]))) == (2, {128})  # the mean of each block
    assert {one["pool"] for one in overlays("t", "u", [[[0.5]]], [[values] * 2], **GRID | {"cols": [0, 1]}).data["maps"][0]} == {2}


def test_rows_of_a_grid_have_a_picture_each_or_one_for_all() -> None:
    how = GRID | {"rows": ["a", "b"]}
    maps = [[torch.ones(2, 2)], [None]]
    shared, own = (overlays("t", "u", picture, maps, **how).data for picture in (torch.zeros(1, 2, 2), [torch.zeros(1, 2, 2), torch.ones(1, 2, 2)]))
    assert [len(data["pictures"]) for data in (shared, own)] == [1, 2]
    assert own["maps"][1] == [None]
    assert unpacked_map(own["maps"][0][0]) == [[1.0, 1.0], [1.0, 1.0]]


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=60))
def test_quartiles_are_numpys_and_a_density_covers_its_samples(samples: list[float]) -> None:
    (one,) = violins("t", "u", ["a"], [[*samples, None]]).data["violins"]
    assert (one["n"], one["missing"], len(one["points"])) == (len(samples), 1, len(samples) if len(samples) <= 40 else 0)
    assert one["quartiles"] == pytest.approx(np.quantile(samples, [0, 0.25, 0.5, 0.75, 1]), rel=1e-6, abs=1e-6)
    if one["at"]:
        assert (one["at"][0], one["at"][-1], max(one["density"])) == (min(samples), max(samples), 1.0)
        assert min(one["density"]) >= 0


def test_a_density_is_that_of_gaussian_kernels() -> None:
    samples = np.random.default_rng(0).gamma(2.0, size=300)
    (one,) = violins("t", "u", ["a"], [samples]).data["violins"]
    lower, upper = np.quantile(samples, [0.25, 0.75])
    oracle = gaussian_kde(samples, bw_method=0.9 * min(samples.std(ddof=1), (upper - lower) / 1.34) * 300**-0.2 / samples.std(ddof=1))(one["at"])
    assert one["density"] == pytest.approx(oracle / oracle.max(), rel=1e-6)


def test_the_best_of_a_column_is_among_those_that_are_ranked() -> None:
    rows = [["a", 0.5, None, 1], ["b", 0.7, 0.2, 1], ["people", 0.9, 0.1, 2]]
    marks = [table("t", ["who", "x", "y", "z"], rows, best=best, unranked=[2]).data["best"] for best in ("highest", "lowest")]
    assert marks[0] == [[False, False, False, True], [False, True, False, True], [False] * 4]  # a tie is two; one number alone is not the best
    assert marks[1] == [[False, True, False, True], [False, False, False, True], [False] * 4]


def test_points_with_a_missing_coordinate_are_counted() -> None:
    assert scatter("t", "x", "y", [Points("a", [None, 1.0, 2.0], [1.0, math.nan, 0.0])]).legend == {"missing": 2}


def test_a_control_without_interval_is_a_line() -> None:
    assert bars("t", "u", ["a"], [1.0], control=Control("random", 0.2)).control == {"label": "random", "value": 0.2, "interval": None}


@given(st.lists(st.floats(allow_infinity=False), min_size=1, max_size=8))
def test_json_keeps_five_digits_and_no_nan(values: list[float]) -> None:
    drawn = tokens("t", "u", ["x"] * len(values), values).to_json()
    for value, kept in zip(values, drawn["data"]["values"], strict=True):
        assert kept is None if math.isnan(value) else kept == pytest.approx(value, rel=5e-5)
    json.dumps(drawn, allow_nan=False)


def test_a_document_refuses_two_sections_of_one_key() -> None:
    with pytest.raises(DrawingError, match="key 'lens'"):
        Document("t", sections=[Section("lens", "A"), Section("lens", "B")])


def test_a_verdict_travels_with_its_command_and_decision() -> None:
    verdict = Verdict("c", "m", math.nan, 0.1, (0.1, math.inf), 3, "greater", 0.0, "s")
    sent = evidence(verdict, "sonde explain x")
    assert sent["measured"] is None
    assert sent["interval"] == [0.1, None]
    assert sent["command"] == "sonde explain x"


def test_pictures_of_a_grid_may_be_missing_and_are_pooled_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pictures, "MOST_TOGETHER", 8)
    how = GRID | {"rows": ["a", "b"]}
    drawn = picture_grid("t", "u", [[torch.ones(3, 4, 4)], [None]], **how, values=[[2.0], [None]], details=[["x"], [""]]).data
    assert drawn["pictures"][1] == [None] and drawn["values"] == [[2.0], [None]]
    assert (drawn["pictures"][0][0]["pool"], drawn["pictures"][0][0]["channels"]) == (2, 3)
    linked = picture_grid("t", "u", [[torch.ones(3, 4, 4)], [None]], **how, links=[["unit-3.html"], [None]])
    assert linked.data["links"] == [["unit-3.html"], [None]] and linked.to_json()
    for elsewhere in ("https://x.org/a.html", "../a.html", "a.html#b", "javascript:a.html", "/a.html", "a b.html", ".html"):
        with pytest.raises(DrawingError, match="is no page beside this one"):
            picture_grid("t", "u", [[torch.ones(3, 4, 4)], [None]], **how, links=[[elsewhere], [None]])
    with pytest.raises(DrawingError, match="is no picture of the grid"):
        picture_grid("t", "u", [[torch.ones(3, 4, 4)], [None]], **how, opened=(1, 0))
    with pytest.raises(DrawingError, match="a picture of 'a' has 2 channels"):
        picture_grid("t", "u", [[torch.ones(2, 4, 4)], [None]], **how)


def test_a_cell_of_a_grid_holds_a_picture_or_a_signed_map_and_all_maps_share_a_scale() -> None:
    how = GRID | {"rows": ["a", "b"]}
    drawn = picture_grid("t", "u", [[torch.ones(3, 4, 4)], [None]], **how, maps=[[None], [[[1.0, -2.0]]]], map_unit="w", opened=(1, 0))
    assert unpacked_map(drawn.data["maps"][1][0]) == [[1.0, -2.0]] and drawn.data["maps"][0] == [None] and drawn.data["map_unit"] == "w"
    assert (drawn.legend["low"], drawn.legend["high"], drawn.data["opened"]) == (-2.0, 2.0, [1, 0])
    assert picture_grid("t", "u", [[torch.ones(3, 4, 4)], [None]], **how).legend == {}
    with pytest.raises(DrawingError, match="has a picture and a map"):
        picture_grid("t", "u", [[torch.ones(3, 4, 4)], [None]], **how, maps=[[[[1.0]]], [None]])
    with pytest.raises(DrawingError, match="a map of 'b' is empty"):
        picture_grid("t", "u", [[None], [None]], **how, maps=[[None], [[]]])
