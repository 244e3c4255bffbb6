"""Of which sub-updates is a prediction made? What an MLP adds is a sum over its neurons: each its value vector times its coefficient.

    mlp.out = sum_i m_i v_i + b,        what m_i v_i adds to the logit difference = m_i <v_i, g>

with g the slope of the difference along the stream, the final norm's scale held at its value (as in `direct_contributions`). A negative coefficient
writes what the vector opposes. Geva et al. 2022, "Transformer Feed-Forward Layers Build Predictions by Promoting Concepts in the Vocabulary Space".
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor

from sonde.access import Model, Patch, Scale
from sonde.access.direct import direct_only
from sonde.evidence import compare
from sonde.lens.logit import followed_ids
from sonde.lens.vectors import directions, refuse_unlike, value_matrices, vocabulary
from sonde.results import Drawing, InputError, Recipe, Result, Verdict, shown
from sonde.results.drawing import bars, table, tabs
from sonde.tasks import LogitDifference
from sonde.tasks.metrics import BeforeCap

if TYPE_CHECKING:
    from polars import DataFrame

MEASURE = "share of the strongest sub-updates that, doubled, move the logit difference to the side that was read; control: readings of random neurons"
LEAST, SOURCE = 0.75, "three neurons of four: a convention"


@dataclass(frozen=True, eq=False, repr=False)
class SubUpdates(Result):
    """What each neuron adds at one token of one prompt.

    Arguments:
        tokens: the text of the prompt's tokens.
        pos: the position that is read, from 0.
        target, foil: the tokens whose logits are compared.
        metric: logit of the target minus logit of the foil.
        coefficient: m, by block and neuron.
        size: |m| times the length of v.
        contribution: to the logit difference, with the final norm's scale held.
        silent: what an MLP adds with all neurons silent contributes.
        strongest: for each block the neurons with the largest sizes.
        writes: for these, the text of the tokens that their sub-updates raise most, by block.
    """

    tokens: list[str]
    pos: int
    target: str
    foil: str
    metric: float
    coefficient: Float[Tensor, "layer neuron"]
    size: Float[Tensor, "layer neuron"]
    contribution: Float[Tensor, "layer neuron"]
    silent: Float[Tensor, " layer"]
    strongest: Int[Tensor, "layer k"]
    writes: list[list[list[str]]]

    def to_frame(self) -> "DataFrame":
        """One row for each of the strongest sub-updates, block by block."""
        import polars as pl

        rows = [
            {
                "layer": layer, "neuron": neuron, "coefficient": float(self.coefficient[layer, neuron]), "size": float(self.size[layer, neuron]),
                "contribution": float(self.contribution[layer, neuron]), "writes": self.writes[layer][i],
            }
            for layer, neurons in enumerate(self.strongest.tolist()) for i, neuron in enumerate(neurons)
        ]  # fmt: skip
        return pl.DataFrame(rows)

    def drawing(self) -> Drawing:
        """The sub-updates that write most, and what every MLP writes in all."""
        unit = f"logits, `{self.target}` minus `{self.foil}`"
        rows = [
            [f"{row['layer']}.{row['neuron']}", row["coefficient"], row["size"], row["contribution"], " ".join(row["writes"][:8])]
            for row in self.to_frame().to_dicts()
        ]
        heads = ["neuron", "coefficient", "size", unit, "raises most"]
        blocks = [f"MLP {i}" for i in range(len(self.contribution))]
        return tabs(
            f"Of which sub-updates is `{self.target}` made, after `{self.tokens[self.pos]}`?",
            [
                ("strongest", table("Which sub-updates are largest?", heads, rows)),
                ("by block", bars("What does every MLP write?", unit, blocks, self.contribution.sum(1) + self.silent)),
            ],
        )  # fmt: skip

    def check(self, model: Model, n: int = 24, draws: int = 20, seed: int = 0) -> list[Verdict]:  # type: ignore[override]
        """Whether doubling a sub-update moves the logits as it was read to: straight, with all later parts held at what they read, and in all.

        Arguments:
            model: the one that was read.
            n: how many neurons, those with the largest contributions of either sign.
            draws: how often readings of other neurons are drawn as the control.
            seed: of the draws.

        Raises:
            CheckRefused: another model.
        """
        self.refuse_other(model)
        flat, size, given = self.contribution.flatten(), self.contribution.shape[1], self.recipe.arguments
        chosen = flat.abs().argsort(descending=True)[:n].tolist()
        doubled = [Scale(f"blocks.{i // size}.mlp.post[pos={self.pos}, d_mlp={i % size}]", 2.0) for i in chosen]
        read_by_parts = [f"blocks.{i}.{branch}.in" for i in range(model.n_layers) for branch in ("attn", "mlp")]
        clean = model.run([given["ids"]], read=[site for site in read_by_parts if site in model.architecture.sites], logits=False)
        held = [Patch(site, clean) for site in clean.sites]
        metric = BeforeCap(LogitDifference(given["target_id"], foils=given["foil_id"], pos=self.pos), model.architecture.softcap)
        swept = model.sweep([given["ids"]], [*([edit, *held] for edit in doubled), *([edit] for edit in doubled)], metric)
        straight, in_all = (swept.values[:, 0] - swept.base[0]).cpu().split(len(chosen))
        generator = torch.Generator().manual_seed(seed)
        others = torch.stack([flat[torch.randperm(len(flat), generator=generator)[: len(chosen)]] for _ in range(draws)])
        claim = f"Doubled, the strongest sub-updates move `{self.target}` against `{self.foil}` as they were read to"
        return [
            compare(
                f"{claim}{how}.", MEASURE, (moved.sign() == flat[chosen].sign()).float(), (moved.sign() == others.sign()).float(),
                threshold=LEAST, threshold_source=SOURCE,
            )
            for moved, how in ((straight, ", straight to the output"), (in_all, ", all later parts included"))
        ]  # fmt: skip


def sub_updates(
    model: Model, prompt: str | list[int], target: str | int | None = None, foil: str | int | None = None, pos: int = -1, k: int = 5,
    by: Literal["size", "contribution"] = "size", bos: bool | None = None,
) -> SubUpdates:  # fmt: skip
    """Take apart what the MLPs add at one token of a prompt.

    Arguments:
        model: a language model of a known family whose MLPs add to the stream.
        prompt: a text or token ids.
        target: the token that is asked about; by default the model's first guess.
        foil: the one that it is compared with; by default the best other guess.
        pos: which token's sub-updates, and where the logits are read.
        k: sub-updates of each block that are shown.
        by: what makes a sub-update strong: its size, or how much it contributes to either side.
        bos: as for `Model.run`.

    Raises:
        SiteUnavailable: a family in which a neuron has no vector. InputError: no such token or position; a target that is the foil.

    >>> import sonde
    >>> found = sub_updates(sonde.load("specimen:words"), "The keys on the cabinet", " are", " is")
    >>> found.coefficient.shape
    torch.Size([4, 512])
    """
    if by not in ("size", "contribution") or k < 1:
        raise InputError(f"by={shown(by)}, k={shown(k)}: order by 'size' or 'contribution', and show 1 or more")
    layers = list(range(model.n_layers))
    values, biases = value_matrices(model, layers)
    run = model.run(prompt, read=[f"blocks.{i}.mlp.{site}" for i in layers for site in ("post", "out")], bos=bos)
    if len(run.ids) != 1:
        raise InputError(f"{len(run.ids)} rows: sub-updates are those of one prompt")
    ids = run.ids[0].tolist()
    if not -len(ids) <= pos < len(ids):
        raise InputError(f"pos={shown(pos)}: the prompt has {len(ids)} tokens")
    place = pos % len(ids)
    right, wrong = _answers(model, run.logits[0, place], target, foil)
    m = torch.stack([run[f"blocks.{i}.mlp.post"][0, place].float().cpu() for i in layers])
    out = torch.stack([run[f"blocks.{i}.mlp.out"][0, place].float().cpu() for i in layers])
    for i in layers:
        refuse_unlike(model, i, m[i] @ values[i] + biases[i], out[i])
    difference = LogitDifference(right, foils=wrong, pos=place)
    sites = [f"blocks.{i}.mlp.out" for i in layers]
    grads = model.grad([ids], of=BeforeCap(difference, model.architecture.softcap), at=sites, edits=direct_only(model))
    g = torch.stack([grads[site][0, place].float().cpu() for site in sites])
    contribution = m * torch.einsum("lnd,ld->ln", values, g)
    size = m.abs() * values.norm(dim=-1)
    strongest = (size if by == "size" else contribution.abs()).argsort(1, descending=True)[:, :k]
    strings = model.tokenizer.strings if model.tokenizer else lambda ids: [str(i) for i in ids]
    tokens = vocabulary(model)
    writes = []
    for i in layers:
        chosen = strongest[i]
        top = (directions(model, values[i][chosen] * m[i][chosen, None].sign()) @ tokens).topk(min(10, tokens.shape[1])).indices
        writes.append([strings(row.tolist()) for row in top])
    target_text, foil_text = strings([right, wrong])
    arguments = {"target_id": right, "foil_id": wrong, "ids": ids, "pos": place, "k": k, "by": by}
    return SubUpdates(
        tokens=run.tokens[0] if run.tokens else [str(i) for i in ids],
        pos=place,
        target=target_text,
        foil=foil_text,
        metric=float(difference(run)[0]),
        coefficient=m,
        size=size,
        contribution=contribution,
        silent=(biases * g).sum(1),
        strongest=strongest,
        writes=writes,
        recipe=Recipe.of("sonde.lens.sub_updates", arguments, model_hash=model.hash, inputs=ids),
    )


def _answers(model: Model, logits: Float[Tensor, " vocab"], target: str | int | None, foil: str | int | None) -> tuple[int, int]:
    """Target and foil as ids; what is not given is guessed by the model."""
    right = int(logits.argmax()) if target is None else int(followed_ids(model, [target])[0])
    if foil is None:
        wrong = next(i for i in logits.topk(2).indices.tolist() if i != right)
    else:
        wrong = int(followed_ids(model, [foil])[0])
    if right == wrong:
        raise InputError(f"target and foil are both {shown(target)}: a token compared with itself has no difference")
    return right, wrong
