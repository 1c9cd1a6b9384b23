"""A local S3: moto's server in its own process, with fake credentials."""

from __future__ import annotations

import re
import subprocess
import sys
import time

import fsspec
import pytest

BUCKET = "texts"

ADDRESS = re.compile(r"Running on (http://127\.0\.0\.1:\d+)")


@pytest.fixture(scope="module")
def s3(tmp_path_factory):
    """The store as fsspec opens it, with an empty bucket; the environment leads s3:// there, in other processes too."""
    log = tmp_path_factory.mktemp("s3") / "log.txt"
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", "0"]
    with log.open("w") as said, pytest.MonkeyPatch.context() as patch:
        server = subprocess.Popen(command, stdout=said, stderr=subprocess.STDOUT)
        try:
            patch.setenv("AWS_ENDPOINT_URL", _address(server, log))
            for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
                patch.setenv(name, "none")
            patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
            store = fsspec.filesystem("s3", skip_instance_cache=True)
            store.mkdir(BUCKET)
            yield store
        finally:
            server.kill()
            server.wait()
            fsspec.get_filesystem_class("s3").clear_instance_cache()  # the next server has another address


def _address(server, log):
    end = time.monotonic() + 60
    while time.monotonic() < end and server.poll() is None:
        if found := ADDRESS.search(log.read_text("utf-8")):
            return found[1]
        time.sleep(0.05)
    raise AssertionError(log.read_text("utf-8"))
