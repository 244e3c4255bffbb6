"""Results whose verdicts need no further run of the model: to check them is to refuse another model, and to say what was found."""

from abc import abstractmethod
from typing import Any

from sonde.results import Result, Verdict


class Checked(Result):
    """A result that holds what its verdicts are made of."""

    @property
    @abstractmethod
    def verdicts(self) -> list[Verdict]:
        """What is claimed, each beside its control."""

    def check(self, model: Any = None, *args: Any, **kwargs: Any) -> list[Verdict]:
        """The verdicts.

        Arguments:
            model: the one that was asked; none where activations were given.
            args, kwargs: none.

        Raises:
            CheckRefused: another model.
        """
        if model is not None:
            self.refuse_other(model)
        return self.verdicts
