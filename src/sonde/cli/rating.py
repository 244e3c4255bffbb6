"""What the ratings of a blinded sheet say, whichever command wrote it."""

import argparse

from sonde.cli.printing import plain_verdict, print_json, told


def rated(arguments: argparse.Namespace, start: float) -> int:
    """Read a sheet that was filled in, and tell.

    Arguments:
        arguments: with the sheet's `folder`.
        start: when the command began, in seconds.
    """
    from sonde.features import read_sheet
    from sonde.results.document import Document, Section, Sentence

    found = read_sheet(arguments.folder)
    if arguments.json:
        print_json(
            arguments, start, warnings=list(found.problems), model_hash=found.recipe.model_hash, ratings=found.to_frame().to_dicts(),
            verdicts=[plain_verdict(verdict) for verdict in found.verdicts],
        )  # fmt: skip
    facts = [("rated", f"{len(found.ratings)} items"), *(("not rated", problem) for problem in found.problems)]
    sentences = [Sentence(verdict.claim, verdict) for verdict in found.verdicts]
    told(arguments, Document("What a person said", "", facts, [Section("ratings", "Ratings", "", [found.drawing()], sentences)]))
    return 0
