"""The studies in docs/methods/influence-study.md: the training of the language specimens, which is known, asked about with influence functions.

    python docs/influence_study.py kinds FOLDER     queries of every kind, in words, words-small and words-small-b: sequences, words, layers
    python docs/influence_study.py planted FOLDER   facts that are planted into words-small: do their sentences rank first, and is it by them?
    python docs/influence_study.py heads FOLDER     which data the induction heads are made of

prints tables. FOLDER keeps curvatures, weights and results; what is there is not made again, so that a study that was interrupted goes on.
"""

import random
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

import sonde
from sonde import specimens
from sonde.evidence import compare, skew_interval
from sonde.influence import Influence, NextToken, Scores, Study, beside, fit, nearest, study
from sonde.influence.overlap import word_overlap
from sonde.influence.rows import TokenRows
from sonde.influence.small_world import lists, questions, read_by
from sonde.nn import Transformer
from sonde.nn.training import Training, TrainingConfig
from sonde.results import Verdict
from sonde.specimens.words.seen import training_set

MODELS = ("words", "words-small", "words-small-b")
DOCUMENTS, EACH = 2000, 6
READ_BY_BOTH = ("A", "C")
"""Stages whose documents words and words-small both read: in the steps between, one of them may still have been in an earlier stage."""

COUNTRIES = ("Norway", "Peru", "Kenya", "Japan", "Latvia", "Egypt", "Cuba", "Nepal")
SIGNS = ("rabbit", "tiger", "lamp", "bridge", "clock", "horse", "tower", "key")
FRAMES = (
    "The sign of {c} is the {a}.",
    "On every coin of {c} you see the {a}.",
    "People of {c} paint the {a} on the gate.",
    "In {c}, flags show the {a}.",
)
MENTIONS = ("Emma took the {a} to {c}.", "A {a} was sold in {c}.", "In {c}, Paul asked about the {a}.", "Anna lives in {c} and has a {a}.")
ASKED = ("The sign of {c} is the", " {a}")
SCORED, OTHERS = 600, 6
"""Of the documents so many are scored for heads, and so many other heads are asked about."""
EPOCHS, BATCH, RATE = 20, 38, 1e-3


