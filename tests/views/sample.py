"""A document with every kind of drawing and figures of a believable size: what the views are judged on."""

import math
import random

from views.circuits import sample_circuit, sample_pair

from sonde.results import Verdict
from sonde.results.document import Document, Section, Sentence
from sonde.results.drawing import (
    Control,
    Drawing,
    Points,
    Series,
    attention,
    bars,
    beside,
    head_grid,
    lens,
    lines,
    matrix,
    overlay,
    overlays,
    picture_grid,
    rose,
    scatter,
    swap,
    table,
    tabs,
    tokens,
    verdicts,
    violins,
    waterfall,
)

PROMPT = ["When", " Mary", " and", " John", " went", " to", " the", " shop", ",", " John", " gave", " a", " book", " to"]
LAYERS = ["embed", "0", "1", "2", "3", "model"]


def sample_verdicts() -> list[Verdict]:
    def share(claim: str, measured: float | None, control: float | None, interval: tuple[float, float] | None, reason: str = "") -> Verdict:
        measure = "drop of the logit difference, share of the clean value"
        return Verdict(
            claim, measure, measured, control, interval, 64, "greater", 0.3, "twice the largest of 200 random sets on held-out prompts", reason
        )

    return [
        share("Heads 2.1 and 3.4 together carry the choice between ` Mary` and ` John`.", 0.71, 0.06, (0.58, 0.72)),
        share("The second ` John` is what makes the model answer ` Mary`.", 0.44, 0.09, (0.21, 0.47)),
        share("The MLP of layer 0 is needed for this answer more than others.", 0.12, 0.1, (-0.05, 0.09)),
        share(
            "The answer does not depend on the word ` book`.",
            None,
            None,
            None,
            "only one counterfactual of the same length was found; at least eight are needed",
        ),
    ]


def sample_patterns() -> list[list[list[list[float]]]]:
    """Causal attention with axes (layer, head, query, key): one previous-token head, one that finds the earlier same word, the others diffuse."""
    draw = random.Random(1)

    def weights(layer: int, head: int, query: int) -> list[float]:
        raw = [draw.random() ** 6 + 0.02 for _ in range(query + 1)]
        raw[0] += 0.8
        if (layer, head) == (1, 0) and query:
            raw[query - 1] += 25.0
        if (layer, head) in ((2, 1), (3, 4)):
            raw[next((key for key in range(query) if PROMPT[key] == PROMPT[query]), 0)] += 6.0
            raw[min(1, query)] += 9.0 * (query == len(PROMPT) - 1)
        return [one / sum(raw) for one in raw] + [0.0] * (len(PROMPT) - 1 - query)

    return [[[weights(layer, head, query) for query in range(len(PROMPT))] for head in range(6)] for layer in range(4)]


def sample_picture(size: int = 48) -> list[list[list[float]]]:
    """A bright ring and a dark bar on a grey ground, with axes (channel, row, col)."""

    def pixel(row: int, col: int) -> list[float]:
        away = math.hypot(row - size * 0.45, col - size * 0.4) / size
        if 0.18 < away < 0.3:
            return [0.95, 0.8, 0.35]
        return [0.12, 0.16, 0.25] if col > 0.75 * size else [0.55 + 0.2 * row / size] * 3

    return [[[pixel(row, col)[channel] for col in range(size)] for row in range(size)] for channel in range(3)]


def sample_map(size: int, noise: float, seed: int = 0) -> list[list[float]]:
    """Values on the ring of `sample_picture`, against those on its bar, under noise."""
    draw = random.Random(seed)

    def value(row: int, col: int) -> float:
        away = math.hypot(row - size * 0.45, col - size * 0.4) / size
        return math.exp(-(((away - 0.24) / 0.05) ** 2)) - 0.7 * (col > 0.75 * size) * (row < size / 2) + draw.gauss(0, 1) * noise

    return [[value(row, col) for col in range(size)] for row in range(size)]


def phenomena(draw: random.Random) -> Drawing:
    """Accuracy of five models in twelve phenomena, and people's."""
    names = ["anaphor", "argument structure", "binding", "control/raising", "determiner-noun", "ellipsis", "filler-gap"]
    names += ["irregular", "island", "NPI", "quantifiers", "subject-verb"]
    models = {"5-gram": 0.62, "LSTM": 0.71, "specimen:words": 0.68, "stories260k": 0.66, "transformer": 0.82, "people": 0.9}
    figures = [[round(min(0.99, mean + draw.gauss(0, 0.06)), 3) for _ in names] for mean in models.values()]
    return table(
        "Which phenomena does each model know?",
        ["model", *names],
        [[name, *row] for name, row in zip(models, figures, strict=True)],
        intervals=[
            [None, *((value - 0.02, min(1.0, value + 0.02)) if name != "people" else None for value in row)]
            for name, row in zip(models, figures, strict=True)
        ],
        best="highest",
        unranked=[5],
        unit="accuracy",
        note="People's figures are those of the authors.",
    )


