"""The errors a user can meet.

Every one names the value it refuses and the way out, in one line: the command line prints that line and exits with code 2,
so a message must stand alone without its traceback.
"""


def shown(value: object, limit: int = 120) -> str:
    """A refused value as it stands in a message: its repr in one line, cut where it is long.

    Arguments:
        value: anything.
        limit: the most characters.

    >>> shown({"rows": [1, 2]}), shown(list(range(99)), limit=12)
    ("{'rows': [1, 2]}", '[0, 1, 2,...')
    """
    text = " ".join(repr(value).split())
    return text if len(text) <= limit else text[: limit - 3] + "..."


class SondeError(Exception):
    """Base of every error that sonde raises on purpose."""


class InputError(SondeError, ValueError):
    """An input that the model or the method cannot take: an empty prompt, an unknown target, a prompt beyond the context."""


class LoadError(SondeError, OSError):
    """A model, specimen or artifact that cannot be read."""


class UnknownSite(SondeError, KeyError):
    """A name that is no place in this model; the message lists the nearest names and the valid range."""

    def __str__(self) -> str:  # KeyError would print the repr of the message
        return str(self.args[0]) if self.args else ""


class SiteUnavailable(SondeError, RuntimeError):
    """A place that the vocabulary knows but this model, kernel or call cannot serve; the message gives the reason and the way out."""


class EditError(SondeError, ValueError):
    """An edit whose value does not fit its site, or that would never fire."""


class CheckRefused(SondeError, ValueError):
    """A result checked against another model than the one it was computed on."""
