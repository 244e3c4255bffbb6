"""The files for Neuronpedia's import say what the database says, row by row."""

import gzip
import json
from dataclasses import replace

import pytest
import torch
from features.planted import RULES, Planted

from sonde.features import Publication, export_neuronpedia
from sonde.results import InputError, SondeError

NAMES = Publication("tiny", "res-test", "someone", "a release", suffix="6")


def rows(file):
    return [json.loads(line) for line in gzip.decompress(file.read_bytes()).decode().splitlines()]


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    return export_neuronpedia(Planted(), tmp_path_factory.mktemp("out"), NAMES, directions=torch.eye(6)[:, :4], batch=4)


def test_the_layout(written):
    assert written.parts[-2:] == ("tiny", "0-res-test__6")
    assert sorted(path.relative_to(written).as_posix() for path in written.rglob("*.gz")) == [
        "activations/batch-0.jsonl.gz", "activations/batch-1.jsonl.gz", "explanations/batch-0.jsonl.gz", "explanations/batch-1.jsonl.gz",
        "features/batch-0.jsonl.gz", "features/batch-1.jsonl.gz", "model.jsonl.gz", "release.jsonl.gz", "source.jsonl.gz", "sourceset.jsonl.gz",
    ]  # fmt: skip
    (source,) = rows(written / "source.jsonl.gz")
    assert (source["id"], source["setName"], source["num_prompts"]) == ("0-res-test__6", "res-test", 40)
    assert not list(written.rglob("*.part"))


def test_features_are_the_records(written):
    found = [row for i in (0, 1) for row in rows(written / "features" / f"batch-{i}.jsonl.gz")]
    assert [row["index"] for row in found] == [str(i) for i in range(len(RULES))]
    for row in found:
        record = Planted().record(int(row["index"]))
        assert row["frac_nonzero"] == record["statistics"]["density"] and row["maxActApprox"] == (record["statistics"]["maximum"] or 0)
        assert row["freq_hist_data_bar_heights"] == record["histogram"]["counts"]
        assert len(row["freq_hist_data_bar_values"]) == len(row["freq_hist_data_bar_heights"])
        if record["logits"]:
            assert (row["pos_str"], row["neg_values"]) == (
                [weight["token"] for weight in record["logits"]["top"]], [weight["value"] for weight in record["logits"]["bottom"]],
            )  # fmt: skip
        assert row["hookName"] == "blocks.0.hook_resid_post" and row["vector"] == torch.eye(6)[int(row["index"]), :4].tolist()


def test_activations_are_the_examples_each_once(written):
    found = [row for i in (0, 1) for row in rows(written / "activations" / f"batch-{i}.jsonl.gz")]
    assert len({row["id"] for row in found}) == len(found)
    data = Planted()
    for row in found:
        latent, at = int(row["index"]), row["qualifyingTokenIndex"]
        assert len(row["tokens"]) == len(row["values"]) and row["values"][row["maxValueTokenIndex"]] == row["maxValue"] == max(row["values"])
        if row["binContains"] == -1:
            assert (row["binMin"], row["binMax"]) == (-1, data.record(latent)["statistics"]["maximum"])
        else:
            assert row["binMin"] - 1e-3 <= row["values"][at] <= row["binMax"] + 1e-3 and 0 < row["binContains"] <= 1
    assert not [row for row in found if row["index"] == "4"]  # which never fires


def test_explanations_are_the_descriptions(written):
    found = [row for i in (0, 1) for row in rows(written / "explanations" / f"batch-{i}.jsonl.gz")]
    wanted = [(str(i), one["text"]) for i in range(len(RULES)) for one in Planted().record(i)["descriptions"]]
    assert [(row["index"], row["description"]) for row in found] == wanted and len(wanted) > 2
    assert len({row["id"] for row in found}) == len(found)
    data = Planted()
    for row in found:
        (one,) = [one for one in data.record(int(row["index"]))["descriptions"] if one["text"] == row["description"]]
        assert row["notes"].startswith(one["author"]) and all(name in row["notes"] for name in one["scores"])
        assert (row["modelId"], row["layer"], row["authorId"]) == ("tiny", "0-res-test__6", "")
        # the import refuses names that are not registered there
        assert row["typeName"] is None and row["explanationModelName"] is None


def test_only_what_no_person_wrote_is_by_a_model(tmp_path):
    named = replace(NAMES, explanation_type="a-type", explanation_model="a-model")
    found = rows(export_neuronpedia(Planted(), tmp_path, named) / "explanations" / "batch-0.jsonl.gz")
    for row in found:
        by_person = row["notes"].startswith("human")
        assert (row["typeName"], row["explanationModelName"]) == ((None, None) if by_person else ("a-type", "a-model"))
    assert {row["typeName"] for row in found} == {None, "a-type"}


def test_the_same_database_gives_the_same_ids(written, tmp_path):
    again = export_neuronpedia(Planted(), tmp_path, NAMES, latents=[1], batch=4)
    ids = {row["id"] for row in rows(again / "activations" / "batch-0.jsonl.gz")}
    assert ids <= {row["id"] for row in rows(written / "activations" / "batch-0.jsonl.gz")} and ids
    (row,) = rows(again / "features" / "batch-0.jsonl.gz")
    assert row["vector"] == [] and row["hasVector"] is False


def test_what_is_refused(tmp_path):
    with pytest.raises(InputError, match="creator is empty"):
        Publication("tiny", "set", " ", "release")
    with pytest.raises(InputError, match="separate the parts of a source's name"):
        Publication("tiny", "a__b", "someone", "release")
    with pytest.raises(InputError, match="there are latents 0 to 5"):
        export_neuronpedia(Planted(), tmp_path, NAMES, latents=[6])
    (tmp_path / "tiny" / "0-res-test__6" / "x").mkdir(parents=True)
    with pytest.raises(SondeError, match="holds something: choose another folder"):
        export_neuronpedia(Planted(), tmp_path, NAMES)


def test_a_site_without_a_layer_needs_one(tmp_path):
    class Elsewhere(Planted):
        def about(self):
            return {**super().about(), "site": "layer3.0:out"}

    with pytest.raises(InputError, match="give the publication a layer"):
        export_neuronpedia(Elsewhere(), tmp_path, NAMES)
