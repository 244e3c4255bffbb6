"""How a dictionary is trained: one set of pieces, and the field's architectures as choices of them.

    loss = error(y, y^) + sparsity + auxiliary terms,        error = mean over rows of sum over entries of (y - y^)^2, or that over the variance of y

Every architecture takes every piece as an argument, so that what a paper combines can be written down: `TopK(k=32, auxk=None)`,
`Architecture(activation="topk", k=64, sparsity=L1(1e-3))`.
"""

from dataclasses import dataclass
from typing import Literal

from sonde.dictionaries.activations import ACTIVATIONS, COUNTED, Activation
from sonde.dictionaries.normalising import Kind
from sonde.results import InputError, shown


@dataclass(frozen=True)
class L1:
    """weight x mean over rows of sum_i f_i^p, or of f_i^p times the length of direction i.

    Arguments:
        weight: lambda.
        lengths: whether directions' lengths count (Anthropic, April 2024); of a crosscoder, the sum of its parts' lengths.
        p: below 1, the power is approached from 1 over the second half of the training ("p-annealing"), with the weight rescaled so that the term
            is continuous.
    """

    weight: float
    lengths: bool = True
    p: float = 1.0


@dataclass(frozen=True)
class L0:
    """weight x mean number of active latents, whose slope is a rectangle of some width around each threshold (Rajamanoharan et al. 2024b).

    Arguments:
        weight: lambda.
        bandwidth: of the rectangle.
        target: with a number T the term is weight (L0 / T - 1)^2 instead.
    """

    weight: float
    bandwidth: float = 1e-3
    target: float | None = None


@dataclass(frozen=True)
class Tanh:
    """weight x mean over rows of sum_i tanh(c f_i times the length of direction i) (Anthropic, January 2025).

    Arguments:
        weight: lambda.
        c: how early it saturates.
        bandwidth: of the rectangle through which thresholds learn.
    """

    weight: float
    c: float = 4.0
    bandwidth: float = 1e-3


@dataclass(frozen=True)
class AuxK:
    """weight x the error of rebuilding what is missing from the largest dead latents (Gao et al. 2024).

    Arguments:
        weight: of the term.
        k: how many dead latents a row takes; half the width by default.
    """

    weight: float = 1 / 32
    k: int | None = None


@dataclass(frozen=True)
class MultiTopK:
    """weight x the error with some times as many latents (Gao et al. 2024).

    Arguments:
        weight: of the term.
        times: how many times k.
    """

    weight: float = 1 / 8
    times: int = 4


@dataclass(frozen=True)
class Resample:
    """Latents that explain nothing begin again at badly explained activations (Bricken et al. 2023; of weak ones Aharon et al. 2006).

    Arguments:
        every: tokens between two looks; a twentieth of the training by default.
        until: share of the training after which nobody looks any more.
        scale: length of the new encoder rows, in mean lengths of the others.
        weak: beside dead latents those begin again that since the last look wrote less than this share of what the mean latent did, as the sum of
            squares; a look waits until the mean latent was active 10/weak times. 0: dead ones only.
        at: new directions are `inputs`, or the `errors` that are left of them.
    """

    every: int | None = None
    until: float = 0.5
    scale: float = 0.2
    weak: float = 0.0
    at: Literal["inputs", "errors"] = "inputs"


@dataclass(frozen=True)
class PreActivation:
    """weight x mean over rows of sum over dead i of ReLU(threshold_i - z_i) times the length of direction i (Anthropic, January 2025).

    Arguments:
        weight: of the term.
    """

    weight: float = 3e-6


