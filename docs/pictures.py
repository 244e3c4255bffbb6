"""Make the pictures in the docs and the README from real reports and drawings.

    python docs/pictures.py

Needs Playwright and a Chromium (in `SONDE_CHROMIUM`, or on the path).
"""

import os
import shutil
import tempfile
from functools import partial
from pathlib import Path

import torch
from circuit_pictures import circuit, positions

import sonde
from sonde import views
from sonde.behaviour.audit import drawings as audit_drawings
from sonde.results import drawing
from sonde.results.document import Document, Section
from sonde.specimens.digits import held_out

HERE = Path(__file__).parent / "images"
PROMPT = "When Mary and John went to the shop, John gave a book to"
WIDTH = 1080
PLACES = ["France", "Italy", "Spain", "Egypt"]
# the sections that the docs show by themselves
SHOWN = ("attribution", "lens", "patching", "verification")


def drawings(model: sonde.Model) -> dict[str, drawing.Drawing]:
    """The kinds of drawings that a report does not show alone, most of them about indirect objects in `words`."""
    one, many = (sonde.tasks.load("ioi", model, n=n, seed=0) for n in (1, 32))
    run = model.run(one.clean, read="blocks.*.attn.pattern")
    tokens = list(run.tokens[0])
    patterns = torch.stack([run[f"blocks.{layer}.attn.pattern"][0] for layer in range(model.n_layers)])
    names = [f"{layer}.{head}" for layer in range(model.n_layers) for head in range(model.n_heads)]
    parts = sonde.lens.direct_contributions(model, many)
    written = parts.of([f"head {name}" for name in names]).mean(1)
    grid, strongest = written.view(model.n_layers, model.n_heads), int(written.abs().argmax())
    methods = {
        "integrated gradients": partial(sonde.attribution.integrated_gradients, baseline="pad"),
        "occlusion": partial(sonde.attribution.occlusion, baseline="pad"),
    }
    senders = [*sonde.patching.head_sites(model), *sonde.patching.mlp_sites(model)]
    roles = {name: rows[0] for name, rows in one.spans.items() if name != "changed"}
    return {
        "roles": drawing.tokens("Which task is this?", "", tokens, None, roles=roles),
        "attention": drawing.attention("Where do the heads look?", tokens, patterns.flatten(0, 1), names, chosen=strongest),
        "grid": drawing.head_grid("Which heads write the answer?", parts.unit, grid, patterns=patterns, tokens=tokens),
        "waterfall": drawing.waterfall(
            "What does the answer add up from?", parts.unit, parts.names, parts.values.mean(1), total=float(parts.metric.mean())
        ),
        "audit": audited(),
        "circuit": circuit(model),
        "positions": positions(model),
        "suite": sonde.behaviour.suites.evaluate(model, "number_agreement").drawing(),
        "paths": sonde.patching.path_patching(model, many, senders, "blocks.3.attn.v[head=3]").drawing(8),
        "trace": sonde.patching.causal_tracing(model, [f"The capital of {place} is" for place in PLACES], PLACES).drawing(),
        "beside": drawing.beside("Do two methods agree?", [(name, method(model, one).drawing()) for name, method in methods.items()]),
    }


def seen() -> dict[str, drawing.Drawing]:
    """The drawings of pictures, about `digits`."""
    evaluation = sonde.attribution.evaluation
    model = sonde.load("specimen:digits")
    pictures, digits = held_out()
    asked = sonde.tasks.Logit(digits[2:8])
    methods = {
        "gradient": sonde.attribution.gradient,
        "integrated gradients": partial(sonde.attribution.integrated_gradients, baseline="zero"),
        "guided backpropagation": sonde.attribution.guided_backpropagation,
    }
    cascades = [evaluation.cascade(model, pictures[2:8], method, asked, draws=1) for method in methods.values()]
    contributions = methods["integrated gradients"](model, pictures[:32], sonde.tasks.Logit(digits[:32]))
    return {
        "curves": evaluation.curves(model, pictures[:32], contributions, sonde.tasks.Logit(digits[:32]), removal="mean").drawing(),
        "overlay": methods["integrated gradients"](model, pictures[2:8], asked).drawing(),
        "overlays": evaluation.gallery(cascades),
    }


