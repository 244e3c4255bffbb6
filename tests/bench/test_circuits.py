"""The studies of circuits, on tiny sizes; the page says what was measured."""

import json

import pytest

import sonde
from bench import circuits
from bench.circuits_page import SECTIONS, written
from bench.table import RESULTS
from sonde.circuits import Circuit


@pytest.fixture(scope="module")
def rows():
    few = {"as it is": {"method": "eap", "verify": 5, "n_random": 1}, "mean": {"ablation": sonde.tasks.Ablation("mean"), "method": "eap"}}
    return {
        "choices": circuits.choices(n=12, made=few),
        "programs": circuits.programs(["and_gate"], seeds=[0], n=12),
        "induction": circuits.induction(n=12),
    }


def test_a_choice_is_compared_with_the_first_or_refused(rows):
    first, mean = rows["choices"]
    assert (first["jaccard"], first["auc"]) == (1, 1) and first["both"] == first["edges"] and "use over='all'" in mean["refused"]


def test_effects_recover_a_written_program(rows):
    by = {(row["ablation"], row["method"]): row["auc"] for row in rows["programs"]}
    assert by["zero", "exact"] == [1] and by["counterfactual", "exact"] == [1]


def test_the_heads_of_the_card(rows):
    (row,) = rows["induction"]
    assert row["induction"] and 0 <= row["auc"] <= 1


def test_the_page_has_a_section_for_what_was_made(rows):
    page = written({name: {"rows": made, "seconds": 1.0} for name, made in rows.items()})
    assert "## Programs whose circuit is known" in page and "refused: a mean is taken" in page and "## Four tasks" not in page


def test_the_page_in_the_docs_says_what_was_measured():
    kept = json.loads((RESULTS / "circuits.json").read_text(encoding="utf-8"))["studies"]
    page = (circuits.DOCS / "methods" / "circuit-studies.md").read_text(encoding="utf-8")
    assert page == written(kept) and {"tasks", "reuse", "choices", "programs", "induction"} <= kept.keys() <= SECTIONS.keys()
    assert all((circuits.DOCS / "circuits" / f"{row['task']}.html").is_file() for row in kept["tasks"]["rows"])


def test_what_two_circuits_share():
    model = circuits.words()
    one = Circuit.of(model, [("blocks.0.resid_pre", "blocks.1.mlp.in"), ("blocks.1.mlp.out", "logits")])
    found = circuits.shared(one, one)
    assert (found["both"], found["jaccard"]) == (2, 1) and found["p_uniform"] < 1e-3
