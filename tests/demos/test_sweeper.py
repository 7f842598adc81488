"""What visitors have left is gone when its hour is over, whoever forgot it."""

import time
from pathlib import Path

from demos.sweeper import sweep

HOUR = 3600


def left(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


def test_old_files_go_and_so_do_the_folders_they_lay_in(tmp_path: Path) -> None:
    photo = tmp_path / "ab12" / "photo.jpg"
    photo.parent.mkdir()
    photo.write_bytes(b"x" * 100)
    assert sweep(tmp_path, HOUR) == 100
    assert left(tmp_path) == {"ab12", "ab12/photo.jpg"}
    assert sweep(tmp_path, HOUR, now=time.time() + HOUR + 1) == 0
    assert left(tmp_path) == set()


def test_a_folder_in_which_somebody_is_about_to_write_stays(tmp_path: Path) -> None:
    (tmp_path / "new").mkdir()
    sweep(tmp_path, HOUR)
    assert left(tmp_path) == {"new"}


def test_a_full_disk_heals_by_itself_the_oldest_first(tmp_path: Path) -> None:
    for name in ("first", "second", "third"):
        (tmp_path / name).write_bytes(b"x" * 100)
        time.sleep(0.02)
    assert sweep(tmp_path, HOUR, most_bytes=250) == 200
    assert left(tmp_path) == {"second", "third"}


def test_what_a_link_leads_to_is_not_touched(tmp_path: Path) -> None:
    outside = tmp_path / "outside.txt"
    outside.write_text("mine")
    folder = tmp_path / "uploads"
    folder.mkdir()
    (folder / "link").symlink_to(outside)
    sweep(folder, HOUR, now=time.time() + 2 * HOUR)
    assert left(folder) == set()
    assert outside.read_text() == "mine"


def test_a_folder_that_is_not_there_is_empty(tmp_path: Path) -> None:
    assert sweep(tmp_path / "nowhere", HOUR) == 0
