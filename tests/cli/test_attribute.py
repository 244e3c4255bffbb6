"""`sonde attribute` explains texts, tasks, pictures and tables, for people and as JSON of the published schema."""

import json
from importlib import resources

import jsonschema
import numpy as np
import pytest
import torch
from PIL import Image

import sonde
from sonde.attribution import gradient_x_input
from sonde.attribution.evaluation import evaluate
from sonde.attribution.evaluation.evaluate import MEASURES
from sonde.attribution.methods import METHODS
from sonde.cli import main
from sonde.cli.attribute import subjects
from sonde.cli.printing import plain_verdict
from sonde.evidence import corrected
from sonde.results.plain import json_ready
from sonde.specimens.digits import held_out
from sonde.tasks import Logit


def run(capsys, *arguments, code=0):
    assert main(["attribute", *map(str, arguments)]) == code
    return capsys.readouterr()


@pytest.fixture(scope="module")
def validator():
    return jsonschema.Draft202012Validator(json.loads(resources.files("sonde.cli").joinpath("schemas/attribute.json").read_text(encoding="utf-8")))


@pytest.fixture(scope="module")
def picture(tmp_path_factory):
    """A held-out digit as an array and as a picture file."""
    folder, value = tmp_path_factory.mktemp("pictures"), held_out()[0][0]
    np.save(folder / "three.npy", value.numpy())
    Image.fromarray((value[0].numpy() * 255).astype(np.uint8)).save(folder / "three.png")
    Image.new("RGBA", (8, 8)).save(folder / "see-through.png")
    Image.new("RGB", (8, 8)).save(folder / "coloured.png")
    return folder


def test_a_text_by_two_methods_with_a_verdict_and_a_page(capsys, tmp_path, validator):
    page = tmp_path / "page.html"
    methods = ["--method", "gradient_x_input", "--method", "occlusion"]
    printed = run(capsys, "The keys on the cabinet", *methods, "--check", "--out", page, "--json").out
    found = json.loads(printed)
    validator.validate(found)
    assert (found["target"], found["foil"]) == ("' are'", "' is'") and found["warnings"] == [
        "what is absent: the padding token '<|end|>' (picked; choose with --baseline)"
    ]
    assert [result["method"] for result in found["results"]] == ["gradient x input", "occlusion"]
    assert len(found["results"][0]["values"][0]) == len(found["results"][0]["tokens"][0]) == 6
    assert [verdict["n"] for verdict in found["verdicts"]] == [16, 16]
    assert "Do the methods agree?" in page.read_text(encoding="utf-8")


def test_it_says_in_words_what_it_found(capsys):
    out = run(capsys, "The keys on the cabinet", "--option", "steps=4", "--option", "tolerance=9", "--baseline", "zero").out
    assert "absent tokens: zero" in out and "unexplained" in out and "picked" not in out


def test_a_task_of_several_examples(capsys, validator):
    found = json.loads(run(capsys, "--task", "agreement", "-n", 2, "--method", "gradient_x_input", "--json").out)
    validator.validate(found)
    assert len(found["results"][0]["values"]) == 2


def test_methods_are_evaluated_on_pictures(capsys, tmp_path, validator):
    pictures, digits = (values[:9] for values in held_out())
    for i, value in enumerate(pictures):
        np.save(tmp_path / f"{i}.npy", value.numpy())
    files = [value for i in range(9) for value in ("--image", tmp_path / f"{i}.npy")]
    asked = [*files, "--model", "specimen:digits", "--method", "gradient_x_input", "--evaluate"]
    found = json.loads(run(capsys, *asked, "--out", tmp_path / "page.html", "--json").out)
    validator.validate(found)
    assert [row["measure"] for row in found["evaluation"]] == list(MEASURES)
    assert "How faithful are the methods?" in (tmp_path / "page.html").read_text(encoding="utf-8")
    own = evaluate(sonde.load("specimen:digits"), pictures, [gradient_x_input], Logit(digits))
    assert found["evaluation"] == json_ready(own.to_frame().to_dicts())
    assert [verdict["holds"] for verdict in found["verdicts"]] == [True, True]
    widened = corrected(own.verdicts)  # both claims are made together
    assert found["verdicts"] == json.loads(json.dumps([plain_verdict(verdict) for verdict in widened])) and widened != own.verdicts


