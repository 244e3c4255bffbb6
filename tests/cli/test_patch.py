"""`sonde patch`, for people and as JSON."""

import json

import pytest
from published import follows, schema

import sonde
from sonde.cli import main
from sonde.cli.patch import ACTIONS

PAIR = ["--clean", "The keys on the cabinet", "--corrupt", "The key on the cabinet", "--target", " are", "--foil", " is"]


def run(capsys, *arguments, code=0):
    assert main(["patch", *map(str, arguments)]) == code
    return capsys.readouterr()


def told(capsys, action, *arguments):
    data = follows(json.loads(run(capsys, action, *arguments, "--json").out))
    assert (data["action"], data["model"], data["dtype"]) == (action, "specimen:words", "float32")
    return data


def test_activation(capsys):
    data = told(capsys, "activation", *PAIR, "--sites", "mlps", "--sites", "blocks.*.resid_post", "--sites", "blocks.0.mlp.out + blocks.1.mlp.out")
    names = [entry["name"] for entry in data["entries"]]
    assert len(names) == 9 and names[-1] == "blocks.0.mlp.out + blocks.1.mlp.out" and data["entries"][7]["effect"] == pytest.approx(1, abs=1e-4)
    assert data["entries"][0]["interval"] is None and data["direction"] == "denoising"
    zeroed = told(capsys, "activation", *PAIR, "--sites", "mlps", "--direction", "noising", "--ablation", "mean:all")
    assert zeroed["written"].startswith("mean over all tokens")


def test_found_on_half_and_tested_on_the_others(capsys):
    data = told(capsys, "activation", "--task", "agreement", "-n", 16, "--sites", "mlps", "--check")
    needed, enough = data["verdicts"]
    assert needed["holds"] and enough["holds"] and data["n"] == 16 and data["entries"][0]["interval"] is not None


def test_paths(capsys):
    data = told(
        capsys, "path", "--task", "ioi", "-n", 2, "--senders", "mlps", "--receivers", "blocks.3.attn.q[head=3]", "--receivers",
        "blocks.3.attn.k[head=3]", "--frozen", "heads+mlps", "--positions", "-1", "--norm", "frozen",
    )  # fmt: skip
    assert data["receivers"][1] == "blocks.3.attn.k[head=3]" and (data["frozen"], data["positions"], data["norm"]) == (["heads+mlps"], "-1", "frozen")
    sites = told(capsys, "path", *PAIR, "--senders", "mlps", "--frozen", "blocks.*.attn.z", "--frozen", "blocks.0.mlp.out")
    assert sites["frozen"] == ["blocks.*.attn.z", "blocks.0.mlp.out"] and sites["receivers"] == ["logits"]


def test_edges(capsys):
    direct = "blocks.3.mlp.out -> logits"
    data = told(capsys, "edge", *PAIR, "--edge", direct, "--edge", f"{direct} + blocks.2.mlp.out -> logits", "--embed", "split")
    paths = told(capsys, "path", *PAIR, "--senders", "blocks.3.mlp.out", "--frozen", "heads+mlps")
    assert data["entries"][0]["change"] == pytest.approx(paths["entries"][0]["change"], abs=1e-3)
    assert len(data["entries"]) == 2 and "embed" in data["granularity"]


def test_mediation(capsys):
    data = told(capsys, "mediation", *PAIR, "--mediator", "blocks.3.resid_post", "--held", "zero")
    effects = {(row["change"], row["effect"]): row["mean"] for row in data["effects"]}
    assert effects["prompt to counterfactual", "indirect"] == pytest.approx(effects["prompt to counterfactual", "total"], abs=1e-3)


def test_knockout(capsys):
    data = told(capsys, "knockout", "--task", "ioi", "-n", 4, "--keys", "giver", "--queries=-1", "--keys", "0", "--queries=-1", "--window", 0)
    first, second = data["knockouts"]
    assert first["windows"] == [[0, 3]] and len(second["change"]) == 1


