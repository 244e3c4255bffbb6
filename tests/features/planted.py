"""Features whose rule is known, as plain data: what a database gives, made without one. Small enough to be computed in the plainest way."""

import numpy as np
import polars as pl

from sonde.features import records

VOCABULARY = [" the", " a", " cat", " dog", " sat", " ran", " on", " mat", " red", " blue", ".", "\n", " <b>", "é", " قط", "</script>"]
RULES = ["fires on cat", "fires after the", "fires at the first place", "fires on a colour", "never fires", "fires on hostile tokens"]
SEQUENCES, LENGTH, STEP = 40, 16, 8


class Planted:
    """A database of six latents over forty short texts."""

    def __init__(self, size: int = 6, texts: list[str] = VOCABULARY, rules: list[str] = RULES) -> None:
        draw = np.random.default_rng(3)
        self.size, self.texts, self.rules = size, texts, rules
        self.tokens = draw.integers(0, len(VOCABULARY), (SEQUENCES, LENGTH))
        strength = draw.uniform(0.2, 5, (SEQUENCES, LENGTH))
        named = {name: self.tokens == place for place, name in enumerate(VOCABULARY)}
        after = np.zeros_like(named[" the"])
        after[:, 1:] = named[" the"][:, :-1]
        first = np.zeros_like(after)
        first[:, 0] = True
        hostile = named[" <b>"] | named["</script>"] | named[" قط"]
        masks = [named[" cat"], after, first, named[" red"] | named[" blue"], np.zeros_like(after), hostile]
        self.values = np.stack([np.round(mask * strength, 3) for mask in masks], -1)

    def about(self) -> records.About:
        return records.About(
            model="planted", model_hash="m", site="blocks.0.resid_post", basis=f"Planted({self.size} latents)", basis_hash="b", size=self.size,
            corpus="forty short texts", sequences=SEQUENCES, tokens=SEQUENCES * LENGTH, left_out="",
        )  # fmt: skip

    def table(self, *, limit: None = None) -> pl.DataFrame:
        rows = [self.statistics(latent) for latent in range(self.size)]
        return pl.DataFrame({"latent": range(self.size), **{name: [row[name] for row in rows] for name in rows[0]}})

    def statistics(self, latent: int) -> dict[str, float | None]:
        values = self.of(latent)
        firing = values[values > 0]
        return {
            "density": len(firing) / values.size, "firings": len(firing), "mean": float(firing.mean()) if len(firing) else None,
            "maximum": float(firing.max()) if len(firing) else None, "score": None if latent % 3 == 2 else 0.5 + latent % 50 / 100,
        }  # fmt: skip

    def of(self, latent: int) -> np.ndarray:
        return self.values[..., latent % len(RULES)]

    def example(self, latent: int, place: int, shown: set[int]) -> records.Example:
        sequence, position = divmod(place, LENGTH)
        again = place in shown
        shown.add(place)
        return records.Example(
            sequence=sequence, position=position, start=0, tokens=[self.texts[token] for token in self.tokens[sequence]],
            values=self.of(latent)[sequence].tolist(), again=again,
        )  # fmt: skip

    def record(self, latent: int) -> records.Record:
        values = self.of(latent).reshape(-1)
        order = [int(place) for place in np.argsort(-values, kind="stable") if values[place] > 0]
        top, shown = float(values.max()), set[int]()
        strongest = [self.example(latent, place, shown) for place in order[:20]]
        intervals = []
        for step in reversed(range(10)):
            low, high = top * step / 10, top * (step + 1) / 10
            within = [place for place in order if low < values[place] <= high]
            intervals.append(
                records.Interval(
                    low=low, high=high, share=len(within) / max(1, len(order)), highest=float(values[within].max()) if within else None,
                    examples=[self.example(latent, place, shown) for place in within[:5]],
                )
            )  # fmt: skip
        weights = [records.Weight(token=token, value=round(2 - 0.3 * rank, 2)) for rank, token in enumerate(self.texts)]
        flat = np.histogram(values[values > 0], bins=20, range=(0, top or 1))[0]
        described = latent % 3 != 2
        words = records.Description(
            text=self.rules[latent % len(RULES)], author="offline templates", scores={"detection": 0.5 + latent % 50 / 100, "fuzzing": None},
            controls={"detection": 0.48}, note="40 examples",
        )  # fmt: skip
        person = words | {"author": "human", "text": "<i>mine</i>", "scores": {}, "controls": {}, "note": ""}
        beside = records.Neighbour(latent=(latent + 1) % self.size, label=self.rules[(latent + 1) % len(RULES)], cosine=0.31, correlation=None)
        return records.Record(
            latent=latent, label=self.rules[latent % len(RULES)], statistics=self.statistics(latent),
            descriptions=[person, words] if described else [],
            histogram=records.Histogram(low=0, high=top or 1, counts=flat.tolist()),
            logits=records.Logits(
                top=weights[:10], bottom=weights[:5:-1][:10], histogram=records.Histogram(low=-2, high=2, counts=list(range(20, 0, -1)))
            ),
            strongest=strongest, intervals=intervals, alignment=[records.Neuron(neuron=5, value=-0.4, other=0.03)],
            neurons=[records.Neuron(neuron=7, value=0.6, other=0.5)], neurons_at="blocks.0.mlp.post", nearest=[beside], correlated=[beside],
            parallel={"another seed": [beside]}, positions=records.Profile(edges=[0, 4, 8, 12, 16], density=[0.1, 0.2, None, 0.05]),
            heads=[records.Head(head="head 0", share=0.7), records.Head(head="head 1", share=0.3)],
            properties=[
                records.Property(
                    name="a colour", base=0.1,
                    ratios=[
                        records.Ratio(low=0, high=2, ratio=2.5, interval=(1.1, 4.0), n=31),
                        records.Ratio(low=2, high=5, ratio=None, interval=None, n=0),
                    ],
                )
            ],
        )  # fmt: skip

    def effects(self, latent: int) -> records.Effects:
        record = self.record(latent)
        examples = [*record["strongest"], *(example for interval in record["intervals"] for example in interval["examples"])]
        return records.Effects(latent=latent, examples=[self.effect(example) for example in examples])

    def effect(self, example: records.Example) -> records.Effect:
        own = example["position"] - example["start"]
        loss: list[float | None] = [0.0] * len(example["tokens"])
        loss[0] = None
        if own + 1 < len(loss):
            loss[own + 1] = 0.25 if own % 2 else -0.4
        move = records.Move(place=own, up=[records.Weight(token=" up", value=1.5)], down=[records.Weight(token=" down", value=-0.7)])
        return records.Effect(loss=loss, moved=[move])

    def active(self, text: str) -> records.Active:
        tokens = [f" {word}" for word in text.split()]
        values = [[2.0 if token == " cat" else 0.0 for token in tokens], [1.0 if place == 0 else 0.0 for place in range(len(tokens))]]
        firings = [
            records.Firing(latent=latent, label=self.rules[latent], values=row, effects=[-value for value in row])
            for latent, row in zip((0, 2), values, strict=True)
            if any(row)
        ]
        return records.Active(text=text, tokens=tokens, firings=firings)
