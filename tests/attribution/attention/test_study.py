"""The whole laboratory in one call: complete, kept, taken up again, refused where it is another's."""

import shutil

import pytest

from sonde.attribution.attention import Setting, marker_texts, study
from sonde.attribution.attention.classifier import AttentionClassifier
from sonde.results import InputError, Result, SondeError

TINY = Setting(encoder="cnn", d_embed=8, d_hidden=8, epochs=1)


def run(folder=None, **changes):
    return study(marker_texts(64, 24), **{"setting": TINY, "seeds": 2, "n": 12, "strengths": (0.1,), "folder": folder} | changes)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp("study") / "marker"
    return run(folder), folder


def test_it_has_every_figure(whole):
    result, _ = whole
    figures = result.to_frame()
    assert figures["value"].is_finite().all()
    assert set(figures["of"]) >= {
        "learnt", "frozen average", "attention and gradient", "seed 1", "seed 2", "lambda 0.001", "lambda 0.1", "BASE", "ORACLE", "ADVERSARY 0.1"
    }  # fmt: skip
    assert len(result.drawing().to_json()["data"]["parts"]) == 9


def test_it_is_kept_and_its_verdicts_are_of_its_base(whole, tmp_path):
    result, folder = whole
    base = AttentionClassifier.load(folder / "networks" / "base")
    assert len(result.check(base)) == 3 + 2 + 2 + 10
    again = Result.load(result.save(tmp_path / "kept"))
    assert again.to_frame().equals(result.to_frame()) and again.drawing().to_json() == result.drawing().to_json()


def test_what_was_interrupted_goes_on(whole):
    """Nothing that is there is made again, and what is missing is made as before."""
    result, folder = whole
    shutil.rmtree(folder / "guides")
    shutil.rmtree(folder / "networks" / "seed-2")
    kept = (folder / "networks" / "base" / "model.safetensors").stat().st_mtime_ns
    assert run(folder).to_frame().equals(result.to_frame())
    assert (folder / "networks" / "base" / "model.safetensors").stat().st_mtime_ns == kept
    assert (folder / "guides" / "artifact.json").is_file()


def test_the_folder_of_another_study_is_refused(whole):
    _, folder = whole
    with pytest.raises(SondeError, match="holds another study"):
        run(folder, seed=1)


def test_mistakes_are_named(tmp_path):
    with pytest.raises(InputError, match="seeds=1"):
        run(seeds=1)
    with pytest.raises(InputError, match="no source"):
        run(source="somewhere")
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="can't be made a folder"):
        run(tmp_path / "file")
