"""Lenses: what a model would say at each layer, and what each of its parts writes, read through its own unembedding."""

from sonde.lens.alignment import aitchison_similarity
from sonde.lens.causal import CausalBasis, causal_basis
from sonde.lens.check import readable_from
from sonde.lens.checkpoints import read_checkpoint
from sonde.lens.contributions import Contributions
from sonde.lens.course import AnswerCourse, answer_course
from sonde.lens.direct import direct_contributions
from sonde.lens.discard import InputDiscard, input_discard
from sonde.lens.judging import TunedQuality, judge
from sonde.lens.logit import logit_lens
from sonde.lens.questions import Question, asked, questions
from sonde.lens.reading import read_out
from sonde.lens.relations import RelationVectors, relation_vectors
from sonde.lens.results import LensResult
from sonde.lens.sheet import value_sheet
from sonde.lens.training import train
from sonde.lens.translators import TunedTraining
from sonde.lens.tuned import TunedLens, tuned_lens
from sonde.lens.updates import SubUpdates, sub_updates
from sonde.lens.values import ValueVectors, value_vectors
from sonde.lens.writers import written_by

__all__ = [
    "AnswerCourse", "CausalBasis", "Contributions", "InputDiscard", "LensResult", "Question", "RelationVectors", "SubUpdates", "TunedLens",
    "TunedQuality", "TunedTraining", "ValueVectors", "aitchison_similarity", "answer_course", "asked", "causal_basis", "direct_contributions",
    "input_discard", "judge", "logit_lens", "questions", "read_checkpoint", "read_out", "readable_from", "relation_vectors", "sub_updates", "train",
    "tuned_lens", "value_sheet", "value_vectors", "written_by",
]  # fmt: skip