def swapped() -> dict[str, drawing.Drawing]:
    """A text under learned, adversarial and equal weights, and how far adversaries move attention, by a classifier of generated texts."""
    lab = sonde.attribution.attention
    corpus = lab.keyword_texts(n_train=400, n_test=60, length=(8, 14))
    model = lab.train(corpus)
    rivals = lab.adversarial(model, corpus.test, steps=200)
    return {"swap": lab.viewer(model, corpus.test, rivals, text=int(rivals.distance.argmax())), "spread": rivals.drawing()}


def audited() -> drawing.Drawing:
    """The credit example: what intervention shows, and what two attributions claim."""
    example = sonde.behaviour.credit()
    claims = {
        "gradient x input": lambda model, inputs, of: sonde.attribution.gradient_x_input(model, inputs, of=of),
        "occlusion": lambda model, inputs, of: sonde.attribution.occlusion(model, inputs, of=of, baseline="mean"),
    }
    found = sonde.behaviour.audit(example.model, example.profiles, example.attributes, example.of, implied=example.implied, claims=claims)
    parts = [(name, audit_drawings.claims(found, name, joint=True)) for name in claims]
    return drawing.beside("Who gets credit? By intervention, and as two methods claim", parts)


def laboratory() -> dict[str, drawing.Drawing]:
    """A story under several weights, and what was moved on the marker texts."""
    attention = sonde.attribution.attention
    stories, markers = attention.stories(), attention.marker_texts(1000, 200)
    setting = attention.Setting(d_embed=32, d_hidden=32, lr=5e-3)
    asked, base = attention.train(stories, setting), attention.train(markers, setting)
    some = stories.test.first(40)
    strengths = (1e-3, 3e-3, 1e-2, 3e-2, 1e-1)
    rivals = {
        "other seeds": attention.seeds(base, markers, setting, of=(1, 2, 3)),
        "trained adversaries": attention.consistent_adversary(base, markers, setting, strengths),
    }
    found = attention.adversarial(asked, some)
    return {
        "viewer": attention.viewer(asked, some, found, text=int(found.distance.argmax())),
        "plane": attention.plane(rivals, attention.adversarial(base, markers.test), joined=["trained adversaries"]).drawing(),
    }


def main() -> None:
    """Write `docs/images/*.png`."""
    from playwright.sync_api import sync_playwright

    HERE.mkdir(exist_ok=True)
    model = sonde.load("specimen:words")
    report = sonde.explain(model, PROMPT)
    kinds = drawings(model) | seen() | swapped() | laboratory()
    document = Document("Kinds", sections=[Section(key, key, drawings=[one]) for key, one in kinds.items()])
    chromium = os.environ.get("SONDE_CHROMIUM") or shutil.which("chromium")
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        page_file = report.to_html(Path(folder) / "report.html")
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"])
        page = browser.new_page(viewport={"width": WIDTH, "height": 900}, color_scheme="light")
        page.goto(page_file.as_uri())
        page.wait_for_selector("#section-patching svg")
        box = page.locator("#section-summary").bounding_box()
        assert box is not None
        page.screenshot(path=HERE / "report.png", clip={"x": 0, "y": 0, "width": WIDTH, "height": box["y"] + box["height"] + 24}, full_page=True)
        for key in SHOWN:
            page.locator(f"#section-{key}").screenshot(path=HERE / f"report-{key}.png")
        kinds_file = Path(folder) / "kinds.html"
        kinds_file.write_text(views.page(document), encoding="utf-8")
        page.goto(kinds_file.as_uri())
        for key in kinds:
            page.locator(f"#section-{key} figure").screenshot(path=HERE / f"drawing-{key}.png")
        browser.close()
    for picture in sorted(HERE.glob("*.png")):
        print(f"{picture.name}: {picture.stat().st_size // 1024} kB")


if __name__ == "__main__":
    main()
