"""Models that differ in their neurons alone: trained alike, rated, kept, and gone on with after an interruption."""

import pytest
import torch
from tokenizers import Tokenizer

import sonde
from sonde.results import InputError, Result
from sonde.specimens import registry
from sonde.superposition import LanguageTraining, Size, solu_study
from sonde.superposition.solu.training import train_language_model

TINY = LanguageTraining(steps=4, rows=2, n_ctx=24)


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    return folder, solu_study([Size(1, 16)], ["gelu", "ln_solu"], TINY, texts=60, folder=folder)


def test_every_model_has_its_figures(study, tmp_path):
    _, found = study
    frame = found.to_frame()
    assert frame["activation"].to_list() == ["gelu", "ln_solu"] and frame["size"].to_list() == ["1 x 16"] * 2
    assert (frame["loss"] > 7).all() and {"tense", "random"} <= set(frame.columns)  # 3,072 words, hardly trained: ln 3072 = 8.03
    assert found.neurons().height == 2 * 64
    claims = [verdict.claim for verdict in found.check()]
    assert claims[:2] == [f"More neurons of {name} than random directions are explained by one hypothesis." for name in ("gelu", "ln_solu")]
    assert claims[2:4] == ["More neurons of ln_solu than of gelu are explained by one hypothesis.", "ln_solu predicts worse than gelu."]
    again = Result.load(found.save(tmp_path / "kept"))
    assert again.drawing().to_json() == found.drawing().to_json()
    low, high = found.difference("ln_solu", "1 x 16")
    assert -1 <= low <= high <= 1


def test_models_are_kept_to_be_asked_by_any_method(study):
    folder, _ = study
    model = sonde.load(folder / "ln_solu-1-16")
    run = model.run("The keys are here.", read=["blocks.0.mlp.post", "blocks.0.mlp.act.solu:out"])
    assert run["blocks.0.mlp.post"].shape == run["blocks.0.mlp.act.solu:out"].shape
    assert not torch.allclose(run["blocks.0.mlp.post"], run["blocks.0.mlp.act.solu:out"])


def test_an_interrupted_training_goes_on_to_the_same_weights(tmp_path):
    raw = Tokenizer.from_file(str(registry.path("words-small") / "tokenizer.json"))
    whole, losses = train_language_model(Size(1, 8), "solu", raw, TINY, 0)
    from sonde.nn.training import Training

    update = Training.update
    with pytest.MonkeyPatch.context() as patch, pytest.raises(KeyboardInterrupt):

        def stopped(self, loss):
            if self.step == 3:
                raise KeyboardInterrupt
            return update(self, loss)

        patch.setattr(Training, "update", stopped)
        train_language_model(Size(1, 8), "solu", raw, TINY, 0, tmp_path / "kept")
    again, same = train_language_model(Size(1, 8), "solu", raw, TINY, 0, tmp_path / "kept")
    assert torch.equal(losses, same) and all(torch.equal(a, b) for a, b in zip(whole.parameters(), again.parameters(), strict=True))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"sizes": []}, "one of each"),
        ({"activations": ["relu"]}, "gelu, solu, ln_solu"),
        ({"sizes": [Size(1, 6)]}, "four heads"),
        ({"config": LanguageTraining(n_ctx=500)}, "2 to 127"),
    ],
)
def test_mistakes_are_named(arguments, said):
    with pytest.raises(InputError, match=said):
        solu_study(**arguments)
