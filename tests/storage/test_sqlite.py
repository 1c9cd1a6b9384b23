import sqlite3
import subprocess
import sys

import pytest

from vos.storage.sqlite import enter_wal

CHILD = """
import sqlite3, sys
from vos.storage.sqlite import enter_wal
for i in range(60):
    connection = sqlite3.connect(f"{sys.argv[1]}/{i}.sqlite", timeout=30)
    enter_wal(connection, 30)
    connection.execute("CREATE TABLE IF NOT EXISTS t (x)")
    connection.commit()
    connection.close()
"""


def test_two_processes_switch_the_same_new_databases_over(tmp_path):
    children = [subprocess.Popen([sys.executable, "-c", CHILD, str(tmp_path)]) for _ in range(2)]
    assert [child.wait(timeout=60) for child in children] == [0, 0]


class Locked:
    def __init__(self, message, times):
        self.message, self.left = message, times

    def execute(self, statement):
        self.left -= 1
        if self.left >= 0:
            raise sqlite3.OperationalError(self.message)


def test_waits_while_it_is_locked_and_no_longer():
    enter_wal(Locked("database is locked", 3), seconds=5)
    with pytest.raises(sqlite3.OperationalError, match="locked"):
        enter_wal(Locked("database is locked", 10**9), seconds=0.05)
    with pytest.raises(sqlite3.OperationalError, match="disk"):
        enter_wal(Locked("disk I/O error", 1), seconds=5)
