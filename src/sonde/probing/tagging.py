"""Labels of words as labels of tokens: the form in which tools that read whole sequences take a property."""

from sonde.access import Model
from sonde.probing.labelled import Labelled
from sonde.probing.placing import ids_of, tokens_of
from sonde.results import InputError


def token_labels(model: Model, data: Labelled) -> list[list[str]]:
    """The class of the word that each token spells, special tokens included; empty where a token spells none of the examples.

    Arguments:
        model: its tokenizer reads the texts.
        data: words with classes.

    Returns:
        For each text one name for each token, in the order of `data.texts`.

    Raises:
        InputError: pairs, whole texts or numbers; a text that the model can't take; two words of different classes that share a token.

    >>> import sonde
    >>> data = Labelled.of(["The keys"], ["DET", "NOUN"], text=[0, 0], spans=[[(0, 3)], [(4, 8)]])
    >>> token_labels(sonde.load("specimen:words-small"), data)
    [['', 'DET', 'NOUN']]
    """
    if not data.classes or len(data.spans[0]) != 1:
        raise InputError(f"{data.name!r} gives no class to single words: tokens can be labelled by words alone")
    texts = [tokens_of(model, one) if isinstance(one, str) else ids_of(model, one) for one in data.texts]
    found = [[""] * len(tokens.ids) for tokens in texts]
    for i, (text, [span], label) in enumerate(zip(data.text.tolist(), data.spans, data.targets.tolist(), strict=True)):
        for token in range(*texts[text].of_span(span)):
            name, held = data.classes[label], found[text][token]
            if held not in ("", name):
                raise InputError(f"{data.types[i]!r} of text {text} shares a token with a word of another class ({held} and {name}): leave one out")
            found[text][token] = name
    return found
