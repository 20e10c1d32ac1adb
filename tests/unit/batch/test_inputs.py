"""Which files a batch takes, and where their outputs go."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from napari_gradnet.batch.inputs import find_tasks
from napari_gradnet.batch.options import BatchOptions
from napari_gradnet.errors import ConfigError, InputError

if TYPE_CHECKING:
    from pathlib import Path

OPTIONS = BatchOptions(naive="median")


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in (
        "raw/a.tif",
        "raw/b.PNG",
        "raw/notes.txt",
        "raw/.hidden.tif",
        "raw/day 1/c.jpeg",
        "raw/day 1/[x]/d.tiff",
        "raw/v.zarr/zarr.json",
        "raw/v.zarr/0/c/0/inner.tif",
        "raw/old/.zattrs",
        "other/a.tif",
    ):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def names(*inputs: str, output: str = "out", options: BatchOptions = OPTIONS):
    return sorted(task.name for task in find_tasks(list(inputs), output, options))


def test_a_folder_is_taken_with_its_tree(tree: Path) -> None:
    assert names("raw") == [
        "a.tif",
        "b.PNG",
        "day 1/[x]/d.tiff",
        "day 1/c.jpeg",
        "old",
        "v.zarr",
    ]


def test_a_pattern_keeps_the_folders_behind_its_fixed_part(tree: Path) -> None:
    assert names("raw/**/*.tif*") == ["a.tif", "day 1/[x]/d.tiff"]
    assert names("raw/day*/*") == ["day 1/c.jpeg"]
    assert names(str(tree / "*" / "a.tif")) == ["other/a.tif", "raw/a.tif"]


def test_outputs_of_an_earlier_run_are_no_inputs(tree: Path) -> None:
    (tree / "raw" / "out").mkdir()
    (tree / "raw" / "out" / "a.tif").write_bytes(b"x")
    wanted = names("raw")
    assert "out/a.tif" in wanted
    assert names("raw", output="raw/out") == [n for n in wanted if n != "out/a.tif"]
    assert names("raw/**/*.tif", output="raw/out") == ["a.tif"]
    # the other way round the folder of the inputs lies in that of the outputs
    assert names("raw/*.tif", output=".") == ["a.tif"]


def test_outputs_of_other_batches_are_no_inputs(tree: Path) -> None:
    wanted = names("raw"), names("raw/**/*.tif*")
    made = tree / "raw" / "day 1" / "out"
    (made / "deep").mkdir(parents=True)
    for name in ("gradnet-journal.jsonl", "a.tif", "deep/b.tif"):
        (made / name).write_bytes(b"x")
    assert (names("raw"), names("raw/**/*.tif*")) == wanted
    # unless they are named
    assert names("raw/day 1/out") == ["a.tif", "deep/b.tif"]
    assert names("raw/day 1/out/*.tif", "raw/day 1/out/deep/b.tif") == [
        "a.tif",
        "b.tif",
    ]


def test_a_file_is_taken_whatever_it_is_called(tree: Path) -> None:
    assert names("raw/notes.txt", "raw/v.zarr") == ["notes.txt", "v.zarr"]


@pytest.mark.skipif(os.name == "nt", reason="no such names there")
@pytest.mark.parametrize("name", ["12:30.tif", "a:b.tif", "at 12:30/a.tif"])
def test_a_colon_may_stand_in_a_name(tree: Path, name: str) -> None:
    (tree / "colon" / name).parent.mkdir(parents=True)
    (tree / "colon" / name).write_bytes(b"x")
    assert names("colon") == [name]
    assert names(f"colon/{name}") == [name.rpartition("/")[2]]


def test_suffixes_follow_from_what_is_written(tree: Path) -> None:
    gradient = BatchOptions(gradient="magnitude")
    assert names("raw/b.PNG", "raw/a.tif", options=gradient) == ["a.tif", "b.tif"]
    (tree / "raw" / "e.ome.tif").write_bytes(b"x")
    zarr = BatchOptions(format="ome-zarr")
    assert names("raw/b.PNG", "raw/e.ome.tif", "raw/v.zarr", options=zarr) == [
        "b.ome.zarr",
        "e.ome.zarr",
        "v.zarr",
    ]


def test_two_inputs_of_one_output_are_refused(tree: Path) -> None:
    with pytest.raises(InputError, match=r"raw.a.tif and other.a.tif would both"):
        names("raw/a.tif", "other/a.tif")
    (tree / "raw" / "b.tif").write_bytes(b"x")
    with pytest.raises(InputError, match="would both be written to"):
        names("raw", options=BatchOptions(gradient="magnitude"))
    assert names("raw/a.tif", "raw/a.tif", "raw/*.tif") == ["a.tif", "b.tif"]


def test_inputs_are_never_outputs(tree: Path) -> None:
    with pytest.raises(InputError, match="is an input of this batch"):
        names("raw/a.tif", output="raw")


@pytest.mark.skipif(os.name == "nt", reason="links need rights there")
@pytest.mark.parametrize("link", ["symlink_to", "hardlink_to"])
def test_an_output_that_is_a_link_to_another_input_is_refused(
    tree: Path, link: str
) -> None:
    (tree / "raw" / "b.tif").write_bytes(b"x")
    (tree / "out").mkdir()
    getattr(tree / "out" / "a.tif", link)(tree / "raw" / "b.tif")
    message = r"out.a.tif, by a link raw.b.tif, is an input of this batch"
    with pytest.raises(InputError, match=message):
        names("raw")
    assert names("raw/a.tif") == ["a.tif"]  # then it is none


@pytest.mark.skipif(os.name == "nt", reason="links need rights there")
def test_a_link_to_the_inputs_is_no_output_folder(tree: Path) -> None:
    (tree / "raw" / "b.tif").write_bytes(b"x")
    (tree / "link").symlink_to(tree / "raw")
    listed = write_list(tree, "input,output\na.tif,b.tif\nb.tif,c.tif\n")
    with pytest.raises(InputError, match=r"link.b.tif, by a link .* is an input"):
        names(listed, output="link")


def test_outputs_do_not_replace_what_holds_an_input_or_lie_in_one(tree: Path) -> None:
    listed = write_list(
        tree, "input,output\nold,v.zarr\nv.zarr/0/c/0/inner.tif,inner.tif\n"
    )
    with pytest.raises(InputError, match=r"raw.v.zarr holds an input"):
        names(listed, output="raw")
    with pytest.raises(InputError, match=r"denoised.v.zarr lies in an input"):
        names("raw/v.zarr", "raw/a.tif", output="raw/v.zarr/denoised")


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        (["none.tif"], "none.tif does not exist"),
        (["raw/*.bmp"], r"nothing matches raw.\*.bmp: check the pattern"),
        (["raw/*.txt"], r"what matches raw.\*.txt is no image \(.tif, "),
        (["raw/day*"], r"only folders match raw.day\*: add /\*\*/\*"),
        (["raw/day 1/[x]/*"], r"name with brackets write raw.day 1.\[\[\]x\]"),
        (["empty"], "holds no images"),
        ([], "no inputs are given"),
    ],
)
def test_nothing_to_do_is_an_error(tree: Path, inputs: list[str], message: str) -> None:
    (tree / "empty").mkdir()
    with pytest.raises(InputError, match=message):
        names(*inputs)


def test_the_output_must_be_a_folder(tree: Path) -> None:
    with pytest.raises(InputError, match="is a file: name a folder"):
        names("raw", output="raw/notes.txt")


@pytest.mark.skipif(os.name == "nt", reason="links need rights there")
def test_links_are_followed_but_not_in_circles(tree: Path) -> None:
    (tree / "raw" / "more").symlink_to(tree / "other")
    assert "more/a.tif" in names("raw")
    whole = names("raw")
    (tree / "other" / "up").symlink_to(tree / "raw")
    tasks = find_tasks("raw", "out", OPTIONS)
    assert [t.name for t in tasks if not t.fault] == whole
    (fault,) = (t.fault for t in tasks if t.fault)
    assert "more/up is a link to a folder that holds it" in fault


@pytest.mark.skipif(os.name == "nt", reason="links need rights there")
def test_patterns_do_not_run_in_circles(tree: Path) -> None:
    whole = names("raw/**/*.tif")
    (tree / "raw" / "again").symlink_to(tree / "raw")
    tasks = find_tasks("raw/**/*.tif", "out", OPTIONS)
    assert [t.name for t in tasks if not t.fault] == whole
    (fault,) = (t.fault for t in tasks if t.fault)
    assert "raw/again is a link to a folder that holds it" in fault


@pytest.mark.skipif(os.name == "nt", reason="links need rights there")
def test_a_link_to_itself_is_reported(tree: Path) -> None:
    (tree / "raw" / "self.tif").symlink_to("self.tif")
    faults = {t.name: t.fault for t in find_tasks("raw", "out", OPTIONS)}
    assert "symbolic links" in faults.pop("self.tif")
    assert not any(faults.values())


@pytest.mark.skipif(os.name == "nt", reason="links need rights there")
def test_outputs_stay_in_their_folder(tree: Path) -> None:
    (tree / "out").mkdir()
    (tree / "out" / "day 1").symlink_to(tree / "other")
    with pytest.raises(InputError, match="leads out of the output folder"):
        names("raw")


def write_list(tree: Path, text: str) -> str:
    (tree / "raw" / "list.csv").write_text(text, encoding="utf-8")
    return "raw/list.csv"


def test_a_list_gives_options_for_each_file(tree: Path) -> None:
    listed = write_list(
        tree,
        "input,output,naive,vst,value_range,sigma\n"
        "a.tif,,,,,\n"
        "day 1/c.jpeg,made/c.jpeg,nlm,off,0 99.5,2.5\n",
    )
    first, second = find_tasks(listed, "out", OPTIONS)
    assert (first.name, first.options) == ("a.tif", OPTIONS)
    assert first.source == tree.joinpath("raw", "a.tif").relative_to(tree)
    assert second.name == "made/c.jpeg"
    assert second.options == BatchOptions(
        naive="nlm", vst=False, value_range=(0.0, 99.5), sigma=2.5
    )


def test_an_input_beside_the_list_gives_its_name_alone(tree: Path) -> None:
    listed = write_list(tree, f"input\n../raw/day 1/c.jpeg\n{tree}/other/a.tif\n")
    assert names(listed) == ["a.tif", "c.jpeg"]


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        ("file\na.tif\n", InputError, "needs a first line with a column 'input'"),
        ("input\nz.tif\n", InputError, "line 2: 'z.tif' does not exist"),
        ("input,sigmo\na.tif,2\n", ConfigError, "line 2: .*sigmo is not an option"),
        ("input,sigma\na.tif,x\n", ConfigError, "line 2: .*sigma='x'"),
        ("input,output\na.tif,../b.tif\n", InputError, "leads out of the output"),
        ("input,output\na.tif,/b.tif\n", InputError, "leads out of the output"),
        (
            "input,output\na.tif,.\n",
            InputError,
            "'.' of .* names no file: write 'a.tif'",
        ),
        ("input,output\na.tif,C:b.tif\n", InputError, "'C:b.tif' of .* leads out"),
        ("input\na.tif,2\n", InputError, "more values than columns"),
        ("input,sigma\na.tif,1\na.tif,2\n", InputError, "listed twice, with diff"),
    ],
)
def test_lists_that_cannot_be_used(
    tree: Path, text: str, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        find_tasks(write_list(tree, text), "out", OPTIONS)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes there")
def test_pipes_are_not_read(tree: Path) -> None:
    os.mkfifo(tree / "raw" / "pipe.tif")
    for found in ("raw", "raw/pipe.tif"):
        faults = {t.name: t.fault for t in find_tasks(found, "out", OPTIONS)}
        assert "is neither a file nor a folder" in faults.pop("pipe.tif")
        assert not any(faults.values())
    # a pattern takes files only
    assert "pipe.tif" not in names("raw/*.tif")
