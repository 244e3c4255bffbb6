"""Drawings of circuits as data: what they keep, in which order, and what they refuse."""

import math
from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from views.circuits import faithfulness, model, sample_circuit, sample_pair, scored
from views.test_drawing import VALIDATOR
from views.test_terminal import printed

from sonde.results.drawing import Curve, Drawing, DrawingError, Edge, Node, Series, circuit_graph, circuit_pair, circuits, lines, unpacked
from sonde.views.text import readable

NODES = [Node("embed", "embed", 0, 0), Node("a", "0.0", 1, 0), Node("b", "0.1", 1, 1), Node("m", "MLP 0", 1.5, 2), Node("logits", "logits", 2, 0)]
ROWS = ["embed", 0, "logits"]
EDGES = [
    Edge("embed", "a", 0.1, "q"),
    Edge("embed", "a", -3.0, "k"),
    Edge("a", "m", None),
    Edge("m", "logits", 2.0),
    Edge("embed", ("a", "b"), 0.5, "v"),
]


def drawn(edges: list[Edge] = EDGES, nodes: list[Node] = NODES, **how) -> Drawing:
    return circuit_graph("T", "logits", nodes, edges, **{"rows": ROWS, **how})


def ends(drawing: Drawing) -> list[tuple[str, list[str], str]]:
    """The edges as they are stored, by name."""
    data = drawing.data
    names, inputs = data["nodes"]["names"], data["inputs"]
    return [
        (names[sender], [names[node] for node in inputs[receiver]["feeds"]], inputs[receiver]["port"])
        for sender, receiver in zip(data["senders"], data["receivers"], strict=True)
    ]


def test_edges_come_by_size_and_keep_their_own_scores() -> None:
    assert drawn().data["scores"] == [-3.0, 2.0, 0.5, 0.1, None]  # what has no score comes last
    assert ends(drawn()) == [
        ("embed", ["a"], "k"),
        ("m", ["logits"], ""),
        ("embed", ["a", "b"], "v"),
        ("embed", ["a"], "q"),
        ("a", ["m"], ""),
    ]
    given = drawn(order="given").data
    assert (given["scores"], given["order"]) == ([0.1, -3.0, None, 2.0, 0.5], "given")
    assert drawn(EDGES[:2][::-1], order="given").data["order"] == "size"  # they were given by size


@given(st.permutations(EDGES))
def test_the_order_of_the_edges_given_does_not_matter_by_size(edges: list[Edge]) -> None:
    assert (ends(drawn(edges)), drawn(edges).data["scores"]) == (ends(drawn()), drawn().data["scores"])


def test_edges_beyond_the_most_are_left_out_and_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(circuits, "MOST_EDGES", 100)
    nodes, rows = model(4, 4)
    edges = scored(nodes)
    big = circuit_graph("T", "logits", nodes, edges, rows=rows, curve=faithfulness(len(edges)), shown=200)
    assert (len(big.data["scores"]), big.data["total"], big.data["shown"]) == (100, 479, 200)
    least = min(map(abs, big.data["scores"]))
    assert sum(abs(edge.score) > least for edge in edges) < 100  # none of those left out is larger
    VALIDATOR.validate(big.to_json())


def test_tensors_are_taken_as_scores_and_patterns() -> None:
    found = drawn([replace(edge, score=torch.tensor(2.0)) for edge in EDGES[:2]], patterns={"a": torch.eye(2)}, tokens=["x", "y"])
    assert found.data["scores"] == [2.0, 2.0]
    assert found.data["attention"]["heads"] == ["a"]
    assert unpacked(found.data["attention"]) == [[[1.0, 0.0], [0.0, 1.0]]]


