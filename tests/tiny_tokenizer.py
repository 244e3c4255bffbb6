"""A tokenizer of the words `w0`, `w1`, ..., one for each token of the tiny models."""

from tiny_models import VOCAB
from tokenizers import Tokenizer as Backend
from tokenizers import models, pre_tokenizers


def words():
    backend = Backend(models.WordLevel({f"w{i}": i for i in range(VOCAB)}, unk_token="w0"))
    backend.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return backend


def text(ids):
    """What a model has written where it wrote these."""
    return "".join(f" w{i}" for i in ids)
