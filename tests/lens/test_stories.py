"""The lenses on a real trained model and text that it was trained on.

Needs the shared data (stories260k, tinystories_sample); where they are not, the tests say so and are skipped.
"""

import os
from pathlib import Path

import pytest
import torch

import sonde
from bench.stories260k import convert
from sonde.evidence import random_rotation
from sonde.lens import TunedTraining, judge, logit_lens, read_out, train

DATA = Path(os.environ.get("SONDE_DATA", Path(__file__).parents[3] / "shared" / "data"))
SOURCE, STORIES = DATA / "stories260k", DATA / "tinystories_sample" / "tinystories_2mb.txt"
LEARNED, LENGTH = 60, 96

pytestmark = pytest.mark.skipif(
    not (SOURCE.is_dir() and STORIES.is_file()), reason=f"no stories260k and tinystories_sample in {DATA}; set SONDE_DATA"
)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    out = tmp_path_factory.mktemp("stories260k")
    convert(SOURCE, out)
    return sonde.load(out)


@pytest.fixture(scope="module")
def rows(model):
    stories = STORIES.read_text(encoding="utf-8").split("<|endoftext|>")
    return [model.tokenizer.encode(story.strip()[:500])[:LENGTH] for story in stories[: LEARNED + 12] if story.strip()]


def test_the_answer_arises_layer_by_layer_and_the_last_row_is_the_model(model, rows):
    held_out = rows[LEARNED:]
    found, run = logit_lens(model, held_out, k=3), model.run(held_out)
    logits = run.logits[run.mask]
    assert torch.allclose(found.logit[-1][found.mask][:, 0], logits.max(-1).values, atol=1e-4)
    kl = found.kl.nanmean((1, 2))
    assert bool((kl[1:] < kl[:-1]).all()) and kl[-1] < 1e-6 and kl[0] > 5
    assert bool((found.cross_entropy.nanmean((1, 2)).diff() < 0).all()), "and so does what is true"
    own = (found.input_rank == 1).float()[:, found.mask].mean(1)
    assert own[0] > 0.9 and own[-1] < 0.1, "tied embeddings say the token itself, and the model something else"


def test_turned_states_of_a_late_layer_say_what_the_model_says_by_chance_only(model, rows):
    run = model.run(rows[LEARNED:], read="blocks.3.resid_post")
    final, states = run.logits[run.mask].argmax(-1), run["blocks.3.resid_post"][run.mask]
    agree = [
        float((read_out(model, states, turn).argmax(-1) == final).float().mean()) for turn in (None, random_rotation(64, 0), random_rotation(64, 1))
    ]
    assert agree[0] > 0.5 and max(agree[1:]) < 0.05


def test_a_tuned_lens_reads_closer_on_other_stories_and_credits_the_layers(model, rows):
    lens = train(model, rows[:LEARNED], TunedTraining(steps=30, tokens=512, lr=1e-2))
    quality = judge(model, lens, rows[LEARNED:])
    closer, *written = quality.check(model)
    assert closer.holds and bool((quality.tuned_kl.mean(1)[:-1] < quality.logit_kl.mean(1)[:-1]).all())
    assert bool((quality.written.mean(1).diff() > 0).all()) and all(verdict.holds for verdict in written)
