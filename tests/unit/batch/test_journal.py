"""The journal: what survives a crash and what is noticed."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import pytest

from napari_gradnet.batch.identity import differences, file_identity
from napari_gradnet.batch.job import UnitResult
from napari_gradnet.batch.journal import JOURNAL_NAME, Journal
from napari_gradnet.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

PRINT = {"input": {"size": 3}, "operation": {"naive": "median", "sigma": None}}


def unit(name: str) -> UnitResult:
    return UnitResult(name, 1.0, 0.1, 0.8, 0.1, 4, f"sum of {name}")


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    with Journal(tmp_path / "new" / "out") as journal:
        journal.start("a", PRINT)
        journal.unit("a", unit("plane-0"))
        journal.start("b", PRINT | {"input": {"size": 4}})
        journal.finishing("b")
        journal.start("c", PRINT)
        journal.finishing("c")
        journal.done("c", {"seconds": 2})
        journal.start("d", PRINT)
        journal.failed("d", "why")
    with Journal(tmp_path / "new" / "out") as journal:
        a, b, c, d = (journal.entry(name) for name in "abcd")
        assert journal.entry("e") is None
    output = tmp_path / "x"
    assert (a.state, a.owns(output), a.fingerprint) == ("started", False, PRINT)
    assert a.units == {"plane-0": "sum of plane-0"}
    assert (b.state, b.owns(output), b.fingerprint["input"]) == (
        "finishing",
        True,
        {"size": 4},
    )
    assert (c.state, c.owns(output), c.figures) == ("done", True, {"seconds": 2})
    assert (d.state, d.owns(output)) == ("failed", False)


@pytest.mark.parametrize("failed", [False, True])
def test_an_output_is_owned_where_its_receipt_stands(
    tmp_path: Path, failed: bool
) -> None:
    with Journal(tmp_path) as journal:
        journal.start("a", PRINT)
        journal.finishing("a", receipt=".a.part")
        if failed:
            journal.failed("a", "its worker was killed")
    with Journal(tmp_path) as journal:
        entry = journal.entry("a")
        assert not entry.owns(tmp_path / "a")
        (tmp_path / ".a.part").touch()
        assert entry.owns(tmp_path / "a")
        journal.start("a", PRINT)
        assert not journal.entry("a").owns(tmp_path / "a")


def test_going_on_keeps_units_and_what_is_owned(tmp_path: Path) -> None:
    with Journal(tmp_path) as journal:
        journal.start("a", PRINT)
        journal.unit("a", unit("plane-3"))
        journal.finishing("a")
        journal.start("a", PRINT, source="/in/a", again=True, replaces=True)
        entry = journal.entry("a")
        assert (
            entry.state,
            entry.owns(tmp_path / "a"),
            entry.source,
            set(entry.units),
        ) == (
            "started",
            True,
            "/in/a",
            {"plane-3"},
        )
        journal.start("a", PRINT)
        assert journal.entry("a").units == {}
        assert not journal.entry("a").owns(tmp_path / "a")
        journal.forget("a")
        assert journal.entry("a") is None


def test_options_in_common_are_written_once(tmp_path: Path) -> None:
    with Journal(tmp_path) as journal:
        for number in range(5):
            journal.start(str(number), PRINT)
    text = (tmp_path / JOURNAL_NAME).read_text()
    assert text.count("median") == 1


@pytest.mark.parametrize("cut", [1, 10, 30])
def test_a_torn_line_is_dropped(tmp_path: Path, cut: int) -> None:
    with Journal(tmp_path) as journal:
        journal.start("a", PRINT)
        journal.unit("a", unit("plane-0"))
        journal.unit("a", unit("plane-1"))
    path = tmp_path / JOURNAL_NAME
    path.write_bytes(path.read_bytes()[:-cut])
    with Journal(tmp_path) as journal:
        assert set(journal.entry("a").units) == {"plane-0"}
        journal.unit("a", unit("plane-2"))
    with Journal(tmp_path) as journal:
        assert set(journal.entry("a").units) == {"plane-0", "plane-2"}
    for line in path.read_text().splitlines():
        json.loads(line)


def test_a_damaged_line_in_the_middle_costs_only_itself(tmp_path: Path) -> None:
    with Journal(tmp_path) as journal:
        journal.start("a", PRINT)
        journal.unit("a", unit("plane-0"))
        journal.unit("a", unit("plane-1"))
    path = tmp_path / JOURNAL_NAME
    lines = path.read_bytes().splitlines(keepends=True)
    lines[-2] = b"\0\0\0{" + lines[-2][4:]
    path.write_bytes(b"".join(lines))
    with Journal(tmp_path) as journal:
        assert set(journal.entry("a").units) == {"plane-1"}


@pytest.mark.parametrize(
    "rubbish",
    [
        bytes(4096),
        bytes(100) + b"\n",
        b"[" * 100_000 + b"\n",
        b'7\n"file"\nnull\n[]\n{}\n',
        b'{"file":"a","state":"unit"}\n{"file":"b","state":"unit","unit":"u"}\n',
        b'{"file":["a"],"state":"done"}\n{"file":"z","state":"started"}\n',
        b"\xff\xfe\n",
    ],
    ids=["zeros", "line of zeros", "deep", "no objects", "no keys", "types", "no text"],
)
def test_what_a_power_cut_may_leave_at_the_end(tmp_path: Path, rubbish: bytes) -> None:
    with Journal(tmp_path) as journal:
        journal.start("a", PRINT)
        journal.unit("a", unit("plane-0"))
    path = tmp_path / JOURNAL_NAME
    with path.open("ab") as file:
        file.write(rubbish)
    for name in ("plane-1", "plane-2"):
        with Journal(tmp_path) as journal:
            assert "plane-0" in journal.entry("a").units
            assert journal.entry("b") is None
            journal.unit("a", unit(name))
    with Journal(tmp_path) as journal:
        assert set(journal.entry("a").units) == {"plane-0", "plane-1", "plane-2"}


def test_an_empty_journal_is_a_new_one(tmp_path: Path) -> None:
    for lost in (b"", bytes(512)):
        (tmp_path / JOURNAL_NAME).write_bytes(lost)
        with Journal(tmp_path) as journal:
            journal.start("a", PRINT)
        with Journal(tmp_path) as journal:
            assert journal.entry("a").state == "started"


def test_a_journal_knows_when_its_folder_was_taken_away(tmp_path: Path) -> None:
    folder, gone = tmp_path / "out", tmp_path / "gone"
    with Journal(folder) as journal:
        journal.make_folders(folder / "deep" / "er")
        assert (folder / "deep" / "er").is_dir()
        journal.check_place()
        folder.rename(gone)
        with pytest.raises(FileNotFoundError):
            journal.check_place()
        with pytest.raises(FileNotFoundError):
            journal.make_folders(folder / "new")
        assert not folder.exists()
        folder.mkdir()  # where a disk was mounted
        (folder / JOURNAL_NAME).write_text("another one\n")
        assert not journal.is_in_place()
        with pytest.raises(FileNotFoundError):
            journal.finishing("a")


def test_one_batch_at_a_time(tmp_path: Path) -> None:
    with (
        Journal(tmp_path),
        pytest.raises(InputError, match="another batch is writing to"),
    ):
        Journal(tmp_path)
    Journal(tmp_path).close()


def test_another_file_of_that_name_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / JOURNAL_NAME
    path.write_text("dear diary\n")
    with pytest.raises(InputError, match="is no journal of a batch"):
        Journal(tmp_path)
    assert path.read_text() == "dear diary\n"


def test_a_full_disk_leaves_whole_lines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Full:
        """A file on a disk with room for ten bytes more."""

        def __init__(self, file: object) -> None:
            self.file = file
            self.room = 10

        def write(self, data: bytes) -> int:
            if not self.room:
                raise OSError(28, "No space left on device")
            count = self.file.write(data[: self.room])
            self.room -= count
            return count

        def __getattr__(self, name: str) -> object:
            return getattr(self.file, name)

    with Journal(tmp_path) as journal:
        journal.start("a", PRINT)
        before = (tmp_path / JOURNAL_NAME).read_bytes()
        whole = journal._file
        journal._file = Full(whole)
        journal.unit("a", unit("plane-0"))  # it will be done again
        with pytest.raises(OSError, match="No space left"):
            journal.finishing("a")
        assert (tmp_path / JOURNAL_NAME).read_bytes() == before
        journal._file = whole
        journal.unit("a", unit("plane-1"))
    with Journal(tmp_path) as journal:
        assert set(journal.entry("a").units) == {"plane-1"}


def test_identity_notices_changes(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(bytes(1 << 20))
    before = file_identity(path)
    assert file_identity(path) == before
    state = path.stat()
    for place in (0, 1 << 19, (1 << 20) - 1):
        with path.open("r+b") as file:
            file.seek(place)
            file.write(b"x")
        os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))
        now = file_identity(path)
        assert differences(before, now).keys() == {"hash"}
        before = now
    path.write_bytes(b"")
    assert file_identity(path)["size"] == 0


def test_differences_are_told_by_name() -> None:
    before = {"operation": {"sigma": None, "naive": "median"}, "axes": "YX"}
    now = {"operation": {"sigma": 2.0, "model": "m"}, "axes": "YX"}
    assert differences(before, now) == {
        "operation.sigma": "was None, is 2.0",
        "operation.naive": "was 'median', is not there",
        "operation.model": "was not there, is 'm'",
    }
    assert differences(now, now) == {}