@pytest.mark.parametrize(("asked", "n"), [(["The keys on the cabinet"], 16), (["--task", "agreement", "-n", 2], 2)])
def test_texts_are_evaluated_on_the_task_or_on_others_of_their_kind(capsys, monkeypatch, validator, asked, n):
    seen = []

    def small(model, task, methods, of=None, *, seed):
        """Instead of all that is taken away from every text, some rows of a table."""
        seen.append((len(task), of))
        model = sonde.Model(torch.nn.Linear(4, 2))
        return evaluate(model, torch.randn(3, 4), methods, Logit([0]), removals=["mean"], orders=1, samples=3, seed=seed)

    monkeypatch.setattr(subjects, "evaluate", small)
    found = json.loads(run(capsys, *asked, "--method", "gradient_x_input", "--evaluate", "--json").out)
    validator.validate(found)
    assert seen == [(n, None)] and [verdict["holds"] for verdict in found["verdicts"]] == [None, None]


def test_one_picture_has_no_others(capsys, picture):
    error = run(capsys, "--image", picture / "three.npy", "--model", "specimen:digits", "--evaluate", code=2).err
    assert "--evaluate: what is absent in one example is what others hold" in error and error.count("\n") == 1


@pytest.mark.parametrize("file", ["three.npy", "three.png"])
def test_a_picture(capsys, picture, file, validator):
    found = json.loads(run(capsys, "--image", picture / file, "--model", "specimen:digits", "--foil", 8, "--json").out)
    validator.validate(found)
    assert (found["target"], found["foil"]) == ("class 3", "class 8") and np.array(found["results"][0]["values"]).shape == (1, 1, 8, 8)


def test_the_methods_are_listed(capsys, validator):
    found = json.loads(run(capsys, "--method", "list", "--json").out)
    validator.validate(found)
    assert [row["name"] for row in found["methods"]] == list(METHODS)
    assert "integrated_gradients" in run(capsys, "--method", "list").out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "give one of a text, --task, --image and --table; got none"),
        (["The keys", "--task", "ioi"], "got a text and --task"),
        (["The keys", "--method", "magic"], "there is no method 'magic': --method list lists them"),
        (["The keys", "--option", "stepz=3"], "--option 'stepz=3': give NAME=VALUE with a name of at, rule, steps, tolerance"),
        (["The keys", "--baseline", "two words here"], "is 7 tokens in this tokenizer"),
        (["--task", "ioi", "--target", " x"], "a task says itself what is right and wrong"),
        (["The keys", "--out", "/no/such/folder/page.html"], "the page can't be written"),
    ],
)
def test_mistakes_are_one_line(capsys, arguments, message):
    error = run(capsys, *arguments, code=2).err
    assert message in error and error.count("\n") == 1


@pytest.mark.parametrize(
    ("file", "message"),
    [("see-through.png", "has the mode RGBA: convert it"), ("coloured.png", "pictures of (1, 3, 8, 8) do not fit"), ("none.png", "there is no file")],
)
def test_pictures_that_do_not_fit(capsys, picture, file, message):
    error = run(capsys, "--image", picture / file, "--model", "specimen:digits", code=2).err
    assert message in error and error.count("\n") == 1


@pytest.fixture(scope="module")
def loans(tmp_path_factory):
    """A table whose answer is in one of its columns."""
    rng = np.random.default_rng(0)
    rows = [(round(float(x), 3), round(float(y), 3), "cook" if y > 0 else "nurse", "yes" if x > 0 else "no") for x, y in rng.normal(size=(300, 2))]
    file = tmp_path_factory.mktemp("tables") / "loans.csv"
    file.write_text("\n".join(["income,height,job,granted", *(",".join(map(str, row)) for row in rows)]) + "\n", encoding="utf-8")
    return file


def test_a_row_of_a_table(capsys, loans, validator):
    found = json.loads(run(capsys, "--table", loans, "--column", "granted", "--row", 2, "--json").out)
    validator.validate(found)
    (result,) = found["results"]
    assert result["names"] == ["income", "height", "job=cook", "job=nurse"] and "the mean of the other rows" in found["warnings"][-1]
    (sizes,) = np.abs(result["values"])
    assert sizes.argmax() == 0 and sizes[0] > 4 * sizes[1:].max()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [(["--row", "301"], "has the rows 1 to 300"), (["--target", "maybe"], "'maybe' is no class"), (["--column", "x"], "'x'")],
)
def test_tables_that_do_not_fit(capsys, loans, arguments, message):
    error = run(capsys, "--table", loans, "--column", "granted", *arguments, code=2).err
    assert message in error and error.count("\n") == 1
