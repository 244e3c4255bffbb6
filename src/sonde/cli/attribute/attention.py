"""`sonde attribute --attention DATA`: are attention weights an explanation? The whole laboratory on one corpus."""

import argparse
import contextlib
import tempfile
from pathlib import Path

from sonde.cli.printing import plain_verdict, print_json, told


def run(arguments: argparse.Namespace, start: float) -> int:
    """Train the networks, ask them, and print or write what was found."""
    from sonde.attribution.attention import AttentionClassifier, study
    from sonde.evidence import corrected
    from sonde.results.document import Document, Section, Sentence

    with contextlib.ExitStack() as stack:
        folder = Path(arguments.folder or stack.enter_context(tempfile.TemporaryDirectory()))
        asked = {"seeds": arguments.seeds, "n": arguments.texts, "seed": arguments.seed, "folder": folder}
        found = study(arguments.attention, arguments.source, **asked, progress=not arguments.json)
        verdicts = corrected(found.check(AttentionClassifier.load(folder / "networks" / "base")))
    if arguments.json:
        figures = found.to_frame().to_dicts()
        print_json(arguments, start, model=None, target="", foil="", figures=figures, verdicts=[plain_verdict(verdict) for verdict in verdicts])
    sections = [
        Section("figures", "What was found", drawings=[found.drawing()]),
        Section("evidence", "Is it true?", sentences=[Sentence(verdict.claim, verdict) for verdict in verdicts]),
    ]
    facts = [("other seeds", str(arguments.seeds)), ("texts", str(arguments.texts))]
    told(arguments, Document("Is attention an explanation?", found.corpus, facts, sections))
    return 0
