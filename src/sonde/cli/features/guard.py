"""`sonde features guard`: rules with a stated rate of false alarms, watching a model while it writes."""

import argparse
import re
import time
from typing import TYPE_CHECKING, Any

from sonde.cli.asking import count
from sonde.cli.features.attached import add_use_options, lines_of, opened_use, texts_of
from sonde.cli.printing import report
from sonde.results import InputError

if TYPE_CHECKING:
    from sonde.features import Rule


def add(actions: Any) -> None:
    """Register the action."""
    action = actions.add_parser(
        "guard",
        help="watch features while a model writes",
        description="Calibrate rules on harmless texts for a stated rate of false alarms, then write under them, with an audit log.",
    )
    action.add_argument("prompts", nargs="*", metavar="PROMPT", help="write after these under the guard")
    action.add_argument(
        "--rule", action="append", metavar="NAME=N:ACTION",
        help="keys=12:block looks at feature 12 and withholds the text; the actions are log, block and steer; again for several",
    )  # fmt: skip
    action.add_argument("--load", metavar="FOLDER", help="a guard that was kept, instead of rules")
    action.add_argument("--save", metavar="FOLDER", help="keep the guard")
    action.add_argument("--rate", type=float, default=0.05, metavar="R", help="largest share of false alarms of a rule (default: %(default)s)")
    action.add_argument("--harmful", metavar="FILE", help="texts on which each rule should fire, one a line: how often it does")
    action.add_argument("--check", action="store_true", help="test the rate on other harmless texts")
    action.add_argument("--log", metavar="FILE", help="append every event to this audit log")
    action.add_argument("--tokens", type=count, default=20, metavar="N", help="of a text (default: %(default)s)")
    action.add_argument("--temperature", type=float, default=0.0, metavar="T", help="of the draws (default: the likeliest token)")
    add_use_options(action)
    action.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Calibrate or open the guard, write under it, then print what was asked for."""
    start = time.perf_counter()
    from sonde.features import AuditLog, Guard

    if (arguments.rule is None) == (arguments.load is None):
        raise InputError("give rules with --rule, or a kept guard with --load: one of both")
    log = AuditLog(arguments.log) if arguments.log else None
    harmful = lines_of(arguments.harmful) if arguments.harmful else []
    model, site = opened_use(arguments)
    if arguments.load:
        guard = Guard.load(arguments.load)
    else:
        rules = [_rule(text, site) for text in arguments.rule]
        guard = Guard.calibrate(model, rules, texts_of(arguments), arguments.rate, progress=not arguments.json)
    if arguments.save:
        guard.save(arguments.save)
    verdicts = guard.check(model, texts_of(arguments, held=True)) if arguments.check else []
    hits = [(name, fired, list(ends)) for name, fired, ends in guard.measure(model, harmful)] if harmful else []
    made = guard.generate(
        model, arguments.prompts, log, max_new_tokens=arguments.tokens, temperature=arguments.temperature, seed=arguments.seed
    ) if arguments.prompts else None  # fmt: skip
    drawings = [guard.drawing(), *([_written(arguments.prompts, made)] if made else [])]
    notes = [f"{name}: fires on {fired} of {len(harmful)} harmful texts, {ends[0]:.1%} to {ends[1]:.1%}" for name, fired, ends in hits]
    return report(
        arguments, start, model, "What does the guard look for?", drawings, verdicts, notes, site=site, rate=guard.rate, n=guard.n,
        rules=guard.to_frame().to_dicts(), hits=[{"rule": name, "texts": fired, "interval": ends} for name, fired, ends in hits],
        texts=made.texts if made else [], blocked=made.blocked if made else [], events=[vars(event) for event in made.events] if made else [],
    )  # fmt: skip


def _rule(text: str, site: str) -> "Rule":
    from sonde.features import Rule

    found = re.fullmatch(r"([^=]+)=(\d+)(?::(log|block|steer))?", text)
    if not found:
        raise InputError(f"--rule {text!r}: write NAME=N:ACTION, such as keys=12:block; the actions are log, block and steer")
    return Rule(found[1], site, feature=int(found[2]), action=found[3] or "log")  # type: ignore[arg-type]


def _written(prompts: list[str], made: Any) -> Any:
    from sonde.results.drawing import table

    fired = [", ".join(dict.fromkeys(event.rule for event in made.events if event.prompt == i)) or "nothing" for i in range(len(prompts))]
    return table("What was written?", ["prompt", "text", "fired"], [list(row) for row in zip(prompts, made.texts, fired, strict=True)])
