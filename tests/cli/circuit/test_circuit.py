"""`sonde circuit` finds, judges, compares and draws circuits, for people and as JSON of the published schema."""

import json

import pytest
from published import follows

from sonde.cli import main

FEW = ["-n", "12", "--random", "2"]


def run(capsys, *arguments, code=0):
    assert main(["circuit", *map(str, arguments)]) == code
    return capsys.readouterr()


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """One circuit, found once: as names, and as a folder with everything."""
    folder = tmp_path_factory.mktemp("circuits")
    for place in ("names.json", "all"):
        asked = ["--task", "ioi", "--method", "eap", "--edges", "12", "--verify", "0", *FEW]
        assert main(["circuit", "find", *asked, "--save", str(folder / place)]) == 0
    return folder


def test_a_template_becomes_a_page(capsys, tmp_path):
    page = tmp_path / "page.html"
    found = follows(
        json.loads(run(capsys, "find", "--template", "ioi", "--method", "eap", "--verify", 20, "--share", 0.8, *FEW, "--out", page, "--json").out)
    )
    assert (
        found["gap"]["holds"]
        and found["verified"] == 120
        and found["missed"][0] == 0
        and found["unit"] == "logits"
        and found["edges"][0]["receiver"] == "blocks.0.mlp.in"
    )
    assert [verdict["n"] for verdict in found["verdicts"]] == [6, 6, 6] and found["curve"][-1]["faithfulness"] == pytest.approx(1)
    text = page.read_text(encoding="utf-8")
    assert "Does the estimate hold?" in text
    assert "Which edges of specimen:words compute ioi?" in text and "circuit_graph" in text


@pytest.mark.parametrize(
    ("method", "given"),
    [
        ("edge_pruning", ["--sparsity", 0.9, "--edges", 60, "--steps", 4]),
        ("subnetwork_probing", ["--weight", 1, "--over", "nodes", "--steps", 3]),
        ("backwards", ["--threshold", 1, "--measure", "together"]),
        ("acdc", ["--threshold", 2]),
    ],
)
def test_searches_for_a_set(capsys, tmp_path, method, given):
    asked = ["find", "--task", "ioi", "--method", method, *given, *FEW, "--out", tmp_path / "page.html", "--json"]
    found = follows(json.loads(run(capsys, *asked).out))
    mask = method in ("edge_pruning", "subnetwork_probing")
    assert found["unit"] == "logits" and found["missed"] is None and (found["settled"] is None) != mask and found["edges"]
    assert ("Has the search settled?" in (tmp_path / "page.html").read_text(encoding="utf-8")) == mask


def test_what_was_kept_is_judged_under_several_ablations(capsys, kept):
    files = [kept / "names.json", kept / "all"]
    asked = ["evaluate", *files, "--task", "ioi", "--seed", 5, *FEW, "--ablation", "counterfactual", "--ablation", "mean:all", "--check", "--json"]
    found = follows(json.loads(run(capsys, *asked).out))
    rows = {(row["circuit"], "mean over all" in row["conditions"]): row["faithfulness"] for row in found["results"]}
    assert rows["names", False] == pytest.approx(rows["all", False]) and rows["all", False] > 0.8 > rows["all", True] and len(found["verdicts"]) == 3


def test_two_circuits_are_compared_and_drawn(capsys, kept, tmp_path):
    found = follows(json.loads(run(capsys, "compare", kept / "names.json", kept / "all", "--json").out))
    assert found["overlaps"][0]["jaccard"] == 1 and found["names"] == ["names", "all"]
    drawn = follows(json.loads(run(capsys, "draw", kept / "all", "--out", tmp_path / "page.html", "--json").out))
    assert len(drawn["edges"]) == found["overlaps"][0]["a"] and (tmp_path / "page.html").is_file()
    assert "MLP 0" in run(capsys, "draw", kept / "names.json").out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["find", "--task", "colored_objects", "-n", 8], "leaves nothing to explain"),
        (["find", "--task", "ioi", "-n", 8, "--method", "eap", "--metric", "kl"], "use eap_ig"),
        (["find", "--task", "ioi", "-n", 8, "--method", "eap", "--threshold", 1e4], "keeps no edge: the strongest has"),
        (["find", "--task", "ioi", "-n", 8, "--ablation", "magic"], "choose one of counterfactual"),
        (["find", "--task", "ioi", "-n", 8, "--ablation", "mean"], "use over='all' with a mean"),
        (["find", "--task", "ioi", "-n", 8, "--save", "/nowhere/x.json"], "can't be kept in /nowhere/x.json"),
        (["find", "--task", "ioi", "-n", 8, "--method", "magic"], "choose eap_ig"),
        (["find", "--task", "ioi", "-n", 8, "--method", "edge_pruning"], "method='edge_pruning' needs sparsity=: the share"),
        (["find", "--task", "ioi", "-n", 8, "--method", "edge_pruning", "--sparsity", 2], "give the share of the edges to be closed"),
        (["find", "--task", "ioi", "-n", 8, "--method", "subnetwork_probing", "--weight", 1, "--over", "all"], "use 'edges' or 'nodes'"),
        (["find", "--task", "ioi", "-n", 8, "--method", "backwards", "--threshold", 1, "--measure", "all"], "use 'edges' or 'together'"),
        (["find", "--task", "ioi", "-n", 8, "--method", "acdc", "--threshold", 1, "--edges", 9], "k=9 is not for method='acdc'"),
        (["find", "--task", "ioi", "-n", 8, "--method", "eap", "-k", 9, "--share", 0.5], "k= and share= each say how large the circuit is"),
        (["evaluate", "{kept}/names.json", "--task", "ioi", "-n", 8, "--random", -1], "give how many random circuits are drawn"),
        (["draw", "missing.json"], "is no circuit in JSON"),
        (["draw", "{kept}/names.json", "--attention", "layers"], "give the same arguments to Graph.of"),
        (["compare", "{kept}/names.json", "{kept}/all", "--model", "specimen:induction"], "give the same arguments to Graph.of"),
        (["draw", "{kept}/all", "--model", "specimen:induction"], "was computed on the model"),
    ],
)
def test_mistakes_are_one_line(capsys, kept, arguments, said):
    error = run(capsys, *(str(one).replace("{kept}", str(kept)) for one in arguments), code=2).err
    assert error.count("\n") == 1 and error.startswith("sonde circuit: ") and said in error
