"""The versioned record of a text in a batch, with stable ids."""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from vos.errors import DataError
from vos.storage.provenance import Provenance

SCHEMA_VERSION = 5
"""5 added what a text covers and its expected error; 4 the pair of classes of the target's margin; 3 nests the target
and the provenance; 2 added the class of the target, the distance asked for and how the text came to be; 1 had none of
these."""


@dataclass(frozen=True, slots=True)
class RecordTarget:
    """The virtual outlier that a text was chosen or written for.

    Attributes:
        id: "z0007" is the eighth target of the synthesis.
        class_name: the class that it was drawn from; None if unknown.
        margin: the requested margin, logit units.
        pair: names of the two classes whose logits that margin compares, the harmful one first; None if unknown.
        mahalanobis: squared distance of the target to the class that it was drawn from; the text's is in the record.
        distance: D between text and target, in units of the distance of a real text to its 10th neighbour.
        max_distance: largest D at which a text could be chosen for it; None if unknown.
    """

    id: str
    class_name: str | None = None
    margin: float | None = None
    mahalanobis: float | None = None
    distance: float | None = None
    max_distance: float | None = None
    pair: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class RecordCoverage:
    """The coverage of the boundary that a text added when it was chosen.

    Attributes:
        share: share of the demand, in [0, 1].
        neighbours: ids of the texts of the pool that it represents, best covered first.
    """

    share: float
    neighbours: tuple[str, ...] = ()


