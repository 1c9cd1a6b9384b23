"""Real language-model servers on this computer, in their own environments (`make language-servers`)."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path

from tests.conftest import ROOT

LLAMA = ROOT / ".cache/llama-server/venv/bin/python"
TRANSFORMERS = ROOT / ".cache/transformers-serve/venv/bin/transformers"

DRIVER = Path(__file__).with_name("llama_server_driver.py")

ADDRESS = re.compile(r"(?:listening|running on) (https?://[\d.]+:\d+)", re.IGNORECASE)

REQUIRED = os.environ.get("VOS_SERVERS") == "1"
"""Whether a server that is not installed is a failure."""


class Process:
    """A server process, ended on leaving.

    Args:
        arguments: of the program.
        log: file of what it says.
        url: of the API; None waits for the line that tells.
    """

    def __init__(self, arguments, log: Path, url: str | None = None, **environment) -> None:
        self.log, self.url = log, url
        self.process = subprocess.Popen(
            [str(each) for each in arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            env=os.environ | environment, cwd=log.parent,
        )  # fmt: skip
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self) -> None:
        with self.log.open("w", encoding="utf-8") as log:
            for line in self.process.stdout:
                log.write(line)
                log.flush()
                if self.url is None and (found := ADDRESS.search(line)):
                    self.url = f"{found[1]}/v1"

    def wait(self, path: str, seconds: float = 300.0) -> None:
        """Return when the server answers at a path."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            assert self.process.poll() is None, self.log.read_text("utf-8")[-3000:]
            if self.url is not None:
                try:
                    with urllib.request.urlopen(f"{self.url.removesuffix('/v1')}{path}", timeout=5):  # noqa: S310
                        return
                except (urllib.error.URLError, OSError):
                    pass
            time.sleep(0.2)
        raise AssertionError(f"no answer in {seconds} s: {self.log.read_text('utf-8')[-3000:]}")

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.reader.join(5)
        self.process.stdout.close()


def llama_server(model: Path, folder: Path, key: str) -> Process:
    """llama.cpp's server over a GGUF file, which it calls "bundled"."""
    server = Process([LLAMA, DRIVER, model, "bundled", key], folder / "llama.log")
    server.wait("/health")
    return server


def transformers_serve(model: Path, folder: Path, port: int) -> Process:
    """`transformers serve` without a network."""
    arguments = [TRANSFORMERS, "serve", model, "--host", "127.0.0.1", "--port", str(port), "--device", "cpu"]
    offline = {"HF_HUB_OFFLINE": "1", "HF_HOME": str(folder / "home"), "OMP_NUM_THREADS": "1"}
    server = Process(arguments, folder / "serve.log", f"http://127.0.0.1:{port}/v1", **offline)
    server.wait("/health")
    return server


def sampling_copy(model: Path, target: Path) -> Path:
    """A model folder whose generation settings let the server sample."""
    shutil.copytree(model, target)
    settings = target / "generation_config.json"
    values = json.loads(settings.read_text("utf-8")) | {"do_sample": True}
    settings.write_text(json.dumps(values, allow_nan=False), "utf-8")
    return target
