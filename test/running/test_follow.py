"""Lines of log files as they come."""

from pathlib import Path

from rig_capture.running.follow import FollowedFile, Follower, last_lines


def test_whole_lines_are_told_once_and_half_ones_wait(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    file = FollowedFile(path)
    assert list(file.lines()) == []
    with path.open("ab", buffering=0) as log:
        log.write(b"one\ntw")
        assert list(file.lines()) == ["one"]
        log.write("o\nthree \N{SNOWMAN}\n\xff".encode("latin-1", "replace"))
        assert list(file.lines()) == ["two", "three ?"]
        assert list(file.lines()) == []
    file.close()


def test_no_line_is_lost_or_told_twice_when_the_file_is_moved_away(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    path.write_text("1\n")
    file = FollowedFile(path)
    assert list(file.lines()) == ["1"]
    with path.open("a") as log:
        log.write("2\n")
    path.rename(tmp_path / "a.log.1")
    assert list(file.lines()) == ["2"]
    path.write_text("3\n")
    assert list(file.lines()) == ["3"]
    file.close()


def test_a_follower_tells_whose_line_it_is(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("x\n")
    (tmp_path / "b").write_text("y\n")
    follower = Follower({"node_a": tmp_path / "a", "node_b": tmp_path / "b"})
    assert list(follower.lines()) == [("node_a", "x"), ("node_b", "y")]
    follower.close()


def test_last_lines_of_a_long_short_and_missing_file(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    path.write_text("".join(f"{n}\n" for n in range(10_000)))
    assert last_lines(path, 3) == ["9997", "9998", "9999"]
    path.write_text("only")
    assert last_lines(path, 3) == ["only"]
    assert last_lines(tmp_path / "no", 3) == []
