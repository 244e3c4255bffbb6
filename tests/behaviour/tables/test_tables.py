"""Tables, the files they come from, and a small classifier of them."""

import os
from pathlib import Path

import pytest
import torch

from sonde.behaviour import Encoder, Table, audit, in_table, read_table, train_classifier
from sonde.results import InputError
from sonde.tasks import LogitDifference

DATA = Path(os.environ.get("SONDE_DATA", Path(__file__).parents[4] / "shared" / "data"))


def planted(n=600, seed=0):
    """Income follows age and sex, with noise; the city says nothing."""
    generator = torch.Generator().manual_seed(seed)
    age = torch.randint(20, 70, (n,), generator=generator).double()
    sex, city = (torch.randint(2, (n,), generator=generator) for _ in range(2))
    labels = ((age - 45) / 10 + 2 * sex - 1 + torch.randn(n, generator=generator) > 0).long()
    columns = {"age": age.tolist(), "sex": [("f", "m")[i] for i in sex], "city": [("Leeds", "York")[i] for i in city], "hours": age.tolist()}
    return Table("planted", columns, {"age": "numeric", "sex": "categorical", "city": "categorical", "hours": "binned"}, labels, ("low", "high"))


def test_a_row_is_read_column_by_column():
    table = planted()
    encoder = Encoder.fit(table)
    encoded = encoder(table.rows())
    assert encoder.names[:5] == ["age", "city=Leeds", "city=York", "sex=f", "sex=m"] or encoder.names[1] == "sex=f"
    assert [encoder.names[i] for i in encoder.places["sex"]] == ["sex=f", "sex=m"]
    assert encoded[:, encoder.places["age"]].mean().abs() < 1e-5
    for column in ("sex", "city", "hours"):
        assert torch.equal(encoded[:, encoder.places[column]].sum(1), torch.ones(len(table)))
    # the bins hold about equally many rows
    assert encoded[:, encoder.places["hours"]].mean(0).max() < 0.4


def test_an_audit_changes_a_whole_group_of_places():
    table = planted()
    encoder = Encoder.fit(table)
    model = train_classifier(table, encoder, steps=60)
    profiles = in_table(table.select(range(24)), encoder)
    found = audit(model, profiles, ["sex", "city"], LogitDifference([1], [0]), progress=False)
    weight = (model.module[0].weight[1] - model.module[0].weight[0]).detach()
    female, male = encoder.places["sex"]
    (contrast,) = [one for one in found.contrasts() if one.attribute == "sex"]
    assert contrast.effect == pytest.approx(float(weight[male] - weight[female]) * (1 if contrast.second == "m" else -1), rel=1e-4)
    assert found.shares()["sex"] > 0.8


def test_training_is_reproducible_and_learns():
    table = planted()
    train, test = table.split(0.7)
    encoder = Encoder.fit(table)
    one, two = (train_classifier(train, encoder, hidden=(8,), steps=60, seed=1) for _ in range(2))
    assert one.hash == two.hash
    assert (one.run(encoder(test.rows())).logits.argmax(-1) == test.labels).float().mean() > 0.85


def write(path, text):
    path.write_text(text, encoding="utf-8")
    return path


def test_any_table_with_a_header(tmp_path):
    file = write(tmp_path / "loans.csv", "age,job,race,granted\n20,nurse,a,no\n30,cook,b,yes\n40,cook\n50,nurse,a,yes\n")
    table = read_table(file, target="granted", ignore=["race"])
    assert len(table) == 3 and table.kinds == {"age": "numeric", "job": "categorical"} and table.classes == ("no", "yes")
    assert table.column("race") == ["a", "b", "a"] and table.labels.tolist() == [0, 1, 1]
    assert table.notes == ("1 lines left out (4): they do not have 4 cells",)


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        ("a,b\n1,yes\n2,yes\n", {"target": "b"}, "with one class there is nothing to predict"),
        ("a,b\n1,yes\n", {"target": "c"}, "no column 'c' to predict"),
        ("a,b\n", {"target": "b"}, "holds no row"),
        ("a,b\nx,yes\n1,no\n", {"target": "b", "kinds": {"a": "numeric"}}, "'a' is numeric and holds 'x'"),
        ("a,b\n1,yes\n1,no\n", {"format": "arff"}, "format 'arff' is unknown"),
        ("a,b\n1,yes\n1,no\n", {"target": "b", "ignore": ["c"]}, "no column 'c'"),
        ("1,2\n", {"format": "adult"}, "do not have 15 cells"),
    ],
)
def test_files_that_are_refused(tmp_path, text, options, message):
    with pytest.raises(InputError, match=message):
        read_table(write(tmp_path / "t.csv", text), **options)


def test_values_that_are_refused():
    table = planted(20)
    encoder = Encoder.fit(table)
    row = table.rows()[0]
    for changed, message in (({**row, "sex": "x"}, "sex='x' was not there"), ({**row, "age": "old"}, "age is numeric"), ({"age": 1.0}, "no 'sex'")):
        with pytest.raises(InputError, match=message):
            encoder([changed])
    with pytest.raises(InputError, match="leaves one part empty"):
        table.split(1.0)
    with pytest.raises(InputError, match="can't be read"):
        read_table("nowhere.csv")


@pytest.mark.skipif(not (DATA / "tabular").is_dir(), reason=f"no tables in {DATA}; set SONDE_DATA")
def test_german_credit_and_its_reference_accuracy():
    """The README's reference for logistic regression is about 75 %."""
    table = read_table(DATA / "tabular" / "german.csv", "german")
    assert len(table) == 1000 and table.labels.float().mean() == pytest.approx(0.7) and not table.notes
    assert set(table.column("sex")) == {"male", "female"}
    train, test = table.split(0.7)
    encoder = Encoder.fit(table)
    right = train_classifier(train, encoder, steps=200).run(encoder(test.rows())).logits.argmax(-1) == test.labels
    assert 0.7 < right.float().mean() < 0.82


@pytest.mark.skipif(not (DATA / "tabular").is_dir(), reason=f"no tables in {DATA}; set SONDE_DATA")
def test_the_labels_of_adults_test_file_end_with_a_dot():
    table = read_table(DATA / "tabular" / "adult-test.csv", "adult")
    assert len(table) == 16281 and table.classes == ("<=50K", ">50K") and table.labels.float().mean() == pytest.approx(0.236, abs=0.001)
