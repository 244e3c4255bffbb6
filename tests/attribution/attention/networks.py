"""Classifiers whose weights are written by hand, and the small corpus and network that several tests share."""

import functools

import torch

from sonde.attribution.attention import AttentionClassifier, AttentionConfig, Setting, Texts, marker_texts, train

SMALL = Setting(encoder="cnn", d_embed=16, d_hidden=16, lr=1e-2, epochs=6)
WORDS = tuple(f"w{i}" for i in range(12))


@functools.cache
def corpus():
    return marker_texts(1000, 200)


@functools.cache
def base():
    """A network with attention that solves the marker texts, most of its weight on the word that decides."""
    return train(corpus(), SMALL, seed=0)


def written(votes, scores, scale=1.0):
    """A classifier without context: every word has a vote for the second class, +1 or -1 times scale, and a score for the attention."""
    config = AttentionConfig(("<pad>", "<unknown>", *WORDS[: len(votes)]), ("no", "yes"), "projection", "dot", d_embed=4, d_hidden=4)
    net = AttentionClassifier(config).eval()
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.zero_()
        net.encoder.linear.weight.copy_(torch.eye(4))
        net.embed.weight[2:, 0] = torch.tensor(votes)
        net.embed.weight[2:, 1] = torch.atanh(torch.tensor(scores) / 20)
        net.attention.query.weight[0, 1] = 20 * 4**0.5
        net.head.weight[1, 0] = scale / torch.tanh(torch.tensor(1.0))
    return net


def texts(rows, labels=None):
    return Texts(rows, labels or [0] * len(rows))
