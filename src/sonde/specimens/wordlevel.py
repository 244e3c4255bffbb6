"""A tokenizer of whole words, separated by spaces."""

from collections.abc import Sequence

from tokenizers import Tokenizer, models, pre_tokenizers


def word_tokenizer(words: Sequence[str], special: Sequence[str] = (), unknown: str | None = None) -> Tokenizer:
    """A tokenizer of whole words.

    Arguments:
        words: the vocabulary; a word's place is its id.
        special: those of the words that are no text, such as a beginning of the sequence.
        unknown: that of the words which stands for any other; with None a text that holds another is refused.

    >>> word_tokenizer(["red", "square"]).encode("square red square").ids
    [1, 0, 1]
    """
    tokenizer = Tokenizer(models.WordLevel({word: i for i, word in enumerate(words)}, unk_token=unknown))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.add_special_tokens(list(special))
    return tokenizer