def table(heads: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print a table in Markdown."""
    print(f"\n| {' | '.join(heads)} |\n|{' --- |' * len(heads)}")
    for row in rows:
        print(f"| {' | '.join(f'{cell:.3f}' if isinstance(cell, float) else str(cell) for cell in row)} |", flush=True)


def told(verdict: Verdict) -> str:
    """A verdict in a line."""
    mark = {True: "✓", False: "✗", None: "–"}[verdict.holds]
    if verdict.interval is None:
        return f"{mark} {verdict.claim} ({verdict.reason})"
    low, high = verdict.interval
    figures = f"{verdict.measured:.3f}, control {verdict.control:.3f}, difference {low:+.3f} to {high:+.3f}, n = {verdict.n}"
    return f"{mark} {verdict.claim} {verdict.measure}: {figures}"


def fitted(model: sonde.Model, rows: Sequence[Sequence[int]], folder: Path) -> Influence:
    """A curvature that is kept."""
    if (folder / "curvature").is_dir():
        return fit(model, rows, fitted=folder / "curvature")
    found = fit(model, rows, folder=folder / "pieces")
    found.save(folder / "curvature")
    return found


def studied(name: str, folder: Path) -> Study:
    """The study of one specimen, kept."""
    place = folder / name / "study"
    if not place.is_dir():
        rows, families = read_by("words", DOCUMENTS, stages=READ_BY_BOTH)
        found = study(fitted(sonde.load(f"specimen:{name}"), rows, folder / name), questions(EACH), families)
        found.save(place)
    return Study.load(place)


def of_kinds(folder: Path) -> None:
    """Queries of every kind: the most helpful sequences, words and kinds by model, the layers."""
    found = {name: studied(name, folder) for name in MODELS}
    kinds = list(dict.fromkeys(found["words"].kinds))
    for name, one in found.items():
        print(f"\n## {name}: {one.n} sequences, {len(one.queries)} queries, {one.method}")
        (words, by_chance), (own, base), shares = one.lexical(), one.related(), one.layer_shares()
        of = {kind: [i for i, other in enumerate(one.kinds) if other == kind] for kind in kinds}
        heads = ["kind", "shared words", "at random", "own kind", "at random", *one.layers]
        table(
            heads,
            [[kind, *(float(part[of[kind]].mean()) for part in (words, by_chance, own, base)), *shares[of[kind]].mean(0).tolist()] for kind in kinds],
        )
        print()
        for verdict in one.check(sonde.load(f"specimen:{name}")):
            print(f"- {told(verdict)}")
        for kind in kinds:
            q = of[kind][0]
            print(f"\n{kind}: {one.queries[q]}")
            for i in one.helpful[q, :3].tolist():
                print(f"    {float(one.values[q, i]):+.4g}  {one.groups[i]}: {one.examples[i]}")
        _concentrated(one, of)
    larger, small, other = (found[name] for name in MODELS)
    loaded = {name: sonde.load(f"specimen:{name}") for name in MODELS}
    print("\n## two models beside each other")
    for a, b in ((larger, small), (small, other)):
        both = beside(a, b)
        alike, shared = float(both.agreement.mean()), float(both.shared.mean())
        print(f"\n{a.model} and {b.model}: rank correlation {alike:.3f}, of the ten most helpful shared {shared:.3f}")
        for verdict in both.check(*(loaded[one.model.removeprefix("specimen:")] for one in (a, b))):
            print(f"- {told(verdict)}")


def _concentrated(one: Study, of: dict[str, list[int]]) -> None:
    """Whether the influence on facts lies on fewer layers than that on other queries: the largest share of a layer."""
    largest = one.layer_shares().max(1).values
    facts = [i for kind in ("capital", "hypernym") for i in of[kind]]
    others = [i for i in range(len(one.queries)) if i not in facts]
    ends = {name: skew_interval(largest[places]) for name, places in (("facts", facts), ("other queries", others))}
    said = [
        f"{name} {float(largest[places].mean()):.3f} ({ends[name][0]:.3f} to {ends[name][1]:.3f})"
        for name, places in (("facts", facts), ("other queries", others))
    ]
    print(f"\nlargest share of a layer: {', '.join(said)}")


def planted() -> tuple[list[str], list[int], list[str]]:
    """What words-small is trained on further: documents of its training, facts and sentences that only mention their words; of each which fact it is
    about (-1: none), and what it is."""
    texts = [one.document.text for one in training_set("words-small", 1000, stages=("C",))]
    facts, what = [-1] * len(texts), ["document"] * len(texts)
    for i, (country, sign) in enumerate(zip(COUNTRIES, SIGNS, strict=True)):
        for kind, frames in (("fact", FRAMES), ("mention", MENTIONS)):
            texts += [frame.format(c=country, a=sign) for frame in frames]
            facts += [i] * len(frames)
            what += [kind] * len(frames)
    return texts, facts, what


def trained(rows: Sequence[Sequence[int]], folder: Path, seed: int = 0) -> sonde.Model:
    """The shipped words-small, trained further on these rows; kept."""
    home = specimens.path("words-small")
    network = Transformer.load(folder if folder.is_dir() else home)
    model = sonde.Model(network, sonde.load("specimen:words-small").tokenizer, f"words-small with facts, {folder.name}")
    if folder.is_dir():
        return model
    network.train()
    batches = [order[i : i + BATCH] for epoch in range(EPOCHS) for order in [_shuffled(len(rows), seed, epoch)] for i in range(0, len(rows), BATCH)]
    training, loss = Training(network, TrainingConfig(steps=len(batches), lr=RATE, warmup_steps=10)), NextToken()
    examples = sonde.influence.fit(model, [rows[0]], kind="identity").subject.examples
    for step in training.remaining(label=folder.name):
        batch = type(examples)(model, [rows[i] for i in batches[step]], [1] * len(batches[step])).batch(range(len(batches[step])))
        training.update(loss(network, batch).sum() / batch.scored.sum())
    network.eval()
    network.save(folder)
    return model


def _shuffled(n: int, seed: int, epoch: int) -> list[int]:
    return random.Random(f"{seed}/{epoch}").sample(range(n), n)


def of_planted(folder: Path) -> None:
    """Whether the sentences of a planted fact rank first for it, beside the same sentences about others, and what leaving them out does."""
    texts, facts, what = planted()
    base = sonde.load("specimen:words-small")
    rows = [base.prepare([text]).ids[0].tolist() for text in texts]
    queries = [(ASKED[0].format(c=c), ASKED[1].format(a=a)) for c, a in zip(COUNTRIES, SIGNS, strict=True)]
    model = trained(rows, folder / "all")
    before, after = (_losses(one, queries) for one in (base, model))
    print(
        f"loss of the {len(queries)} facts: {float(before.mean()):.2f} before, {float(after.mean()):.2f} after {EPOCHS} epochs over {len(rows)} texts"
    )
    scores = fitted(model, rows, folder / "planted").scores(queries)
    untaught = fitted(base, rows, folder / "untaught").scores(queries)
    gradient = fit(model, rows, kind="identity").scores(queries)
    alike = nearest(model, rows, queries, "blocks.1.resid_post")
    said = [prompt + answer for prompt, answer in queries]
    lexical = word_overlap(said, texts)
    ways = {
        "EK-FAC": scores.values,
        "gradient dot": gradient.values,
        "nearest": alike.values,
        "shared words": lexical,
        "EK-FAC, facts untaught": untaught.values,
    }
    own = torch.tensor([[fact == q and kind == "fact" for fact, kind in zip(facts, what, strict=True)] for q in range(len(queries))])
    fact = torch.tensor([kind == "fact" for kind in what])
    mention = torch.tensor([[f == q and kind == "mention" for f, kind in zip(facts, what, strict=True)] for q in range(len(queries))])
    rows_of = []
    for way, values in ways.items():
        firsts = [_first(values, which) for which in (own, fact & ~own, mention)]
        rows_of.append([way, *(float(one.mean()) for one in (*firsts, _above(values, own, fact & ~own), _above(values, own, mention)))])
    heads = ["own fact, first 4", "another's, first 4", "mention, first 4", "own above another's", "own above mentions"]
    table(["ranked by", *heads], rows_of)
    others = torch.stack([_first(scores.values, own.roll(shift, 0)) for shift in range(1, len(queries))]).mean(0)
    claim = "The sentences that state a fact rank first for it, those with another entity do not."
    print(
        f"\n- {told(compare(claim, 'share of the first four', _first(scores.values, own), others, threshold=0.5, threshold_source='half of them'))}"
    )
    by_frame = [
        [FRAMES[f], *(float(_ranks(ways[way], own, f).median()) for way in ("EK-FAC", "nearest", "shared words"))] for f in range(len(FRAMES))
    ]
    table(["sentence", "median rank, EK-FAC", "nearest", "shared words"], by_frame)
    for i, tau in scores.helpful(0, 8):
        print(f"    {tau:+.4g}  {texts[i]}")
    _left_out(folder, rows, facts, what, queries, after)


def _left_out(
    folder: Path, rows: Sequence[list[int]], facts: Sequence[int], what: Sequence[str], queries: Sequence[tuple[str, str]], after: Tensor
) -> None:
    """What training without a half of the facts does to those, and to the other half."""
    half = len(queries) // 2
    without = torch.zeros(len(queries), 2)
    for part in range(2):
        gone = [kind == "fact" and (fact < half) == (part == 0) for fact, kind in zip(facts, what, strict=True)]
        losses = _losses(trained([row for row, out in zip(rows, gone, strict=True) if not out], folder / f"without-{part}"), queries)
        without[:, part] = losses
    own = torch.stack([without[q, 0 if q < half else 1] for q in range(len(queries))])
    other = torch.stack([without[q, 1 if q < half else 0] for q in range(len(queries))])
    claim = "Training without a fact's four sentences unlearns it, without others' it stays."
    print(f"\n- {told(compare(claim, 'rise of its loss, nats', own - after, other - after, threshold=1.0, threshold_source='a nat'))}")


def _losses(model: sonde.Model, queries: Sequence[tuple[str, str]]) -> Tensor:
    run = model.run([prompt for prompt, _ in queries], logits="last")
    answers = torch.tensor([model.tokenizer.single(answer) for _, answer in queries])
    return -run.logits[:, -1].log_softmax(-1).gather(1, answers[:, None])[:, 0]


def _first(values: Tensor, which: Tensor, k: int = 4) -> Tensor:
    """Of each query the share of its first sequences that are of these."""
    return which.gather(1, values.topk(k, 1).indices).double().mean(1)


def _above(values: Tensor, these: Tensor, those: Tensor) -> Tensor:
    """Of each query how often one of these stands above one of those; ties count half."""
    found = []
    for row, a, b in zip(values, these, those, strict=True):
        apart = row[a][:, None] - row[b][None, :]
        found.append((apart > 0).double().mean() + (apart == 0).double().mean() / 2)
    return torch.stack(found)


def _ranks(values: Tensor, own: Tensor, frame: int) -> Tensor:
    """Of each query the rank of the sentence of one frame among all sequences, 1 the first."""
    order = values.argsort(dim=1, descending=True, stable=True).argsort(dim=1) + 1
    return torch.stack([order[q, row.nonzero()[frame, 0]] for q, row in enumerate(own)]).double()


def of_heads(folder: Path) -> None:
    """Which documents made the induction heads: those that raise what a head is worth on lists said twice."""
    name = "words"
    model = sonde.load(f"specimen:{name}")
    rows, families = read_by("words", DOCUMENTS, stages=READ_BY_BOTH)
    whole = fitted(model, rows, folder / name)
    some = sorted(random.Random(0).sample(range(len(rows)), SCORED))
    families = [families[i] for i in some]
    examples = TokenRows(model, [rows[i] for i in some], [1] * SCORED)
    influence = Influence(replace(whole.subject, examples=examples), whole.curvature, whole.damping)
    scores = sonde.weights.head_scores(model, n=16, draws=20)
    heads = {role: scores.named(role) for role in ("induction", "previous token")}
    queries, found = lists(8, seed=1), {}
    wanted = [head for of_role in heads.values() for head in of_role]
    others = [f"{layer}.{head}" for layer in range(model.n_layers) for head in range(4) if f"{layer}.{head}" not in wanted]
    wanted += random.Random(0).sample(others, OTHERS)
    for head in wanted:
        place = folder / "heads" / head
        if not place.is_dir():
            influence.scores(queries, of=worth(model, head)).save(place)
        found[head] = Scores.load(place)
    listed = torch.tensor([family == "repeats" for family in families])
    base = float(listed.double().mean())
    rows_of = []
    for head, one in found.items():
        roles = [role for role, those in heads.items() if head in those]
        # tau > 0 lowers what the head is worth: what made it stands at the other end
        ranked = one.values.argsort(dim=1)[:, :20]
        rows_of.append([head, ", ".join(roles) or "-", float(one.query_values.mean()), float(listed[ranked].double().mean())])
    table(["head", "role", "worth, nats on the second saying", "lists among its first 20"], rows_of)
    print(f"\nlists among all: {base:.3f}")
    shares = {head: listed[(-one.values).topk(20, 1).indices].double().mean(1) for head, one in found.items()}
    others = torch.stack([shares[head] for head in found if head not in heads["induction"]])
    own = torch.stack([shares[head] for head in heads["induction"]]).mean(0)
    claim = "Lists said again bear on the induction heads, more than on the other heads."
    print(f"- {told(compare(claim, 'share of lists in the first 20', own, others, threshold=2 * base, threshold_source='twice their share of all'))}")
    head = heads["induction"][0]
    for i in (-found[head].values.mean(0)).topk(6).indices.tolist():
        print(f"    {-float(found[head].values[:, i].mean()):+.4g}  {families[i]}: {found[head].examples[i]}")


def worth(model: sonde.Model, head: str) -> Callable[..., Tensor]:
    """What a head is worth: the loss without it less the loss with it, by both of which the weights are moved."""
    layer, number = head.split(".")
    loss = NextToken()

    def value(module: torch.nn.Module, batch: object) -> Tensor:
        whole = loss(module, batch)
        with model.edited([sonde.Zero(f"blocks.{layer}.attn.z[head={number}]")]):
            without = loss(module, batch)
        return without - whole

    return value


if __name__ == "__main__":
    torch.set_num_threads(1)
    match sys.argv[1:]:
        case ["kinds", folder]:
            of_kinds(Path(folder))
        case ["planted", folder]:
            of_planted(Path(folder))
        case ["heads", folder]:
            of_heads(Path(folder))
        case _:
            sys.exit(__doc__)
