"""The database of a basis's features: what was collected of each, asked in milliseconds; what takes the model is computed when it is asked for.

`collect` makes one, `Features.load` opens it. Tables are Parquet files that DuckDB queries where they lie; nothing else of the disk can be read.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sonde.features.database import descriptions, parallel, recording
from sonde.features.database.examples import Firings, Shower
from sonde.features.database.storage import STATISTICS, TABLES, Storage, conditions
from sonde.features.records import About, Active, Description, Effects, Property, Record
from sonde.results import InputError, LoadError, Recipe, shown
from sonde.results.artifact import read_manifest

if TYPE_CHECKING:
    from polars import DataFrame

    from sonde.access import Basis, Model
    from sonde.features.database.prompts import By
    from sonde.features.database.properties import Stated

KIND = "sonde.features.Features"


class Features:
    """What was collected of every latent of a basis.

    Arguments:
        folder: holds the tables.
        basis: whose features these are; needed for what runs the model.

    Raises:
        LoadError: a folder that holds no such database, or not the whole of one. InputError: another basis.
    """

    def __init__(self, folder: str | Path, basis: "Basis | None" = None) -> None:
        self.folder = Path(folder)
        manifest = read_manifest(self.folder)
        if manifest["kind"] != KIND:
            raise LoadError(f"{self.folder} keeps a {manifest['kind']}, no feature database")
        self._what: dict[str, Any] = manifest["configuration"]
        self.recipe = Recipe(**manifest["provenance"]["recipe"])
        self.checksums: dict[str, str] = manifest["checksums"]
        if basis is not None and basis.hash != self._what["basis_hash"]:
            raise InputError(f"{self.folder} was collected with {self._what['basis']} ({self._what['basis_hash']}), and this basis is {basis.hash}")
        self.basis = basis
        self.storage = Storage(self.folder)
        self._effects: dict[int, Effects] = {}
        self._refresh()

    @staticmethod
    def load(folder: str | Path, basis: "Basis | None" = None) -> "Features":
        """Open a database.

        Arguments:
            folder: where `collect` put it.
            basis: whose features these are; needed for what runs the model.

        Raises:
            LoadError: no such database there. InputError: another basis.
        """
        return Features(folder, basis)

    def verify(self) -> None:
        """Read every table's bytes and compare them with what was written.

        Raises:
            LoadError: one that has changed.
        """
        from sonde.results.artifact import checksum

        for name in TABLES:
            if checksum(self.folder / f"{name}.parquet") != self.checksums[f"{name}.parquet"]:
                raise LoadError(f"{self.folder / name}.parquet was changed after it was written: restore it, or collect again")

    # of all

    @property
    def size(self) -> int:
        """How many latents there are."""
        return int(self._what["size"])

    @property
    def kept(self) -> str:
        """`all` codes, or `examples`: of each latent the strongest and a sample of each interval of activation."""
        return str(self._what["kept"])

    @property
    def items(self) -> str:
        """What the corpus is made of: `tokens`, or `items` that are no text."""
        return str(self._what["items"])

    @property
    def notes(self) -> tuple[str, ...]:
        """What was decided, left out, or could not be told."""
        return tuple(self._what["notes"])

    @property
    def site(self) -> tuple[str, ...]:
        """What the basis reads."""
        return tuple(self._what["site"])

    @property
    def writes(self) -> str:
        """Where its directions are written."""
        return str(self._what["writes"])

    @property
    def left_out(self) -> frozenset[int]:
        """The ids of tokens that were not counted."""
        return frozenset(self._what["left_out"])

    def about(self) -> About:
        """What was collected, from what."""
        what, left_out = self._what, ", ".join(repr(text) for text in self.storage.texts(self._what["left_out"]))
        return About(
            model=what["model"], model_hash=self.recipe.model_hash, site=" + ".join(what["site"]), basis=what["basis"],
            basis_hash=what["basis_hash"], size=self.size, corpus=f"{what['sequences']:,} sequences ({self.recipe.inputs_hash[:8]})",
            sequences=what["sequences"], tokens=what["tokens"], left_out=left_out,
        )  # fmt: skip

    def table(
        self, where: Sequence[str] = (), text: str = "", sort: str = "latent", descending: bool = False, offset: int = 0, limit: int | None = 50
    ) -> "DataFrame":  # fmt: skip
        """A page of the list of latents: the statistics of each, with its best description or the tokens on which it is most active.

        Arguments:
            where: comparisons that all must hold, such as "density < 0.01".
            text: must stand in a description of the latent, or in its label.
            sort: a statistic, "latent" or "label"; what is not known comes last.
            descending: the largest first.
            offset: rows to pass over.
            limit: the most rows; `None` for all.

        Raises:
            InputError: no such statistic, or no such comparison.
        """
        if sort not in (*STATISTICS, "latent", "label"):
            raise InputError(f"sort={shown(sort)}: choose from latent, label, {', '.join(STATISTICS)}")
        if offset < 0 or (limit is not None and limit < 0):
            raise InputError(f"offset={offset}, limit={limit}: give numbers of 0 or more")
        condition, given = self._condition(where, text)
        order = f"{sort} {'DESC' if descending else 'ASC'} NULLS LAST, latent"
        page = "" if limit is None else f"LIMIT {int(limit)} OFFSET {int(offset)}"
        return self.storage.frame(f"SELECT * FROM listing WHERE {condition} ORDER BY {order} {page}", given)

    def count(self, where: Sequence[str] = (), text: str = "") -> int:
        """How many latents a list has.

        Arguments:
            where: as for `table`.
            text: as for `table`.
        """
        condition, given = self._condition(where, text)
        return int(self.storage.rows(f"SELECT count(*) AS n FROM listing WHERE {condition}", given)[0]["n"])

    def sql(self, query: str) -> "DataFrame":
        """The answer to a query on the tables codes, latents, tokens, vocabulary, descriptions and listing; nothing can be written.

        Arguments:
            query: one SELECT.

        Raises:
            InputError: anything else.
        """
        return self.storage.sql(query)

    # of one latent

    def record(self, latent: int) -> Record:
        """Everything that is known about one latent without running the model.

        Arguments:
            latent: its number.

        Raises:
            InputError: there is no such latent.
        """
        row = self.storage.rows("SELECT * FROM latents WHERE latent = ?", [self._known(latent)])[0]
        listed = self.storage.rows("SELECT * FROM listing WHERE latent = ?", [latent])[0]
        shower = Shower(self.firings(latent), self.storage.sequence, self.storage.texts)
        others = [*(row.get("nearest") or []), *row["correlated"]]
        labels = self.labels([i for i in others if i >= 0])
        return Record(
            latent=latent,
            label=listed["label"],
            statistics={name: recording.known(listed[name]) for name in STATISTICS},
            descriptions=self.descriptions(latent),
            histogram=recording.histogram_of(row),
            logits=recording.logits_of(row, self.storage.texts),
            strongest=shower.strongest(),
            intervals=recording.intervals_of(shower, row),
            alignment=recording.alignment_of(row),
            neurons=recording.neurons_of(row),
            neurons_at=self._what["neurons"],
            nearest=recording.neighbours(row.get("nearest") or [], labels, cosines=row.get("nearest_cosine")),
            correlated=recording.neighbours(row["correlated"], labels, row["correlated_cosine"], row["correlated_pearson"]),
            parallel=parallel.parallels(self, latent),
            positions=recording.profile_of(row, self._what["profile_edges"], self._what["places"]),
            heads=recording.heads_of(row),
            properties=[],
        )

    def firings(self, latent: int) -> Firings:
        """The places where a latent is active, those that are kept.

        Arguments:
            latent: its number.
        """
        found = self.storage.arrays(
            "SELECT sequence, position, value, drawn FROM codes WHERE latent = ? ORDER BY sequence, position", [self._known(latent)]
        )
        return Firings(found["sequence"], found["position"], found["value"], found["drawn"])

    def labels(self, latents: Sequence[int]) -> dict[int, str]:
        """The best description of each latent, or the tokens on which it is most active.

        Arguments:
            latents: which.
        """
        rows = self.storage.rows("SELECT latent, label FROM listing WHERE latent IN (SELECT unnest(?::BIGINT[]))", [list(latents)])
        return {row["latent"]: row["label"] for row in rows}

    def likelihood_ratio(self, latent: int, stated: "Stated", name: str = "") -> Property:
        """How much likelier a property of a token is in each interval of a latent's activation, the highest first.

        Arguments:
            latent: its number.
            stated: the property: "script:Arabic" and the like; another text is a regular expression that a token's text must hold; a function of
                a token's text; or, for each sequence, whether each of its tokens has it.
            name: what it is called.

        Raises:
            InputError: no such latent or property; one that no token has.
        """
        from sonde.features.database.properties import likelihood_ratio

        return likelihood_ratio(self, self._known(latent), stated, name)

    # with the model

    def effects(self, model: "Model", latent: int) -> Effects:
        """What a latent does in the examples of its record: the loss of each token without it, and the tokens that it makes likelier and less likely.

        Arguments:
            model: from which the database was collected.
            latent: its number.

        Raises:
            CheckRefused: another model. InputError: no such latent; the database was opened without its basis.
            SiteUnavailable: a model that predicts no next token.
        """
        from sonde.features.database.effects import effects

        if latent not in self._effects:
            self._effects[latent] = effects(self, model, self.record(latent))
        return self._effects[latent]

    def active(self, model: "Model", prompt: str, by: "By | int" = "activation", most: int = 50) -> Active:
        """Which latents are active on a prompt.

        Arguments:
            model: from which the database was collected.
            prompt: a text.
            by: the order: "activation", the highest on any token; "effect", the largest on the loss of any token when the latent is taken out; a
                position, by the activation there.
            most: how many latents; for effects, the most active are tried.

        Raises:
            CheckRefused: another model. InputError: no such order or position; the database was opened without its basis.
        """
        from sonde.features.database.prompts import active

        return active(self, model, prompt, by, most)

    # beside others

    def put_beside(self, name: str, other: "Features") -> "DataFrame":
        """Find the latents of another database that are closest to each one here, and keep them: records show them as parallel.

        Arguments:
            name: what the other is called, such as "seed 1".
            other: of a dictionary from another seed, of another size, or of another kind.

        Returns:
            For each latent the nearest direction there, with its cosine, and the activation that goes with its own the most, with Pearson's
            correlation; null for what can't be told.

        Raises:
            InputError: a name that is none; databases that have neither directions of one width nor codes over the same tokens.
        """
        return parallel.put_beside(self, name, other)

    # descriptions

    def descriptions(self, latent: int) -> list[Description]:
        """What a latent stands for, in people's words first, then in methods' words by their scores.

        Arguments:
            latent: its number.
        """
        return descriptions.plain(self.storage.rows("SELECT * FROM descriptions WHERE latent = ? ORDER BY rank", [self._known(latent)]))

    def describe(self, by_latent: Mapping[int, Sequence[Description]]) -> None:
        """Keep descriptions; one of the same author for the same latent is replaced.

        Arguments:
            by_latent: descriptions of each latent.

        Raises:
            InputError: a latent that there is not, a description without text or author.
        """
        descriptions.add(self.folder, self.size, by_latent)
        self._refresh()

    def _refresh(self) -> None:
        self.storage.refresh(descriptions.kept(self.folder))

    def _condition(self, where: Sequence[str], text: str) -> tuple[str, list[Any]]:
        condition, given = conditions(where)
        parts: list[Any] = [*given]
        clauses = [condition] if condition else []
        if text:
            clauses.append("(contains(lower(label), lower(?)) OR latent IN (SELECT latent FROM descriptions WHERE contains(lower(text), lower(?))))")
            parts += [text, text]
        return " AND ".join(clauses) or "true", parts

    def _known(self, latent: int) -> int:
        if isinstance(latent, bool) or not isinstance(latent, int) or not 0 <= latent < self.size:
            raise InputError(f"there is no latent {shown(latent)}: {self.folder} has {self.size}, counted from 0")
        return latent

    def __repr__(self) -> str:
        about = self.about()
        return f"Features({self.size} of {about['basis']} at {about['site']} of {about['model']}, over {about['tokens']:,} tokens, {self.kept} kept)"
