"""A file to begin with: a template that works as it is, with a comment for each part of its grammar."""

from importlib import resources
from pathlib import Path

from sonde.results import InputError

DEFAULT = "ioi"
_HEAD = """\
# A task of your own: prompts with a right answer, and counterfactuals in which another answer is right.
# Try it:    sonde tasks check {file} --model specimen:words
#            sonde tasks show {file} --model specimen:words
# In Python: sonde.tasks.load("{file}", model)
# A slot is {{slot}} in a frame; {{slot/form}} is another form of its word, {{slot+1}} what follows it in an ordered list, and {{{{ is a brace.

name: {name}
"""


def starters() -> list[str]:
    """The templates that can be begun from.

    >>> "ioi" in starters()
    True
    """
    return sorted(file.name.removesuffix(".yaml") for file in _folder().iterdir() if file.name.endswith(".yaml"))


def write_starter(file: str | Path, source: str = DEFAULT) -> Path:
    """Write a template that works, to be changed.

    Arguments:
        file: where; it must end in .yaml or .yml and not exist.
        source: one of `starters()`.

    Returns:
        The file.

    Raises:
        InputError: an unknown source, or a file that can't be written.
    """
    file = Path(file).expanduser()
    if source not in starters():
        raise InputError(f"there is no starter {source!r}; there are {', '.join(starters())}")
    if file.suffix not in (".yaml", ".yml"):
        raise InputError(f"{file} is no name for a template: end it in .yaml")
    body = (_folder() / f"{source}.yaml").read_text(encoding="utf-8")
    try:
        with file.open("x", encoding="utf-8") as out:  # never over a file that is there
            out.write(_HEAD.format(file=file, name=file.stem) + body)
    except FileExistsError:
        raise InputError(f"{file} is there already: choose another name, or remove it first") from None
    except OSError as error:
        raise InputError(f"{file} can't be written: {error.strerror}") from None
    return file


def _folder() -> "resources.abc.Traversable":
    return resources.files("sonde.tasks.own") / "starters"
