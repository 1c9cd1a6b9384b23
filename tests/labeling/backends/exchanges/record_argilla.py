"""Record the exchanges of Argilla's client with a real Argilla server: see README.md.

argv: address and API key of an owner of an empty server. Writes argilla.json next to this file.
"""

from __future__ import annotations

import json
import re
import sys
import tempfile
from pathlib import Path
from typing import Any

import httpx

from tests.labeling.backends import argilla_scenario as scenario
from vos.errors import ToolError
from vos.labeling import text_uid
from vos.labeling.backends.argilla import ArgillaTool

HERE = Path(__file__).parent


class Recorder(httpx.HTTPTransport):
    """Passes requests on, and keeps them with their answers."""

    kept: list[dict[str, Any]] = []  # noqa: RUF012 - one recording

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        response = super().handle_request(request)
        response.read()
        self.kept.append(
            {
                "method": request.method,
                "path": request.url.raw_path.decode(),
                "body": json.loads(request.content or "null"),
                "status": response.status_code,
                "answer": json.loads(response.content or "null"),
            }
        )
        return response


def answer(url: str, owner: httpx.Client, records: list[dict[str, Any]]) -> None:
    """Give the scenario's answers, as two people."""
    made = owner.post(
        "/api/v1/users", json={"username": "bob", "first_name": "Bob", "role": "owner", "password": "12345678"}
    )
    people = {
        "owner": owner,
        "bob": httpx.Client(base_url=url, headers={"X-Argilla-Api-Key": made.raise_for_status().json()["api_key"]}),
    }
    ids = {record["external_id"]: record["id"] for record in records}
    for text, person, status, values in scenario.ANSWERS:
        content = {"status": status, "values": {name: {"value": value} for name, value in values.items()}}
        people[person].post(f"/api/v1/records/{ids[text_uid(text)]}/responses", json=content).raise_for_status()
    people["bob"].close()


def main(url: str, key: str) -> None:
    plain, httpx.HTTPTransport = httpx.HTTPTransport, Recorder  # type: ignore[misc]
    recorded: dict[str, Any] = {}

    def keep(step: str) -> None:
        recorded[step] = list(Recorder.kept)
        Recorder.kept.clear()

    with (
        tempfile.TemporaryDirectory() as name,
        httpx.Client(base_url=url, headers={"X-Argilla-Api-Key": key}, transport=plain()) as owner,
    ):
        owner.post("/api/v1/workspaces", json={"name": "default"})  # 409 where it is there already
        try:
            ArgillaTool(url, "wrong")
        except ToolError:
            keep("refused")
        tool = ArgillaTool(url, key)
        keep("connect")
        scenario.push(tool, Path(name))
        keep("push")
        scenario.push_assisted(tool, Path(name))
        keep("assisted")
        dataset = next(
            each for each in owner.get("/api/v1/me/datasets").json()["items"] if scenario.BATCH in each["name"]
        )
        answer(url, owner, owner.get(f"/api/v1/datasets/{dataset['id']}/records").raise_for_status().json()["items"])
        scenario.pull(tool, Path(name))
        keep("pull")
        version = owner.get("/api/v1/version").json()["version"]
    import argilla

    content = {"server": version, "client": argilla.__version__, "steps": recorded}
    text = re.sub(r'"api_key": "[^"]*"', '"api_key": "KEY"', json.dumps(content, indent=1, ensure_ascii=False))
    (HERE / "argilla.json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
