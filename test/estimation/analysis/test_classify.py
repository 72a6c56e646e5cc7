"""Telling movements apart, and the file of what was learned."""

import json
from pathlib import Path

import numpy as np
import pytest

from rig_capture.estimation.analysis.classify import predict, train
from rig_capture.estimation.analysis.errors import AnalysisError, ModelFileError, ModelMismatch
from rig_capture.estimation.analysis.extra import load
from rig_capture.estimation.analysis.model_file import Kind, load_model, save_model

Example = dict[str, float]


def examples(count: int, *, apart: float = 3.0, seed: int = 1) -> tuple[list[Example], list[str]]:
    """Of each of three kinds `count`, which two features tell and a third one does not."""
    rng = np.random.default_rng(seed)
    centres = {"curl": (0.0, 0.0), "press": (apart, 0.0), "wave": (0.0, apart)}
    rows = [
        {"a.range": x * 100 + rng.normal() * 100, "b.speed": y + rng.normal(), "c.noise": rng.normal()}
        for _ in range(count)
        for x, y in centres.values()
    ]
    return rows, [*centres] * count


@pytest.mark.parametrize("kind", list(Kind))
def test_a_saved_model_says_the_same_and_is_as_good_on_new_movements_as_it_claims(tmp_path: Path, kind: Kind) -> None:
    rows, labels = examples(40)
    model = train(rows, labels, space="3d", kind=kind)
    assert model.cross_validation.folds == 5
    assert model.examples == {"curl": 40, "press": 40, "wave": 40}
    assert set(model.libraries) == {"scikit-learn", "numpy", "rig_capture"}
    save_model(tmp_path / "m.json", model)
    again = load_model(tmp_path / "m.json")
    assert again == model
    others, true = examples(100, seed=2)
    told = predict(again, others, space="3d")
    assert told == predict(model, others, space="3d")
    right = np.mean([each.label == label for each, label in zip(told, true, strict=True)])
    assert right == pytest.approx(model.cross_validation.accuracy, abs=0.07)
    assert right > 0.85
    assert all(sum(each.probabilities.values()) == pytest.approx(1) for each in told)


@pytest.mark.parametrize("kind", list(Kind))
def test_it_is_scikit_learns_own_answer(kind: Kind) -> None:
    rows, labels = examples(10, apart=1.5)
    logistic = load("sklearn.linear_model").LogisticRegression(max_iter=1000)
    classifier = logistic if kind is Kind.LOGISTIC else load("sklearn.neighbors").KNeighborsClassifier()
    table = np.array([list(row.values()) for row in rows])
    scaler = load("sklearn.preprocessing").StandardScaler()
    wanted = load("sklearn.pipeline").make_pipeline(scaler, classifier).fit(table, labels).predict_proba(table)
    found = predict(train(rows, labels, space="2d", kind=kind), rows, space="2d")
    assert np.array([list(each.probabilities.values()) for each in found]) == pytest.approx(wanted)


def test_two_labels_are_enough() -> None:
    rows, labels = examples(10)
    kept = [(row, label) for row, label in zip(rows, labels, strict=True) if label != "wave"]
    model = train([row for row, _ in kept], [label for _, label in kept], space="3d")
    told = predict(model, [row for row, _ in kept], space="3d")
    assert np.mean([each.label == label for each, (_, label) in zip(told, kept, strict=True)]) > 0.8


def test_holding_back_whole_persons_shows_what_was_learned_of_the_person_only() -> None:
    rng = np.random.default_rng(4)
    persons = [f"p{number}" for number in range(8)]
    rows, labels, groups = [], [], []
    for number, person in enumerate(persons):
        for _ in range(6):
            rows.append({"who": number * 10.0 + rng.normal()})
            labels.append(("curl", "press")[number % 2])
            groups.append(person)
    leaky = train(rows, labels, space="3d", kind=Kind.NEIGHBORS).cross_validation
    honest = train(rows, labels, space="3d", groups=groups, kind=Kind.NEIGHBORS).cross_validation
    assert leaky.accuracy > 0.95
    assert honest.accuracy < 0.5
    assert (leaky.grouped, honest.grouped) == (False, True)


def test_missing_features_are_told_and_ones_that_all_lack_are_left_out() -> None:
    rows, labels = examples(10)
    for row in rows:
        row["d.never"] = float("nan")
    rows[3]["c.noise"] = float("nan")
    model = train(rows, labels, space="3d")
    assert model.features == ("a.range", "b.speed", "c.noise")
    told = predict(model, [rows[3], rows[4]], space="3d")
    assert [each.missing for each in told] == [("c.noise",), ()]


def test_a_model_of_other_features_is_refused() -> None:
    rows, labels = examples(4)
    model = train(rows, labels, space="3d")
    with pytest.raises(ModelMismatch, match=r"lacks b\.speed") as refused:
        predict(model, [{"a.range": 1.0, "c.noise": 2.0}], space="3d")
    assert refused.value.missing == ("b.speed",)
    with pytest.raises(ModelMismatch, match="comes from 2d poses instead of 3d ones"):
        predict(model, rows, space="2d")
    with pytest.raises(ModelMismatch, match="has in addition more"):
        train([*rows, rows[0] | {"more": 1.0}], [*labels, "curl"], space="3d")


def test_too_few_examples_are_refused() -> None:
    rows, labels = examples(2)
    with pytest.raises(AnalysisError, match="1 labels can't be told apart"):
        train(rows[:1], labels[:1], space="3d")
    with pytest.raises(AnalysisError, match="'wave' has 1 of examples; at least 2"):
        train(rows[:5], labels[:5], space="3d")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"schema_version": 2}, "a model of schema version 2, this software reads 1"),
        ({"format": "something"}, "not a model of"),
        ({"scales": [1, 1]}, "means and scales must be 3 numbers"),
        ({"scales": [1, 0, 1]}, "the scales above 0"),
        ({"features": ["a", "a", "b"]}, "twice"),
        ({"parameters": {"kind": "pickle", "data": "gASV"}}, "not a model of"),
        ({"parameters": {"kind": "logistic", "coefficients": [[1, 2, 3]], "intercepts": [0]}}, "3 labels need 3 rows"),
        ({"parameters": {"kind": "neighbors", "neighbors": 5, "rows": [[1, 2, 3]], "row_labels": [0]}}, "do not fit"),
    ],
)
def test_a_damaged_or_foreign_file_is_no_model(tmp_path: Path, change: dict[str, object], reason: str) -> None:
    rows, labels = examples(4)
    path = tmp_path / "m.json"
    save_model(path, train(rows, labels, space="3d"))
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(ModelFileError, match=reason):
        load_model(path)
    path.write_bytes(b"\x80\x04\x95")
    with pytest.raises(ModelFileError, match="not a model of"):
        load_model(path)
    with pytest.raises(ModelFileError, match="can't be read"):
        load_model(tmp_path / "none.json")
