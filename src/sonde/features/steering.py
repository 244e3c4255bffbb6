"""Steering: some features set to a strength while a model writes, the text beside what it writes by itself, and what that costs elsewhere.

Both texts are drawn with the same seeds, so that they differ by the steering alone. A steered model may say what was wanted and be broken: so every
steering states the loss on held-out text under the same edits, beside the loss without them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import torch
from jaxtyping import Float
from torch import Tensor

from sonde.access import Edit, Model
from sonde.evidence import compare, t_interval, untestable
from sonde.features.activity import Activity
from sonde.features.losses import losses
from sonde.features.properties import TextProperty
from sonde.features.pushes import Push, edits_for
from sonde.results import Drawing, InputError, Recipe, Result, Verdict
from sonde.results.drawing import table, tabs

if TYPE_CHECKING:
    from polars import DataFrame

When = Literal["all", "prompt", "new"]


@dataclass(frozen=True, eq=False, repr=False)
class Steered(Result):
    """What a model writes with some features steered, and without.

    Arguments:
        site: of the features.
        pushes: what became of each.
        when: which tokens were steered: "all", those of the "prompt" or the "new" ones.
        prompts: what was gone on from.
        plain, steered: the samples of each prompt; those in the same place were drawn with the same seed.
        max_new_tokens: how many tokens a sample has at most.
        temperature: of the draws.
        elsewhere: the held-out texts.
        loss_plain, loss_steered: the loss on each of them, nats a token, with the features steered at every token.
    """

    site: str
    pushes: tuple[Push, ...]
    when: When
    prompts: list[str]
    plain: list[list[str]]
    steered: list[list[str]]
    max_new_tokens: int
    temperature: float
    elsewhere: list[str]
    loss_plain: Float[Tensor, " text"]
    loss_steered: Float[Tensor, " text"]

    @property
    def cost(self) -> float:
        """How much the loss on the held-out texts rises, nats a token."""
        return float((self.loss_steered - self.loss_plain).mean())

    @property
    def said(self) -> str:
        """The steering and its cost in a sentence."""
        pushes = ", ".join(map(str, self.pushes))
        change = self.loss_steered - self.loss_plain
        ends = "" if len(change) < 2 else " (95 % interval {:+.3f} to {:+.3f})".format(*t_interval(change))
        return (
            f"Steered at {self.site}: {pushes}, {'all tokens' if self.when == 'all' else f'{self.when} tokens'}. The loss on {len(change)} held-out "
            f"texts goes from {self.loss_plain.mean():.3f} to {self.loss_steered.mean():.3f} nats a token: {self.cost:+.3f}{ends}."
        )

    def to_frame(self) -> "DataFrame":
        """One row per prompt and sample."""
        import polars as pl

        rows = [
            (prompt, sample, plain, steered)
            for prompt, several, others in zip(self.prompts, self.plain, self.steered, strict=True)
            for sample, (plain, steered) in enumerate(zip(several, others, strict=True))
        ]
        return pl.DataFrame(rows, schema=["prompt", "sample", "plain", "steered"], orient="row")

    def drawing(self) -> Drawing:
        """The samples side by side, and the loss of each held-out text."""
        samples = table(
            "What does it write?", ["prompt", "by itself", "steered"], [[row[0], row[2], row[3]] for row in self.to_frame().rows()], note=self.said
        )
        rows = [
            [text, float(before), float(after), float(after - before)]
            for text, before, after in zip(self.elsewhere, self.loss_plain, self.loss_steered, strict=True)
        ]
        elsewhere = table("What does it cost elsewhere?", ["held-out text", "loss, nats", "steered", "change"], rows)
        return tabs("What does steering do?", [("samples", samples), ("elsewhere", elsewhere)], note="Same seeds on both sides.")

    def check(self, model: Model, activity: Activity, of: TextProperty, draws: int = 4, seed: int = 0) -> list[Verdict]:
        """Whether the steered samples have more of a property than those that are steered by random features as strongly.

        Arguments:
            model: the model that was steered.
            activity: of its features; the random ones are active as often.
            of: the property.
            draws: how many random sets of features.
            seed: of the draws.

        Returns:
            One verdict, over the prompts.
        """
        self.refuse_other(model)
        claim = f"Steering ({', '.join(map(str, self.pushes))}) raises the {of.name}."
        measure = "rise over plain samples, the mean of each prompt; control: random features of equal density, as many and as strong"
        source = "any rise: the random features decide"
        plain, steered = (self._measured(of, samples) for samples in (self.plain, self.steered))
        try:
            sets = activity.alike([push.feature for push in self.pushes], draws, seed)
        except InputError as reason:
            return [untestable(claim, measure, str(reason), threshold=0.0, threshold_source=source)]
        control = []
        for drawn in sets:
            pushes = [Push(f, push.strength, push.how) for f, push in zip(drawn, self.pushes, strict=True)]
            edits = edits_for(model, self.site, pushes, activity)
            samples = written(model, self.prompts, edits, self.when, len(self.plain[0]), self.max_new_tokens, self.temperature, self.recipe.seed or 0)
            control.append(self._measured(of, samples) - plain)
        return [compare(claim, measure, steered - plain, torch.stack(control), threshold=0.0, threshold_source=source)]

    def _measured(self, of: TextProperty, samples: list[list[str]]) -> Float[Tensor, " prompt"]:
        return torch.tensor([[of.of(text) for text in several] for several in samples], dtype=torch.float64).mean(1)


def steer(
    model: Model, site: str, prompts: str | Sequence[str], pushes: Sequence[Push], activity: Activity, elsewhere: Sequence[str], when: When = "all",
    samples: int = 4, max_new_tokens: int = 20, temperature: float = 1.0, seed: int = 0,
) -> Steered:  # fmt: skip
    """Let a model write with some features set to a strength, beside what it writes by itself.

    Arguments:
        model: a causal language model on which the basis is attached.
        site: of its coordinates.
        prompts: what is gone on from.
        pushes: what becomes of each feature.
        activity: how active features are, whose largest activations strengths are multiples of.
        elsewhere: held-out texts, on which the loss is measured under the same edits.
        when: steer "all" tokens, those of the "prompt" or the "new" ones; on the held-out texts all are.
        samples: how many for each prompt.
        max_new_tokens: of a sample.
        temperature: of the draws; 0 takes the likeliest token, and then samples are all the same.
        seed: of the draws.

    Raises:
        InputError: no prompt, no held-out text; what `Model.generate` and `edits_for` raise.

    >>> import sonde
    >>> model = sonde.load("specimen:words")
    >>> site, texts = "blocks.1.mlp.post.neurons", ["The keys on the cabinet are here.", "The cat sleeps."]
    >>> model = model.attach("blocks.1.mlp.post", sonde.bases.Neurons(model.architecture.d_mlp), "neurons")
    >>> from sonde.features import activity
    >>> measured = activity(model, site, texts)
    >>> strongest = Push(int(measured.maximum.argmax()), 4)
    >>> found = steer(model, site, "The key", [strongest], measured, elsewhere=texts, samples=2, max_new_tokens=3)
    >>> len(found.steered[0]), found.loss_plain.shape
    (2, torch.Size([2]))
    """
    asked = [prompts] if isinstance(prompts, str) else list(prompts)
    if not asked or not elsewhere or isinstance(elsewhere, str):
        raise InputError("steering needs a prompt, and a list of held-out texts in elsewhere= on which its cost is measured")
    if not isinstance(samples, int) or samples < 1:
        raise InputError(f"samples={samples!r}: draw at least one for each prompt")
    edits = edits_for(model, site, pushes, activity)
    before, after = (losses(model, list(elsewhere), made) for made in ([], edits))
    plain, steered = (written(model, asked, made, when, samples, max_new_tokens, temperature, seed) for made in ([], edits))
    given = {"site": site, "pushes": [str(push) for push in pushes], "when": when, "samples": samples, "activity": activity.recipe.inputs_hash}
    recipe = Recipe.of("sonde.features.steer", given, model_hash=model.hash, inputs=[asked, list(elsewhere)], seed=seed)
    return Steered(
        site, tuple(pushes), when, asked, plain, steered, max_new_tokens, temperature, list(elsewhere), before, after, recipe=recipe
    )  # fmt: skip


def written(
    model: Model, prompts: Sequence[str], edits: Sequence[Edit], when: When, samples: int, max_new_tokens: int, temperature: float, seed: int
) -> list[list[str]]:  # fmt: skip
    """The samples of each prompt; the same seeds give the same draws whatever the edits.

    Arguments:
        model, prompts, edits, max_new_tokens, temperature, seed: as for `Model.generate`.
        when: which tokens are edited; without edits it does not matter.
        samples: how many for each prompt.
    """
    rows = [prompt for prompt in prompts for _ in range(samples)]
    texts: list[str] = model.generate(
        rows, edits=list(edits), when=when if edits else "all", max_new_tokens=max_new_tokens, temperature=temperature, seed=seed
    )  # fmt: skip
    return [texts[start : start + samples] for start in range(0, len(rows), samples)]
