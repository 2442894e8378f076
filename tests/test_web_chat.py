"""The chat page as it is served: branded, with its own fonts and icons, beside other routes."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from fakes_chat import FakeService
from fastapi import FastAPI
from fastapi.testclient import TestClient

from bot.config import Branding
from kb.errors import ConfigError
from web.chat import ASSETS_PATH, SCRIPTS, mount_page
from web.chat_theme import ASSETS
from web.console import SCRIPTS as CONSOLE_SCRIPTS

BRANDING = Branding(name="Harbour & Sons", tagline="All about boats", colour="#7a1f6f")


@pytest.fixture(scope="module")
def client() -> Iterator[TestClient]:
    app = FastAPI()

    @app.get("/livez")
    def livez() -> dict[str, bool]:
        return {"alive": True}

    with TestClient(mount_page(app, FakeService(), BRANDING)) as client:
        yield client


def test_the_page_is_branded_before_any_script_runs(client: TestClient) -> None:
    page = client.get("/").text
    assert "Harbour &amp; Sons" in page
    assert "--fd-brand:#7a1f6f" in page


def test_routes_that_were_there_before_stay(client: TestClient) -> None:
    assert client.get("/livez").json() == {"alive": True}


def test_every_font_of_the_style_sheet_is_served_from_here(client: TestClient) -> None:
    fonts = re.findall(r'url\("([^"]+)"\)', (ASSETS / "chat.css").read_text(encoding="utf-8"))
    assert fonts
    for font in fonts:
        assert f"/{font}".startswith(ASSETS_PATH)
        assert client.get(f"/{font}").content[:4] == b"wOF2"


def test_every_script_is_part_of_a_page() -> None:
    assert {*SCRIPTS, "chat_scheme.js", *CONSOLE_SCRIPTS} == {path.name for path in ASSETS.glob("*.js")}


def test_scripts_and_styles_name_no_other_host() -> None:
    for path in [*ASSETS.glob("*.js"), *ASSETS.glob("*.css"), *ASSETS.glob("*.html")]:
        addresses = re.findall(r"(?:https?:)?//[\w.-]+\.\w+[^\s\"']*", path.read_text(encoding="utf-8"))
        assert set(addresses) <= {"http://www.w3.org/2000/svg"}, path.name


def test_the_icon_is_the_logo_and_not_that_of_gradio(client: TestClient) -> None:
    icon = client.get("/favicon.ico")
    assert icon.headers["content-type"].startswith("image/svg+xml")
    assert ">H</text>" in icon.text


def test_the_manifest_names_the_organisation(client: TestClient) -> None:
    assert client.get("/manifest.json").json()["name"] == "Harbour & Sons"


@pytest.mark.parametrize("branding", [Branding(colour="green"), Branding(logo="missing.svg")])
def test_branding_that_can_not_be_used_is_refused_at_the_start(branding: Branding) -> None:
    with pytest.raises(ConfigError):
        mount_page(FastAPI(), FakeService(), branding)


def test_a_logo_from_a_file_is_the_icon(tmp_path: Path) -> None:
    (tmp_path / "logo.png").write_bytes(b"\x89PNG logo")
    app = mount_page(FastAPI(), FakeService(), Branding(logo=str(tmp_path / "logo.png")))
    icon = TestClient(app).get("/favicon.ico")
    assert (icon.headers["content-type"], icon.content) == ("image/png", b"\x89PNG logo")


def test_no_function_of_the_page_can_be_reached_through_the_queue(client: TestClient) -> None:
    config = client.get("/config").json()
    assert config["dependencies"] == []
