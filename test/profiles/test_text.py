"""Profiles as text: YAML without its surprises."""

from pathlib import Path
from typing import Any

import pytest

from rig_capture.profiles.errors import ProfileError
from rig_capture.profiles.text import parse, parse_layer, read_layer

FILE = Path("p.yaml")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("off", "off"),
        ("OFF", "OFF"),
        ("yes", "yes"),
        ("true", True),
        ("False", False),
        ("0x42", 0x42),
        ("0123", "0123"),
        ("12:30", "12:30"),
        ("2026-11-20", "2026-11-20"),
        ("1e3", 1000.0),
        ("1.5", 1.5),
        (".5", 0.5),
        ("-7", -7),
        ("1_000", "1_000"),
        ("~", None),
        ("null", None),
        ("", None),
        ("'5'", "5"),
        ("[1, a]", [1, "a"]),
        ("{no: 1, 5: 2}", {"no": 1, "5": 2}),
    ],
)
def test_values_are_read_by_yaml_1_2(text: str, value: Any) -> None:
    assert parse(text) == value
    assert type(parse(text)) is type(value)


def test_a_key_given_twice_is_named_with_both_lines() -> None:
    with pytest.raises(ProfileError, match=r"p\.yaml:3: .*'fps' is given twice, first in line 2"):
        parse_layer(FILE, "a:\n  fps: 1\n  fps: 2\n")


@pytest.mark.parametrize(
    "text", ["a: [1", "a:\n\tb: 1", "a: b: c", "? [x]\n: 1", "a: &x {b: *x}", "a: *nothing", "a: !!python/name:os.x ''"]
)
def test_broken_yaml_names_file_and_line(text: str) -> None:
    with pytest.raises(ProfileError, match=r"p\.yaml:\d+: not a profile's YAML"):
        parse_layer(FILE, text)


@pytest.mark.parametrize("text", ["- a\n", "just words\n", "5\n"])
def test_a_profile_is_a_mapping(text: str) -> None:
    with pytest.raises(ProfileError, match="mapping of keys"):
        parse_layer(FILE, text)


@pytest.mark.parametrize("text", ["", "# only a comment\n", "---\n"])
def test_an_empty_file_changes_nothing(text: str) -> None:
    assert parse_layer(FILE, text)[0] == {}


def test_merged_keys_have_the_line_where_they_are_written() -> None:
    values, lines = parse_layer(FILE, "a: &base\n  w: 1\n  h: 2\nb:\n  <<: *base\n  h: 3\n")
    assert values["b"] == {"w": 1, "h": 3}
    assert lines["b", "w"] == "p.yaml:2"
    assert lines["b", "h"] == "p.yaml:6"


def test_an_unreadable_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_bytes(b"rig: \xff\n")
    for path in (tmp_path / "a.yaml", tmp_path):
        with pytest.raises(ProfileError, match="can't be read"):
            read_layer(path)