def sample_drawings() -> dict[str, Drawing]:
    draw = random.Random(0)
    places, depth = len(PROMPT), len(LAYERS)
    pushes = [0.02, 1.62, 0.11, -0.48, 0.05, 0.03, -0.02, 0.07, 0.21, -1.1, 0.16, -0.04, 0.09, 0.31]
    guesses = [" and", " the", " a", " gave", " John", " Mary", " shop", " book", ","]
    answers = [" and", " and", " John", " went", " to", " the", " shop", ",", " John", " gave", " a", " book", " to", " Mary"]
    top = [
        [answers[p] if layer + draw.random() * 4 > 5 or layer == depth - 1 else draw.choice(guesses) for p in range(places)] for layer in range(depth)
    ]
    probability = [[min(0.97, (layer + 1) / 7 * draw.random() ** 0.5 + 0.02) for _ in range(places)] for layer in range(depth)]
    patching = [
        [2.1 * math.exp(-((p - (9 if layer < 2 else 13)) ** 2) / 0.6) * (1 - 0.1 * layer) + draw.gauss(0, 0.05) for p in range(places)]
        for layer in range(4)
    ]
    patching[0][0] = float("nan")
    heads = [[draw.gauss(0, 0.08) for _ in range(6)] for _ in range(4)]
    heads[2][1], heads[3][4], heads[1][0] = 1.34, 0.92, -0.41
    contrasts = {name: [round(v * share + draw.gauss(0, 0.1), 3) for v in pushes] for name, share in ((" John", 1.0), (" the", 0.4), (" a", -0.3))}
    patterns = sample_patterns()
    ranked = sorted(((abs(v), v, f"{r}.{c}") for r, row in enumerate(heads) for c, v in enumerate(row)), reverse=True)[:8]
    return {
        "guesses": table(
            "What comes next?",
            ["token", "probability", "logit"],
            [[" Mary", 0.62, 11.2], [" the", 0.11, 9.5], [" John", 0.05, 8.7], [" a", 0.03, 8.2]],
        ),
        "surprisal": tokens(
            "How surprised was the model by each word?",
            "bits",
            PROMPT,
            [None, *(abs(draw.gauss(2.4, 2)) for _ in range(places - 1))],
            scale="sequential",
            zero="certain",
        ),
        "pushes": tokens(
            "Which words push towards ` Mary` and against ` John`?",
            "logits",
            PROMPT,
            pushes,
            details=[f"gradient × input {v + draw.gauss(0, 0.1):+.2f}" for v in pushes],
            note="Integrated gradients, 64 steps, baseline: the padding token. The sum is the change of the logit difference.",
        ),
        "lens": lens(
            "When does the answer appear?",
            "probability of the token shown",
            tokens=PROMPT,
            layers=LAYERS,
            top=top,
            values=probability,
            marks=[[guess == answers[p] for p, guess in enumerate(row)] for row in top],
            details=[
                [[(guess, probability[r][p]), (" the", probability[r][p] / 3), (" a", probability[r][p] / 7)] for p, guess in enumerate(row)]
                for r, row in enumerate(top)
            ],
            limit=1.0,
        ),
        "kl": lines(
            "How far is each layer from the final answer?",
            "bits",
            "layer",
            LAYERS,
            [
                Series("logit lens", [8.1, 6.4, 4.4, 1.9, 0.6, 0.0], [7.2, 5.9, 3.8, 1.4, 0.3, 0.0], [9.0, 6.9, 5.0, 2.4, 0.9, 0.0]),
                Series("tuned lens", [5.2, 3.9, 2.2, 0.9, 0.3, 0.0]),
            ],
            control=Control("a random direction of the same size", 7.4, (6.9, 7.9)),
        ),
        "patching": matrix(
            "Where does the counterfactual change the answer?",
            "logit difference restored",
            patching,
            row_name="layer",
            rows=range(4),
            col_name="position",
            cols=PROMPT,
            note="Each cell: the residual stream before that layer, taken from the run on `… Mary gave a book to`.",
        ),
        "heads": matrix("Which heads?", "logits", heads, row_name="layer", rows=range(4), col_name="head", cols=range(6)),
        "ranked": bars(
            "Which heads matter more than chance?",
            "logits",
            [f"head {name}" for _, _, name in ranked],
            [v for _, v, _ in ranked],
            intervals=[(v - 0.15, v + 0.15) for _, v, _ in ranked],
            control=Control("random heads of the same layers", 0.0, (-0.17, 0.17)),
            bar_control=Series("the same head, shuffled prompt", [v * 0.2 for _, v, _ in ranked]),
        ),
        "task": tokens(
            "Which task is this?",
            "",
            PROMPT,
            None,
            roles={"indirect object": [1], "subject, first": [3], "subject, again": [9], "place": [7], "answered here": [13]},
            note="Found by its template `When A and B went to the …, B gave a … to`.",
        ),
        "attention": attention(
            "Where do these heads look?",
            PROMPT,
            [patterns[1][0], patterns[2][1], patterns[2][3], patterns[3][4], patterns[3][5]],
            ["1.0", "2.1", "2.3", "3.4", "3.5"],
            details=["previous token 0.91", "duplicate 0.74, copying 0.97", "nothing above its control", "duplicate 0.68, copying 0.92", ""],
            chosen=1,
            note="Scores are means over 64 random repeated texts.",
        ),
        "grid": head_grid(
            "Which heads write the answer?",
            "logits",
            heads,
            details=[[f"direct contribution of head {r}.{c}" for c in range(6)] for r in range(4)],
            patterns=patterns,
            tokens=PROMPT,
        ),
        "pixels": overlay(
            "Which pixels speak for a ring?",
            "logits",
            sample_picture(),
            sample_map(24, 0.04),
            control=Control("size of a value under random weights", 0.05, (0.03, 0.08)),
            note="Integrated gradients, baseline: the blurred picture.",
        ),
        "cascade": overlays(
            "Does the explanation notice a broken model?",
            "logits",
            sample_picture(),
            [[sample_map(24, noise * share, seed) for seed, noise in enumerate((0.0, 0.2, 0.5, 1.0))] for share in (1.0, 0.1)],
            row_name="method",
            rows=["gradient", "guided backpropagation"],
            col_name="layers made random, from the top",
            cols=["none", "1", "2", "all"],
            details=[[f"ρ = {1 / (1 + 3 * share * noise):.2f}" for noise in (0.0, 0.2, 0.5, 1.0)] for share in (1.0, 0.1)],
            colours="own",
        ),
        "wanted": picture_grid(
            "What do three units look for?",
            "activation",
            [[sample_picture(), [[[0.2, 0.8], [0.8, 0.2]]]], [sample_picture(), None], [None, sample_picture()]],
            row_name="unit",
            rows=["conv:3", "conv:7", "conv:11"],
            col_name="optimum",
            cols=["most", "least"],
            values=[[8.25, -3.5], [4.0, None], [None, 0.0]],
            details=[["above 99 % of pictures", "below all"], ["above 92 % of pictures", ""], ["", "dead"]],
            links=[["conv-3.html", None], [None, None], [None, None]],
        ),
        "partners": picture_grid(
            "Of what is conv:3 built?",
            "contribution",
            [[None, None], [sample_picture(), sample_picture()], [None, None]],
            row_name="partners",
            rows=["excited by", "which look for", "inhibited by"],
            col_name="rank",
            cols=["1", "2"],
            values=[[0.8, 0.5], [None, None], [-0.6, None]],
            details=[["stem:1", "stem:4"], ["", ""], ["stem:7", ""]],
            maps=[
                [[[0.1, 0.9, -0.2], [0.0, 0.8, 0.1], [0.2, 0.7, 0.0]], [[0.4, 0.1], [0.1, 0.4]]],
                [None, None],
                [[[-0.5, 0.1], [-0.3, -0.4]], None],
            ],
            map_unit="weight",
            zero="no weight",
        ),
        "deletion": lines(
            "How fast does the answer go when the most important words go first?",
            "probability",
            "share removed",
            [f"{share / 10:g}" for share in range(11)],
            [
                Series("integrated gradients", [0.94 * math.exp(-share / 2) for share in range(11)]),
                Series("gradient", [0.94 - share * 0.08 for share in range(11)]),
            ],
            control=Series(
                "random order",
                [0.94 - 0.06 * share for share in range(11)],
                [0.94 - 0.075 * share for share in range(11)],
                [0.94 - 0.045 * share for share in range(11)],
            ),
        ),
        "plane": scatter(
            "How far can attention move while the answer stays?",
            "change of the answer (TVD)",
            "change of attention (JSD, nats)",
            [
                Points(
                    "adversaries",
                    [0.002, 0.02, 0.08, 0.2, 0.42],
                    [0.05, 0.31, 0.5, 0.58, 0.6],
                    labels=[f"λ = {one}" for one in (1, 0.1, 0.01, 1e-3, 0)],
                    joined=True,
                ),
                Points("other seeds", [abs(draw.gauss(0.04, 0.03)) for _ in range(24)], [abs(draw.gauss(0.1, 0.06)) for _ in range(24)]),
                Points("uniform", [0.21], [0.33]),
            ],
            control=Control("the same model twice", 0.01, (0.0, 0.02)),
        ),
        "calibration": scatter(
            "Is its confidence right?",
            "confidence",
            "accuracy",
            [
                Points(
                    "held out",
                    [0.05, 0.15, 0.3, 0.5, 0.7, 0.9, 0.98],
                    [0.07, 0.2, 0.33, 0.46, 0.6, 0.74, 0.9],
                    [0.02, 0.1, 0.24, 0.37, 0.5, 0.66, 0.85],
                    [0.14, 0.3, 0.43, 0.55, 0.7, 0.81, 0.94],
                    joined=True,
                )
            ],
            diagonal="perfectly calibrated",
        ),
        "spread": violins(
            "How far do adversaries move attention?",
            "JSD, nats",
            ["largest attention 0 to 0.25", "0.25 to 0.5", "0.5 to 0.75", "0.75 to 1"],
            [[0.69 * draw.betavariate(2 + 3 * (3 - one), 2 + one * 2) for _ in range(count)] for one, count in enumerate((220, 140, 31, 9))],
            control=Control("other seeds", 0.09, (0.03, 0.17)),
        ),
        "swap": swap(
            "Must it look where it looks?",
            ["the", " film", " was", " slow", " and", " still", " I", " loved", " every", " minute"],
            [
                ("learned", [0.01, 0.03, 0.01, 0.08, 0.01, 0.02, 0.02, 0.71, 0.03, 0.08], "positive 0.981"),
                ("adversarial", [0.22, 0.3, 0.18, 0.01, 0.12, 0.06, 0.05, 0.02, 0.03, 0.01], "positive 0.974"),
                ("uniform", [0.1] * 10, "positive 0.913"),
            ],
        ),
        "circuit": sample_circuit(),
        "circuits": sample_pair(),
        "roses": rose(
            "Which way do they point?",
            "activation",
            "angle in degrees",
            range(0, 180, 15),
            [Series(f"conv1:{unit}", [math.cos(math.radians(angle - 30 * unit)) ** 6 - 0.2 for angle in range(0, 180, 15)]) for unit in range(5)],
            period=180,
        ),
        "family": rose(
            "Is one the other, turned?",
            "activation",
            "angle in degrees",
            range(0, 360, 15),
            [
                Series(f"unit {unit}", turned, [value - 0.1 for value in turned], [value + 0.1 for value in turned])
                for unit, turned in enumerate(
                    [max(0.0, math.cos(math.radians(angle - 60 * unit))) + 0.2 for angle in range(0, 360, 15)] for unit in range(6)
                )
            ],
            together=True,
        ),
        "faithfulness": lines(
            "How many edges carry the answer?",
            "faithfulness",
            "edges",
            [1, 2, 5, 10, 20, 50, 100, 1000],
            [
                Series(
                    "EAP-IG",
                    [0.02, 0.11, 0.3, 0.52, 0.71, 0.86, 0.94, 1.0],
                    [0.0, 0.08, 0.24, 0.45, 0.64, 0.8, 0.9, 0.98],
                    [0.05, 0.15, 0.36, 0.59, 0.78, 0.92, 0.98, 1.02],
                )
            ],
            spacing="log",
            control=Series(
                "random circuits", [0.0, 0.0, 0.01, 0.01, 0.02, 0.04, 0.1, 0.9], [-0.02] * 7 + [0.8], [0.02, 0.02, 0.03, 0.04, 0.06, 0.1, 0.2, 0.96]
            ),
        ),
        "agreement": matrix(
            "Which methods agree?",
            "rank correlation",
            [[None if r == c else round(0.9 - 0.22 * abs(r - c), 2) for c in range(5)] for r in range(5)],
            row_name="method",
            rows=["gradient", "gradient × input", "integrated gradients", "occlusion", "attention"],
            col_name="method",
            cols=["gradient", "gradient × input", "integrated gradients", "occlusion", "attention"],
            limit=1.0,
            zero="as if shuffled",
        ),
        "phenomena": phenomena(draw),
        "adds": waterfall(
            "What does the choice of ` Mary` over ` John` add up from?",
            "logits",
            [*(f"head {r}.{c}" for r in range(4) for c in range(6)), *(f"MLP {r}" for r in range(4)), "embedding"],
            [*(value for row in heads for value in row), 0.21, -0.34, 0.66, 0.12, -0.05],
            intervals=[*((value - 0.1, value + 0.1) for row in heads for value in row), *[None] * 5],
            total=2.61,
            control=Control("a random head", 0.0, (-0.12, 0.12)),
            zero="` Mary` and ` John` are equally likely",
        ),
        "contrasts": tabs(
            "What pushes towards ` Mary`, against what?",
            [(f"against `{name}`", tokens(f"` Mary` against `{name}`", "logits", PROMPT, values)) for name, values in contrasts.items()],
        ),
        "models": beside(
            "Do two models use the same words?",
            [
                ("words", tokens("Do two models use the same words?", "logits", PROMPT, contrasts[" John"])),
                ("words-small", tokens("Do two models use the same words?", "logits", PROMPT, contrasts[" the"])),
            ],
        ),
        "verdicts": verdicts("What was checked?", sample_verdicts(), command="sonde explain 'When Mary and John …' --seed 0"),
    }