def test_a_pair_counts_what_is_in_both_and_in_one() -> None:
    pair = circuit_pair("T", "logits", NODES, ("found", EDGES[:3]), ("known", [replace(EDGES[2], score=9.0), *EDGES[3:]]), rows=ROWS)
    assert pair.data["counts"] == [2, 1, 2]
    assert pair.data["sides"] == [1, 0, 0, 2, 2]
    assert pair.data["scores"] == [[None, 0.1, -3.0, None, None], [9.0, None, None, 2.0, 0.5]]
    assert ends(pair)[0] == ("a", ["m"], "")


def test_positions_stand_side_by_side_and_an_input_where_it_is() -> None:
    nodes = [Node(f"{part} {i}", f"{part} {span}", row, 2 * i, band=span) for part, row in (("e", 0), ("h", 1)) for i, span in enumerate(("a", "b"))]
    both = ("h 0", "h 1")
    edges = [Edge("e 0", both, 1.0, "k", both[:1]), Edge("e 1", both, 2.0, "k", both[1:])]
    data = circuit_graph("T", "logits", nodes, edges, rows=[0, 1]).data
    assert data["nodes"]["bands"] == {"names": ["a", "b"], "of": [0, 1, 0, 1]}
    assert [(one["feeds"], one["under"]) for one in data["inputs"]] == [([2, 3], [3]), ([2, 3], [2])]  # not one input: two, of one head
    assert "bands" not in drawn().data["nodes"] and all("under" not in one for one in drawn().data["inputs"])


def test_counts_of_a_pair_hold_what_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(circuits, "MOST_EDGES", 2)
    pair = circuit_pair("T", "logits", NODES, ("found", EDGES[:3]), ("known", EDGES[2:]), rows=ROWS)
    assert (pair.data["counts"], pair.data["sides"]) == ([2, 1, 2], [1, 0])


