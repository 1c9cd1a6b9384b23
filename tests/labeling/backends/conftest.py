"""Fixtures: a browser on the page; a real Label Studio."""

from __future__ import annotations

import os
from contextlib import ExitStack

import pytest

from tests.browser import axe, browser  # noqa: F401
from tests.labeling.backends.browser import Desk
from tests.labeling.backends.label_studio_server import Server
from tests.labeling.backends.studio import CLASSES, OWNER, PROGRAM, free_port
from vos.labeling.backends.page import PageBatch, PageSettings, write_pages


@pytest.fixture
def batch(record_of):
    def make(texts, **values):
        records = [record_of(text) for text in texts]
        return PageBatch("b0", records, CLASSES, **values)

    return make


@pytest.fixture
def desk(browser, tmp_path, batch):
    """Opens a page over the given texts."""
    desks = []

    def open_desk(texts, *, settings=None, options=None, **values) -> Desk:
        (path,) = write_pages(tmp_path, batch(texts, **values), settings or PageSettings(repeat_share=0.0))
        desks.append(Desk(browser, path, **(options or {})))
        return desks[-1]

    yield open_desk
    for each in desks:
        each.context.close()


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    """A real Label Studio, started once; without one the test is skipped loudly, or fails where it must not be."""
    if not PROGRAM.exists():
        message = f"LABEL STUDIO TEST SKIPPED: no {PROGRAM}; `make label-studio-install` (1 GB, about a minute)"
        if os.environ.get("VOS_LABEL_STUDIO") == "1":
            pytest.fail(message)
        pytest.skip(message)
    server = Server(PROGRAM, tmp_path_factory.mktemp("label-studio"), OWNER, free_port())
    try:
        server.wait()
        yield server
    finally:
        server.stop()


@pytest.fixture(scope="session")
def second_token(server) -> str:
    """Legacy token of a second person, who signed up with the owner's invitation."""
    httpx = pytest.importorskip("httpx")
    owner = {"Authorization": f"Token {OWNER.token}"}
    invitation = httpx.get(f"{server.url}/api/invite", headers=owner).raise_for_status().json()["token"]
    with httpx.Client(base_url=server.url, follow_redirects=True) as client:
        page = f"/user/signup/?token={invitation}"
        client.get(page).raise_for_status()
        form = {
            "csrfmiddlewaretoken": client.cookies["csrftoken"],
            "email": "bob@x.org",
            "password": "a-long-password-2",
        }
        client.post(page, data=form, headers={"Referer": server.url + page}).raise_for_status()
        return client.get("/api/current-user/token").raise_for_status().json()["token"]


@pytest.fixture
def people(server):
    """Plain clients, as which the test labels."""
    httpx, sdk = pytest.importorskip("httpx"), pytest.importorskip("label_studio_sdk")
    with ExitStack() as stack:
        yield lambda token: sdk.LabelStudio(
            base_url=server.url, api_key=token, httpx_client=stack.enter_context(httpx.Client(timeout=60))
        )
