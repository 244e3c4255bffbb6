"""Activations on disk: whole or not at all, the same when gone on with, and refused where they are damaged or of another model."""

import errno
import hashlib
import itertools
import json
import os
import shutil

import pytest
import torch
from safetensors.torch import load_file
from store_inputs import SITE, rows_of_ids, tiny

from sonde.dictionaries.store import Live, Shards, collect_activations, corpus
from sonde.dictionaries.store.manifest import Manifest
from sonde.dictionaries.store.writer import Writer
from sonde.results import CheckRefused, InputError, LoadError, SondeError

SITES = [SITE, "blocks.1.mlp.out"]
SMALL = {"batch_size": 4, "shard_bytes": 3000}


@pytest.fixture(scope="module")
def model():
    return tiny()


@pytest.fixture(scope="module")
def whole(model, tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole")
    collect_activations(model, rows_of_ids(40), SITES, folder, dtype="float32", **SMALL)
    return folder


@pytest.fixture
def copy(whole, tmp_path):
    shutil.copytree(whole, tmp_path / "copy")
    return tmp_path / "copy"


def files(folder):
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def shards(folder):
    return {name: data for name, data in files(folder).items() if name.endswith(".safetensors")}


def stream(source):
    return torch.cat([block.rows for block in source.blocks(source.beginning(0))])


def test_holds_what_the_model_computes(model, whole):
    """Row by row and bit for bit what the live stream gives, with each row's token, sequence and position."""
    live = list(Live(model, rows_of_ids(40), SITES, batch_size=4).blocks((0, 0, 0, 0)))
    shards = [load_file(whole / shard.file) for shard in Manifest.read(whole).shards]
    assert len(shards) > 5
    for name, expected in [("tokens", "tokens"), ("sequences", "sequences"), ("positions", "positions")]:
        assert torch.equal(torch.cat([shard[name] for shard in shards]), torch.cat([getattr(block, expected) for block in live]))
    assert torch.equal(torch.cat([torch.cat([shard[site] for site in SITES], 1) for shard in shards]), torch.cat([block.rows for block in live]))


def test_the_manifest_says_whose_they_are(model, whole):
    manifest = json.loads((whole / "manifest.json").read_text())
    assert manifest["identity"]["models"] == {"": model.hash} and manifest["identity"]["text"]["tokenizer"]
    assert manifest["parts"] == [[SITES[0], 16], [SITES[1], 16]] and manifest["complete"] and manifest["rows"] == Shards(whole).held
    for shard in manifest["shards"]:
        assert hashlib.sha256((whole / shard["file"]).read_bytes()).hexdigest() == shard["sha256"]
    assert any("of special tokens" in note for note in Shards(whole).notes)


def test_reads_every_row_once_in_an_order_of_its_own(whole):
    stored = stream(Shards(whole))
    for seed in (0, 1):
        rows = torch.cat(list(Shards(whole, buffer=64, seed=seed).batches(33)))
        assert torch.equal(rows[rows[:, 0].argsort()], stored[stored[:, 0].argsort()])
    assert not torch.equal(stream(Shards(whole, seed=1)), stored)


def test_parts_stay_aligned(whole):
    both, first, second = Shards(whole, buffer=64), Shards(whole, [SITES[0]], buffer=64), Shards(whole, [SITES[1]], buffer=64)
    for batch, one, two in zip(both.batches(50), first.batches(50), second.batches(50), strict=True):
        assert torch.equal(batch, torch.cat([one, two], 1))
    turned = next(Shards(whole, SITES[::-1], buffer=64).batches(50))
    assert torch.equal(turned, next(Shards(whole, buffer=64).batches(50)).roll(16, 1))
    with pytest.raises(InputError, match="the rows of this source hold"):
        Shards(whole, ["blocks.0.mlp.out"])


@pytest.mark.parametrize("stop", [0, 2, 7])
def test_goes_on_exactly(whole, stop):
    source = Shards(whole, rows=700, buffer=80, seed=3)
    list(itertools.islice(source.batches(60), stop))
    again = Shards(whole, rows=700, seed=3)
    again.load_state_dict(json.loads(json.dumps(source.state_dict())))
    rest, expected = list(again.batches(60)), list(source.batches(60))
    assert len(rest) == 12 - stop and all(map(torch.equal, rest, expected))


class Crash(BaseException):
    """The power fails."""


@pytest.mark.parametrize("after", range(0, 14, 4))
def test_a_crash_while_writing_loses_one_shard_at_most(model, whole, tmp_path, monkeypatch, after):
    """Whichever write it is that never comes back: what is there can be read, and the same call makes the same files."""
    count, own = itertools.count(), os.fsync

    def failing(handle):
        if next(count) == after:
            raise Crash
        own(handle)

    monkeypatch.setattr(os, "fsync", failing)
    with pytest.raises(Crash):
        collect_activations(model, rows_of_ids(40), SITES, tmp_path / "acts", dtype="float32", **SMALL)
    monkeypatch.setattr(os, "fsync", own)
    if (tmp_path / "acts" / "manifest.json").exists():
        there = Shards(tmp_path / "acts")
        assert len(stream(there)) == there.held and "not finished" in there.notes[0]
    collect_activations(model, rows_of_ids(40), SITES, tmp_path / "acts", dtype="float32", **SMALL)
    assert shards(tmp_path / "acts") == shards(whole)


def test_a_full_disk(model, whole, tmp_path, monkeypatch):
    count, own = itertools.count(), os.fsync

    def full(handle):
        if next(count) >= 8:
            raise OSError(errno.ENOSPC, "No space left on device")
        own(handle)

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(SondeError, match=r"the disk is full: no room for .*; make room and run the same again, which goes on from there"):
        collect_activations(model, rows_of_ids(40), SITES, tmp_path / "acts", dtype="float32", **SMALL)
    there = Shards(tmp_path / "acts")
    assert 0 < there.held == len(stream(there)) and not list((tmp_path / "acts").glob("*.partial"))
    monkeypatch.setattr(os, "fsync", own)
    collect_activations(model, rows_of_ids(40), SITES, tmp_path / "acts", dtype="float32", **SMALL)
    assert files(tmp_path / "acts").keys() == files(whole).keys()


def test_more_rows_are_added(model, tmp_path):
    folder = tmp_path / "acts"
    first = collect_activations(model, rows_of_ids(40), SITES, folder, rows=100, **SMALL)
    more = collect_activations(model, rows_of_ids(40), SITES, folder, rows=200, **SMALL)
    assert 100 <= first.held < 200 <= more.held and not more.manifest.complete
    everything = collect_activations(model, rows_of_ids(40), SITES, folder, rows=10_000, **SMALL)
    assert everything.manifest.complete and "rows; 10,000 were asked for" in everything.notes[-1]
    before = files(folder)
    collect_activations(model, rows_of_ids(40), SITES, folder, **SMALL)
    assert files(folder) == before, "what is complete is not touched"


def test_an_interruption_keeps_what_was_taken(model, tmp_path, monkeypatch):
    own = Writer.append

    def interrupted(self, block, first):
        if self.rows > 50:
            raise KeyboardInterrupt
        own(self, block, first)

    monkeypatch.setattr(Writer, "append", interrupted)
    with pytest.raises(KeyboardInterrupt):
        collect_activations(model, rows_of_ids(40), SITES, tmp_path / "acts", batch_size=4)
    assert Shards(tmp_path / "acts").held > 50


@pytest.mark.parametrize("change", ["byte", "cut", "gone"])
def test_a_damaged_shard_is_named_and_can_be_left_out(copy, change):
    victim = copy / "shard-000002.safetensors"
    data = bytearray(victim.read_bytes())
    if change == "gone":
        victim.unlink()
    else:
        data[-1] ^= 1
        victim.write_bytes(data if change == "byte" else data[:-100])
    with pytest.raises(LoadError, match=r"shard-000002.safetensors is damaged .*without=\['shard-000002.safetensors'\]"):
        list(Shards(copy, buffer=64).batches(50))
    rest = Shards(copy, without=["shard-000002.safetensors"], buffer=64)
    assert sum(map(len, rest.batches(50))) == rest.held < Manifest.read(copy).rows
    assert "left out: shard-000002.safetensors" in rest.notes[-1]
    with pytest.raises(InputError, match="no such shard"):
        Shards(copy, without=["shard-2"])


def test_a_state_of_other_shards_is_refused(copy):
    state = Shards(copy).state_dict()
    with pytest.raises(InputError, match="a source with shards"):
        Shards(copy, without=["shard-000002.safetensors"]).load_state_dict(state)


def test_a_changed_manifest(copy):
    text = (copy / "manifest.json").read_text()
    (copy / "manifest.json").write_text(text.replace('"float32"', '"float16"'))
    with pytest.raises(LoadError, match="was changed after it was written"):
        Shards(copy)
    (copy / "manifest.json").write_text(text[:50])
    with pytest.raises(LoadError, match="can't be read"):
        Shards(copy)
    (copy / "manifest.json").unlink()
    with pytest.raises(LoadError, match=r"there is no manifest.json in it; .*collect_activations"):
        Shards(copy)


def test_another_model_is_refused_unless_it_is_meant(model, whole):
    other = tiny(seed=1)
    assert Shards(whole, model=model).held and Shards(whole).model_hash == model.hash == Live(model, rows_of_ids(3), SITE).model_hash
    with pytest.raises(CheckRefused, match=rf"of the model {model.hash}, and this one is {other.hash}.*other_model=True"):
        Shards(whole, model=other)
    assert other.hash in Shards(whole, model=other, other_model=True).notes[-1]


@pytest.mark.parametrize("wrong, told", [({"text": rows_of_ids(3)}, "text"), ({"sites": SITE}, "parts"), ({"dtype": "float16"}, "dtype")])
def test_a_folder_of_other_activations(model, copy, wrong, told):
    before = files(copy)
    with pytest.raises(InputError, match=f"holds other activations .*{told}.* choose another folder"):
        collect_activations(**({"model": model, "text": rows_of_ids(40), "sites": SITES, "folder": copy, "dtype": "float32", **SMALL} | wrong))
    assert files(copy) == before


def test_a_folder_of_something_else(model, tmp_path):
    (tmp_path / "thesis.tex").write_text("precious")
    with pytest.raises(SondeError, match="holds something else"):
        collect_activations(model, rows_of_ids(3), SITE, tmp_path)
    with pytest.raises(SondeError, match="holds something else"):
        collect_activations(model, rows_of_ids(3), SITE, tmp_path / "thesis.tex")
    with pytest.raises(InputError, match="dtype='int8': use float16"):
        collect_activations(model, rows_of_ids(3), SITE, tmp_path / "new", dtype="int8")
    with pytest.raises(InputError, match="rows=0"):
        collect_activations(model, rows_of_ids(3), SITE, tmp_path / "new", rows=0)


def test_what_a_type_cannot_hold_is_refused(tmp_path):
    model = tiny()
    with torch.no_grad():
        model.module.transformer.wte.weight[7] = 1e5
    text = corpus([[1, 7, 2]], model)
    with pytest.raises(InputError, match=r"of the model in float16 are not finite at sequence 0, position 2 \(token 7\); keep them in 'bfloat16'"):
        collect_activations(model, text, "embed", tmp_path / "half", sinks=None)
    assert collect_activations(model, text, "embed", tmp_path / "brain", dtype="bfloat16", sinks=None).held == 3


def test_statistics_and_constant_columns(tmp_path):
    """Against the rows themselves, over several shards and a taking up; a column that never changes is told."""
    model = tiny()
    with torch.no_grad():
        model.module.transformer.wte.weight[:, 3] = 0.1
    for rows in (60, None):
        found = collect_activations(model, rows_of_ids(40), ["embed", SITE], tmp_path / "acts", rows=rows, dtype="float32", **SMALL)
    rows = stream(found).double()
    for site, part in zip(found.statistics().values(), rows.split(16, 1), strict=True):
        assert site.rows == len(rows)
        torch.testing.assert_close(site.mean, part.mean(0))
        torch.testing.assert_close(site.variance, part.var(0, correction=0))
    assert "embed: 1 of 16 columns are constant (3)" in found.notes[-1] and not any(SITE in note for note in found.notes)


def test_tee_writes_what_collecting_writes(model, whole, tmp_path):
    source = Live(model, rows_of_ids(40), SITES, rows=900, batch_size=4, buffer=64).tee(tmp_path / "acts", "float32", 3000)
    plain = Live(model, rows_of_ids(40), SITES, rows=900, batch_size=4, buffer=64)
    assert all(map(torch.equal, source.batches(50), plain.batches(50))), "writing changes nothing of what is given"
    assert files(tmp_path / "acts").keys() == files(whole).keys()
    assert {name: data for name, data in files(tmp_path / "acts").items() if "shard" in name} == {
        n: d for n, d in files(whole).items() if "shard" in n
    }
    assert Shards(tmp_path / "acts").manifest.complete


def test_tee_goes_on_and_leaves_no_gap(model, tmp_path):
    def made():
        return Live(model, rows_of_ids(40), SITE, batch_size=4, buffer=64)

    source = made().tee(tmp_path / "acts", "float32")
    list(itertools.islice(source.batches(20), 3))
    state = source.state_dict()
    assert Shards(tmp_path / "acts").held >= 64, "a state makes safe what was read before it"
    again = made().tee(tmp_path / "acts", "float32")
    again.load_state_dict(state)
    list(again.batches(20))
    alone = made()
    assert torch.equal(torch.cat([load_file(tmp_path / "acts" / s.file)[SITE] for s in Manifest.read(tmp_path / "acts").shards]), stream(alone))
    list(itertools.islice(alone.batches(20), 12))  # three buffers on
    late = made().tee(tmp_path / "other", "float32")
    late.load_state_dict(alone.state_dict())
    with pytest.raises(InputError, match=r"ends at row 0, and row \d+ would come next"):
        list(late.batches(20))
    second = Live(model, rows_of_ids(40), SITE, rows=2000, batch_size=4, buffer=64)
    list(itertools.islice(second.batches(20), 60))  # the first epoch is over
    late = Live(model, rows_of_ids(40), SITE, rows=2000, batch_size=4).tee(tmp_path / "third", "float32")
    late.load_state_dict(second.state_dict())
    with pytest.raises(InputError, match="lacks the end of the first epoch"):
        list(late.batches(20))
