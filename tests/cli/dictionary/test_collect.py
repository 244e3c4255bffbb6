"""`sonde dictionary collect` writes activations that can be learnt from, for people and as JSON of the published schema."""

import json

import pytest
from published import follows
from small_models import words

from sonde.cli import main
from sonde.dictionaries.store import Shards

SITE = ["--site", "blocks.1.resid_post"]


def run(capsys, *arguments, code=0):
    assert main(["dictionary", "collect", *map(str, arguments)]) == code
    return capsys.readouterr()


def test_from_the_small_world_and_on(capsys, tmp_path):
    asked = [*SITE, "--site", "blocks.0.mlp.out", "--folder", tmp_path / "acts", "--documents", 25, "--batch-size", 2]
    first = follows(json.loads(run(capsys, *asked, "--rows", 300, "--json").out))
    assert first["rows"] >= 300 and not first["complete"] and first["sites"] == {"blocks.1.resid_post": 128, "blocks.0.mlp.out": 128}
    told = run(capsys, *asked).out
    found = Shards(tmp_path / "acts")
    assert found.manifest.complete and found.held > first["rows"] and f"{found.held:,} of float16" in told and "read to its end" in told
    assert "special tokens" in told


def test_from_a_file(capsys, tmp_path):
    (tmp_path / "some.jsonl").write_text('{"story": "The keys are here."}\n{"story": "no\n{"story": "The cat sleeps."}\n')
    asked = [*SITE, "--corpus", tmp_path / "some.jsonl", "--field", "story", "--folder", tmp_path / "acts", "--apart", "--bos", "document"]
    found = follows(json.loads(run(capsys, *asked, "--keep-special", "--dtype", "float32", "--json").out))
    tokens = sum(len(words().tokenizer.encode(text, bos=False)) for text in ("The keys are here.", "The cat sleeps."))
    assert found["rows"] == 2 + tokens and found["complete"] and "document 2 of some.jsonl" in " ".join(found["warnings"])


@pytest.mark.parametrize(
    "wrong, told",
    [
        (["--corpus", "nowhere.txt"], "there is no file nowhere.txt"),
        (["--site", "blocks.9.resid_post"], "blocks.9.resid_post"),
        (["--length", "4000"], "beyond the model's context of 128"),
        (["--folder", __file__], "holds something else"),
    ],
)
def test_mistakes_are_one_line(capsys, tmp_path, wrong, told):
    err = run(capsys, *SITE, "--folder", tmp_path / "acts", "--documents", 5, *wrong, code=2).err
    assert err.startswith("sonde dictionary: ") and told in err and len(err.strip().splitlines()) == 1
