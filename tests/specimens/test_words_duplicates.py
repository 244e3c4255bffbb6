"""The shipped specimens answer by noticing that the giver's name was said before: shown by patching, with verdicts against controls."""

import pytest
import torch
from tokenizers import Tokenizer

from sonde.access import Model
from sonde.evidence import compare, permuted, random_sets
from sonde.nn import Transformer
from sonde.specimens import path
from sonde.specimens.words import duplicates, world

CLEAN, STRANGER, CONTROL = range(3)


class Subject:
    """A specimen with its texts, its runs on them, and how often it answers "them"."""

    def __init__(self, name, n=64):
        self.tokenizer = Tokenizer.from_file(str(path(name) / "tokenizer.json"))
        self.model = Model(Transformer.load(path(name)))
        self.drawn = duplicates.triples(self.tokenizer, n, seed=5)
        self.people = [self.tokenizer.encode(f" {one}").ids[0] for one in (*world.NAMES, "them")]
        self.runs = [self.model.run(ids, read="blocks.*.attn.z", logits="last", spans=self.drawn.spans) for ids in self.drawn.ids]
        order = duplicates.ranked(duplicates.looking_back(self.model, duplicates.triples(self.tokenizer, n, seed=6)))
        self.chosen, self.others = order[: duplicates.HEADS], order[duplicates.HEADS :]

    def says_them(self, run):
        return duplicates.says(run, self.people[-1], self.people).float()

    def patched(self, source, heads):
        return self.says_them(duplicates.patched(self.model, self.drawn, self.runs[source], heads))


@pytest.fixture(scope="module")
def subject():
    return Subject("words")


def holds(claim, measured, control, least):
    """The verdict on: more often "them" here than there, by at least so much."""
    return compare(claim, "share that answers 'them'", measured, control, threshold=least, threshold_source="most of the texts").holds


def test_texts_differ_in_one_name(subject):
    (clean, stranger, control), spans = subject.drawn.ids, subject.drawn.spans
    for a, b, c, giver, again in zip(clean, stranger, control, spans["giver"], spans["giver_2"], strict=True):
        assert len(a) == len(b) == len(c)
        assert [i for i in range(len(a)) if a[i] != b[i]] == giver
        assert len([i for i in range(len(a)) if a[i] != c[i]]) == 1
        said = [subject.tokenizer.decode([a[i]]).strip() for i in (*giver, *again)]
        assert said[0] == said[1] in world.NAMES


def test_the_first_mention_decides(subject):
    clean, stranger, control = (subject.says_them(run) for run in subject.runs)
    assert duplicates.says(subject.runs[CLEAN], subject.drawn.receivers, subject.people).float().mean() > 0.9
    assert holds("the giver's first mention decides", stranger, control, least=0.5)
    assert not holds("the receiver's mention decides", control, clean, least=0.5)


def test_the_heads_that_look_back_carry_it_and_random_ones_do_not(subject):
    found = subject.patched(STRANGER, subject.chosen)
    sets = random_sets(subject.others, duplicates.HEADS, 8, seed=0)
    by_chance = torch.stack([subject.patched(STRANGER, heads) for heads in sets]).mean(0)
    assert holds("these heads carry it", found, by_chance, least=0.5)
    assert not holds("any heads carry it", by_chance, subject.says_them(subject.runs[CLEAN]), least=0.5)


def test_what_is_patched_must_come_from_the_stranger(subject):
    """The same heads, taken from the text in which another name was replaced: nothing about the giver is in it."""
    assert subject.patched(CONTROL, subject.chosen).mean() < 0.1
    assert subject.patched(CLEAN, subject.chosen).mean() < 0.1


def test_permuted_weights_need_nothing(subject):
    broken = Model(permuted(subject.model.module, 0))
    by_name = {m.name: m.value for m in duplicates.need(broken, subject.tokenizer, n=20)}
    assert max(by_name.values()) - min(by_name.values()) < 0.2


def test_ranked():
    scores = torch.zeros(2, 3, 4)
    scores[1, 2, 3], scores[0, 1, 2] = 0.9, 0.8
    assert duplicates.ranked(scores)[:2] == [("end", 2, 3), ("giver_2", 1, 2)]
    assert len(set(duplicates.ranked(scores))) == 24
