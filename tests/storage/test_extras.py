import pytest

from vos.errors import ConfigError
from vos.storage import extras
from vos.storage.extras import install_command, optional


def test_a_package_that_is_not_there_names_the_extra_that_brings_it():
    with pytest.raises(
        ConfigError, match=r"data=hub needs the package nothing_such \(.*\); pip install -e '\.\[hub\]'"
    ):
        optional("nothing_such.part", "hub", "data=hub")


def test_outside_a_checkout_the_extra_is_one_of_the_package(monkeypatch, tmp_path):
    (tmp_path / "vos").mkdir()
    monkeypatch.setattr(extras.vos, "__file__", str(tmp_path / "vos/__init__.py"))
    assert install_command("demo") == "pip install 'vos-text[demo]'"
