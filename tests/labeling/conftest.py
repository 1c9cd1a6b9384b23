"""Small batches, answers and ledgers."""

from __future__ import annotations

import os
import socket
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta

import pytest

from tests.conftest import ROOT
from vos.labeling import BoundaryRecord, Label, Ledger, RecordTarget, exact_hash, text_uid
from vos.labeling.label_studio_server import Account, Server
from vos.storage.provenance import Provenance

NOON = datetime.now(UTC).replace(microsecond=0)
PROGRAM = ROOT / ".cache" / "label-studio" / "venv" / "bin" / "label-studio"
OWNER = Account("owner@localhost.local", "a-long-password-1", "0123456789abcdef0123456789abcdef01234567")


def make_record(text: str, source: str = "pool", **values) -> BoundaryRecord:
    given = {
        "uid": text_uid(text),
        "id": "p",
        "text": text,
        "chosen": "target",
        "margin": 0.1,
        "probability": {"harmless": 0.45, "harmful": 0.55},
        "mahalanobis": {"harmless": 9.0, "harmful": 8.0},
        "target": RecordTarget("z0001", "harmful", 0.0, 10.0, 1.5),
        "provenance": Provenance(source, seed=5),
        "model_hash": "m",
        "run_hash": "r",
    }
    return BoundaryRecord(**(given | values))


def make_label(text: str, answer: str = "harmful", who: str = "ann", minute: int = 0, **values) -> Label:
    given = {
        "uid": text_uid(text),
        "annotator": who,
        "label": answer,
        "labelled_at": (NOON + timedelta(minutes=minute)).isoformat(),
        "batch_id": "b0",
        "text_hash": exact_hash(text),
    }
    return Label(**(given | values))


@pytest.fixture
def texts() -> list[str]:
    return [f"the ladder slipped on day {i}" for i in range(8)]


@pytest.fixture
def ledger(tmp_path, texts):
    """Eight texts, proposed and exported in batch b0."""
    with Ledger(tmp_path / "ledger.sqlite") as ledger:
        ledger.propose(make_record(text) for text in texts)
        ledger.export("b0", "page", [text_uid(text) for text in texts])
        yield ledger


@pytest.fixture
def record_of():
    return make_record


@pytest.fixture
def label_of():
    return make_label


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


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
