"""The pictures in the docs on lenses: a prompt by layer, a tuned lens, value vectors, a question, all of the specimen.

    python docs/lens_pictures.py

Needs Playwright and a Chromium (in `SONDE_CHROMIUM`, or on the path).
"""

from photographs import photographed

import sonde
from sonde import lens
from sonde.results.drawing import Drawing
from sonde.specimens.words import documents

PROMPT = "When Mary and John went to the shop, John gave a book to"


def tuned(model: sonde.Model) -> Drawing:
    """The divergence of a lens trained on 400 documents, on 24 others."""
    texts = [document.text for document in documents(n=424, seed=0)]
    made = lens.train(model, texts[:400], lens.TunedTraining(steps=60, tokens=512, lr=5e-3))
    return lens.judge(model, made, texts[400:]).drawing()


def causal(model: sonde.Model) -> Drawing:
    """The directions of layer 2 that matter to the logit lens, found on 48 documents and judged on 24 others."""
    return lens.causal_basis(model, [document.text for document in documents(n=72, seed=0)], "2", k=6).drawing()


def main() -> None:
    """Write `docs/images/drawing-halves.png`, `drawing-tuned.png`, `drawing-causal.png`, `drawing-values.png` and `drawing-question.png`."""
    model = sonde.load("specimen:words")
    questions = lens.questions(sonde.tasks.load("capital", model, n=24), "country")
    kinds = {
        "halves": lens.logit_lens(model, PROMPT, read="halves").drawing(),
        "tuned": tuned(model),
        "causal": causal(model),
        "values": lens.value_vectors(model, layers=[3], k=8).drawing(),
        "question": lens.answer_course(model, questions).drawing(),
    }
    photographed(kinds)


if __name__ == "__main__":
    main()
