"""One text under several weights: every word coloured by its weight, and what the network then says."""

from collections.abc import Sequence

from jaxtyping import Float
from torch import Tensor

from sonde.attribution.attention.adversarial import AttentionAdversary
from sonde.attribution.attention.classifier import AttentionClassifier
from sonde.attribution.attention.texts import Texts
from sonde.results import Drawing, InputError
from sonde.results.drawing import swap

Alternative = tuple[str, Float[Tensor, " word"], Float[Tensor, " cls"]]


def alternatives(title: str, words: Sequence[str], shown: Sequence[Alternative], classes: Sequence[str], note: str = "") -> Drawing:
    """Draw a text under several weights.

    Arguments:
        title: the question the drawing answers.
        words: of the text.
        shown: name, weights and output of each.
        classes: the names of the classes.
        note: one sentence under the drawing.
    """
    spaced = [word if i == 0 else f" {word}" for i, word in enumerate(words)]
    return swap(title, spaced, [(name, weights, said(output, classes)) for name, weights, output in shown], note=note)


def said(output: Float[Tensor, " cls"], classes: Sequence[str]) -> str:
    """An output in words: the likeliest class and its probability.

    >>> import torch
    >>> said(torch.tensor([0.25, 0.75]), ("no", "yes"))
    'yes 0.750'
    """
    best = int(output.argmax())
    return f"{classes[best]} {output[best]:.3f}"


def viewer(model: AttentionClassifier, texts: Texts, adversary: AttentionAdversary, text: int = 0) -> Drawing:
    """Draw one text under the model's weights, the adversarial ones and equal ones, each with the output.

    Arguments:
        model: the classifier.
        texts: the texts that the adversary was computed on.
        adversary: the weights found for them.
        text: the number of the text.

    Raises:
        CheckRefused: the adversary was computed on another model.
        InputError: there is no such text.
    """
    adversary.refuse_other(model)
    if not 0 <= text < len(texts):
        raise InputError(f"there is no text {text}: give 0 to {len(texts) - 1}")
    words = texts.words[text]
    attended = model.attend(texts.only(text))
    shown = [
        ("model", adversary.weights[text, : len(words)], adversary.output[text]),
        ("adversary", adversary.adversarial[text, : len(words)], adversary.adversarial_output[text]),
        ("equal weights", attended.uniform[0], attended.under(attended.uniform[:, None])[0, 0]),
    ]
    question = "" if texts.questions is None else f" {' '.join(texts.questions[text])}"
    note = f"JSD of the model's weights and the adversary's: {adversary.distance[text]:.3f} of 0.693."
    return alternatives(f"Which words does the network look at?{question}", words, shown, model.config.classes, note=note)
