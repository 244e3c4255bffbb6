"""Labels of words are those of their tokens, in the form that the feature database takes."""

import pytest
import torch
from tiny_models import bare
from tiny_tokenizer import words as tokenizer

from sonde import features
from sonde.access import Model
from sonde.bases import Neurons
from sonde.probing import Labelled, token_labels
from sonde.results import InputError


@pytest.fixture(scope="module")
def model():
    return Model(bare("native"), tokenizer=tokenizer())


def test_a_property_of_words_reaches_the_feature_database(model, tmp_path):
    texts = ["w1 w2 w3", "w2 w2 w4 w1"]
    spans = [[(0, 2)], [(3, 5)], [(0, 2)], [(9, 11)]]
    data = Labelled.of(texts, ["odd", "even", "even", "odd"], text=[0, 0, 1, 1], spans=spans)
    labels = token_labels(model, data)
    assert labels == [["odd", "even", ""], ["even", "", "", "odd"]]
    site = "blocks.0.mlp.post"
    width = model.run(texts, read=site)[site].shape[-1]
    database = features.collect(model, site, Neurons(width), texts, tmp_path / "db")
    latent = int(database.sql("SELECT latent FROM latents ORDER BY firings DESC LIMIT 1")["latent"][0])
    found = database.likelihood_ratio(latent, [[label == "odd" for label in row] for row in labels], name="odd")
    assert found["base"] == pytest.approx(2 / 7)


def test_mistakes(model):
    with pytest.raises(InputError, match="gives no class to single words"):
        token_labels(model, Labelled.of(["w1", "w2"], [0, 1]))
    with pytest.raises(InputError, match="gives no class to single words"):
        token_labels(model, Labelled.of(["w1 w2", "w2"], [0.5, 1.5], spans=[[(0, 2)], [(0, 2)]]))
    with pytest.raises(InputError, match="shares a token with a word of another class"):
        token_labels(model, Labelled.of(["w12 w3"], [0, 1], text=[0, 0], spans=[[(0, 2)], [(2, 3)]]))
    long = Labelled.of([torch.arange(3).tolist(), [1] * 99], [0, 1], spans=[[(0, 1)], [(0, 1)]])
    with pytest.raises(InputError, match="sonde never cuts a text"):
        token_labels(model, long)
