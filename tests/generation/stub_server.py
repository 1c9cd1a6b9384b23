"""A server with OpenAI's protocol that misbehaves on request, in a thread of this process."""

from __future__ import annotations

import json
import random
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

WORDS = ("the", "man", "woman", "ladder", "roof", "fell", "stood", "kettle", "garden", "cold", "slept", "ran", "then")


def sentence(seed: int, n: int = 9) -> str:
    """Words by a seed."""
    draw = random.Random(seed)  # noqa: S311 - no secret
    return " " + " ".join(draw.choice(WORDS) for _ in range(n)) + "."


@dataclass
class Stub:
    """What the server does, and what it was asked.

    Attributes:
        model: the one it has; another is answered with 404.
        key: wanted in every request, or None.
        completions: whether it continues texts.
        chat: whether it chats.
        refuses: fields that it answers with 400.
        refuses_in: the same by path, for one interface alone.
        ignores: fields that it takes no notice of.
        most_choices: given at once, at most.
        same: gives one text whatever the seed.
        logprobs: whether it gives them where they are asked for.
        write: text of a body and a seed.
        finish: its reason of an end.
        troubles: what the next requests of a completion meet, first first: a status, "cut", "text", "hang", "drop" or
            "empty".
        headers: of answers with a bad status.
        asked: bodies of all completions, with their path.
        at_once: most requests under way at a time.
    """

    model: str = "tiny"
    key: str | None = None
    completions: bool = True
    chat: bool = True
    refuses: tuple[str, ...] = ()
    refuses_in: dict = field(default_factory=dict)
    ignores: tuple[str, ...] = ()
    most_choices: int = 99
    same: bool = False
    logprobs: bool = True
    write: Callable[[dict, int], str] = lambda body, seed: sentence(seed)
    finish: str = "stop"
    troubles: list = field(default_factory=list)
    headers: dict = field(default_factory=dict)
    lists: bool = True
    owner: str = "me"
    delay: float = 0.0
    asked: list = field(default_factory=list)
    at_once: int = 0

    def __post_init__(self) -> None:
        self.lock, self.under_way = threading.Lock(), 0
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"stub": self}))
        self.server.daemon_threads = True
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True)
        self.thread.start()
        self.url = f"http://127.0.0.1:{self.server.server_port}/v1"

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()

    def choices(self, path: str, body: dict) -> list:
        """As the API has them."""
        n = 1 if "n" in self.ignores else min(body.get("n", 1), self.most_choices)
        first = secrets.randbelow(10**6) if "seed" in self.ignores else body.get("seed", secrets.randbelow(10**6))
        made = []
        for i in range(n):
            text = self.write(body, 0 if self.same else first * 100 + i)
            choice = {"index": i, "finish_reason": self.finish}
            chat = path.endswith("chat/completions")
            choice |= {"message": {"role": "assistant", "content": text}} if chat else {"text": text}
            if self.logprobs and body.get("logprobs"):
                values = [-0.5] * len(text.split())
                listed = {"content": [{"token": "x", "logprob": v} for v in values]}
                choice["logprobs"] = listed if chat else {"token_logprobs": values}
            made.append(choice)
        return made


class _Handler(BaseHTTPRequestHandler):
    stub: Stub
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def answer(self, status, value, headers=None, cut=False):
        content = value if isinstance(value, bytes) else json.dumps(value, allow_nan=False).encode()
        content = content[: len(content) // 2] if cut else content
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        for name, each in (headers or {}).items():
            self.send_header(name, each)
        self.end_headers()
        self.wfile.write(content)

    def refused(self):
        stub = self.stub
        if stub.key is not None and self.headers.get("Authorization") != f"Bearer {stub.key}":
            given = self.headers.get("Authorization")
            self.answer(401, {"error": {"message": f"Incorrect API key provided: {given}"}})
            return True
        return False

    def do_GET(self):
        if self.refused():
            return
        if self.path == "/v1/models" and self.stub.lists:
            self.answer(200, {"object": "list", "data": [{"id": self.stub.model, "owned_by": self.stub.owner}]})
        else:
            self.answer(404, {"error": "no such place"})

    def do_POST(self):
        stub = self.stub
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with stub.lock:
            stub.under_way += 1
            stub.at_once = max(stub.at_once, stub.under_way)
            trouble = stub.troubles.pop(0) if stub.troubles else None
            stub.asked.append((self.path.removeprefix("/v1"), body))
        try:
            time.sleep(stub.delay)
            if not self.refused():
                self.serve(body, trouble)
        finally:
            with stub.lock:
                stub.under_way -= 1

    def serve(self, body, trouble):
        stub, offered = self.stub, {"/v1/completions": self.stub.completions, "/v1/chat/completions": self.stub.chat}
        if trouble == "hang":
            time.sleep(1.0)
        if trouble == "drop":
            self.close_connection = True
            return
        if trouble == "empty":
            self.answer(200, {"choices": []})
        elif trouble == "text":
            self.answer(200, b"<html>It works!</html>")
        elif isinstance(trouble, int):
            self.answer(trouble, {"error": {"message": f"trouble\n{stub.key or ''}"}}, stub.headers)
        elif not offered.get(self.path):
            self.answer(404, {"detail": "Not Found"})
        elif body["model"] != stub.model and stub.owner == "me":
            self.answer(404, {"error": {"message": f"The model {body['model']} does not exist"}})
        elif wrong := [name for name in (*stub.refuses, *stub.refuses_in.get(self.path, ())) if name in body]:
            self.answer(400, {"error": {"message": f"unknown field {wrong[0]}"}})
        else:
            choices = stub.choices(self.path, body)
            written = sum(
                len((each["text"] if "text" in each else each["message"]["content"]).split()) for each in choices
            )
            usage = {"prompt_tokens": 7, "completion_tokens": written}
            self.answer(200, {"choices": choices, "usage": usage}, cut=trouble == "cut")
