"""What is known about the features of a dictionary, as plain data: `json.dumps` writes it as it is, and pages and commands show it.

A database gives an `About` of itself, a row of statistics for each latent (its table) and a `Record` for one latent. Numbers that are not known
are None, never 0; texts of tokens are the tokenizer's own, with their spaces. What is computed only for the latent that someone looks at, because
it takes the model, is apart: `Effects`. Activations are as the basis gives them, effects on the loss are in nats.
"""

from typing import TypedDict


class About(TypedDict):
    """What was collected, from what."""

    model: str
    model_hash: str
    site: str
    basis: str  # in words: "Dictionary(1024 latents of 128 entries, topk 16)"
    basis_hash: str
    size: int  # how many latents
    corpus: str  # in words
    sequences: int
    tokens: int  # how many places were counted
    left_out: str  # which were not, in words: "the first token of each sequence, padding"; empty if all were


class Histogram(TypedDict):
    """Counts in evenly spaced bins."""

    low: float
    high: float
    counts: list[int]


class Weight(TypedDict):
    """A token and a number about it."""

    token: str
    value: float


class Logits(TypedDict):
    """What a latent's direction adds to the logits of all tokens, through the last norm's weights; centred over the vocabulary."""

    top: list[Weight]  # largest first
    bottom: list[Weight]  # smallest first
    histogram: Histogram  # of all tokens


class Example(TypedDict):
    """A place where a latent is active, in its context."""

    sequence: int
    position: int  # of the token in bold, in its sequence
    start: int  # position of the first token of the context
    tokens: list[str]
    values: list[float]  # of every token of the context; 0 where the latent is silent
    again: bool  # whether the same place was shown before: among the strongest, or in a higher interval


class Interval(TypedDict):
    """One of ten evenly spaced intervals between 0 and a latent's largest activation."""

    low: float
    high: float
    share: float  # of the latent's firings
    highest: float | None  # its largest activation; None where it is empty
    examples: list[Example]  # drawn at random


class Description(TypedDict):
    """What a latent stands for, in somebody's words."""

    text: str
    author: str  # "human", or the method and the model that it used
    scores: dict[str, float | None]  # by scorer: "detection", "simulation", ...
    controls: dict[str, float | None]  # by scorer: the score of a shuffled description
    note: str  # how the scores were made; empty for a person's words


class Neighbour(TypedDict):
    """Another latent, here or in a parallel database."""

    latent: int
    label: str  # its best description; else the tokens on which it is most active
    cosine: float | None  # of the two directions
    correlation: float | None  # Pearson's, of the activations


class Neuron(TypedDict):
    """A neuron beside a latent."""

    neuron: int
    value: float  # the weight of the latent's direction; or Pearson's correlation
    other: float  # the weight's share of the direction's L1 norm; or the activations' cosine


class Profile(TypedDict):
    """How often a latent is active, by position in the sequence."""

    edges: list[int]  # the first position of each bin, and one past the last
    density: list[float | None]


class Head(TypedDict):
    """How much of a latent's direction lies in one head, for dictionaries of attention outputs."""

    head: str
    share: float  # of the sum of the norms


class Ratio(TypedDict):
    """How much likelier a property is where the activation lies in an interval: P(property | activation) / P(property)."""

    low: float
    high: float
    ratio: float | None
    interval: tuple[float, float] | None
    n: int  # places in the interval


class Property(TypedDict):
    """The likelihood ratios of a stated property."""

    name: str
    base: float  # P(property) over all places
    ratios: list[Ratio]


class Record(TypedDict):
    """All that a page shows about one latent."""

    latent: int
    label: str  # the best description; else the tokens on which it is most active
    statistics: dict[str, float | None]  # the latent's row of the table: "density", "firings", "mean", "maximum", ...
    descriptions: list[Description]  # people's first
    histogram: Histogram  # of the activations that are not 0
    logits: Logits | None  # None where the site's width is not the unembedding's
    strongest: list[Example]
    intervals: list[Interval]  # highest first
    alignment: list[Neuron]  # the largest weights of the direction
    neurons: list[Neuron]  # the most correlated of the site or of the MLP that `neurons_at` names
    neurons_at: str
    nearest: list[Neighbour]  # by cosine of directions
    correlated: list[Neighbour]  # by correlation of activations
    parallel: dict[str, list[Neighbour]]  # in other databases, by name
    positions: Profile
    heads: list[Head]
    properties: list[Property]


class Move(TypedDict):
    """Which tokens a latent makes likelier and less likely after one token: logits with it minus logits without it."""

    place: int  # in the context
    up: list[Weight]
    down: list[Weight]


class Effect(TypedDict):
    """What a latent does in one example: the model as it is, minus the model without the latent."""

    loss: list[float | None]  # of predicting each token of the context from those before it, without the latent minus with it; None for the first
    moved: list[Move]  # of the tokens on which it is active


class Effects(TypedDict):
    """The effects in a record's examples, in their order: the strongest, then interval after interval."""

    latent: int
    examples: list[Effect]


class Firing(TypedDict):
    """A latent on a prompt."""

    latent: int
    label: str
    values: list[float]  # on each token
    effects: list[float] | None  # on each token: the loss there, without the latent minus with it; None where it was not asked for


class Active(TypedDict):
    """Which latents are active on a prompt."""

    text: str
    tokens: list[str]
    firings: list[Firing]  # strongest first
