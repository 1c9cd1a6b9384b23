"""A server that accepts connections and never answers leads to a timeout with a one-line error."""

import importlib.util
import time

import pytest

from benchmarks.faults.servers import silent_server
from vos.errors import ConfigError, ToolError
from vos.labeling.backends import ArgillaBackend, LabelStudioBackend

BACKENDS = {
    "label_studio_sdk": (LabelStudioBackend, "LABEL_STUDIO_API_KEY", "0" * 40),
    "argilla": (ArgillaBackend, "ARGILLA_API_KEY", "owner.apikey"),
}


@pytest.mark.parametrize("package", BACKENDS)
def test_silence_is_told(package, monkeypatch):
    if importlib.util.find_spec(package) is None:
        pytest.skip(f"needs {package}")
    kind, variable, key = BACKENDS[package]
    monkeypatch.setenv(variable, key)
    began = time.monotonic()
    with silent_server() as port, pytest.raises(ToolError, match=r"does not answer|could not connect") as caught:
        kind(url=f"http://127.0.0.1:{port}", timeout=1.0).check()
    assert len(str(caught.value).splitlines()) == 1
    assert time.monotonic() - began < 60  # the default is twice as long


@pytest.mark.parametrize("seconds", [0, -1.0])
def test_a_time_that_is_none_is_refused(seconds):
    for kind, _, _ in BACKENDS.values():
        with pytest.raises(ConfigError, match="timeout: expected seconds above 0"):
            kind(timeout=seconds)
