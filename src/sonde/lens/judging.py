"""How well a tuned lens reads, on text that it has not seen; and how much of that it has computed by itself.

A translator is trained to say what the model says. Where the answer is a function of the current token, the lens of the embeddings learns that
function, and a low divergence there says nothing of what the model has computed by then. So each layer's reading is held against that of the
embeddings: with D_l the divergence of layer l's tuned reading, D_0 that of the embeddings', and D_c that of the mean prediction (what is said knowing
nothing),

    written by the model up to layer l = (D_0 - D_l) / D_c

(the trap: Belrose et al. 2023, section 3; a lens "can do the computation itself").
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from jaxtyping import Float
from torch import Tensor

from sonde.access import Model
from sonde.evidence import compare, corrected
from sonde.jobs import track
from sonde.lens.bands import banded
from sonde.lens.logit import asked_ids, measured
from sonde.lens.reading import layer_sites
from sonde.lens.results import LOG2
from sonde.lens.training import encoded
from sonde.lens.tuned import TunedLens
from sonde.results import Drawing, Recipe, Result, Verdict, content_hash
from sonde.results.drawing import Series, lines

if TYPE_CHECKING:
    from polars import DataFrame

CLOSER = "The tuned lens reads closer to the model's answer than the logit lens does, on text that it has not seen."
CLOSER_MEASURE = "KL(final || reading) in nats, mean over layers and tokens; control: the logit lens"
WRITTEN_MEASURE = "share of the mean prediction's divergence that the layer's tuned reading saves beyond the embeddings' one; control: the embeddings"
LEAST, LEAST_SOURCE = 0.1, "a tenth of what there is to say: a convention"


@dataclass(frozen=True, eq=False, repr=False)
class TunedQuality(Result):
    """Readings of a tuned lens beside those of the logit lens, on rows of held-out text; means over the tokens of each row.

    Arguments:
        layers: the embeddings, each block, and the model.
        logit_kl, tuned_kl: KL(final || reading), nats.
        logit_cross_entropy, tuned_cross_entropy: of the next token in the text, nats.
        logit_entropy, tuned_entropy: of the reading, bits.
        constant: KL(final || mean prediction over all these rows), nats: the divergence of who knows nothing.
        notes: rows that were left out.
    """

    layers: list[str]
    logit_kl: Float[Tensor, "layer row"]
    tuned_kl: Float[Tensor, "layer row"]
    logit_cross_entropy: Float[Tensor, "layer row"]
    tuned_cross_entropy: Float[Tensor, "layer row"]
    logit_entropy: Float[Tensor, "layer row"]
    tuned_entropy: Float[Tensor, "layer row"]
    constant: Float[Tensor, " row"]
    notes: list[str]

    @property
    def written(self) -> Float[Tensor, "layer row"]:
        """Of each layer's reading the share that is beyond what the lens makes of the embeddings."""
        return (self.tuned_kl[:1] - self.tuned_kl) / self.constant.mean()

    def to_frame(self) -> "DataFrame":
        """One row for each layer: means over the rows of text."""
        import polars as pl

        names = ("logit_kl", "tuned_kl", "logit_cross_entropy", "tuned_cross_entropy", "logit_entropy", "tuned_entropy", "written")
        return pl.DataFrame({"layer": self.layers, **{name: getattr(self, name).nanmean(1).tolist() for name in names}})

    def drawing(self) -> Drawing:
        """The divergence of both lenses by layer; the band is what the tuned lens makes of the embeddings alone."""
        return lines(
            "How far is each reading from the model's answer?", "nats, KL(final || reading)", "layer", self.layers,
            [banded("logit lens", self.logit_kl), banded("tuned lens", self.tuned_kl)],
            control=Series("tuned lens of the embeddings alone: its own computation", [float(self.tuned_kl[0].mean())] * len(self.layers)),
            note=f"Held-out text, {self.logit_kl.shape[1]} rows; who knows nothing is {float(self.constant.mean()):.3g} nats away.",
        )  # fmt: skip

    def check(self, model: Model) -> list[Verdict]:  # type: ignore[override]
        """Whether the tuned lens is the better reading, and which layers' readings hold more than the lens computes from the embeddings.

        Arguments:
            model: the one that was read.

        Raises:
            CheckRefused: another model.
        """
        self.refuse_other(model)
        closer = compare(
            CLOSER, CLOSER_MEASURE, self.tuned_kl[:-1].mean(0), self.logit_kl[:-1].mean(0), direction="less",
            threshold=float(self.constant.mean()), threshold_source="the divergence of the mean prediction",
        )  # fmt: skip
        written = [
            compare(
                f"What the tuned lens reads {'at the end' if layer == 'model' else f'after block {layer}'} was computed by the model, not the lens.",
                WRITTEN_MEASURE, self.written[i], torch.zeros_like(self.written[i]), threshold=LEAST, threshold_source=LEAST_SOURCE,
            )
            for i, layer in enumerate(self.layers) if i
        ]  # fmt: skip
        return [closer, *corrected(written)]


def judge(
    model: Model, lens: TunedLens, rows: Sequence[str | Sequence[int]], bos: bool | None = None, progress: bool = False
) -> TunedQuality:  # fmt: skip
    """Read held-out text by a tuned lens and by the logit lens.

    Arguments:
        model: the one that the lens was trained on.
        lens: the translators.
        rows: texts or token ids that took no part in the training; those that the model cannot take are left out and named.
        bos: as for `Model.run`.
        progress: show a progress bar in a terminal.

    Raises:
        CheckRefused: a lens of another model. InputError: no row that can be read.
    """
    lens.refuse_other(model)
    taken, notes = encoded(model, rows, bos)
    sites = layer_sites(model)
    names = {site: layer for layer, site in sites.items()}
    columns: list[dict[str, Tensor]] = []
    said, certain = [], []
    for row in track(taken, "judging a lens", shown=progress):
        run = model.run([row], read=list(sites.values()))
        assert run.mask is not None
        asked = asked_ids(run, run.mask, model.architecture.causal)
        own: dict[str, Tensor] = {}
        for name, lens_of in (("logit", None), ("tuned", lambda site, states: lens.translate(names[site], states))):
            found = measured(model, run, list(sites.values()), asked, 1, lens_of)
            own |= {f"{name}_kl": found.kl, f"{name}_cross_entropy": -found.logprob[..., 2], f"{name}_entropy": found.entropy / LOG2}
        columns.append({name: values.nanmean(-1) for name, values in own.items()})
        logs = run.logits[run.mask].double().log_softmax(-1)
        said.append(logs.exp().mean(0).cpu())
        certain.append((logs.exp() * logs).nan_to_num().sum(-1).mean().cpu())
    lengths = torch.tensor([len(row) for row in taken], dtype=torch.float64)
    knowing_nothing = (torch.stack(said).T @ lengths / lengths.sum()).clamp(min=1e-300).log()
    constant = torch.stack(certain) - torch.stack(said) @ knowing_nothing
    stacked = {name: torch.stack([column[name] for column in columns], 1) for name in columns[0]}
    recipe = Recipe.of("sonde.lens.judge", {"lens": content_hash([lens.weight, lens.bias]), "bos": bos}, model_hash=model.hash, inputs=taken)
    return TunedQuality(list(sites), **stacked, constant=constant.float(), notes=notes, recipe=recipe)
