"""What language models are asked, and how their answers are read; an answer that does not have the form asked for is none.

The texts shown are data of the model that is explained. Whatever they say, an answer can only be a number, a list of numbers or a sentence.
"""

import json
import re
from collections.abc import Collection, Sequence

from sonde.features.descriptions.windows import Example, Window

LONGEST = 300
"""Characters of a description."""
_THOUGHTS = re.compile(r"<think>.*?</think>", re.DOTALL)
_NUMBER = re.compile(r"(?<![-\d.,])(?:10|\d)(?![\d]|[.,]\d)")
INSIDE = "The feature belongs to a language model; it reads text token by token and is active on some tokens."


def marked(window: Window, places: Collection[int]) -> str:
    """A window with marks around some tokens.

    Arguments:
        window: the stretch of text.
        places: the numbers of the tokens.

    >>> marked(Window((" the", " cat")), [1])
    ' the<< cat>>'
    """
    left, right = ("<<", ">>") if "<<" not in window.text and ">>" not in window.text else ("⟦", "⟧")
    return "".join(f"{left}{token}{right}" if i in places else token for i, token in enumerate(window.tokens))


def explain(shown: Sequence[Example], most: float, promoted: Sequence[str]) -> str:
    """Ask for a description.

    Arguments:
        shown: windows in which the latent fires.
        most: its highest activation.
        promoted: tokens that it makes likelier; may be empty.
    """
    examples = []
    for k, example in enumerate(shown):
        firing = [(token, a) for token, a in zip(example.window.tokens, example.activations, strict=True) if a > 0]
        strengths = ", ".join(f"{token!r} {max(1, round(10 * a / most))}" for token, a in firing)
        examples.append(f"{k + 1}. {marked(example.window, [i for i, a in enumerate(example.activations) if a > 0])!r}\n   active on: {strengths}")
    effects = f"\nWhere it is active, it makes these tokens more likely to come next: {', '.join(map(repr, promoted))}.\n" if promoted else ""
    return (
        f"{INSIDE} Below are texts; the tokens on which the feature is active are marked, and listed with a strength from 1 to 10.\n\n"
        + "\n".join(examples)
        + f"\n{effects}\nSay in one sentence of at most 25 words on which tokens the feature is active, so that somebody who has only your sentence "
        "can predict it in new texts. Be specific. Answer in one line that begins with 'Description:'."
    )


def detect(description: str, windows: Sequence[Window]) -> str:
    """Ask whether a feature is active anywhere in a text, or in each of several.

    Arguments:
        description: of the feature.
        windows: the texts.
    """
    return _rated(description, [w.text for w in windows], "How sure are you that the feature is active on at least one token of {it}?")


def fuzz(description: str, windows: Sequence[str]) -> str:
    """Ask whether the marked tokens of a text are those on which a feature is active.

    Arguments:
        description: of the feature.
        windows: the texts, with marks.
    """
    question = "Some tokens are marked. How sure are you that the marked tokens of {it} are those on which the feature is active?"
    return _rated(description, windows, question)


def simulate(description: str, window: Window) -> str:
    """Ask for the activation on every token.

    Arguments:
        description: of the feature.
        window: the text.
    """
    tokens = "\n".join(f"{i + 1}. {token!r}" for i, token in enumerate(window.tokens))
    return (
        f"{INSIDE}\nDescription of the feature: {description}\n\nThe tokens of a text, one a line:\n{tokens}\n\nHow active is the feature on each "
        f"of these {len(window.tokens)} tokens, from 0 (not active; most tokens of most texts) to 10 (as active as it ever is)? "
        f"Answer with a JSON list of {len(window.tokens)} numbers and nothing else."
    )


def odd(description: str, windows: Sequence[Window]) -> str:
    """Ask which of several texts a feature is not active in.

    Arguments:
        description: of the feature.
        windows: the texts.
    """
    return (
        f"{INSIDE}\nDescription of the feature: {description}\n\n{_numbered([w.text for w in windows])}\n\nThe feature is active in all of these "
        f"texts but one. In which is it not active? Answer with its number, from 1 to {len(windows)}, and nothing else."
    )


def shows(description: str, first: str, second: str) -> str:
    """Ask which of two manipulated outputs shows what a description promises.

    Arguments:
        description: of the feature.
        first: what one manipulation did.
        second: what the other did.
    """
    return (
        f"{INSIDE}\nDescription of the feature: {description}\n\nA language model was changed in two ways while it wrote. In one of them this "
        f"feature was made strong.\n\nFirst:\n{first}\n\nSecond:\n{second}\n\nHow sure are you that it was in the first, from 0 (surely the second) "
        "over 5 (can't tell) to 10 (surely the first)? Answer with the number and nothing else."
    )


def description_in(answer: str) -> str | None:
    """The description that an answer gives.

    Arguments:
        answer: what came back.

    >>> description_in("Description: words about water.")
    'words about water.'
    """
    said = _THOUGHTS.sub("", answer).strip()
    found = re.findall(r"description:\s*(.+)", said, re.IGNORECASE)
    text = found[-1].strip() if found else said
    return text if text and "\n" not in text and len(text) <= LONGEST else None


def number_in(answer: str, least: int = 0, most: int = 10) -> int | None:
    """The one whole number that an answer gives.

    Arguments:
        answer: what came back.
        least: the lowest that counts.
        most: the highest.

    >>> number_in("Answer: 7/10"), number_in("between 3 and 7")
    (7, None)
    """
    said = re.sub(r"(?<=\d)\s*(?:/|out of)\s*10\b", "", _THOUGHTS.sub("", answer))
    found = {int(number) for number in _NUMBER.findall(said)}
    return next(iter(found)) if len(found) == 1 and least <= min(found) <= most else None


def numbers_in(answer: str, n: int) -> list[float] | None:
    """The list of numbers from 0 to 10 that an answer gives.

    Arguments:
        answer: what came back.
        n: how many there should be.

    >>> numbers_in("[0, 10, 2.5]", 3), numbers_in("[0, 10]", 3)
    ([0.0, 10.0, 2.5], None)
    """
    lists = re.findall(r"\[[^\[\]]*\]", _THOUGHTS.sub("", answer))
    try:
        values = [float(value) for value in json.loads(lists[-1])] if lists else []
    except (ValueError, TypeError):
        return None
    return values if len(values) == n and all(0 <= value <= 10 for value in values) else None


def _rated(description: str, texts: Sequence[str], question: str) -> str:
    """A question about one text, or about each of several."""
    head = f"{INSIDE}\nDescription of the feature: {description}\n\n"
    scale = "from 0 (surely not) over 5 (can't tell) to 10 (surely)"
    if len(texts) == 1:
        return f"{head}Text: {texts[0]!r}\n\n{question.format(it='this text')} Answer with a number {scale} and nothing else."
    asked = f"Answer with a JSON list of {len(texts)} numbers, each {scale}, and nothing else."
    return f"{head}{_numbered(texts)}\n\n{question.format(it='each text')} {asked}"


def _numbered(texts: Sequence[str]) -> str:
    return "\n".join(f"{i + 1}. {text!r}" for i, text in enumerate(texts))
