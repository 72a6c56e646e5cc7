"""Telling movements apart: a scikit-learn classifier over features."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from rig_capture import __version__
from rig_capture.estimation.analysis.errors import AnalysisError, ModelMismatch
from rig_capture.estimation.analysis.extra import load
from rig_capture.estimation.analysis.gaps import Floats
from rig_capture.estimation.analysis.model_file import CrossValidation, Kind, LogisticParameters, MovementModel, NeighborsParameters

if TYPE_CHECKING:
    from sklearn.linear_model import LogisticRegression
    from sklearn.neighbors import KNeighborsClassifier

    Classifier: TypeAlias = LogisticRegression | KNeighborsClassifier

_NEIGHBORS = 5


@dataclass(frozen=True)
class Told:
    """What a model makes of one movement."""

    label: str
    probabilities: dict[str, float]
    """Of each label."""
    missing: tuple[str, ...]
    """Features that were NaN, for which the mean of the training was taken."""


def train(
    examples: Sequence[Mapping[str, float]],
    labels: Sequence[str],
    *,
    space: str,
    groups: Sequence[str] | None = None,
    kind: Kind = Kind.LOGISTIC,
    folds: int = 5,
    seed: int = 0,
) -> MovementModel:
    """Trains a classifier, and measures it by cross-validation.

    Features are standardised over the examples. One that is NaN counts as the mean; one that is NaN in all examples is left out.

    Args:
        examples: features by name, such as `feature_vector` gives; the same names in all.
        labels: of the examples.
        space: of their poses, `2d` or `3d`.
        groups: of the examples, such as the person: all of a group are held back together.
        kind: of classifier.
        folds: at most; as many as the rarest label has examples (groups), if these are fewer.
        seed: of the order in which examples are held back.

    Raises:
        ModelMismatch: an example has other features than the first.
        AnalysisError: fewer than two labels, or one with fewer than two examples (groups).
    """
    names = tuple(examples[0]) if examples else ()
    for example in examples:
        _check(names, example)
    counts = Counter(labels)
    if len(counts) < 2:
        raise AnalysisError(f"{len(counts)} labels can't be told apart; at least two are needed")
    order = sorted(counts)
    table = np.array([[example[name] for name in names] for example in examples], dtype=np.float64)
    told = np.array([order.index(label) for label in labels])
    kept = ~np.isnan(table).all(axis=0)
    if not kept.any():
        raise AnalysisError("all features are missing in all examples")
    table, names = table[:, kept], tuple(np.array(names)[kept].tolist())
    measured = _cross_validate(table, told, groups, order, kind, folds, seed)
    scaler, classifier = _pipeline(kind, len(table))
    rows = np.nan_to_num(scaler.fit_transform(table))
    classifier.fit(rows, told)
    return MovementModel(
        libraries={name: version(name) for name in ("scikit-learn", "numpy")} | {"rig_capture": __version__},
        space=space,
        labels=tuple(order),
        examples={label: counts[label] for label in order},
        features=names,
        means=tuple(scaler.mean_.tolist()),
        scales=tuple(scaler.scale_.tolist()),
        parameters=_parameters(classifier, rows, told),
        cross_validation=measured,
    )


def predict(model: MovementModel, examples: Sequence[Mapping[str, float]], *, space: str) -> list[Told]:
    """What a model makes of movements.

    Args:
        model: a trained one.
        examples: features by name.
        space: of their poses, `2d` or `3d`.

    Raises:
        ModelMismatch: they have other features, or are of another space.
    """
    if space != model.space:
        raise ModelMismatch((), (), f"comes from {space} poses instead of {model.space} ones")
    for example in examples:
        _check(model.features, example, more=True)
    if not examples:
        return []
    table = np.array([[example[name] for name in model.features] for example in examples], dtype=np.float64)
    missing = np.isnan(table)
    rows = np.nan_to_num((table - np.array(model.means)) / np.array(model.scales))
    chances = _restored(model).predict_proba(rows)
    return [
        Told(
            model.labels[int(np.argmax(chance))],
            dict(zip(model.labels, chance.tolist(), strict=True)),
            tuple(np.array(model.features)[lacks].tolist()),
        )
        for chance, lacks in zip(chances, missing, strict=True)
    ]


def _check(names: Sequence[str], example: Mapping[str, float], *, more: bool = False) -> None:
    """Refuses an example of other features; `more`: it may have some that the model left out."""
    missing = [name for name in names if name not in example]
    unexpected = [] if more else [name for name in example if name not in set(names)]
    if missing or unexpected:
        raise ModelMismatch(missing, unexpected)


def _pipeline(kind: Kind, examples: int) -> tuple[Any, Any]:
    scaler = load("sklearn.preprocessing").StandardScaler()
    if kind is Kind.LOGISTIC:
        return scaler, load("sklearn.linear_model").LogisticRegression(max_iter=1000)
    return scaler, load("sklearn.neighbors").KNeighborsClassifier(n_neighbors=min(_NEIGHBORS, examples))


def _parameters(classifier: "Classifier", rows: Floats, told: np.ndarray) -> LogisticParameters | NeighborsParameters:
    if hasattr(classifier, "coef_"):
        return LogisticParameters(
            coefficients=tuple(map(tuple, classifier.coef_.tolist())), intercepts=tuple(classifier.intercept_.tolist())
        )
    return NeighborsParameters(
        neighbors=classifier.n_neighbors, rows=tuple(map(tuple, rows.tolist())), row_labels=tuple(told.tolist())
    )  # fmt: skip


def _restored(model: MovementModel) -> "Classifier":
    """The fitted classifier, out of its numbers."""
    fitted = model.parameters
    if isinstance(fitted, NeighborsParameters):
        # Fitting it is no more than keeping its examples.
        classifier = load("sklearn.neighbors").KNeighborsClassifier(n_neighbors=fitted.neighbors)
        return classifier.fit(np.array(fitted.rows), np.array(fitted.row_labels))
    classifier = load("sklearn.linear_model").LogisticRegression()
    classifier.coef_, classifier.intercept_ = np.array(fitted.coefficients), np.array(fitted.intercepts)
    classifier.classes_, classifier.n_features_in_ = np.arange(len(model.labels)), len(model.features)
    return classifier


def _cross_validate(
    table: Floats, told: np.ndarray, groups: Sequence[str] | None, labels: Sequence[str], kind: Kind, folds: int, seed: int
) -> CrossValidation:
    selection, metrics = load("sklearn.model_selection"), load("sklearn.metrics")
    if groups is None:
        rarest, what = min(Counter(told.tolist()).items(), key=lambda item: item[1]), "examples"
    else:
        members = {label: len({group for group, each in zip(groups, told, strict=True) if each == label}) for label in range(len(labels))}
        rarest, what = min(members.items(), key=lambda item: item[1]), "groups"
    if rarest[1] < 2:
        raise AnalysisError(f"the label {labels[rarest[0]]!r} has 1 of {what}; at least 2 are needed, so that one can be held back")
    splits = min(folds, rarest[1])
    splitter = selection.StratifiedKFold if groups is None else selection.StratifiedGroupKFold
    guessed, shares = np.empty_like(told), []
    for learn, test in splitter(splits, shuffle=True, random_state=seed).split(table, told, groups):
        if len(set(told[learn].tolist())) < 2:
            raise AnalysisError(
                "holding back one group at a time leaves a single label to learn from; more groups with several labels are needed"
            )
        scaler, classifier = _pipeline(kind, len(learn))
        learned = ~np.isnan(table[learn]).all(axis=0)
        classifier.fit(np.nan_to_num(scaler.fit_transform(table[learn][:, learned])), told[learn])
        guessed[test] = classifier.predict(np.nan_to_num(scaler.transform(table[test][:, learned])))
        shares.append(float(np.mean(guessed[test] == told[test])))
    confusion = metrics.confusion_matrix(told, guessed, labels=range(len(labels)))
    return CrossValidation(
        folds=splits,
        grouped=groups is not None,
        accuracy=float(np.mean(guessed == told)),
        accuracy_sd=float(np.std(shares)),
        balanced_accuracy=float(metrics.balanced_accuracy_score(told, guessed)),
        confusion=tuple(map(tuple, confusion.tolist())),
    )
