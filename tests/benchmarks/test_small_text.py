"""Strategies of small-text: skipped if it is not installed, otherwise run with its real code."""

import os
import sys

import numpy as np
import pytest

from benchmarks.selection import small_text
from benchmarks.selection.state import State

NAME = "small_text_kmeans"


@pytest.fixture
def given():
    """60 texts in 7 far groups, and 12 that are labelled."""
    draw = np.random.default_rng(0)
    places = np.concatenate([np.arange(60) % 7, np.arange(12) % 7])
    features = 10 * np.eye(7)[places] + draw.normal(size=(72, 7), scale=0.1)
    return State(
        features=features.astype(np.float32),
        ids=tuple(f"i{i}" for i in range(72)),
        pool=np.arange(60),
        labelled=np.arange(60, 72),
        labels=np.arange(12) % 2,
        weight=draw.normal(size=(2, 7)).astype(np.float32),
        bias=np.zeros(2, np.float32),
        harmful=(1,),
        n=7,
        seed=0,
        held_out=(np.empty((0, 7), np.float32), np.empty(0, int)),
    )


def test_without_its_interpreter_its_strategies_are_left_out_and_that_is_said(monkeypatch, capsys):
    monkeypatch.delenv(small_text.PYTHON, raising=False)
    assert small_text.those_that_run(["margin", NAME], chosen=False) == ("margin",)
    assert small_text.PYTHON in capsys.readouterr().out
    with pytest.raises(SystemExit, match=f"{NAME}: the variable {small_text.PYTHON} is not set"):
        small_text.those_that_run(["margin", NAME], chosen=True)


def test_with_it_they_take_part(monkeypatch, capsys):
    monkeypatch.setenv(small_text.PYTHON, sys.executable)
    assert small_text.those_that_run(["margin", NAME], chosen=True) == ("margin", NAME)
    assert capsys.readouterr().out == ""


def test_an_environment_without_the_library_is_an_error(monkeypatch, given):
    monkeypatch.setenv(small_text.PYTHON, sys.executable)
    with pytest.raises(ValueError, match="small-text, kmeans: expected places of the pool"):
        small_text.ARMS[NAME](given)


@pytest.mark.skipif(small_text.PYTHON not in os.environ, reason="needs an environment with small-text")
@pytest.mark.parametrize("name", small_text.ARMS)
def test_each_gives_different_texts_of_the_pool(name, given):
    chosen = small_text.ARMS[name](given)
    assert len(set(chosen.tolist())) == 7
    assert np.isin(chosen, given.pool).all()
    if name == NAME:  # one text of each group
        assert sorted(row % 7 for row in chosen.tolist()) == list(range(7))