@dataclass(frozen=True, kw_only=True)
class Architecture:
    """The pieces of a training; a subclass is a choice of defaults.

    Arguments:
        size: how many latents; `expansion` times the width by default.
        expansion: latents for each entry.
        activation: which latents are active.
        k: how many, for those that count.
        batch: whether k counts over the whole batch, k for each row on average (BatchTopK); what is trained is then used with one threshold.
        prefixes: shares of the latents, each of which must explain the activation by itself (Matryoshka).
        error: `fvu` divides the squared error by the variance of the batch, so that weights of terms mean the same at every site.
        sparsity: the penalty, where the activation alone does not make codes sparse.
        auxk: revives dead latents.
        multi: also trains with more latents.
        resample: begins dead latents again.
        pre_activation: pulls dead latents towards their thresholds.
        dead_after: a latent that was silent for so many tokens is dead; the smaller of 10 million and a twentieth of the training by default.
        normalise: how activations are brought to scale, folded into the weights at the end.
        centred: whether the decoder's bias is taken away from what is read.
        unit: whether directions keep the length 1; else they are free.
        length: of the directions at the start.
        threshold: at the start, of `jumprelu`.
        skip: with a linear path beside the latents (skip transcoders).
        lr: the largest learning rate of Adam; 2e-4 / sqrt(size / 2^14) by default (Gao et al. 2024).
        betas: of Adam.
        eps: of Adam.
        warmup: share of the training over which the learning rate rises.
        decay: share of the training, at its end, over which it falls to 0.
        sparsity_warmup: share of the training over which the penalty's weight rises.
        search: precision of the product in which the k largest of a row are looked for; what they are worth is float32 in any case.
        clip: gradients longer than this are shortened to it; `None` leaves them.

    Raises:
        InputError: pieces that do not go together.
    """

    size: int | None = None
    expansion: int = 16
    activation: Activation = "relu"
    k: int | None = None
    batch: bool = False
    prefixes: tuple[float, ...] = ()
    error: Literal["mse", "fvu"] = "fvu"
    sparsity: L1 | L0 | Tanh | None = None
    auxk: AuxK | None = None
    multi: MultiTopK | None = None
    resample: Resample | None = None
    pre_activation: PreActivation | None = None
    dead_after: int | None = None
    normalise: Kind = "none"
    centred: bool = False
    unit: bool = False
    length: float = 1.0
    threshold: float = 1e-3
    skip: bool = False
    lr: float | None = None
    betas: tuple[float, float] = (0.9, 0.999)
    eps: float = 1e-8
    warmup: float = 0.05
    decay: float = 0.2
    sparsity_warmup: float = 0.05
    search: Literal["float32", "bfloat16"] = "float32"
    clip: float | None = None

    def __post_init__(self) -> None:
        if self.activation not in ACTIVATIONS:
            raise InputError(f"activation={shown(self.activation)}: choose from {', '.join(ACTIVATIONS)}")
        counted = self.activation in COUNTED
        if counted != (self.k is not None):
            raise InputError(f"activation={self.activation!r} with k={self.k}: k belongs to {', '.join(COUNTED)}, which need it")
        if (self.batch or self.multi is not None) and self.activation != "topk":
            raise InputError(f"activation={self.activation!r}: counting over the batch and MultiTopK are ways of topk")
        if self.search not in ("float32", "bfloat16") or (self.search == "bfloat16" and (not counted or self.batch)):
            raise InputError(f"search={shown(self.search)}: choose float32, or, where k counts in each row, bfloat16")
        if not counted and self.sparsity is None:
            raise InputError(f"activation={self.activation!r} is not sparse by itself: give sparsity=L1(...), L0(...) or Tanh(...)")
        if isinstance(self.sparsity, L0) and self.activation != "jumprelu":
            raise InputError(f"activation={self.activation!r} has no threshold that L0 could move: use L1, or jumprelu")
        if self.pre_activation is not None and self.activation != "jumprelu":
            raise InputError(f"activation={self.activation!r} has no threshold to pull to: use auxk or resample")
        if self.prefixes and (list(self.prefixes) != sorted(set(self.prefixes)) or self.prefixes[0] <= 0 or self.prefixes[-1] != 1):
            raise InputError(f"prefixes={self.prefixes}: give rising shares that end in 1, such as (1/16, 1/8, 1/4, 1/2, 1)")

    def latents(self, width: int) -> int:
        """How many latents a dictionary of this width has.

        Arguments:
            width: entries of an activation.

        Raises:
            InputError: fewer latents than are to be active.
        """
        size = self.size or self.expansion * width
        if self.k is not None and self.k > size:
            raise InputError(f"k={self.k} of {size} latents: give a smaller k or a larger size")
        return size


@dataclass(frozen=True, kw_only=True)
class ReLU(Architecture):
    """ReLU with an L1 penalty times directions' lengths, free lengths, activations of mean length sqrt(width) (Anthropic, April 2024)."""

    sparsity: L1 | L0 | Tanh | None = L1(5.0)
    error: Literal["mse", "fvu"] = "mse"
    normalise: Kind = "sqrt_width"
    length: float = 0.1
    clip: float | None = 1.0


@dataclass(frozen=True, kw_only=True)
class Monosemantic(Architecture):
    """ReLU with an L1 penalty, unit directions, the decoder's bias taken away first, dead latents resampled (Bricken et al. 2023)."""

    sparsity: L1 | L0 | Tanh | None = L1(1.0, lengths=False)
    error: Literal["mse", "fvu"] = "mse"
    normalise: Kind = "sqrt_width"
    centred: bool = True
    unit: bool = True
    resample: Resample | None = Resample()


@dataclass(frozen=True, kw_only=True)
class Gated(Architecture):
    """A gate decides which latents are active and a second reading how much; only the gate is penalised (Rajamanoharan et al. 2024)."""

    activation: Activation = "gated"
    sparsity: L1 | L0 | Tanh | None = L1(5.0, lengths=False)
    error: Literal["mse", "fvu"] = "mse"
    normalise: Kind = "sqrt_width"
    centred: bool = True
    unit: bool = True
    betas: tuple[float, float] = (0.0, 0.999)


@dataclass(frozen=True, kw_only=True)
class JumpReLU(Architecture):
    """A learned threshold for each latent and an L0 penalty (Rajamanoharan et al. 2024b); with `Tanh` Anthropic's, with `L0(target=)` a stated L0."""

    activation: Activation = "jumprelu"
    sparsity: L1 | L0 | Tanh | None = L0(1e-2, bandwidth=0.05)
    threshold: float = 0.01
    error: Literal["mse", "fvu"] = "mse"
    normalise: Kind = "unit_variance"
    unit: bool = True
    betas: tuple[float, float] = (0.0, 0.999)


@dataclass(frozen=True, kw_only=True)
class TopK(Architecture):
    """The k largest of each row, dead latents revived by AuxK (Gao et al. 2024), weak ones begun again at errors (Aharon et al. 2006)."""

    activation: Activation = "topk"
    k: int | None = 32
    auxk: AuxK | None = AuxK()
    resample: Resample | None = Resample(until=0.75, scale=1.0, weak=0.1, at="errors")
    normalise: Kind = "unit_variance"
    centred: bool = True
    unit: bool = True


@dataclass(frozen=True, kw_only=True)
class BatchTopK(TopK):
    """The k largest for each row on average, over the whole batch; afterwards one threshold (Bussmann et al. 2024)."""

    batch: bool = True


@dataclass(frozen=True, kw_only=True)
class Matryoshka(BatchTopK):
    """BatchTopK whose first latents must explain the activation by themselves, at several sizes (Bussmann et al. 2025)."""

    resample: Resample | None = None  # an error of the whole says little about the place of a latent in the nested prefixes
    prefixes: tuple[float, ...] = (1 / 16, 1 / 8, 1 / 4, 1 / 2, 1.0)
