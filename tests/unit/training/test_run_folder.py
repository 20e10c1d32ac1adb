"""What a resumed run finds in its folder, and what it writes there."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import tifffile
from PIL import Image

from napari_gradnet import api
from napari_gradnet.bundle import read_header
from napari_gradnet.errors import TrainingError
from napari_gradnet.events import drain
from napari_gradnet.training.events import Started
from napari_gradnet.training.run import finish_training

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Config = Callable[..., dict[str, Any]]
    Start = Callable[..., Any]


def warnings(trainer: Any) -> tuple[str, ...]:
    events: list[Any] = []
    drain(trainer.run(), events.append)
    return next(e.warnings for e in events if isinstance(e, Started))


def test_other_images_than_before_are_told(
    config: Config, start: Start, tmp_path: Path, photos: list[Any]
) -> None:
    (tmp_path / "photos").mkdir()
    for number, photo in enumerate(photos):
        Image.fromarray(photo).save(tmp_path / f"photos/{number}.png")
    values = config(training={"num_epochs": 1})
    values["data"]["train"][0]["clean"] = str(tmp_path / "photos")
    assert warnings(start(values)) == ()
    assert warnings(start(values, resume=True)) == ()
    # moved, they are the same
    (tmp_path / "photos").rename(tmp_path / "moved")
    (tmp_path / "photos").symlink_to(tmp_path / "moved")
    assert warnings(start(values, resume=True)) == ()
    Image.fromarray(photos[0][::-1]).save(tmp_path / "photos/00.png")
    (tmp_path / "photos/7.png").unlink()
    (warning,) = warnings(start(values, resume=True))
    assert "not those that this run began with (1 new, 1 gone)" in warning
    assert warnings(start(values, resume=True)) == (warning,)  # it stays true


def test_weights_of_an_earlier_run_are_not_handed_out(
    config: Config, start: Start, tmp_path: Path
) -> None:
    values = config(training={"num_epochs": 1})
    drain(start(values).run())
    run = tmp_path / "run"
    (model,) = run.glob("*.safetensors")
    (run / "last.pt").unlink()
    model.unlink()
    values["data"]["validation"]["num_held_out"] = 0  # none that would replace it
    drain(start(values).run())
    assert not (run / "best.pt").exists()
    assert read_header(model).training["validation_psnr"] is None


def test_images_in_folders(config: Config, start: Start, tmp_path: Path) -> None:
    """OME-Zarr is listed by all that it holds."""
    photo = np.random.default_rng(1).integers(0, 255, (40, 40)).astype(np.uint8)
    for name in "clean", "noisy":
        tifffile.imwrite(tmp_path / f"{name}.tif", photo)
        api.denoise_files(
            tmp_path / f"{name}.tif", tmp_path, naive="median", format="ome-zarr"
        )
    (tmp_path / "p.csv").write_text("noisy,clean\nnoisy.ome.zarr,clean.ome.zarr\n")
    values = config(training={"num_epochs": 1})
    source = {"pairs": str(tmp_path / "p.csv"), "crops_per_image": 8}
    values["data"] = {"train": [source], "validation": {"num_held_out": 0}}
    drain(start(values).run())
    files = json.loads((tmp_path / "run" / "data.json").read_text())["files"]
    assert len(files) == 2
    assert all(len(digest) == 64 for digest in files.values())


def test_a_longer_run_is_written_down(
    config: Config, start: Start, tmp_path: Path
) -> None:
    drain(start(config(training={"num_epochs": 1})).run())
    longer = config(training={"num_epochs": 2, "learning_rate": 5e-4})
    work = start(longer, resume=True).run()
    next(work)
    work.close()
    model = finish_training(tmp_path / "run")
    told = read_header(model).training["config"]["training"]
    assert (told["num_epochs"], told["learning_rate"]) == (2, 5e-4)
    # finishing on a CPU does not make the run one of a CPU
    text = (tmp_path / "run/config.yaml").read_text()
    (tmp_path / "run/config.yaml").write_text(
        text.replace("device: cpu", "device: auto")
    )
    finish_training(tmp_path / "run")
    assert "device: auto" in (tmp_path / "run/config.yaml").read_text()


@pytest.mark.parametrize("left", ["", "step,epoch,psnr\n3,1,20.5\n6"])
def test_torn_metrics(left: str, config: Config, start: Start, tmp_path: Path) -> None:
    drain(start(config(training={"num_epochs": 1})).run())
    metrics = tmp_path / "run/metrics.csv"
    metrics.write_text(left)
    drain(start(config(training={"num_epochs": 2}), resume=True).run())
    header, *rows = metrics.read_text().splitlines()
    assert header.startswith("step,epoch")
    assert [row.split(",")[0] for row in rows] == (["3", "6"] if left else ["6"])


def test_files_are_replaced_as_a_whole_and_only_if_they_change(
    config: Config, start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drain(start(config(training={"num_epochs": 1})).run())
    paths = [tmp_path / "run" / name for name in ("config.yaml", "metrics.csv")]
    before = [path.stat().st_ino for path in paths]
    drain(start(config(training={"num_epochs": 1}), resume=True).run())
    assert [path.stat().st_ino for path in paths] == before
    texts = [path.read_text() for path in paths]

    def full(path: Path, _: Path) -> None:
        msg = f"no space left for {path}"
        raise OSError(msg)

    with monkeypatch.context() as patch:
        patch.setattr(type(tmp_path), "replace", full)
        longer = start(config(training={"num_epochs": 2}), resume=True)
        with pytest.raises(OSError, match="no space left"):
            next(longer.run())
        longer.progress.step = 0
        with pytest.raises(OSError, match="no space left"):
            longer.folder.drop_metrics_after(0, 0)
    assert [path.read_text() for path in paths] == texts
    assert not list((tmp_path / "run").glob(".*.tmp-*"))


@pytest.mark.parametrize("left", ["", "name: tiny\nnetwork: {name: dn", "name: tiny"])
def test_torn_configuration(
    left: str, config: Config, start: Start, tmp_path: Path
) -> None:
    drain(start(config(training={"num_epochs": 1})).run())
    (tmp_path / "run/config.yaml").write_text(left)
    with pytest.raises(
        TrainingError, match=r"config\.yaml is missing or damaged: write"
    ):
        start(config(training={"num_epochs": 1}), resume=True)


def test_what_a_killed_process_left_is_removed(
    config: Config, start: Start, tmp_path: Path
) -> None:
    trainer = start(config(training={"num_epochs": 1}))
    left = [tmp_path / "run" / f".{n}.tmp-12345" for n in ("last.pt", "best.pt")]
    for path in left:
        path.write_bytes(b"half")
    drain(trainer.run())
    assert not any(path.exists() for path in left)
    assert (tmp_path / "run/last.pt").exists()