def test_interchange(capsys, tmp_path):
    folder = sonde.bases.save(sonde.bases.Subspace.random(128, 3, seed=1), tmp_path / "plane")
    asked = ["--task", "agreement", "-n", 9, "--site", "blocks.3.resid_post[pos=-1]", "--draws", 2]
    data = told(capsys, "interchange", *asked, "--basis", folder)
    assert (data["size"], data["width"]) == (3, 128) and 0 < data["differing"] <= 9 and len(data["swaps"]) == 5
    assert data["swaps"][2]["accuracy"] == 1 and data["verdicts"][0]["holds"] is False
    assert told(capsys, "interchange", *asked, "--dim", 0, "--dim", 5)["size"] == 2


def test_constants(capsys):
    data = told(capsys, "constant", "--task", "agreement", "-n", 12, "--site", "blocks.1.mlp.out", "--site", "blocks.9.mlp.out", "--steps", 2)
    assert [one["site"] for one in data["constants"]] == ["blocks.1.mlp.out"] and len(data["verdicts"]) == 2
    assert any(warning.startswith("blocks.9.mlp.out left out: ") for warning in data["warnings"])
    assert any("has not settled" in warning for warning in data["warnings"])


def test_trace(capsys, tmp_path):
    data = told(capsys, "trace", "The capital of France is", "No such", "--subject", "France", "--samples", 1)
    assert [one["answer"] for one in data["prompts"]] == [" Paris"] and len(data["warnings"]) == 1
    assert len(data["prompts"][0]["values"]) == 4 and len(data["prompts"][0]["values"][0]) == 6
    page = tmp_path / "page.html"
    out = run(
        capsys, "trace", "--task", "ioi", "-n", 3, "--subject", "giver", "--samples", 2, "--restored", "mlp", "--severed", "attn", "--out", page
    )
    assert "what MLPs add" in " ".join(out.out.split()) and "<html" in page.read_text(encoding="utf-8")


def test_a_counterfactual_is_looked_for(capsys):
    out = run(capsys, "activation", "--clean", "The keys on the cabinet", "--sites", "residual").out
    assert "cabinet" in out and "Which patch brings the answer back?" in out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["activation"], "give the examples: one of --task NAME and --clean PROMPT"),
        (["activation", "--task", "ioi", "--foil", "x"], "a task says itself what is right"),
        (["path", *PAIR[:4]], "--corrupt needs the answers"),
        (["activation", *PAIR, "--sites", "blocks.9.mlp.out"], "blocks.9.mlp.out"),
        (["activation", *PAIR, "--ablation", "nothing"], "choose one of"),
        (["activation", *PAIR, "--check"], "there are 1 examples"),
        (["activation", *PAIR, "--out", "nowhere/page.html"], "the page can't be written"),
        (["path", *PAIR, "--frozen", "head"], "head"),
        (["path", *PAIR, "--receivers", "blocks.3.attn.q[head=9]"], "head 9 is out of range"),
        (["edge", *PAIR, "--edge", "logits"], "write SENDER -> RECEIVER"),
        (["edge", *PAIR, "--edge", "logits -> blocks.0.mlp.in"], "is no edge of this graph"),
        (["mediation", *PAIR, "--held", "resample"], "is no constant"),
        (["knockout", *PAIR, "--keys", "1", "--queries", "1", "--queries", "2"], "--queries is given 2 times"),
        (["interchange", *PAIR, "--site", "embed", "--basis", "nowhere"], "nowhere"),
        (["constant", *PAIR, "--site", "embed"], "can't be divided into some to search on"),
        (["trace", "--subject", "x"], "give the prompts"),
        (["trace", "The capital of France is"], "--subject is missing"),
        (["trace", "The capital of France is", "--subject", "France", "--check"], "give --task"),
        (["trace", "The capital of France is", "--subject", "Spain"], "'Spain' stands in row 0 nowhere"),
        (["trace", "--task", "ioi", "-n", "2", "--subject", "subject"], "has no span 'subject'"),
    ],
)
def test_mistakes_are_one_line(capsys, arguments, message):
    out, err = run(capsys, *arguments, code=2)
    assert out == "" and err.startswith("sonde patch: ") and message in err and len(err.strip().splitlines()) == 1


def test_every_action_has_a_schema():
    named = [part["if"]["properties"]["action"]["const"] for part in schema("patch")["allOf"]]
    assert named == schema("patch")["properties"]["action"]["enum"] == sorted(action.__name__.rpartition(".")[2] for action in ACTIONS)
