"""What does the model say?"""

from sonde.report.behaviour import behaviour
from sonde.report.chapters.base import Chapter
from sonde.report.material import Material
from sonde.results.document import Section, Sentence


def prediction(material: Material) -> Chapter:
    """The first guesses, the surprise at each token, and whether the behaviour is there at all."""
    said, target, right = material.prediction, material.candidates.target, material.candidates.answers[0]
    claim = behaviour(material.model, material.evaluate, target, material.candidates.foil, material.untested)
    lead = "The model's first guesses for the next token, and how surprised it was by each token of the prompt (surprisal, -log2 of its probability)."
    logits = said.distribution
    contrasts = [
        f"Explained is `{target}` against `{one.foil}`: here their logits differ by {(logits[right] - logits[one.id]).item():+.2f}."
        for one in material.contrasts
    ]
    drawings = [said.drawing(), said.surprisal_drawing()]
    return Chapter(Section("prediction", "Prediction", lead, drawings, [Sentence(one) for one in contrasts]), [claim], {"prediction": said})
