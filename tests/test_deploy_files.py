"""Container, compose and service files, checked as far as that goes without an engine that builds them."""

import configparser
import re
import tomllib
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from web.cli import app

ROOT = Path(__file__).parent.parent
CONTAINERFILE = (ROOT / "Containerfile").read_text(encoding="utf-8")
FINAL_STAGE = CONTAINERFILE.rsplit("\nFROM ", 1)[1]


def instructions(name: str, text: str = CONTAINERFILE) -> list[str]:
    return re.findall(rf"^{name} (.*)$", text, flags=re.MULTILINE)


def test_what_the_container_copies_is_there_and_every_package_is_copied() -> None:
    sources = [word for line in instructions("COPY") if "--from" not in line for word in line.split()[:-1]]
    assert all((ROOT / source).exists() for source in sources)
    packages = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]["packages"]
    wanted = {name for name in packages["find"]["include"] if "." not in name}
    assert wanted <= set(sources)


def test_the_container_runs_as_an_ordinary_user_and_installs_nothing_at_start() -> None:
    assert instructions("USER", FINAL_STAGE) == ["frontdesk"]
    (start,) = instructions("CMD", FINAL_STAGE)[-1:]
    assert "pip" not in start
    assert "apt" not in start
    assert "exec frontdesk serve" in start
    assert not instructions("RUN pip", FINAL_STAGE)


@pytest.mark.parametrize("command", ["index", "serve", "demo"])
def test_commands_that_the_files_call_exist(command: str) -> None:
    assert CliRunner().invoke(app, [command, "--help"]).exit_code == 0


def test_compose_passes_the_database_in_the_variable_that_the_program_reads() -> None:
    compose = yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))
    services = compose["services"]
    environment = services["frontdesk"]["environment"]
    common = (ROOT / "bot" / "cli" / "common.py").read_text(encoding="utf-8")
    assert set(environment) == {"FRONTDESK_DATABASE"}
    assert '"FRONTDESK_DATABASE"' in common
    assert services["frontdesk"]["build"]["dockerfile"] == "Containerfile"
    assert {volume.split(":")[0] for service in services.values() for volume in service["volumes"]} == set(
        compose["volumes"]
    )
    # Published on this machine alone: there is no TLS before it.
    assert services["frontdesk"]["ports"] == ["127.0.0.1:7860:7860"]


def test_compose_has_no_password_of_its_own() -> None:
    text = (ROOT / "compose.yaml").read_text(encoding="utf-8")
    assert "${POSTGRES_PASSWORD:?" in text
    assert not re.search(r"PASSWORD: +[^$ ]", text)


def test_the_systemd_unit_indexes_before_it_serves_and_gives_up_rights() -> None:
    unit = configparser.ConfigParser(strict=False, interpolation=None)
    unit.optionxform = str  # type: ignore[assignment,method-assign]
    unit.read_string((ROOT / "deploy" / "frontdesk.service").read_text(encoding="utf-8"))
    service = unit["Service"]
    assert service["ExecStartPre"].endswith("frontdesk index")
    assert "frontdesk serve" in service["ExecStart"]
    assert service["User"] == "frontdesk"
    assert service["NoNewPrivileges"] == "yes"
    assert service["ProtectSystem"] == "strict"
    assert service["StateDirectory"] == "frontdesk"
