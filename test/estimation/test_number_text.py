"""Columns of numbers as JSON text of even width: it is JSON like any other, and only what is written so is read so."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rig_capture.estimation.number_text import number_text, numbers_of, take_columns

numbers = st.one_of(st.floats(-1e7, 1e7, width=32), st.just(float("nan")), st.sampled_from([0.0, -0.0, -0.004, 0.005, 9.999, -99.995]))


@given(values=st.lists(numbers, min_size=1, max_size=30), digits=st.integers(1, 5))
def test_it_is_json_and_read_like_json(values: list[float], digits: int) -> None:
    text = number_text(np.array(values), digits)
    assert text is not None
    ordinary = [float("nan") if value is None else value for value in json.loads(text)]
    assert np.allclose(ordinary, values, rtol=0, atol=0.50001 * 10.0**-digits, equal_nan=True)
    if len(values) > 1:
        quick = numbers_of(text[1:-1])
        assert quick is not None
        assert np.array_equal(quick, ordinary, equal_nan=True), "to the last bit"


@given(text=st.text("0123456789 .-,nul", max_size=40))
def test_what_is_read_quickly_is_what_json_says(text: str) -> None:
    quick = numbers_of(text.encode())
    if quick is None:
        return
    # Leading zeros are the one thing that this reader takes and JSON does not.
    plain = [None if each.strip() == "null" else float(each) for each in text.split(",")]
    assert np.array_equal(quick, np.array(plain, dtype=float), equal_nan=True)


@pytest.mark.parametrize(
    "body", ["", "1", "1,2", "1.0,2.00", " 1.0,x2.0", "1 .0,22.0", "-.50,1.50", " 1.,22.", "1.50;2.50", "nulx,1.50", "1.5 ,2.5 "]
)
def test_other_text_is_left_to_the_ordinary_reader(body: str) -> None:
    assert numbers_of(body.encode()) is None


def test_long_columns_are_read_in_blocks() -> None:
    values = np.arange(40_000) / 4 - 5000
    values[20_000] = np.nan
    text = number_text(values, 2)
    assert text is not None
    assert np.array_equal(numbers_of(text[1:-1]), values, equal_nan=True)  # type: ignore[arg-type]
    assert numbers_of(text[1:-6] + b"x.xx ") is None


def test_numbers_that_are_too_large_and_none_at_all_are_left_to_the_ordinary_writer() -> None:
    assert number_text(np.array([1e300]), 2) is None
    assert number_text(np.array([]), 2) is None


def test_columns_are_taken_out_where_they_stand_on_lines_of_their_own() -> None:
    data = b'{\n"a":[1.50, 2.5],\n"b":[1.50,2.50],\n"c":{"b":[1.00,2.00]},\n"d":"\\n\\"b\\":["\n}'
    rest, columns = take_columns(data, ["a", "b", "c", "d", "e"])
    assert {name: column.tolist() for name, column in columns.items()} == {"b": [1.5, 2.5]}
    assert json.loads(rest)["c"] == {"b": [1, 2]}
    assert take_columns(data + b'\n"b":[1.50,2.50]', ["b"])[1] == {}, "twice"
