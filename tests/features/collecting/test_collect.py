"""Collecting: several sites, other inputs, what is left out, what is refused, and what survives being killed."""

import shutil
import signal
import subprocess
import sys
import textwrap
from dataclasses import replace

import numpy as np
import pytest
import torch
from feature_database import SITE, corpus, database, dictionary, model

import sonde
from sonde.access import Tokenizer
from sonde.bases import Neurons
from sonde.dictionaries.dictionary import Part
from sonde.features import Features, collect
from sonde.features.collecting.logits import effects, typical_scale
from sonde.results import InputError, LoadError


def rows_of(features):
    return features.sql("SELECT latent, sequence, position, value FROM codes ORDER BY ALL")


def test_texts_are_read_and_long_ones_cut(tmp_path):
    texts = [" ".join(f"w{i}" for i in range(1, 31)), "w3 w4", "   "]
    features = collect(model(), SITE, dictionary(), texts, tmp_path / "texts", context=10)
    assert any("taken in pieces" in note for note in features.notes)
    assert any("1 sequences left out" in note for note in features.notes)
    lengths = np.diff(features.storage.offsets).tolist()
    assert lengths == [10, 10, 10, 2]
    assert features.storage.texts(features.storage.sequence(0).tolist()) == [f"w{i}" for i in range(1, 11)]


def test_a_tokenizer_that_begins_texts_begins_every_piece(tmp_path):
    from tiny_tokenizer import words

    from sonde import Model

    own = Model(model().module, Tokenizer(words(), bos_id=0, add_bos=True))
    features = collect(own, SITE, dictionary(), [" ".join(f"w{i}" for i in range(1, 21))], tmp_path / "bos", context=8)
    assert [int(features.storage.sequence(i)[0]) for i in range(3)] == [0, 0, 0]
    assert features.about()["tokens"] == 20


def test_what_is_counted_can_be_chosen(tmp_path):
    features = collect(model(), SITE, dictionary(), corpus()[:20], tmp_path / "chosen", leave_out=[])
    assert features.about()["tokens"] == sum(map(len, corpus()[:20]))
    assert features.about()["left_out"] == ""


def test_several_sites_side_by_side(tmp_path):
    sites = ("blocks.0.resid_post", "blocks.1.resid_post")
    features = collect(model(), sites, dictionary(32, seed=3), corpus()[:20], tmp_path / "both", writes="blocks.1.resid_post")
    run = model().run([corpus()[4]], read=sites)
    x = torch.cat([run[site][0] for site in sites], -1)
    expected = dictionary(32, seed=3).encode(x)
    got = torch.zeros_like(expected)
    for latent, _, position, value in rows_of(features).filter(__import__("polars").col("sequence") == 4).rows():
        got[position, latent] = value
    torch.testing.assert_close(got[1:], expected[1:], rtol=1e-4, atol=1e-5)
    assert features.record(0)["logits"] is None
    assert any("no logits" in note for note in features.notes)


def test_a_crosscoder_has_the_logits_of_what_it_writes_at_its_last_site(tmp_path):
    sites = ("blocks.0.resid_post", "blocks.1.resid_post")
    parts = tuple(Part(site, 16) for site in sites)
    crosscoder = replace(dictionary(32, seed=3), reads=parts, writes=parts)
    found = collect(model(), sites, crosscoder, corpus()[:20], tmp_path / "last")
    expected = effects(model(), crosscoder.decoder[:, 16:], typical_scale(model(), corpus()[:20]))
    for latent in (0, 7):
        top = found.record(latent)["logits"]["top"]
        assert [one["value"] for one in top] == pytest.approx(expected.top_values[latent].tolist(), rel=1e-3)
        assert [one["token"] for one in top] == model().tokenizer.strings(expected.top[latent].tolist())
    assert "logits and effects: of what is written at blocks.1.resid_post, one of 2 sites" in found.notes
    # which site is the user's to choose
    first = collect(model(), sites, crosscoder, corpus()[:20], tmp_path / "first", writes=sites[0])
    assert first.record(0)["logits"]["top"] != found.record(0)["logits"]["top"]


