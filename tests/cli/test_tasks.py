"""`sonde tasks` lists, writes, shows and checks tasks, for people and as JSON of the published schema."""

import json
from importlib import resources

import jsonschema
import pytest
from bpe_models import gpt2
from small_models import llama

from sonde.cli import main
from sonde.tasks import FORMATS, TEMPLATES

GIFT = """\
slots:
  io: [Mary, John, Tom, Ben, Sam, Lily]
  s: [Mary, John, Tom, Ben, Sam, Lily]
  place: [park, shop]
frames:
  - "{io} and {s} went to the {place}, {s} gave a ball to"
answer: "{io}"
wrong: "{s}"
counterfactual: {"s#2": "{io}"}
"""


def run(capsys, *arguments, code=0):
    assert main(["tasks", *map(str, arguments)]) == code
    return capsys.readouterr()


@pytest.fixture(scope="module")
def validator():
    return jsonschema.Draft202012Validator(json.loads(resources.files("sonde.cli").joinpath("schemas/tasks.json").read_text(encoding="utf-8")))


@pytest.fixture(scope="module", params=["gpt2", "llama"])
def folder(request, tmp_path_factory):
    """A random model saved with its tokenizer, as transformers does it."""
    from transformers import PreTrainedTokenizerFast

    out = tmp_path_factory.mktemp(request.param)
    model = llama() if request.param == "llama" else gpt2([GIFT.replace("[", "").replace(",", "")] * 20)
    backend = model.tokenizer.backend
    tokenizer = backend if hasattr(backend, "save_pretrained") else PreTrainedTokenizerFast(tokenizer_object=backend, bos_token="<|endoftext|>")
    tokenizer.save_pretrained(out)
    model.module.save_pretrained(out)
    return out


def test_list(capsys, validator):
    table = run(capsys, "list").out
    assert all(name in table for name in [*TEMPLATES, *FORMATS])
    data = json.loads(run(capsys, "list", "--json").out)
    validator.validate(data)
    assert [task["name"] for task in data["tasks"]] == list(TEMPLATES)
    with pytest.raises(jsonschema.ValidationError):
        validator.validate({key: value for key, value in data.items() if key != "formats"})


def test_a_new_file_works_as_it_is(capsys, validator, tmp_path):
    file = tmp_path / "my_task.yaml"
    assert "it works as it is" in run(capsys, "new", file).out
    out, err = run(capsys, "check", file, "-n", 16)
    assert err == "" and "16 examples could be made" in out and "share right" in out and "left out" in out
    assert "is there already: choose another name" in run(capsys, "new", file, code=2).err
    data = json.loads(run(capsys, "new", tmp_path / "other.yaml", "--from", "capital", "--json").out)
    validator.validate(data)
    assert data["file"] == str(tmp_path / "other.yaml") and "no starter 'none'" in run(capsys, "new", "a.yaml", "--from", "none", code=2).err


def test_show(capsys, validator, tmp_path):
    (tmp_path / "gift.yaml").write_text(GIFT, encoding="utf-8")
    out = run(capsys, "show", tmp_path / "gift.yaml", "-n", 2).out
    assert out.count("right ' ") == 2 and "gift: io s place changed" in out and "; changed ' " in out
    data = json.loads(run(capsys, "show", tmp_path / "gift.yaml", "-n", 2, "--json").out)
    validator.validate(data)
    for example in data["examples"]:
        different = [i for i, (a, b) in enumerate(zip(example["tokens"], example["corrupt_tokens"], strict=True)) if a != b]
        assert example["spans"]["changed"] == different and len(example["spans"]["s"]) == 2


def test_check_as_json(capsys, validator):
    data = json.loads(run(capsys, "check", "agreement", "-n", 16, "--json").out)
    validator.validate(data)
    assert data["gap"]["holds"] is True and data["task"]["examples"] == 16 and data["model"] == "specimen:words"
    with pytest.raises(jsonschema.ValidationError):
        validator.validate(data | {"gap": data["gap"] | {"holds": "yes"}})


def test_random_models_leave_nothing_to_explain(capsys, validator, tmp_path, folder):
    """Both shapes of model take the file; their random weights leave no gap, which is said with the figures and exit code 2."""
    (tmp_path / "gift.yaml").write_text(GIFT, encoding="utf-8")
    out, err = run(capsys, "check", tmp_path / "gift.yaml", "--model", folder, "-n", 24, code=2)
    assert "24 examples could be made" in out
    assert "leaves nothing to explain" in err and "a gap of" in err and err.count("\n") == 1
    out, err = run(capsys, "check", tmp_path / "gift.yaml", "--model", folder, "-n", 24, "--json", code=2)
    validator.validate(json.loads(out))
    assert json.loads(out)["gap"]["holds"] is False


def test_files_of_examples(capsys, tmp_path):
    (tmp_path / "rows.csv").write_text("clean,corrupt,answer,wrong\nThe keys,The key, are, is\nThe dogs,The old dog, are, is\n", encoding="utf-8")
    out = run(capsys, "show", tmp_path / "rows.csv").out
    assert "The keys" in out and "1 of 2 rows dropped" in " ".join(out.split())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (GIFT + "answr: x\n", "gift.yaml, line 10 (answr): unknown key 'answr'"),
        (GIFT.replace('answer: "{io}"', 'answer: "{s}"'), "gift.yaml, line 8 (wrong): the wrong answer is the right one"),
        (
            GIFT.replace("io: [Mary, John, Tom, Ben, Sam, Lily]", "io: [Zaphod, Trillian]"),
            "(slots: io): none of the 2 words of slot 'io' can be used",
        ),
    ],
)
def test_mistakes_are_one_line(capsys, tmp_path, text, message):
    (tmp_path / "gift.yaml").write_text(text, encoding="utf-8")
    out, err = run(capsys, "check", tmp_path / "gift.yaml", code=2)
    assert out == "" and message in err and err.count("\n") == 1


@pytest.mark.parametrize(
    ("task", "message"), [("nothing", "there is no task 'nothing'; there are"), ("nothing.yaml", "there is no file nothing.yaml")]
)
def test_unknown_tasks(capsys, task, message):
    assert message in run(capsys, "check", task, code=2).err
