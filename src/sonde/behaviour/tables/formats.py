"""The files of the field: what their columns are called, which are read, and what is predicted.

Adult and German credit are of the UCI Machine Learning Repository and have no header; COMPAS is ProPublica's table of two-year recidivism (2016).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from sonde.behaviour.tables.table import Kind

Raw = dict[str, str]


@dataclass(frozen=True)
class Format:
    """One kind of file.

    Arguments:
        what: a few words on it.
        names: of the columns, where the file has no header.
        target: the column that is predicted; empty where the user names it.
        classes: from what the target's column holds to the name of the class, the unfavourable first; empty where they are taken from the file.
        kinds: of the columns that a model may read; empty where they are told from the values.
        kept: further columns that are kept but that no model reads.
        mended: a row as it is used; `None` leaves it out.
    """

    what: str
    names: tuple[str, ...] = ()
    target: str = ""
    classes: Mapping[str, str] = field(default_factory=dict)
    kinds: Mapping[str, Kind] = field(default_factory=dict)
    kept: tuple[str, ...] = ()
    mended: Callable[[Raw], Raw | None] = lambda row: row


_PERSONAL = {
    "A91": ("male", "divorced or separated"),
    "A92": ("female", "divorced, separated or married"),
    "A93": ("male", "single"),
    "A94": ("male", "married or widowed"),
    "A95": ("female", "single"),
}


def _german(row: Raw) -> Raw | None:
    """One coded column holds sex and marital status together: an audit must be able to change the one without the other."""
    if row["personal-status-sex"] not in _PERSONAL:
        return None
    sex, status = _PERSONAL[row["personal-status-sex"]]
    return {**row, "sex": sex, "personal-status": status}


def _compas(row: Raw) -> Raw | None:
    return None if row["score_text"] in ("", "N/A") else row


_ADULT: dict[str, Kind] = {
    "age": "numeric", "workclass": "categorical", "education-num": "numeric", "marital-status": "categorical", "occupation": "categorical",
    "relationship": "categorical", "race": "categorical", "sex": "categorical", "capital-gain": "numeric", "capital-loss": "numeric",
    "hours-per-week": "numeric", "native-country": "categorical",
}  # fmt: skip

_GERMAN = (
    "checking-status", "duration", "credit-history", "purpose", "credit-amount", "savings", "employment-since", "installment-rate",
    "personal-status-sex", "other-debtors", "residence-since", "property", "age", "other-installments", "housing", "existing-credits", "job",
    "dependants", "telephone", "foreign-worker", "credit",
)  # fmt: skip
_GERMAN_NUMBERS = ("duration", "credit-amount", "installment-rate", "residence-since", "age", "existing-credits", "dependants")
_GERMAN_READ = (*(name for name in _GERMAN[:-1] if name != "personal-status-sex"), "sex", "personal-status")

TABLE_FORMATS: Mapping[str, Format] = {
    "adult": Format(
        "census income: does a person earn more than 50,000 dollars a year?",
        names=(*("age", "workclass", "fnlwgt", "education", "education-num", "marital-status", "occupation", "relationship", "race", "sex"),
               "capital-gain", "capital-loss", "hours-per-week", "native-country", "income"),
        target="income",
        # the test file ends its labels with a dot
        classes={"<=50K": "<=50K", "<=50K.": "<=50K", ">50K": ">50K", ">50K.": ">50K"},
        kinds=_ADULT,
    ),
    "german": Format(
        "German credit: is a loan a good risk?",
        names=_GERMAN,
        target="credit",
        classes={"2": "bad", "1": "good"},
        kinds={name: "numeric" if name in _GERMAN_NUMBERS else "categorical" for name in _GERMAN_READ},
        mended=_german,
    ),
    "compas": Format(
        "COMPAS: was a person charged again within two years?",
        target="two_year_recid",
        classes={"0": "no", "1": "yes"},
        kinds={"age": "numeric", "sex": "categorical", "race": "categorical", "juv_fel_count": "numeric", "juv_misd_count": "numeric",
               "juv_other_count": "numeric", "priors_count": "numeric", "c_charge_degree": "categorical"},
        kept=("decile_score", "score_text"),
        mended=_compas,
    ),
    "csv": Format("any table with a header line"),
}  # fmt: skip
"""Files of tables that are read, by name."""