def test_items_that_are_no_text(tmp_path):
    """Places of a picture are numbered, row by row."""
    digits = sonde.load("specimen:digits")
    site = next(name for name in digits.site_names if "conv" in name and name.endswith(":out"))
    pictures = torch.rand(5, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    shape = digits.run(pictures, read=site)[site].shape
    features = collect(digits, site, Neurons(shape[1]), pictures, tmp_path / "pictures")
    assert features.about()["tokens"] == 5 * shape[2] * shape[3]
    value = digits.run(pictures, read=site)[site]
    kept = rows_of(features)
    assert len(kept) == int((value != 0).sum())
    latent, sequence, position, read = kept.row(7)
    assert read == pytest.approx(float(value[sequence, latent].flatten()[position]), rel=1e-4)
    example = features.record(0)["strongest"][0]
    assert example["tokens"][0] == str(example["start"])


@pytest.mark.parametrize(
    "given, message",
    [
        ("one text", "is no corpus"),
        ([], "corpus is empty"),
        ([[0, 1, 99]], "vocabulary has 40"),
        ([[0, 0]], "no token of the corpus is counted"),
        ([[1] * 13], "context is 12"),
    ],
)
def test_what_is_no_corpus(given, message, tmp_path):
    with pytest.raises(InputError, match=message):
        collect(model(), SITE, dictionary(), given, tmp_path / "none")
    assert not (tmp_path / "none").exists()


def test_bad_sequences_are_named_and_the_rest_goes_on(tmp_path):
    features = collect(model(), SITE, dictionary(), [[0, 1, 2], [1] * 13, [0, 3, 4]], tmp_path / "rest")
    assert features.about()["sequences"] == 2
    assert any("a row of 13 tokens" in note for note in features.notes)


def test_sites_and_bases_that_do_not_fit(tmp_path):
    with pytest.raises(InputError, match=r"one activation for each token|vector for each"):
        collect(model(), "blocks.0.attn.pattern", dictionary(), corpus(), tmp_path / "a")
    with pytest.raises(InputError, match="reads rows of 16"):
        collect(model(), "blocks.0.mlp.post", dictionary(), corpus(), tmp_path / "b")


@pytest.mark.usefixtures("unchecked")
def test_activations_that_are_not_finite_are_named(tmp_path):
    class Broken(Neurons):
        def encode(self, x):
            return torch.where(x > x.max() - 1e-6, torch.nan, x)

    with pytest.raises(InputError, match=r"latent \d+ is nan at token \d+ of sequence \d+"):
        collect(model(), SITE, Broken(16), corpus(), tmp_path / "nan")


def test_a_folder_with_something_else_is_left_alone(tmp_path):
    (tmp_path / "letters").mkdir()
    (tmp_path / "letters" / "to.txt").write_text("dear")
    with pytest.raises(LoadError, match="no feature database"):
        database(tmp_path / "letters")
    database(tmp_path / "own")
    with pytest.raises(LoadError, match="another collection"):
        collect(model(), SITE, dictionary(), corpus()[:50], tmp_path / "own")
    again = database(tmp_path / "own")
    assert again.about()["tokens"] == Features.load(tmp_path / "own").about()["tokens"]


def test_few_codes_kept_and_statistics_over_all(tmp_path):
    every, few = database(tmp_path / "all"), database(tmp_path / "few", keep=100)
    assert (every.kept, few.kept) == ("all", "examples")
    assert every.table(limit=None).drop("label").equals(few.table(limit=None).drop("label"))
    assert any("keep=100" in note for note in few.notes)
    strongest = [[(e["sequence"], e["position"], e["values"]) for e in f.record(3)["strongest"][:10]] for f in (every, few)]
    assert strongest[0] == strongest[1]
    assert few.sql("SELECT count(*) AS n FROM codes WHERE drawn")["n"][0] < every.sql("SELECT count(*) AS n FROM codes")["n"][0]
    shares = [[i["share"] for i in f.record(3)["intervals"]] for f in (every, few)]
    assert shares[0] == shares[1]


def test_killed_between_pieces_it_goes_on(tmp_path, monkeypatch):
    monkeypatch.setattr("sonde.features.collecting.corpus.TOKENS_PER_PASS", 100)
    monkeypatch.setattr("sonde.features.collecting.pieces.PLACES", (200, 200))
    reader = sys.modules["sonde.features.collecting.collect"].Reader
    plain, calls = reader.__call__, []

    def counting(self, passes):
        calls.append(passes)
        return plain(self, passes)

    def stops(self, passes):
        if len(calls) == 2:
            raise KeyboardInterrupt
        return counting(self, passes)

    monkeypatch.setattr(reader, "__call__", counting)
    whole = rows_of(database(tmp_path / "whole"))
    pieces = len(calls)
    assert pieces > 4
    calls.clear()
    monkeypatch.setattr(reader, "__call__", stops)
    with pytest.raises(KeyboardInterrupt):
        database(tmp_path / "parts")
    assert not (tmp_path / "parts").exists()
    monkeypatch.setattr(reader, "__call__", counting)
    assert rows_of(database(tmp_path / "parts")).equals(whole)
    assert len(calls) == pieces, "what was collected is collected again"
    assert not list(tmp_path.glob(".parts*"))


def test_what_another_collection_left_is_not_taken(tmp_path):
    work = tmp_path / ".mine.collecting"
    (work / "pieces" / "000000").mkdir(parents=True)
    (work / "key").write_text("another")
    features = database(tmp_path / "mine")
    assert any("began anew" in note for note in features.notes)


KILLED = textwrap.dedent("""
    import os, signal, sys
    sys.path.insert(0, "tests")
    from feature_database import database
    import sonde.features.collecting.pieces as pieces, sonde.features.collecting.corpus as corpus
    corpus.TOKENS_PER_PASS, pieces.PLACES = 100, (200, 200)
    plain, calls = pieces.Reader.__call__, []
    def dies(self, passes):
        calls.append(1)
        if len(calls) == 3:
            os.kill(os.getpid(), signal.SIGKILL)
        return plain(self, passes)
    pieces.Reader.__call__ = dies
    database(sys.argv[1])
""")


def test_killed_for_good(tmp_path, monkeypatch):
    """A process is killed while it collects; another has in the end what an undisturbed one has, also where it divides the corpus otherwise."""
    killed = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path / "killed")], check=False, capture_output=True)
    assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()
    assert (tmp_path / ".killed.collecting" / "pieces" / "000001").is_dir()
    shutil.copytree(tmp_path / ".killed.collecting", tmp_path / ".other.collecting")
    otherwise = database(tmp_path / "other")
    assert rows_of(otherwise).equals(rows_of(database(tmp_path / "undivided")))
    assert any("began anew" in note for note in otherwise.notes)
    monkeypatch.setattr("sonde.features.collecting.corpus.TOKENS_PER_PASS", 100)
    monkeypatch.setattr("sonde.features.collecting.pieces.PLACES", (200, 200))
    alike = database(tmp_path / "killed")
    assert rows_of(alike).equals(rows_of(database(tmp_path / "undisturbed")))
    assert not any("began anew" in note for note in alike.notes)


def test_products_are_the_same_entry_by_entry(monkeypatch):
    from sonde.bases import Codes
    from sonde.features.collecting import pieces

    draw = torch.Generator().manual_seed(0)
    table = torch.randn(40, 9, generator=draw) * (torch.rand(40, 9, generator=draw) < 0.3)
    y = torch.randn(40, 5, generator=draw)
    codes = Codes.of(table)
    order = codes.latents.argsort(stable=True)
    found = []
    for sparse in (0.01, 1e9):
        monkeypatch.setattr(pieces, "SPARSE", sparse)
        found.append(pieces.products(codes, y, order))
    torch.testing.assert_close(found[0], table.T @ y)
    torch.testing.assert_close(found[1], table.T @ y)
