"""A dictionary in training: its weights, its optimiser, and what it has seen; batches come from outside."""

import math
from collections import deque
from dataclasses import dataclass, field, replace
from statistics import median
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from sonde.dictionaries.architectures import L1, Architecture
from sonde.dictionaries.dictionary import Dictionary, Gate, Part
from sonde.dictionaries.normalising import Normaliser
from sonde.dictionaries.step import Error, Gradients, Moment, Step
from sonde.dictionaries.training.resampling import due, restart, unused
from sonde.dictionaries.training.starting import begin
from sonde.results import InputError, SondeError
from sonde.results.codec import Packed, pack, unpack

LONGEST_SILENCE = 10_000_000
SPIKE = 50.0  # times the median loss of the last REMEMBERED steps
REMEMBERED = 50
THRESHOLD_RATE = 0.01


class Diverged(SondeError):
    """A training whose loss is no number any more, or shot up."""


@dataclass(frozen=True)
class Job:
    """One dictionary to be trained.

    Arguments:
        architecture: what and how.
        reads: the sites that it reads, of those that the source gives; all by default.
        writes: the sites that it should write; what it reads by default. Others make it a transcoder.
        seed: of its directions.
        name: in tables and folders; made of the rest by default.
    """

    architecture: Architecture
    reads: tuple[str, ...] = ()
    writes: tuple[str, ...] = ()
    seed: int = 0
    name: str = ""

    def __str__(self) -> str:
        a = self.architecture
        k = f"-k{a.k}" if a.k is not None else f"-{a.sparsity.weight:g}" if a.sparsity is not None else ""
        size = f"-{a.size}" if a.size else f"-x{a.expansion}"
        return self.name or f"{type(a).__name__}{k}{size}-seed{self.seed}"


