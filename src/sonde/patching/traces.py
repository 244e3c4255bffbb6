"""What causal tracing returns: the metric at every token and block of every prompt, and what that says on average, by the roles of the tokens."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import torch
from jaxtyping import Float
from torch import Tensor

from sonde.access import Model
from sonde.evidence import sufficiency, t_interval, untestable
from sonde.evidence.parts import HALF, HALF_SOURCE, RESTORED
from sonde.results import Drawing, Result, Verdict
from sonde.results.drawing import Series, lines, matrix

if TYPE_CHECKING:
    from polars import DataFrame

Kind = Literal["state", "mlp", "attn"]
ROLES = ("first subject token", "middle subject tokens", "last subject token", "first token after", "further tokens", "last token")
WHAT = {"state": "the state", "mlp": "what MLPs add", "attn": "what attention adds"}


@dataclass(frozen=True, eq=False, repr=False)
class Trace(Result):
    """A metric of runs with a corrupted subject, one place of which is as in the clean run.

    Arguments:
        texts: the prompts.
        tokens: their tokens.
        subjects: the positions of each subject.
        answers: what is asked for.
        values: the metric with that place restored, the mean over the draws of noise; NaN beyond a prompt's end.
        clean: the metric of each prompt as it is ("high").
        corrupt: the metric with nothing restored, under each draw of noise ("low" is their mean).
        restored: the "state" leaving a block, or what "mlp" or "attn" add.
        window: over how many blocks.
        severed: what was kept from answering to the restored place; `None` for nothing.
        std: standard deviation of the noise.
        seed: of the noise.
        unit: of the metric.
        notes: what was left out.
    """

    texts: list[str]
    tokens: list[list[str]]
    subjects: list[list[int]]
    answers: list[str]
    values: Float[Tensor, "prompt layer pos"]
    clean: Float[Tensor, " prompt"]
    corrupt: Float[Tensor, "prompt draw"]
    restored: Kind
    window: int
    severed: Literal["mlp", "attn"] | None
    std: float
    seed: int
    unit: str
    notes: list[str]

    @property
    def total(self) -> Float[Tensor, " prompt"]:
        """The total effect of the noise: clean minus corrupted."""
        return self.clean - self.corrupt.mean(1)

    @property
    def indirect(self) -> Float[Tensor, "prompt layer pos"]:
        """The indirect effect of each place: restored minus corrupted."""
        return self.values - self.corrupt.mean(1)[:, None, None]

    def role_of(self, prompt: int, pos: int) -> str | None:
        """The role of a token; `None` before the subject.

        A token has one role: a subject's only token is its last one, and so is one at the prompt's end.

        Arguments:
            prompt, pos: which.
        """
        subject, last = self.subjects[prompt], len(self.tokens[prompt]) - 1
        if pos in subject:
            return ROLES[2] if pos == subject[-1] else ROLES[0] if pos == subject[0] else ROLES[1]
        if pos < subject[-1]:
            return None
        return ROLES[5] if pos == last else ROLES[3] if pos == subject[-1] + 1 else ROLES[4]

    def by_role(self) -> dict[str, Float[Tensor, "prompt layer"]]:
        """The indirect effect at the tokens of each role, their mean in a prompt; NaN where a prompt has none, and no entry where none has any."""
        indirect, found = self.indirect, {}
        for role in ROLES:
            places = [[pos for pos in range(len(tokens)) if self.role_of(i, pos) == role] for i, tokens in enumerate(self.tokens)]
            if any(places):
                nothing = torch.full((indirect.shape[1],), torch.nan)
                found[role] = torch.stack([indirect[i][:, at].mean(1) if at else nothing for i, at in enumerate(places)])
        return found

    def strongest(self) -> tuple[str, int]:
        """The role and the block with the largest indirect effect, the mean over the prompts that have such a token.

        Of states, among the subject's tokens: at the last token the state after the last block brings back all, whatever the model does.
        """
        asked = ROLES[:3] if self.restored == "state" else ROLES
        means = {role: effect.nanmean(0) for role, effect in self.by_role().items() if role in asked}
        role = max(means, key=lambda name: float(means[name].max()))
        return role, int(means[role].argmax())

    def to_frame(self) -> "DataFrame":
        """One row per prompt, block and token."""
        import polars as pl

        rows = [
            {"prompt": i, "block": layer, "pos": pos, "token": token, "role": self.role_of(i, pos), "value": float(self.values[i, layer, pos]),
             "clean": float(self.clean[i]), "corrupt": float(self.corrupt[i].mean())}
            for i, tokens in enumerate(self.tokens) for layer in range(self.values.shape[1]) for pos, token in enumerate(tokens)
        ]  # fmt: skip
        return pl.DataFrame(rows)

    def drawing(self, prompt: int | None = None) -> Drawing:
        """The indirect effects as a heat map: of one prompt by its tokens, or the mean over all prompts by the tokens' roles.

        Arguments:
            prompt: which; the first where there is only one.
        """
        if prompt is None and len(self.texts) > 1:
            effects = self.by_role()
            rows, values = list(effects), torch.stack([effect.nanmean(0) for effect in effects.values()])
        else:
            shown = prompt or 0
            marked = [f"{token}*" if pos in self.subjects[shown] else token for pos, token in enumerate(self.tokens[shown])]
            rows, values = marked, self.indirect[shown, :, : len(marked)].T
        layers = range(values.shape[1])
        return matrix(self._question(), self.unit, values, row_name="token", rows=rows, col_name="block", cols=layers, note=self._note(prompt))

    def courses(self) -> Drawing:
        """The mean indirect effect over the blocks, a line with its interval over the prompts for each role."""
        series = []
        for role, effect in self.by_role().items():
            held = effect[~effect.isnan().any(1)]
            ends = [t_interval(column) for column in held.T] if len(held) > 1 else None
            low, high = ([end[side] for end in ends] for side in (0, 1)) if ends else (None, None)
            series.append(Series(role, held.mean(0), low=low, high=high))
        return lines(self._question(), self.unit, "block", range(self.values.shape[1]), series, note=self._note(None))

    def check(self, model: Model, other: "Trace", seed: int = 0, sets: int = 20) -> list[Verdict]:
        """Whether the strongest role and block bring the answer back on prompts that were not looked at.

        Arguments:
            model: the model that was traced.
            other: a trace of the same kind on other prompts.
            seed: of the control, which is another place in each prompt, from its subject on.
            sets: how many such draws make the control.
        """
        self.refuse_other(model)
        other.refuse_other(model)
        role, layer = self.strongest()
        claim = f"{WHAT[self.restored][0].upper()}{WHAT[self.restored][1:]} at the {role} in block {layer} is enough for the answer."
        effects = other.by_role().get(role)
        same = (self.restored, self.window, self.severed) == (other.restored, other.window, other.severed)
        kept = [] if effects is None or not same else (~effects[:, layer].isnan()).nonzero()[:, 0].tolist()
        if len(kept) < 2:
            why = "fewer than two of the other prompts have such a token" if same else "the other prompts were traced in another way"
            return [untestable(claim, RESTORED, why, threshold=HALF, threshold_source=HALF_SOURCE)]
        assert effects is not None
        low = other.corrupt.mean(1)
        generator = torch.Generator().manual_seed(seed)
        drawn = torch.stack([torch.stack([other._elsewhere(i, role, layer, generator) for i in kept]) for _ in range(sets)])
        return [sufficiency(claim, other.clean[kept], low[kept], low[kept] + effects[kept, layer], drawn)]

    def _elsewhere(self, prompt: int, role: str, layer: int, generator: torch.Generator) -> Tensor:
        """The metric with a random other place of a prompt restored."""
        places = [
            (block, pos)
            for block in range(self.values.shape[1])
            for pos in range(self.subjects[prompt][0], len(self.tokens[prompt]))
            if (block, self.role_of(prompt, pos)) != (layer, role)
        ]
        block, pos = places[int(torch.randint(len(places), (1,), generator=generator))]
        return self.values[prompt, block, pos]

    def _question(self) -> str:
        severed = {None: "", "mlp": ", where no MLP answers to it", "attn": ", where no attention answers to it"}[self.severed]
        return f"Where does {WHAT[self.restored]} bring the answer back{severed}?"

    def _note(self, prompt: int | None) -> str:
        which = slice(None) if prompt is None else slice(prompt, prompt + 1)
        n, total = len(self.clean[which]), float(self.total[which].mean())
        over = "" if self.restored == "state" else f" in windows of {self.window} blocks"
        return (
            f"Indirect effect{over}; the whole way is {total:+.3g} {self.unit}; noise of std {self.std:.3g} on the subject"
            f"{' (*)' if n == 1 else ''}, {self.corrupt.shape[1]} draws; " + ("one prompt." if n == 1 else f"mean over {n} prompts.")
        )
