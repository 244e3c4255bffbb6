"""`sonde behaviour audit`: change attributes of profiles and see whether the decision moves."""

import argparse
import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from sonde.cli.printing import noted, plain_verdict, print_json, refuse_unwritable, told
from sonde.results import InputError

if TYPE_CHECKING:
    from sonde.attribution import Surrogate
    from sonde.behaviour import Audit
    from sonde.cli.behaviour.audited import Audited


def add(actions: Any) -> None:
    """Register the action."""
    action = actions.add_parser(
        "audit",
        help="does a decision depend on what it must not? (counterfactual audit, group metrics)",
        description="Change attributes of cases one at a time, two at a time and together, and measure what that does to a model's output; beside it "
        "what attributions claim. For a table a classifier is trained on the spot; nothing leaves this machine.",
    )
    action.add_argument("--text", action="store_true", help="the credit example: a small language model with a planted prejudice")
    action.add_argument("--template", metavar="T", help='a text with slots, such as "The {job} said that", for --model')
    action.add_argument("--data", metavar="FILE", help="a table")
    action.add_argument("--format", default="csv", choices=("adult", "german", "compas", "csv"), help="of the table (default: %(default)s)")
    action.add_argument(
        "--model", default="specimen:words", metavar="M", help="for a template: a specimen, a folder, a Hub id or FILE.py:NAME (default: %(default)s)"
    )
    action.add_argument("--target", metavar="T", help="of a table the column that is predicted; of a template the answer")
    action.add_argument("--foil", metavar="F", help="of a template the answer that it is contrasted with")
    action.add_argument("--attributes", default="", metavar="A,B", help="what is changed")
    action.add_argument("--values", action="append", default=[], metavar="NAME=A,B", help="the values to try; again for each attribute")
    action.add_argument("--implied", metavar="FILE", help="YAML: an attribute, what its values imply, and how")
    action.add_argument("--groups", default="", metavar="A,B", help="columns of a table whose groups are compared")
    action.add_argument(
        "--hidden", type=_widths, default=(), metavar="N,N", help="hidden layers of the classifier (default: none, logistic regression)"
    )
    action.add_argument("--rules", action="store_true", help="of a table's classifier: the rules of a surrogate tree, with fidelity")
    action.add_argument("--cases", type=_count, default=100, metavar="N", help="how many profiles are changed (default: %(default)s)")
    action.add_argument("--check", action="store_true", help="test on other profiles whether each attribute moves the output")
    action.add_argument("--seed", type=int, default=0, metavar="N", help="of the split, the training and every draw (default: %(default)s)")
    action.add_argument("--out", metavar="FILE", help="write the drawings as one HTML page")
    action.add_argument("--json", action="store_true", help="print JSON")
    action.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Audit, then print or write what was asked for."""
    start = time.perf_counter()
    refuse_unwritable(arguments)
    if arguments.data is None and (arguments.rules or arguments.groups):
        raise InputError("--rules and --groups speak of a table: give it with --data")
    from sonde.behaviour import audit
    from sonde.cli.behaviour.audited import audited
    from sonde.results.document import Document, Section, Sentence
    from sonde.results.plain import json_ready

    asked = audited(arguments)
    found = audit(
        asked.model, asked.profiles, asked.attributes, asked.of, implied=asked.implied, claims=_claims(asked.absent), seed=arguments.seed,
        progress=not arguments.json,
    )  # fmt: skip
    verdicts = found.check(asked.model, asked.others, asked.of, asked.implied) if arguments.check else []
    rules = _rules(asked, arguments.seed) if arguments.rules else None
    sections = [Section("audit", "What does the decision depend on?", drawings=[found.drawing()])]
    sections += [Section(f"groups-{i}", f"Groups by {name}", drawings=[one.drawing()]) for i, (name, one) in enumerate(asked.groups.items())]
    if rules is not None:
        sections.append(Section("rules", "Which rules does the classifier follow?", drawings=[rules.drawing()]))
    if verdicts:
        sections.append(Section("evidence", "Does it hold for other profiles?", sentences=[Sentence(v.claim, v) for v in verdicts]))
    if arguments.json:
        print_json(
            arguments, start, asked.model, model=asked.model.name, warnings=[*asked.notes, *found.refused],
            **json_ready(_plain(found) | _beside(asked, rules)), verdicts=[plain_verdict(verdict) for verdict in verdicts],
        )  # fmt: skip
    facts = [("model", f"{asked.model.name} ({asked.model.hash[:8]})")]
    told(arguments, Document("Does the decision depend on what it must not?", "", facts, [*sections, *noted(asked.notes)]))
    return 0


def _claims(absent: str) -> dict[str, Any]:
    from sonde import attribution

    return {
        "gradient x input": lambda model, inputs, of: attribution.gradient_x_input(model, inputs, of=of),
        "occlusion": lambda model, inputs, of: attribution.occlusion(model, inputs, of=of, baseline=absent),
    }


def _rules(asked: "Audited", seed: int) -> "Surrogate":
    from sonde.attribution import surrogate

    assert asked.table is not None and asked.encoder is not None
    return surrogate(
        asked.model, asked.encoder(asked.table.rows()), names=asked.encoder.names, labels=asked.table.labels, together=asked.encoder.places,
        scales=asked.encoder.scales, seed=seed,
    )  # fmt: skip


def _plain(found: "Audit") -> dict[str, Any]:
    flips = {}
    for name in found.attributes:
        flipped, n, (low, high) = found.flips(name, joint=name in found.joint)
        flips[name] = {"flipped": flipped, "n": n, "low": low, "high": high}
    return {
        "unit": found.unit, "profiles": len(found.base), "impossible": found.impossible, "shares": found.shares(),
        "joint_shares": found.shares(joint=True), "claims": {name: found.claimed_shares(name, joint=True) for name in found.claims},
        "faithfulness": [asdict(one) for one in found.faithfulness(joint=True)], "contrasts": found.to_frame().to_dicts(), "flips": flips,
        "non_additive": found.non_additive(),
    }  # fmt: skip


def _beside(asked: "Audited", rules: "Surrogate | None") -> dict[str, Any]:
    """What stands beside the audit of a table: its groups, and the rules of its classifier."""
    plain_rules = None
    if rules is not None:
        plain_rules = {"fidelities": [asdict(one) for one in rules.fidelities], "rules": rules.to_frame().to_dicts()}
    return {
        "groups": {name: one.to_frame().to_dicts() for name, one in asked.groups.items()},
        "gaps": {name: [asdict(gap) for gap in one.gaps] for name, one in asked.groups.items()},
        "rules": plain_rules,
    }


def _widths(text: str) -> tuple[int, ...]:
    return tuple(_count(part) for part in text.split(",")) if text else ()


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"{text!r} is no number: give 1 or more")
    return int(text)
