"""The loss of a batch and its gradient, in closed form: one dense product, and everything after the selection sparse.

With g = d loss / d y^ and E the active entries,

    d loss / d f_e  = <g_row(e), d_latent(e)> + the penalty's slope          d loss / d z_e = (d f_e / d z_e) d loss / d f_e
    d loss / d d_i  = sum over the entries of i of f_e g_row(e)              d loss / d e_i = sum over the entries of i of (d loss / d z_e) x_row(e)

so each term of the loss is a *branch*: entries with values, a gradient of what they rebuild, and whether directions learn from it. The oracle of the
tests, `sonde.dictionaries.reference`, has the same losses written densely and differentiated by torch.

Shape legend: N rows, D entries read, O entries written, F latents, E (row, latent) entries.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from jaxtyping import Float
from torch import Tensor

from sonde.dictionaries.active import Active, Encoder
from sonde.dictionaries.architectures import L0, L1, Architecture, Tanh
from sonde.dictionaries.penalties import counted, lengths_of, penalty, stretched
from sonde.dictionaries.sparse import Entries

DENSE_ABOVE = 0.08
"""Share of active latents from which dense products are faster, as measured on processors."""

Error = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]
"""From what was written and what should be, the error and its gradient by what was written."""


@dataclass
class Moment:
    """What changes in the course of a training.

    Arguments:
        dead: the latents that are dead now, by number; `None` where nobody asks.
        weight: what the sparsity's weight is multiplied by.
        p: the power of an L1 penalty.
        before: the power of the step before: the weight is scaled so that the penalty does not jump when the power changes.
    """

    dead: Tensor | None = None
    weight: float = 1.0
    p: float = 1.0
    before: float = 1.0


@dataclass
class Gradients:
    """The loss of a batch, term by term, and its gradient.

    Arguments:
        losses: by name.
        by: the gradient, by the name of the weight.
        fired: which latents were active.
        squares: of each latent's values, summed; `None` where nobody asks.
        active: the mean number of active latents.
        unexplained: the share of the batch's variance that is not explained (FVU of the batch).
        kept_from: the smallest value that was kept, where k counts over the batch.
        rebuilt: what was written.
        rescaled: what the penalty's weight was multiplied by because its power changed.
    """

    losses: dict[str, Tensor] = field(default_factory=dict)
    by: dict[str, Tensor] = field(default_factory=dict)
    fired: Tensor | None = None
    squares: Tensor | None = None
    active: float = 0.0
    unexplained: Tensor | None = None
    kept_from: float | None = None
    rebuilt: Tensor | None = None
    rescaled: float = 1.0

    def add(self, name: str, gradient: Tensor) -> None:
        """Add to a gradient, in place where there is one."""
        self.by[name] = self.by[name].add_(gradient) if name in self.by else gradient


def squared(scale: float | Tensor) -> Error:
    """The squared error of a row, on average, times a factor.

    Arguments:
        scale: the factor.
    """

    def error(rebuilt: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        away = rebuilt - y
        value = torch.linalg.vector_norm(away).square() * (scale / len(y))
        return value, away.mul_(2 * scale / len(y))

    return error


def _variance(y: Tensor) -> Tensor:
    """The summed variance of the entries: the mean square less the square of the mean, unless that would lose digits."""
    square, mean = torch.linalg.vector_norm(y).square() / len(y), y.mean(0).square().sum()
    return square - mean if mean < 100 * (square - mean) else (y - y.mean(0)).square_().sum() / len(y)


class Step:
    """Computes gradients batch after batch; owns what is reused between them.

    Arguments:
        architecture: what is trained.
        parts: widths of what is written, side by side.
    """

    def __init__(self, architecture: Architecture, parts: tuple[int, ...]) -> None:
        self.architecture, self.parts = architecture, parts
        self._encoder = Encoder()

    def __call__(
        self, weights: dict[str, Tensor], x: Float[Tensor, "rows width"], y: Float[Tensor, "rows out"], moment: Moment, error: Error | None = None,
    ) -> Gradients:  # fmt: skip
        """The losses and gradients of one batch.

        Arguments:
            weights: of the dictionary, by name.
            x: what is read, normalised.
            y: what should be written, normalised.
            moment: of the training.
            error: of what was written; the squared error by default.
        """
        a = self.architecture
        variance = _variance(y)
        scale = 1 / variance.clamp(min=1e-30) if a.error == "fvu" else 1.0
        plain = error is None and not a.prefixes
        error = error or squared(scale)
        read = x - weights["decoder_bias"] if a.centred else x
        wants_dead = (a.auxk is not None or a.pre_activation is not None) and moment.dead is not None and len(moment.dead) > 0
        bandwidth = a.sparsity.bandwidth if isinstance(a.sparsity, L0 | Tanh) and a.activation == "jumprelu" else None
        dense = DENSE_ABOVE if a.activation == "relu" and not a.prefixes and not wants_dead else 1.0
        active = self._encoder.find(read, weights, a, moment.dead if wants_dead else None, bandwidth, dense)
        out = Gradients(kept_from=active.kept_from)
        if active.table is not None:
            self._dense(out, weights, x, y, read, active.table, moment, error)
        else:
            self._sparse(out, weights, x, y, read, active, moment, error, scale)
        assert out.rebuilt is not None
        squares = out.losses["error"] / scale if plain else (out.rebuilt - y).square_().sum() / len(y)
        out.unexplained = squares / variance
        total = out.by.pop("z")
        if a.centred:
            out.add("decoder_bias", -(total @ weights["encoder"]))
        if a.activation != "gated":
            out.by["encoder_bias"] = total
        if a.unit:  # along the sphere
            decoder, gradient = weights["decoder"], out.by["decoder"]
            gradient.addcmul_(torch.bmm(gradient[:, None], decoder[:, :, None])[:, 0], decoder, value=-1)
        return out

    def _sparse(
        self, out: Gradients, weights: dict[str, Tensor], x: Tensor, y: Tensor, read: Tensor, active: Active, moment: Moment, error: Error,
        scale: float | Tensor,
    ) -> None:  # fmt: skip
        a, entries, decoder = self.architecture, active.entries, weights["decoder"]
        f = self._values(weights, active)
        out.squares = entries.summed(f * f)
        out.fired, out.active = out.squares > 0, float(f.count_nonzero()) / len(x)
        base = weights["decoder_bias"].expand_as(y)
        if a.skip:
            base = torch.addmm(weights["decoder_bias"], x, weights["skip"].T)
        slopes = torch.zeros_like(f)
        if a.prefixes:
            g = self._prefixes(out, weights, entries, f, slopes, base, y, error)
        else:
            out.rebuilt = entries.decode(f, decoder).add_(base)
            out.losses["error"], g = error(out.rebuilt, y)
            slopes += entries.dots(g, decoder)
            out.add("decoder", entries.gathered(f, g))
        out.add("decoder_bias", g.sum(0))
        if a.skip:
            out.add("skip", g.T @ x)
        slopes += self._penalised(out, weights, entries, f, moment)
        z_slopes = self._through(out, weights, active, f, slopes)
        if a.activation == "gated":
            z_slopes = z_slopes + self._gate(out, weights, active, base, y, moment, error)
        self._encoded(out, entries, z_slopes, read)
        if a.activation == "jumprelu" and active.band is not None:
            self._thresholds(out, weights, active.band, g, moment)
        if active.more is not None and a.multi is not None:
            g = self._branch(out, weights, *active.more, base, y, squared(scale * a.multi.weight), "multi", read)
            out.add("decoder_bias", g.sum(0))
            if a.skip:
                out.add("skip", g.T @ x)
        if active.dead is not None and moment.dead is not None and out.rebuilt is not None:
            self._dead(out, weights, active.dead, moment.dead, y - out.rebuilt, scale, read)

    def _values(self, weights: dict[str, Tensor], active: Active) -> Tensor:
        """f of the active entries."""
        if self.architecture.activation != "gated":
            return active.z
        latents = active.entries.latents
        return (active.z * weights["log_scale"][latents].exp() + weights["encoder_bias"][latents]).relu_()

    def _prefixes(
        self, out: Gradients, weights: dict[str, Tensor], entries: Entries, f: Tensor, slopes: Tensor, base: Tensor, y: Tensor, error: Error,
    ) -> Tensor:  # fmt: skip
        """The mean of the errors of all prefixes; each segment of latents is decoded once, and learns from every prefix that holds it."""
        a, decoder = self.architecture, weights["decoder"]
        ends = [round(share * entries.size) for share in a.prefixes]
        segments, rebuilt, gradients, total = [], base, [], torch.zeros_like(y[0, 0])
        for begin, end in zip([0, *ends], ends, strict=False):
            chosen = ((entries.latents >= begin) & (entries.latents < end)).nonzero()[:, 0]
            counts = torch.bincount(entries.rows[chosen], minlength=len(y))
            part = Entries(entries.latents[chosen], counts.cumsum(0) - counts, entries.size)
            rebuilt = rebuilt + part.decode(f[chosen], decoder)
            value, g = error(rebuilt, y)
            total = total + value / len(ends)
            segments.append((chosen, part))
            gradients.append(g / len(ends))
        out.rebuilt, out.losses["error"] = rebuilt, total
        summed = torch.zeros_like(y)
        for (chosen, part), g in zip(reversed(segments), reversed(gradients), strict=True):
            summed = summed + g
            slopes[chosen] = part.dots(summed, decoder)
            out.add("decoder", part.gathered(f[chosen], summed))
        return summed

    def _penalised(self, out: Gradients, weights: dict[str, Tensor], entries: Entries, f: Tensor, moment: Moment) -> Tensor | float:
        """The slope of the penalty by the active values; a gate's penalty is another branch's."""
        a = self.architecture
        if a.sparsity is None or a.activation == "gated":
            return 0.0
        weight = a.sparsity.weight * moment.weight
        if isinstance(a.sparsity, L0):
            out.losses["sparsity"] = f.new_tensor(counted(a.sparsity, out.active, weight)[0])
            return 0.0
        lengths = lengths_of(weights["decoder"], self.parts)
        found = penalty(a.sparsity, entries, f, lengths, weight, moment.p)
        if moment.before != moment.p and float(found.value) > 0:
            out.rescaled = float(penalty(a.sparsity, entries, f, lengths, weight, moment.before).value / found.value)
            found = penalty(a.sparsity, entries, f, lengths, weight * out.rescaled, moment.p)
        out.losses["sparsity"] = found.value
        if found.by_length is not None:
            out.add("decoder", stretched(weights["decoder"], self.parts, found.by_length))
        return found.by_value

    def _through(self, out: Gradients, weights: dict[str, Tensor], active: Active, f: Tensor, slopes: Tensor) -> Tensor:
        """From slopes by f to slopes by z."""
        a, entries = self.architecture, active.entries
        if a.activation == "gated":
            slopes = slopes * (f > 0)
            factor = weights["log_scale"][entries.latents].exp()
            out.add("encoder_bias", entries.summed(slopes))
            out.add("log_scale", entries.summed(slopes * factor * active.z))
            return slopes * factor
        return slopes * (f > 0) if a.activation in ("topk", "groupmax") else slopes

    def _encoded(self, out: Gradients, entries: Entries, z_slopes: Tensor, read: Tensor) -> None:
        out.add("encoder", entries.gathered(z_slopes, read))
        out.add("z", entries.summed(z_slopes))

    def _gate(
        self, out: Gradients, weights: dict[str, Tensor], active: Active, base: Tensor, y: Tensor, moment: Moment, error: Error,
    ) -> Tensor:  # fmt: skip
        """The gate learns from its own values, with directions and bias held: equation 8 of Rajamanoharan et al. (2024)."""
        entries = active.entries
        values = active.z + weights["gate_bias"][entries.latents]
        rebuilt = entries.decode(values, weights["decoder"]).add_(base)
        out.losses["gate"], g = error(rebuilt, y)
        slopes = entries.dots(g, weights["decoder"])
        term = self.architecture.sparsity
        if isinstance(term, L1 | Tanh):
            found = penalty(term, entries, values, lengths_of(weights["decoder"], self.parts), term.weight * moment.weight, moment.p)
            out.losses["sparsity"] = found.value
            slopes = slopes + found.by_value
            if found.by_length is not None:
                out.add("decoder", stretched(weights["decoder"], self.parts, found.by_length))
        out.add("gate_bias", entries.summed(slopes))
        return slopes

    def _thresholds(self, out: Gradients, weights: dict[str, Tensor], band: tuple[Entries, Tensor], g: Tensor, moment: Moment) -> None:
        """d loss / d threshold = - 1/width sum over the band of threshold (d loss / d f) + (the slope by L0) / N (Rajamanoharan et al. 2024b)."""
        entries, z = band
        threshold, term = weights["threshold"], self.architecture.sparsity
        slopes = entries.dots(g, weights["decoder"])
        counting = 0.0
        if isinstance(term, L0):
            counting = counted(term, out.active, term.weight * moment.weight)[1] / len(g)
        elif isinstance(term, L1 | Tanh):
            f = z * (z > threshold[entries.latents])
            by_value = penalty(term, entries, f.clamp(min=1e-30), lengths_of(weights["decoder"], self.parts), term.weight * moment.weight, moment.p)
            slopes = slopes + by_value.by_value
        width = term.bandwidth if isinstance(term, L0 | Tanh) else 1.0
        out.add("threshold", -entries.summed(threshold[entries.latents] * slopes + counting) / width)

    def _branch(
        self, out: Gradients, weights: dict[str, Tensor], entries: Entries, f: Tensor, base: Tensor | float, y: Tensor, error: Error, name: str,
        read: Tensor,
    ) -> Tensor:  # fmt: skip
        """A further reconstruction from other entries of the same z, ReLU already taken; gives the gradient by what it wrote."""
        rebuilt = entries.decode(f, weights["decoder"]) + base
        out.losses[name], g = error(rebuilt, y)
        out.add("decoder", entries.gathered(f, g))
        self._encoded(out, entries, entries.dots(g, weights["decoder"]) * (f > 0), read)
        return g

    def _dead(
        self, out: Gradients, weights: dict[str, Tensor], z: Tensor, dead: Tensor, missing: Tensor, scale: float | Tensor, read: Tensor,
    ) -> None:  # fmt: skip
        """Dead latents learn from what the living leave out, or are drawn to their thresholds."""
        a, n = self.architecture, len(z)
        if a.auxk is not None:
            found = z.topk(min(a.auxk.k or max(1, read.shape[1] // 2), len(dead)), dim=1, sorted=False)
            k = found.values.shape[1]
            entries = Entries(dead[found.indices].reshape(-1), torch.arange(0, n * k, k, device=z.device), len(weights["encoder"]))
            error = squared(scale * a.auxk.weight)
            self._branch(out, weights, entries, found.values.relu().reshape(-1), 0.0, missing, error, "auxk", read)
        if a.pre_activation is not None:
            below = weights["threshold"][dead] - z
            lengths = lengths_of(weights["decoder"][dead], self.parts)
            weight = a.pre_activation.weight / n
            out.losses["pre_activation"] = (below.relu() * lengths).sum() * weight
            slopes = (below > 0) * lengths * -weight
            out.add("encoder", torch.zeros_like(weights["encoder"]).index_copy_(0, dead, slopes.T @ read))
            total = torch.zeros_like(weights["encoder_bias"]).index_copy_(0, dead, slopes.sum(0))
            out.add("z", total)
            out.add("threshold", -total)
            by_length = torch.zeros_like(total).index_copy_(0, dead, below.relu().sum(0) * weight)
            out.add("decoder", stretched(weights["decoder"], self.parts, by_length))

    def _dense(
        self, out: Gradients, weights: dict[str, Tensor], x: Tensor, y: Tensor, read: Tensor, f: Tensor, moment: Moment, error: Error,
    ) -> None:  # fmt: skip
        """ReLU while most latents are active: dense products, in place."""
        a, n, decoder = self.architecture, len(x), weights["decoder"]
        positive = f > 0
        f = f.relu_()
        out.fired, out.active = positive.any(0), float(positive.sum()) / n
        if a.resample is not None and a.resample.weak:
            out.squares = f.square().sum(0)
        base = torch.addmm(weights["decoder_bias"], x, weights["skip"].T) if a.skip else weights["decoder_bias"]
        out.rebuilt = (f @ decoder).add_(base)
        out.losses["error"], g = error(out.rebuilt, y)
        slopes = g @ decoder.T
        out.add("decoder", f.T @ g)
        out.add("decoder_bias", g.sum(0))
        if a.skip:
            out.add("skip", g.T @ x)
        term = a.sparsity
        if isinstance(term, L1 | Tanh):
            rows, latents = positive.nonzero(as_tuple=True)
            counts = torch.bincount(rows, minlength=n)
            entries = Entries(latents, counts.cumsum(0) - counts, len(decoder))
            lengths = lengths_of(decoder, self.parts)
            if isinstance(term, L1) and moment.p == moment.before == 1:
                weight = term.weight * moment.weight / n
                each = lengths if term.lengths else torch.ones_like(lengths)
                summed = f.sum(0)
                out.losses["sparsity"] = (summed * each).sum() * weight
                slopes += each * weight
                if term.lengths:
                    out.add("decoder", stretched(decoder, self.parts, summed * weight))
            else:
                slopes[rows, latents] += self._penalised(out, weights, entries, f[rows, latents], moment)
        slopes *= positive
        out.add("encoder", slopes.T @ read)
        out.add("z", slopes.sum(0))