@pytest.mark.parametrize(
    ("build", "words"),
    [
        (lambda: drawn([Edge("embed", "c", 1.0)]), "an edge ends at 'c', and no node is called so"),
        (lambda: drawn([Edge("embed", ("a", "b"), 1.0, under=("c",))]), "an input stands under 'c', which is none of its receivers"),
        (lambda: drawn([Edge("embed", (), 1.0)]), "an edge from 'embed' has no receiver"),
        (lambda: drawn([Edge("a", "embed", 1.0)]), "the edge from 'a' to 'embed' does not go upwards"),
        (lambda: drawn([Edge("a", "b", 1.0)]), "the edge from 'a' to 'b' does not go upwards"),
        (lambda: drawn([Edge("embed", "a", 1.0, "q"), Edge("embed", "a", 2.0, "q")]), "an edge is there twice: from 'embed' to 'a' q"),
        (lambda: drawn([Edge("embed", "a", math.inf)]), "infinite"),
        (lambda: drawn(nodes=[*NODES, Node("a", "x", 1, 5)]), "two nodes are called 'a'"),
        (lambda: drawn(nodes=[*NODES, Node("c", "x", 1, 1)]), "nodes 'b' and 'c' stand at the same place: row 1, column 1"),
        (lambda: drawn(nodes=[*NODES, Node("c", "x", 3, 1)]), "node 'c' is in row 3, and there are 3 rows"),
        (lambda: drawn(nodes=[*NODES, Node("c", "x", math.nan, 1)]), "node 'c' is in row nan"),
        (lambda: drawn([], [Node(str(i), "", 0, i, role=str(i)) for i in range(9)]), "9 roles cannot be told apart"),
        (lambda: drawn(order="rank"), "order 'rank' is unknown"),
        (lambda: drawn(shown=6), "shown is 6, and there are 5 edges"),
        (lambda: drawn(shown=0), "shown is 0, and there are 5 edges"),
        (lambda: drawn(curve=Curve("f", [], [])), "the curve has no sizes"),
        (lambda: drawn(curve=Curve("f", [0, 1], [0.0, 1.0])), "give increasing numbers of edges from 1"),
        (lambda: drawn(curve=Curve("f", [2, 2], [0.0, 1.0])), "give increasing numbers of edges from 1"),
        (lambda: drawn(curve=Curve("f", [1.5], [0.0])), "the sizes of the curve holds 1.5"),
        (lambda: drawn(curve=Curve("f", [1], [0.0, 1.0])), "'f' has 2 entries where 1 belong"),
        (lambda: drawn(curve=Curve("f", [1], [0.0], low=[0.0])), "series 'f' has one end"),
        (lambda: drawn(curve=Curve("f", [1], [0.0], control=Series("r", [0.0, 1.0]))), "'r' has 2 entries where 1 belong"),
        (lambda: drawn(patterns={"a": [[1.0]]}), "patterns without tokens"),
        (lambda: drawn(patterns={"c": [[1.0]]}, tokens=["x"]), "a pattern is given for 'c'"),
        (lambda: drawn(patterns={"a": [[1.0, 0.0]]}, tokens=["x"]), "has 2 entries where 1 belong"),
        (lambda: circuit_pair("T", "", NODES, ("x", EDGES), ("x", EDGES), rows=ROWS), "both circuits are called 'x'"),
        (lambda: circuit_pair("T", "", NODES, ("x", EDGES[:1] * 2), ("y", EDGES), rows=ROWS), "an edge is twice in 'x': from 'embed' to 'a' q"),
        (lambda: lines("T", "u", "x", [0, 1], [Series("a", [0, 1])], spacing="log"), "x holds 0, which has no place on a log axis"),
        (lambda: lines("T", "u", "x", [2, 1], [Series("a", [0, 1])], spacing="linear"), "give increasing numbers"),
        (lambda: lines("T", "u", "x", ["a"], [Series("a", [0])], spacing="log"), "x holds 'a'"),
        (lambda: lines("T", "u", "x", [1], [Series("a", [0])], spacing="root"), "spacing 'root' is unknown"),
    ],
)
def test_what_does_not_fit_is_named(build, words: str) -> None:
    with pytest.raises(DrawingError, match="drawing 'T': ") as refusal:
        build()
    assert words in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_a_log_axis_puts_equal_ratios_equally_far() -> None:
    axis = lines("T", "u", "edges", [1, 10, 100, 10_000], [Series("a", [0, 1, 2, 3])], spacing="log").axes["x"]
    assert axis["at"] == pytest.approx([0, 0.25, 0.5, 1.0])
    assert axis["labels"] == ["1", "10", "100", "10000"]
    assert lines("T", "u", "x", [1, 2, 5], [Series("a", [0, 1, 2])], spacing="linear").axes["x"]["at"] == pytest.approx([0, 0.25, 1.0])
    assert "at" not in lines("T", "u", "x", [1, 2], [Series("a", [0, 1])]).axes["x"]


def test_the_terminal_lists_the_strongest_edges() -> None:
    drawing = sample_circuit()
    output = printed(drawing, 90)
    assert f"the strongest 10 of {drawing.data['total']} edges" in output
    assert readable(drawing.data["scores"][0], signed=True) in output.splitlines()[1]
    assert "faithfulness of 20 edges" in output
    assert "random circuits of the same size" in " ".join(output.split())
    assert "embed → 0.0 to 0.1 v" in printed(drawn(), 90)


def test_the_terminal_counts_a_pair() -> None:
    output = printed(sample_pair(), 90)
    counts = sample_pair().data["counts"]
    for count, words in zip(counts, ("in EAP-IG alone", "in both", "in ACDC alone"), strict=True):
        assert any(line.startswith(f"{count} ") and words in line for line in output.splitlines())
    assert f"and {counts[1] - 10} more" in " ".join(output.split())


def test_the_terminal_reads_no_size_beyond_what_was_measured() -> None:
    output = printed(drawn(shown=2, curve=Curve("faithfulness", [3, 5], [0.5, 0.9])))
    assert "faithfulness of" not in output
    assert "faithfulness of 3 edges: 0.500" in printed(drawn(shown=4, curve=Curve("faithfulness", [3, 5], [0.5, 0.9])))
