"""The language specimens: small transformers that read generated sentences of a small known world.

`world` holds the words; `giving` (with its `frames`), `people`, `grammar`, `knowledge`, `objects`, `code`, `scripts` and `fillers` make
the documents, each a `document` with its truth, and `labels` says what is true at each token; `mixture` draws them and `packing` makes rows of
them; `tokenizer` reads any text; `recipe` trains; `evaluate`, `copying` and `duplicates` measure, with an `examiner`, what a `card` says of the
weights.
"""

from sonde.specimens.words.document import Document, Truth
from sonde.specimens.words.labels import Labelled, labelled
from sonde.specimens.words.mixture import FAMILIES, documents

__all__ = ["FAMILIES", "Document", "Labelled", "Truth", "documents", "labelled"]
