"""Docstring: the next argument that a docstring lists is the one behind the last one in the signature (Heimersheim and Janiak 2023).

("A circuit for Python docstrings in a 4-layer attention-only transformer".) The counterfactual exchanges the answer with a later argument in the
signature, so that both stand in both prompts and only their order tells; in the others the answer is replaced by a new name there, or the
docstring lists other names, so that nothing tells how far it has come.
"""

import re
from collections.abc import Iterator

from sonde.tasks.prompt import Prompt, Word
from sonde.tasks.template import Case, Template

_FUNCTION = re.compile(r"\bdef \w+\(([^()]*)\):")
_LISTED = re.compile(r":param (\w+):")
SHOWN = 20  # new names that are tried


def next_argument(prompt: Prompt) -> Iterator[Case]:
    """The argument behind the one listed last, where the docstring has listed the signature's arguments in their order and begins another one."""
    function = _FUNCTION.search(prompt.text)
    if function is None or not prompt.text.endswith(":param"):
        return
    signature = [word for word in prompt.words if function.start(1) <= word.start < function.end(1) and word.text != "self"]
    places = [found.start(1) for found in _LISTED.finditer(prompt.text, function.end())]
    listed = [word for word in prompt.words if word.start in places]
    names = [word.text for word in signature]
    n = len(listed)
    if not 0 < n < len(names) or [word.text for word in listed] != names[:n] or len(set(names)) < len(names):
        return
    answer, later = signature[n], signature[n + 1 :]
    roles = {"answer in the signature": answer, "listed last": listed[-1], "listed last in the signature": signature[n - 1]}
    right, others = (f" {answer.text}",), [f" {name}" for name in names if name != answer.text]
    for other in prompt.shuffled(later):
        wrongs = tuple(sorted(others, key=lambda name: name != f" {other.text}"))
        swapped = prompt.replaced({answer: other.text, other: answer.text})
        yield Case("order", swapped, right, wrongs, f"{answer.text} and {other.text} exchange their places in the signature", roles)
    strangers = _new(prompt, answer)
    for new in strangers[:SHOWN]:
        yield Case("new", prompt.replaced({answer: new}), right, (f" {new}",), f"{new} instead of {answer.text} in the signature", roles)
    for i in range(0, min(SHOWN, len(strangers)) - n + 1, n):
        changes = dict(zip(listed, strangers[i:], strict=False))
        reason = f"the docstring lists {', '.join(changes.values())} instead of {', '.join(names[:n])}"
        yield Case("docstring", prompt.replaced(changes), right, tuple(others), reason, roles)


def _new(prompt: Prompt, word: Word) -> list[str]:
    """Other names for an argument, of its class if it has one, that are not in the prompt."""
    sense, present = prompt.sense(word), {w.text for w in prompt.words}
    kind, form = (sense.kind, sense.form) if sense else (prompt.lexicon["object"], 0)
    return prompt.shuffled(entry.forms[form] for entry in kind.entries if entry.forms[form] not in present)


_DEF = "def {f:object}(self, {a:object}, {b:object}, {c:object}, {d:object}):"
_DOC = '    """Open the {q:food} {r:event}\n\n    :param {a}: {s:event} {t:food}\n'

DOCSTRING = Template(
    "docstring",
    "Which argument does the docstring list next?",
    'Heimersheim and Janiak 2023, "A circuit for Python docstrings in a 4-layer attention-only transformer"',
    (
        f"{_DEF}\n{_DOC}    :param {{b}}: {{u:food}} {{v:event}}\n    :param",
        f"{_DEF}\n{_DOC}    :param",
    ),
    next_argument,
    {
        "order": "the answer and a later argument exchange their places in the signature",
        "new": "another name stands in the answer's place in the signature",
        "docstring": "the docstring lists names that the signature does not have",
    },
)
