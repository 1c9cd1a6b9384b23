"""A Label Studio server on this computer, in its own environment (`make label-studio`)."""

from __future__ import annotations

import os
import re
import secrets
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path

from vos.errors import ToolError

DEFAULT_HOME = Path(".cache/label-studio")

ANNOUNCED = re.compile(r"(?:Starting development server at|Listening on) https?://127\.0\.0\.1:(\d+)")


@dataclass(frozen=True)
class Account:
    """The first user of a server, its owner.

    Attributes:
        email: login name.
        password: of the web page.
        token: legacy access token, 40 hexadecimal characters.
    """

    email: str
    password: str
    token: str


def environment(home: Path, account: Account) -> dict[str, str]:
    """Settings under which Label Studio starts without a network and refuses malformed predictions.

    Source: tried against Label Studio 1.23; the legacy token is only enabled when the organisation is first made.
    """
    return os.environ | {
        "LABEL_STUDIO_BASE_DATA_DIR": str((home / "data").resolve()),
        "LABEL_STUDIO_USERNAME": account.email,
        "LABEL_STUDIO_PASSWORD": account.password,
        "LABEL_STUDIO_USER_TOKEN": account.token,
        "LABEL_STUDIO_ENABLE_LEGACY_API_TOKEN": "true",
        "LABEL_STUDIO_COLLECT_ANALYTICS": "false",
        "LABEL_STUDIO_LATEST_VERSION_CHECK": "false",
        "SENTRY_DSN": "",
        "FRONTEND_SENTRY_DSN": "",
        "fflag_feat_utc_210_prediction_validation_15082025": "true",
        "PYTHONUNBUFFERED": "1",
    }


class Server:
    """A running server.

    Args:
        program: the `label-studio` executable.
        home: folder of its data.
        account: owner, made at the first start.
        port: tried first; when it is taken Label Studio moves on to the next one.
    """

    def __init__(self, program: Path, home: Path, account: Account, port: int = 8080) -> None:
        (home / "data").mkdir(parents=True, exist_ok=True)
        self.log = home / "server.log"
        self.port = port
        self._process = subprocess.Popen(
            [str(program.absolute()), "start", "--no-browser", "--internal-host", "127.0.0.1", "-p", str(port)],
            env=environment(home, account),
            cwd=home,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def url(self) -> str:
        """Address of the web page and of the API."""
        return f"http://127.0.0.1:{self.port}"

    def _read(self) -> None:
        assert self._process.stdout is not None
        with self.log.open("w", encoding="utf-8") as log:
            for line in self._process.stdout:
                log.write(line)
                log.flush()
                if found := ANNOUNCED.search(line):
                    self.port = int(found[1])

    def wait(self, seconds: float = 900.0) -> None:
        """Return when the server answers. Its first start migrates a database: a minute, or many on a busy machine.

        Raises:
            ToolError: it ended, or did not answer in time.
        """
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if self._process.poll() is not None:
                raise ToolError(f"Label Studio ended with code {self._process.returncode}; see {self.log}")
            try:
                with urllib.request.urlopen(f"{self.url}/health", timeout=5):  # noqa: S310 - our own address
                    return
            except (urllib.error.URLError, OSError):
                time.sleep(0.5)
        raise ToolError(f"Label Studio did not answer within {seconds:.0f} s; see {self.log}")

    def join(self) -> None:
        """Block until the server ends."""
        self._process.wait()

    def stop(self) -> None:
        """End the server."""
        self._process.terminate()
        try:
            self._process.wait(15)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._reader.join(5)
        if self._process.stdout is not None:
            self._process.stdout.close()


def main(home: Path = DEFAULT_HOME) -> None:
    """Start the server, say where it is and how to log in, and stay until Ctrl+C."""
    secret = home / "account.txt"
    home.mkdir(parents=True, exist_ok=True)
    if not secret.exists():
        secret.touch(mode=0o600)
        secret.write_text(f"{secrets.token_urlsafe(12)} {secrets.token_hex(20)}", encoding="utf-8")
    password, token = secret.read_text(encoding="utf-8").split()
    account = Account("owner@localhost.local", password, token)
    server = Server(home / "venv" / "bin" / "label-studio", home, account)
    try:
        server.wait()
        sys.stdout.write(
            f"Label Studio: {server.url}   user {account.email}   password {password}\n"
            f"export LABEL_STUDIO_API_KEY={token}\n"
            f"python synthesize.py run=RUN labeling=label_studio labeling.url={server.url}\n"
        )
        server.join()
    except KeyboardInterrupt:
        sys.stdout.write("stopping\n")
    finally:
        server.stop()


if __name__ == "__main__":
    main()
