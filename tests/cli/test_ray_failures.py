"""Failures of Ray are reported in one line with advice, and finished scores are kept."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

import synthesize
from tests.cli.commands import failing
from tests.cli.pool_commands import pool, settings  # noqa: F401 - a fixture
from tests.conftest import ROOT
from tests.ray_nodes import QUIET


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory):
    driver = Path(__file__).with_name("ray_driver.py")
    surroundings = {**os.environ, **QUIET, "PYTHONPATH": str(ROOT)}
    folder = tmp_path_factory.mktemp("ray")
    command = [sys.executable, str(driver), str(folder)]
    done = subprocess.run(command, env=surroundings, capture_output=True, text=True, check=False, timeout=600)
    assert done.returncode == 0, done.stderr
    return json.loads((folder / "outcomes.json").read_text())


@pytest.mark.slow
def test_every_shard_is_done_once_also_where_a_worker_is_lost(outcomes):
    assert outcomes["all"] == [["a", "b", "c", "d", "e"], None]
    assert outcomes["once"] == [["a", "b", "c", "once"], None]


@pytest.mark.slow
def test_the_error_of_a_shard_comes_back_as_it_was_raised(outcomes):
    done, error = outcomes["gone"]
    assert done == ["a"]
    assert error == "DataError: pool/gone: expected a file, found nothing there"


@pytest.mark.slow
def test_a_shard_that_ends_every_worker_and_workers_that_are_never_ready_are_told(outcomes):
    _, error = outcomes["deadly"]
    assert error.startswith("RunError: pool/deadly: 3 workers ended over it, perhaps for lack of memory; split it")
    _, error = outcomes["no memory"]
    assert "3 workers ended before they had read run and model" in error
    assert "the same command goes on" in error


@pytest.mark.slow
def test_a_cluster_without_a_free_cpu_is_told(outcomes):
    done, error = outcomes["no room"]
    assert done == []
    assert "expected a worker that is ready within 1 s, found none: 0 of the 2 CPUs of the cluster are free" in error


def test_an_address_where_nothing_answers_is_told_before_any_work(run, pool, tmp_path, monkeypatch, capsys):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{closed.getsockname()[1]}"
        monkeypatch.setenv("RAY_ADDRESS", address)
        error = failing(synthesize.main, monkeypatch, capsys, *settings(run, pool, tmp_path, "pool.engine=ray"))
    assert f"RAY_ADDRESS={address}: expected a Ray cluster there, found nothing that answers" in error
    monkeypatch.setenv("RAY_ADDRESS", "somewhere")
    error = failing(synthesize.main, monkeypatch, capsys, *settings(run, pool, tmp_path, "pool.engine=ray"))
    assert "RAY_ADDRESS=somewhere: expected HOST:PORT" in error
    assert not (tmp_path / "cache").exists()


def test_without_ray_the_extra_is_named(run, pool, tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "ray", None)
    error = failing(synthesize.main, monkeypatch, capsys, *settings(run, pool, tmp_path, "pool.engine=ray"))
    assert "pool.engine=ray needs the package ray" in error
    assert "[ray]'" in error


def test_a_search_by_targets_cannot_be_dealt_out_without_an_index(run, pool, tmp_path, monkeypatch, capsys):
    given = settings(run, pool, tmp_path, "pool.workers=2", "acquisition=targets")
    assert "acquisition.index=exact or approximate" in failing(synthesize.main, monkeypatch, capsys, *given)
