"""`sonde features export` and `serve`, as a user calls them."""

import json
import os
import re
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest
from published import follows

import sonde
from sonde.bases import PCA
from sonde.cli import main
from sonde.features import collect
from sonde.views import BundleMissing
from sonde.views.assets import asset

SITE = "blocks.0.resid_post"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two databases over the same tokens, with their bases beside them."""
    try:
        asset("features.js")
    except BundleMissing as missing:
        pytest.skip(str(missing))
    model = sonde.load("specimen:induction")
    rows = [[(7 * one + 3 * place * place) % 31 + 1 for place in range(12)] for one in range(10)]
    x = model.run(rows, read=SITE, logits=False)[SITE].flatten(0, 1)
    place = tmp_path_factory.mktemp("databases")
    for name, n in (("db", 12), ("small", 8)):
        basis = PCA.fit(x, n)
        sonde.bases.save(basis, place / f"{name}-basis")
        collect(model, SITE, basis, rows, place / name, neurons="")
    return place


def test_a_file_of_some_features_with_everything_beside(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out, db = folder / "pages.html", folder / "db"
    code = main(
        ["features", "export", str(db), "--out", str(out), "--basis", f"{db}-basis", "--latents", "0,3-5", "--effects", "--json",
         "--beside", str(folder / "small"), f"{folder}/small-basis", "--size", str(folder / "small"), f"{folder}/small-basis"]
    )  # fmt: skip
    assert code == 0
    said = follows(json.loads(capsys.readouterr().out))
    assert said["features"] == 4 and said["model"] == "specimen:induction"
    assert said["bytes"] == out.stat().st_size
    source = out.read_text(encoding="utf-8")
    assert re.findall(r'id="latent-(\d+)"', source) == ["0", "3", "4", "5"]
    (data,) = re.findall(r'<script type="application/json" id="sonde-data">(.*?)</script>', source, flags=re.DOTALL)
    site = json.loads(data)
    assert site["title"] == f"Features of specimen:induction at {SITE}"
    assert [one["name"] for one in site["comparisons"]] == ["small"]
    assert [one["size"] for one in site["levels"]] == [8, 12]


@pytest.mark.parametrize(
    "more, words",
    [
        (["--effects"], "--effects needs to know whose features these are: say it with --basis"),
        (["--latents", "3-x"], "--latents 3-x: give numbers and ranges, such as 0,7,20-29"),
        (["--latents", "99"], "features 99 are not there: choose from 0 to 11"),
        (["--beside", "nowhere"], "nowhere"),
    ],
)
def test_a_mistake_is_one_line(folder: Path, capsys: pytest.CaptureFixture[str], more: list[str], words: str) -> None:
    assert main(["features", "export", str(folder / "db"), "--out", str(folder / "wrong.html"), *more]) == 2
    said = capsys.readouterr().err
    assert words in said
    assert said.count("\n") == 1
    assert not (folder / "wrong.html").exists()


def test_served_until_interrupted(folder: Path) -> None:
    command = [sys.executable, "-m", "sonde", "features", "serve", str(folder / "db"), "--basis", str(folder / "db-basis"), "--port", "0"]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ, "PYTHONUNBUFFERED": "1"})
    assert server.stdout is not None
    address = server.stdout.readline().split()[0]
    with urllib.request.urlopen(f"{address}api/latents/2") as answer:
        assert json.load(answer)["latent"] == 2
    with urllib.request.urlopen(f"{address}api/latents/2/effects") as answer:
        assert json.load(answer)["examples"]
    server.send_signal(signal.SIGINT)
    server.wait(timeout=60)
    assert "Traceback" not in server.communicate()[1]