@dataclass(frozen=True)
class BoundaryRecord:
    """One text of a batch, with the evidence for its choice.

    Attributes:
        uid: see `text_uid`.
        id: the text's id in its source.
        text: the text.
        chosen: reason for the choice: "coverage" (represents texts near the boundary), "target" (near a virtual
            outlier), "nearest" and "margin" (a small |margin|), "random" (the unbiased share), "gold" (a known answer)
            or "baseline" (the other strategies of a simulation).
        margin: largest logit of the harmful classes minus the largest of the others; if no class is harmful, largest
            minus second largest. Its sign is the predicted side, also the sign of a zero.
        probability: softmax by class name.
        mahalanobis: squared distance to each class mean, by class name.
        expected_error: probability that the prediction is wrong, calibrated on validation texts if there are enough;
            None if unknown.
        target: the virtual outlier that the text was chosen or written for; None for a text without one.
        coverage: see `RecordCoverage`; None for a text that was chosen for another reason.
        provenance: see `Provenance`.
        model_hash: hash of the classifier that computed these numbers.
        run_hash: hash of the run's resolved configuration and data.
        group: group of the text, such as its author or thread, which splits keep together; None if unknown.
        schema_version: version of this record.

    Example:
        >>> record = BoundaryRecord("uid", "p1", "a text", margin=-0.25)
        >>> BoundaryRecord.from_dict(record.as_dict()) == record
        True
    """

    uid: str
    id: str
    text: str
    chosen: str = "target"
    margin: float = 0.0
    probability: Mapping[str, float] = field(default_factory=dict)
    mahalanobis: Mapping[str, float] = field(default_factory=dict)
    expected_error: float | None = None
    target: RecordTarget | None = None
    coverage: RecordCoverage | None = None
    provenance: Provenance = field(default_factory=Provenance)
    model_hash: str = ""
    run_hash: str = ""
    group: str | None = None
    schema_version: int = SCHEMA_VERSION

    @property
    def payload(self) -> dict[str, Any]:
        """The values that a ledger stores with the text."""
        return self.as_dict()

    @property
    def target_index(self) -> int | None:
        """Number of the target, counted from 0; None without a target, or if its id has another form."""
        number = "" if self.target is None else self.target.id[1:]
        return int(number) if number.isdecimal() else None

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON values, fields in the order of the class."""
        values = asdict(self)
        values["provenance"]["parents"] = list(self.provenance.parents)
        if self.target is not None and self.target.pair is not None:
            values["target"]["pair"] = list(self.target.pair)
        if self.coverage is not None:
            values["coverage"]["neighbours"] = list(self.coverage.neighbours)
        return values

    def as_row(self) -> dict[str, Any]:
        """The values of `as_dict` with flat names: `target_distance`, `provenance_source`, ..."""
        values = self.as_dict()
        values["target"] = values["target"] or dict.fromkeys(_names(RecordTarget))
        values["coverage"] = values["coverage"] or dict.fromkeys(_names(RecordCoverage))
        row: dict[str, Any] = {}
        for name, value in values.items():
            row |= {f"{name}_{key}": part for key, part in value.items()} if isinstance(value, dict) else {name: value}
        return row

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> BoundaryRecord:
        """The record from the result of `as_dict`, of this or an older schema version, whose missing values are None.

        Raises:
            DataError: an unknown version, or fields that do not belong to its version.
        """
        version = values.get("schema_version")
        if version in FLAT_FIELDS:
            _check_names(values, FLAT_FIELDS[version], version)
            return _from_flat(values)
        if version not in (3, 4, SCHEMA_VERSION):
            raise DataError(f"expected schema_version {SCHEMA_VERSION} or older, got {version!r}")
        values = {"group": None, **values}  # younger than version 3
        if version < SCHEMA_VERSION:
            values = {**dict.fromkeys(YOUNG), **values}
        _check_names(values, _names(cls), version)
        target, provenance = values["target"], {"subtlety": None, **values["provenance"]}  # as `group`
        _check_names(provenance, _names(Provenance), version)
        if target is not None:
            _check_names(target, _names(RecordTarget) - ({"pair"} if version == 3 else set()), version)
            pair = target.get("pair")
            target = RecordTarget(**target | {"pair": None if pair is None else tuple(pair)})
        coverage = values["coverage"]
        if coverage is not None:
            _check_names(coverage, _names(RecordCoverage), version)
            coverage = RecordCoverage(coverage["share"], tuple(coverage["neighbours"]))
        nested = {"target": target, "coverage": coverage, "provenance": Provenance.from_dict(provenance)}
        return cls(**dict(values) | nested | {"schema_version": SCHEMA_VERSION})


def _names(kind: Any) -> Set[str]:
    return dict.fromkeys(field.name for field in fields(kind)).keys()  # in their order


def _check_names(values: Mapping[str, Any], expected: Set[str], version: int) -> None:
    if values.keys() != expected:
        raise DataError(
            f"expected the fields of schema version {version}, lacking {sorted(expected - values.keys())}, "
            f"too many {sorted(values.keys() - expected)}"
        )


FLAT_TARGET = {
    "target_id": "id",
    "target_class": "class_name",
    "target_margin": "margin",
    "target_mahalanobis": "mahalanobis",
    "target_distance": "distance",
    "max_distance": "max_distance",
}
FLAT_PROVENANCE = {name: name for name in _names(Provenance) - {"language_model", "subtlety"}} | {
    "language_model_hash": "language_model"
}
"""Fields of versions 1 and 2 by their current name."""

SOURCES = {"seeded": "prefix_conditioned", "steered": "smc", "edited": "counterfactual"}
"""Sources of versions 1 and 2 by their current name."""

YOUNG = ("expected_error", "coverage")
"""Fields that versions 3 and 4 do not have."""

_VERSION_2 = (
    (_names(BoundaryRecord) - {"target", "provenance", "group", *YOUNG}) | FLAT_TARGET.keys() | FLAT_PROVENANCE.keys()
)
FLAT_FIELDS = {
    1: _VERSION_2 - (FLAT_PROVENANCE.keys() - {"source"}) - {"target_class", "max_distance"},
    2: _VERSION_2,
}


def _from_flat(values: Mapping[str, Any]) -> BoundaryRecord:
    """A record of version 1 or 2."""
    target = {new: values[old] for old, new in FLAT_TARGET.items() if old in values}
    provenance = {new: values[old] for old, new in FLAT_PROVENANCE.items() if old in values}
    provenance["source"] = SOURCES.get(provenance["source"], provenance["source"])
    return BoundaryRecord(
        **{name: value for name, value in values.items() if name not in FLAT_TARGET | FLAT_PROVENANCE}
        | {"schema_version": SCHEMA_VERSION},
        target=None if target["id"] is None else RecordTarget(**target),
        provenance=Provenance.from_dict({"parents": (), **provenance}),
    )