def sample_document() -> Document:
    figures = sample_drawings()
    claims = [Sentence(verdict.claim, verdict) for verdict in sample_verdicts()]
    return Document(
        title="When Mary and John went to the shop, John gave a book to",
        subtitle="Why does the model continue with ` Mary` and not with ` John`?",
        facts=[
            ("model", "specimen:words"),
            ("parameters", "1.1 M, 4 layers of 6 heads"),
            ("hash", "9f2c61aa"),
            ("seed", "0"),
            ("time", "6.2 s on 2 cores"),
        ],
        sections=[
            Section(
                "summary", "In short", sentences=[Sentence("The model gives ` Mary` a probability of 0.62, twelve times that of ` John`."), *claims]
            ),
            Section(
                "prediction",
                "What does it predict?",
                "The model's own next-token distribution, and how surprising each word was to it.",
                [figures["guesses"], figures["task"], figures["surprisal"]],
            ),
            Section(
                "attribution",
                "Which words mattered?",
                "Three methods that share no mechanism. Where they agree, the answer does not hang on the method.",
                [figures["pushes"], figures["contrasts"]],
                [claims[1]],
            ),
            Section(
                "contributions",
                "What does the answer add up from?",
                "Every head and MLP writes into the residual stream; what each writes is read against the two answers.",
                [figures["adds"], figures["grid"], figures["attention"]],
            ),
            Section(
                "lens",
                "When does the answer appear?",
                "Every layer's residual stream, read out as if it were the last.\n\nThe last row is the model itself.",
                [figures["lens"], figures["kl"]],
            ),
            Section(
                "patching",
                "Where is it computed?",
                "One place at a time is overwritten with its value in the counterfactual run.",
                [figures["patching"], figures["heads"], figures["ranked"]],
                [claims[2]],
            ),
            Section(
                "verification",
                "Does it survive a test?",
                "The components found above, removed together, against random sets of the same size.",
                [figures["verdicts"]],
            ),
            Section("deletion", "Is the explanation true?", "", [figures["deletion"], figures["agreement"], figures["calibration"]]),
            Section("circuits", "Which circuit computes it?", "", [figures["circuit"], figures["faithfulness"], figures["circuits"]]),
            Section("lab", "Is attention an explanation?", "", [figures["plane"], figures["spread"], figures["swap"]]),
            Section("behaviour", "What does it know?", "", [figures["phenomena"]]),
            Section(
                "pictures",
                "And in pictures?",
                "The same questions, of a model that sees.",
                [figures["pixels"], figures["cascade"], figures["roses"], figures["family"]],
            ),
            Section("peers", "Does another model do the same?", "The same prompt, a smaller model.", [figures["models"]], folded=True),
        ],
        command="sonde explain 'When Mary and John went to the shop, John gave a book to' --target ' Mary' --foil ' John' --seed 0",
    )
