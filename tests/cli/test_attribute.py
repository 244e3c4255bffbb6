"""`sonde attribute` explains texts, tasks, pictures and tables, for people and as JSON of the published schema."""

import json
from importlib import resources

import jsonschema
import numpy as np
import pytest
from PIL import Image

from sonde.attribution.methods import METHODS
from sonde.cli import main
from sonde.specimens.digits import held_out


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
