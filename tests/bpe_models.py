"""A random GPT-2 whose byte-pair tokenizer was trained on the texts at hand, so that most of their words are single tokens."""

import torch
from tokenizers import Regex, decoders, models, pre_tokenizers, trainers
from tokenizers import Tokenizer as Backend

import sonde


def gpt2(texts, vocabulary=2000):
    """A handle on it.

    The tokenizer cuts texts as GPT-2's does (a word with the space before it), but numbers into pairs of digits.
    """
    from transformers import GPT2Config, GPT2LMHeadModel

    backend = Backend(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Split(Regex(r" ?\d\d"), "isolated"), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    backend.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=vocabulary, initial_alphabet=alphabet, special_tokens=["<|endoftext|>"], show_progress=False)
    backend.train_from_iterator(texts, trainer)
    torch.manual_seed(0)
    config = GPT2Config(n_embd=16, n_layer=2, n_head=2, vocab_size=backend.get_vocab_size(), n_positions=256, bos_token_id=0, eos_token_id=0)
    return sonde.load(GPT2LMHeadModel(config).eval(), backend)
