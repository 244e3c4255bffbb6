"""What a docstring says of arguments is true: every one that it names is there, and none is left out where it names any."""

import ast
import re
from pathlib import Path

import pytest

SOURCES = Path(__file__).parents[1] / "src" / "sonde"
SECTION = re.compile(r"^Arguments:\n((?:    .*\n|\n)+)", re.MULTILINE)
ENTRY = re.compile(r"^    ([\w*]+(?:, [\w*]+)*): ", re.MULTILINE)


def described(docstring):
    """The names in the section of arguments, `a, b: both` counting as two; empty where there is no section."""
    section = SECTION.search(docstring + "\n")
    return {name.lstrip("*") for entry in ENTRY.findall(section[1]) for name in entry.split(", ")} if section else set()


def taken(function):
    """The names of a function's arguments, without `self` and `cls`."""
    a = function.args
    return {arg.arg for arg in [*a.posonlyargs, *a.args, *a.kwonlyargs, a.vararg, a.kwarg] if arg} - {"self", "cls"}


def held(cls, classes):
    """What a class can be made of: its annotated fields, the arguments of its `__init__`, and what it inherits."""
    fields = {node.target.id for node in cls.body if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name)}
    inits = [taken(node) for node in cls.body if isinstance(node, ast.FunctionDef) and node.name == "__init__"]
    bases = [held(classes[base.id], classes) for base in cls.bases if isinstance(base, ast.Name) and base.id in classes]
    return fields.union(*inits, *bases)


def classes_in(path):
    """The classes of a file, by name."""
    return {node.name: node for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, ast.ClassDef)}


EVERYWHERE = {name: node for path in sorted(SOURCES.rglob("*.py")) for name, node in classes_in(path).items()}


@pytest.mark.parametrize("path", sorted(SOURCES.rglob("*.py")), ids=lambda path: str(path.relative_to(SOURCES)))
def test_arguments(path):
    wrong = []
    classes = EVERYWHERE | classes_in(path)
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not isinstance(node, ast.FunctionDef | ast.ClassDef) or not (named := described(ast.get_docstring(node) or "")):
            continue
        missing = named ^ taken(node) if isinstance(node, ast.FunctionDef) else named - held(node, classes)
        wrong += [f"{node.name}: {name}" for name in sorted(missing)]
    assert not wrong, f"the docstrings and the signatures differ in {', '.join(wrong)}"
