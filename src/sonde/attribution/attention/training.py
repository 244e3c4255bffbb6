"""Training of attention classifiers: for themselves, under weights that others gave, or against another network's attention."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import cross_entropy

from sonde.attribution.attention.classifier import AttentionClassifier, AttentionConfig, Encoder, Weighing
from sonde.attribution.attention.distances import kl, tvd
from sonde.attribution.attention.texts import Corpus, Rows
from sonde.jobs import track
from sonde.nn.training import Training, TrainingConfig
from sonde.results import InputError


@dataclass(frozen=True)
class Setting:
    """Everything but the seed that decides what comes out of a training."""

    encoder: Encoder = "bilstm"
    """What makes states of words."""
    attention: Weighing = "additive"
    """What gives the weights."""
    d_embed: int = 64
    """Width of the embeddings."""
    d_hidden: int = 64
    """Width of the states."""
    epochs: int = 8
    """How often every text is seen."""
    batch_size: int = 32
    """Texts in an update."""
    lr: float = 2e-3
    """Highest learning rate."""
    least: int = 2
    """Words that occur less often in training become the unknown word."""


def train(
    corpus: Corpus, setting: Setting | None = None, seed: int = 0, weights: Float[Tensor, "row pos"] | None = None, progress: bool = False
) -> AttentionClassifier:
    """Train a classifier on a corpus.

    Arguments:
        corpus: the texts.
        setting: shape and training.
        seed: of the first weights and of the order of the texts; the same seed gives the same network on one machine.
        weights: imposed on the words of the texts for training, instead of weights of the network's own.
        progress: show a bar.

    Raises:
        InputError: weights of another shape than the texts.

    >>> from sonde.attribution.attention import keyword_texts
    >>> net = train(keyword_texts(64, 16), Setting(encoder="projection", epochs=1))
    >>> net.config.classes
    ('absent', 'present')
    """

    def loss(model: AttentionClassifier, rows: Rows, chosen: Int[Tensor, " chosen"]) -> Tensor:
        imposed = None if weights is None else weights[chosen, : rows.ids.shape[1]]
        return cross_entropy(model(rows.ids, rows.questions, imposed), rows.labels)

    expected = (len(corpus.train), max(map(len, corpus.train.words)))
    if weights is not None and weights.shape != expected:
        raise InputError(f"weights of shape {tuple(weights.shape)} for {expected[0]} texts of up to {expected[1]} words: give one per word")
    return _fitted(corpus, setting or Setting(), seed, loss, progress)


def train_adversary(
    base: AttentionClassifier, corpus: Corpus, strength: float, setting: Setting | None = None, seed: int = 0, progress: bool = False
) -> AttentionClassifier:
    """Train another network to give a network's outputs while looking elsewhere (Wiegreffe and Pinter 2019, section 4).

    The loss is the mean over texts of TVD(y_a, y_b) - strength KL(alpha_a || alpha_b), with a the new network and b the base; labels are not used.

    Arguments:
        base: the network whose outputs are to be kept.
        corpus: the texts that the base was trained on.
        strength: how much other weights count against other outputs: lambda.
        setting: shape and training, as the base's.
        seed: of the first weights and of the order of the texts.
        progress: show a bar.

    Raises:
        InputError: a strength below 0, or a base of other words.
    """
    if not strength >= 0:
        raise InputError(f"strength={strength}: give 0 or more")
    setting = setting or Setting()
    if base.config.vocabulary != corpus.vocabulary(setting.least):
        raise InputError(f"the base knows other words than {corpus.name} has: train it on this corpus, with the same `least`")
    target = base.attend(corpus.train)
    outputs = target.probabilities

    def loss(model: AttentionClassifier, rows: Rows, chosen: Int[Tensor, " chosen"]) -> Tensor:
        states = model.states(rows.ids)
        weights = model.weigh(states, rows.ids, rows.questions)
        output = model.head((weights[:, None] @ states)[:, 0]).softmax(-1)
        away = kl(weights, target.weights[chosen, : rows.ids.shape[1]])
        return (tvd(output, outputs[chosen]) - strength * away).mean()

    return _fitted(corpus, setting, seed, loss, progress)


def f1(predicted: Int[Tensor, " row"], labels: Int[Tensor, " row"], n_classes: int) -> float:
    """F1 of the second class of two; of more classes the mean over them. A class that is neither predicted nor there counts as 0.

    Arguments:
        predicted: the likeliest classes.
        labels: the right ones.
        n_classes: how many there are.

    >>> f1(torch.tensor([1, 1, 0, 0]), torch.tensor([1, 0, 0, 0]), 2)
    0.6666...
    """
    scores = []
    for cls in [1] if n_classes == 2 else range(n_classes):
        found, there = predicted == cls, labels == cls
        scores.append(2 * float((found & there).sum()) / max(1, int(found.sum() + there.sum())))
    return sum(scores) / len(scores)


def _fitted(
    corpus: Corpus, setting: Setting, seed: int, loss: Callable[[AttentionClassifier, Rows, Tensor], Tensor], progress: bool
) -> AttentionClassifier:
    """A network trained by a loss of the network, a batch and the numbers of its texts."""
    shape = AttentionConfig(
        corpus.vocabulary(setting.least), corpus.classes, setting.encoder, setting.attention,
        corpus.train.questions is not None, setting.d_embed, setting.d_hidden,
    )  # fmt: skip
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = AttentionClassifier(shape)
    rows = model.rows(corpus.train)
    generator = torch.Generator().manual_seed(seed)
    batches = [part for _ in range(setting.epochs) for part in torch.randperm(len(rows), generator=generator).split(setting.batch_size)]
    training = Training(model, TrainingConfig(len(batches), lr=setting.lr, weight_decay=1e-5, warmup_steps=min(20, len(batches))))
    for chosen in track(batches, f"training on {corpus.name}", shown=progress):
        training.update(loss(model, rows.take(chosen), chosen))
    return model.eval()
