"""What every action is told: the labelled examples, and the model with the places in it."""

import argparse
from typing import TYPE_CHECKING

from sonde.cli.asking import count
from sonde.results import InputError

if TYPE_CHECKING:
    from sonde.probing import Labelled

POOLINGS = ("last", "first", "mean", "max")


def add_data_options(action: argparse.ArgumentParser) -> None:
    """Register which examples are meant."""
    source = action.add_mutually_exclusive_group(required=True)
    source.add_argument("--words", metavar="PROPERTY", help='words of the small world with a property, such as "a country", and others')
    source.add_argument("--conllu", metavar="FILE", help="a treebank in CoNLL-U, plain or .gz; see --field")
    source.add_argument("--labels", metavar="FILE", help="a table: JSON lines, CSV, TSV or Parquet; see --text, --label, --span")
    source.add_argument("--parallel", metavar="FILE", help="a table of sentences in several languages; see --field and --languages")
    action.add_argument(
        "--field", metavar="NAME",
        help="of a treebank: upos, xpos, deprel, a feature such as Number or Tense, arc or head (default: upos); of sentences in several languages: "
        "language or domain (default: language)",
    )  # fmt: skip
    action.add_argument("--text", default="text", metavar="COLUMN", help="a table's column of texts (default: %(default)s)")
    action.add_argument("--label", default="label", metavar="COLUMN", help="a table's column of labels (default: %(default)s)")
    action.add_argument("--span", default=[], nargs="+", metavar="COLUMN", help="a table's columns of start and stop; four columns for pairs")
    action.add_argument("--group", metavar="COLUMN", help='a table\'s column, or "document" in a treebank: what train and test do not divide')
    action.add_argument("--languages", nargs="+", metavar="L", help="of sentences in several languages (default: all)")
    action.add_argument("-n", type=count, metavar="N", help="documents of the small world (default: 400), or sentences (default: all)")
    action.add_argument("--balanced", action="store_true", help="as many examples of each class as the rarest one has")
    action.add_argument("--seed", type=int, default=0, metavar="N", help="of the draws (default: %(default)s)")


def add_reading_options(action: argparse.ArgumentParser) -> None:
    """Register the model and where it is read."""
    action.add_argument(
        "--model", default="specimen:words", metavar="M", help="a specimen, a folder, a Hub id or FILE.py:NAME (default: %(default)s)"
    )
    action.add_argument("--sites", nargs="+", metavar="SITE", help="names or globs (default: the embedding and the residual stream after each block)")
    action.add_argument("--pooling", choices=POOLINGS, default="last", help="what is read of a word of several tokens (default: %(default)s)")


def add_output_options(action: argparse.ArgumentParser) -> None:
    """Register how the findings are printed."""
    action.add_argument("--out", metavar="FILE", help="write the drawings as one HTML page")
    action.add_argument("--json", action="store_true", help="print JSON")


def opened_data(arguments: argparse.Namespace) -> "Labelled":
    """The examples that are meant."""
    from sonde.probing import parallel, table, treebank, words

    if arguments.words:
        found = words(arguments.words, arguments.n or 400, arguments.seed)
    elif arguments.conllu:
        found = treebank(arguments.conllu, arguments.field or "upos", arguments.group or "sentence", arguments.n, arguments.seed)
    elif arguments.labels:
        found = table(arguments.labels, arguments.text, arguments.label, arguments.span, arguments.group)
    else:
        found = parallel(arguments.parallel, arguments.languages, arguments.field or "language", arguments.n)
    return found.balanced(arguments.seed) if arguments.balanced else found


def one_site(arguments: argparse.Namespace) -> str:
    """The site of an action that looks at a single one; raises `InputError` for none or several."""
    sites: list[str] = arguments.sites or []
    if len(sites) != 1:
        raise InputError("give one site with --sites, such as blocks.1.resid_post")
    return sites[0]


def relabelled(arguments: argparse.Namespace, name: str, whole: bool = False) -> "Labelled":
    """The same source with another property, field or column.

    Arguments:
        arguments: of the command.
        name: the other one.
        whole: all of its examples, also where --balanced leaves some of the first one's out.
    """
    other = argparse.Namespace(**{**vars(arguments), "balanced": arguments.balanced and not whole})
    if other.words:
        other.words = name
    elif other.labels:
        other.label = name
    else:
        other.field = name
    return opened_data(other)