@dataclass
class Learner:
    """A dictionary in training.

    Arguments:
        architecture: what is trained.
        total: how many activations the training has, which its schedules go by.
        reads: what is read, side by side.
        writes: what should be written.
        seed: of the directions.
    """

    architecture: Architecture
    total: int
    reads: tuple[Part, ...]
    writes: tuple[Part, ...]
    seed: int = 0
    weights: dict[str, Tensor] = field(default_factory=dict, init=False, repr=False)
    seen: int = field(default=0, init=False)
    normaliser: Normaliser | None = field(default=None, init=False, repr=False)
    target: Normaliser | None = field(default=None, init=False, repr=False)
    silent: Tensor | None = field(default=None, init=False, repr=False)
    threshold: float | None = field(default=None, init=False, repr=False)
    squares: Tensor | None = field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        if self.total < 1:
            raise InputError(f"{self.total} activations: a training needs some")
        self._step = Step(self.architecture, tuple(part.width for part in self.writes))
        self._losses: deque[float] = deque(maxlen=REMEMBERED)
        self._looked = 0
        self._power, self._rescaled = 1.0, 1.0
        self._adam: torch.optim.Adam | None = None

    @property
    def same(self) -> bool:
        """Whether it writes what it reads."""
        return self.reads == self.writes

    def begin(self, x: Float[Tensor, "rows width"], y: Float[Tensor, "rows out"]) -> None:
        """Choose normalisers and weights by some first activations.

        Arguments:
            x: what is read.
            y: what should be written.
        """
        a = self.architecture
        widths = [tuple(part.width for part in parts) for parts in (self.reads, self.writes)]
        if a.normalise != "none":
            self.normaliser = Normaliser.fit(x, a.normalise, widths[0])
            self.target = self.normaliser if self.same else Normaliser.fit(y, a.normalise, widths[1])
        read, written = self._normalised(x, y)
        self.weights = begin(a, read, written, self.same, self.seed)
        size = len(self.weights["encoder"])
        self.silent, self.squares = torch.zeros(size, dtype=torch.long, device=x.device), torch.zeros(size, dtype=torch.double, device=x.device)
        self._optimise()

    def update(self, x: Float[Tensor, "rows width"], y: Float[Tensor, "rows out"], error: Error | None = None) -> Gradients:
        """Learn from a batch.

        Arguments:
            x: what is read.
            y: what should be written.
            error: of what was written, in normalised units; the architecture's by default.

        Returns:
            The losses before the update.

        Raises:
            Diverged: the loss is no number, or many times what it was; the weights stay as they were.
        """
        if self._adam is None or self.silent is None or self.squares is None:
            self.begin(x, y)
        assert self._adam is not None and self.silent is not None and self.squares is not None
        a = self.architecture
        read, written = self._normalised(x, y)
        found = self._step(self.weights, read, written, self._moment(), error)
        self._refuse_divergence(found, x)
        if a.clip is not None:
            length = math.sqrt(sum(float(gradient.pow(2).sum()) for gradient in found.by.values()))
            if length > a.clip:
                for gradient in found.by.values():
                    gradient *= a.clip / length
        for name, weight in self.weights.items():
            weight.grad = found.by[name]
        self._adam.param_groups[0]["lr"] = self.rate
        self._adam.step()
        for weight in self.weights.values():
            weight.grad = None
        if a.unit:
            decoder = self.weights["decoder"]
            decoder /= decoder.norm(dim=1, keepdim=True)
        if "threshold" in self.weights:
            self.weights["threshold"].clamp_(min=0)
        if found.kept_from is not None:
            self.threshold = found.kept_from if self.threshold is None else self.threshold + THRESHOLD_RATE * (found.kept_from - self.threshold)
        assert found.fired is not None
        self.silent += len(x)
        self.silent[found.fired] = 0
        if found.squares is not None:
            self.squares += found.squares
        self._power, self._rescaled = self._moment().p, self._rescaled * found.rescaled
        self.seen += len(x)
        self._resample(read, written, found)
        return found

    @property
    def rate(self) -> float:
        """The learning rate now."""
        a, share = self.architecture, self.seen / self.total
        top = a.lr if a.lr is not None else 2e-4 / math.sqrt(a.latents(sum(part.width for part in self.reads)) / 2**14)
        rising = min(1.0, (share + 1e-3) / a.warmup) if a.warmup else 1.0
        falling = min(1.0, (1 - share) / a.decay) if a.decay else 1.0
        return top * min(rising, max(falling, 0.0))

    @property
    def dead_after(self) -> int:
        """How many tokens a latent may be silent before it counts as dead."""
        given = self.architecture.dead_after
        return given if given is not None else min(LONGEST_SILENCE, max(1, self.total // 20))

    @property
    def dead(self) -> Tensor:
        """The numbers of the latents that are dead now."""
        if self.silent is None:
            return torch.zeros(0, dtype=torch.long)
        return (self.silent > self.dead_after).nonzero()[:, 0]

    def dictionary(self, metadata: dict[str, Any] | None = None) -> Dictionary:
        """What was learned so far, on its own memory; a k over the batch has become one threshold.

        Arguments:
            metadata: plain data about where it is from.

        Raises:
            InputError: nothing was learned yet.
        """
        if not self.weights:
            raise InputError("nothing was learned yet: give it a batch first")
        a, w = self.architecture, {name: weight.detach().clone() for name, weight in self.weights.items()}
        threshold = w.get("threshold")
        if a.batch:
            threshold = torch.full_like(w["encoder_bias"], max(self.threshold or 0.0, 0.0))
        return Dictionary(
            w["encoder"], w["encoder_bias"], w["decoder"], w["decoder_bias"], "jumprelu" if a.batch else a.activation, None if a.batch else a.k,
            threshold, Gate(w["gate_bias"], w["log_scale"]) if "gate_bias" in w else None, w.get("skip"), a.centred, self.normaliser, self.target,
            self.reads, self.writes, metadata or {},
        )  # fmt: skip

    def state(self) -> Packed:
        """All that going on needs: plain data and tensors.

        Raises:
            InputError: nothing was learned yet.
        """
        if self._adam is None:
            raise InputError("nothing was learned yet: there is no state to keep")
        moments = {name: self._adam.state[weight] for name, weight in self.weights.items()}
        return pack(
            {
                "architecture": self.architecture, "reads": self.reads, "writes": self.writes, "seed": self.seed, "total": self.total,
                "seen": self.seen, "weights": self.weights, "moments": moments, "normaliser": self.normaliser, "target": self.target,
                "silent": self.silent, "squares": self.squares, "threshold": self.threshold, "losses": list(self._losses),
                "looked": self._looked, "power": self._power, "rescaled": self._rescaled,
            }
        )  # fmt: skip

    def resume(self, state: Packed) -> None:
        """Go on from a state of the same job.

        Arguments:
            state: what `state` gave.

        Raises:
            InputError: of another job.
        """
        # in memory of its own: matrix products round differently where numbers lie at odd addresses, as they do in a file that was mapped
        kept = unpack(Packed(state.plain, {name: tensor.clone() for name, tensor in state.tensors.items()}))
        for name in ("architecture", "reads", "writes", "seed", "total"):
            if kept[name] != getattr(self, name):
                raise InputError(f"the checkpoint was made with {name}={kept[name]!r}, not {getattr(self, name)!r}: use another folder")
        for name in ("seen", "weights", "normaliser", "target", "silent", "squares", "threshold"):
            setattr(self, name, kept[name])
        self._losses.extend(kept["losses"])
        self._looked, self._power, self._rescaled = kept["looked"], kept["power"], kept["rescaled"]
        self._optimise()
        assert self._adam is not None
        for name, moments in kept["moments"].items():
            self._adam.state[self.weights[name]] = dict(moments)

    def _optimise(self) -> None:
        a = self.architecture
        self._adam = torch.optim.Adam(list(self.weights.values()), lr=self.rate, betas=a.betas, eps=a.eps, fused=True)

    def _normalised(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        read = x.float() if self.normaliser is None else self.normaliser(x.float())
        if self.same:
            return read, read
        return read, y.float() if self.target is None else self.target(y.float())

    def _moment(self) -> Moment:
        a, share = self.architecture, self.seen / self.total
        dead = self.dead if (a.auxk is not None or a.pre_activation is not None) else None
        weight = min(1.0, (share + 1e-3) / a.sparsity_warmup) if a.sparsity_warmup else 1.0
        p = 1.0
        if isinstance(a.sparsity, L1) and a.sparsity.p < 1:
            p = 1 - (1 - a.sparsity.p) * max(0.0, 2 * share - 1)
        return Moment(dead if dead is not None and len(dead) else None, weight * self._rescaled, p, self._power)

    def _refuse_divergence(self, found: Gradients, x: Tensor) -> None:
        """Stop before a bad update rather than after it."""
        loss = float(sum(found.losses.values()))
        usual = median(self._losses) if len(self._losses) == REMEMBERED else math.inf
        if not math.isfinite(loss) or loss > SPIKE * usual:
            largest, typical = float(x.norm(dim=1).max()), float(x.norm(dim=1).median())
            terms = ", ".join(f"{name} {float(value):.4g}" for name, value in found.losses.items())
            raise Diverged(
                f"the loss is {loss:.4g} after {self.seen:,} activations, {usual:.4g} before ({terms}); the longest activation of this batch is "
                f"{largest:.4g}, the median {typical:.4g}, the learning rate {self.rate:.3g}: lower the rate, clip, or leave out attention sinks"
            )
        self._losses.append(loss)

    def _resample(self, read: Tensor, written: Tensor, found: Gradients) -> None:
        """Now and then, what explains nothing begins again."""
        policy = self.architecture.resample
        assert self._adam is not None and self.silent is not None and self.squares is not None and found.rebuilt is not None
        decoder = self.weights["decoder"]
        if policy is None or not due(policy, self._looked, self.seen, self.total, found.active / len(decoder)):
            return
        squares = (self.squares * decoder.square().sum(1)).index_fill_(0, self.dead, -1.0)
        which, worth = unused(policy, squares), squares / (self.seen - self._looked)
        self._looked = self.seen
        self.squares.zero_()
        center = self.weights["decoder_bias"]
        restarted = restart(
            policy, which, worth[which], self.weights, {name: self._adam.state[weight] for name, weight in self.weights.items()},
            read - center if self.architecture.centred else read, written - center, written - found.rebuilt, self.same,
            self.seed * 1_000_003 + self.seen,
        )  # fmt: skip
        self.silent[restarted] = 0


def learner(job: Job, parts: tuple[Part, ...], total: int) -> Learner:
    """The learner of a job.

    Arguments:
        job: what is trained.
        parts: what the source gives.
        total: how many activations the training has.

    Raises:
        InputError: a site that the source does not give.
    """
    known = {part.site: part for part in parts}
    missing = [site for site in (*job.reads, *job.writes) if site not in known]
    if missing:
        raise InputError(f"{job}: the source has no site {missing[0]!r}; it gives {', '.join(known)}")
    reads = tuple(known[site] for site in job.reads) or parts
    writes = tuple(known[site] for site in job.writes) or reads
    return Learner(replace(job.architecture), total, reads, writes, job.seed)
