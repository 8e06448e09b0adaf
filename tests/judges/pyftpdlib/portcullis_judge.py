"""Points pyftpdlib's own functional tests at a server that runs already: nothing else in them changes.

A pytest plugin. Of its environment it wants
  JUDGE_PORT     the server's port on 127.0.0.1
  JUDGE_EXCEPT   the file of cases that do not apply: a pattern of Class::case, a blank, the reason
  JUDGE_RESULTS  where it writes how each case ended
A slow machine gets more time than a client of theirs would wait.
"""

import fnmatch
import os
import threading

import pytest

import tests

tests.GLOBAL_TIMEOUT = 20


class RunningServer:
    """Stands where the suite would start a server of its own."""

    handler = tests.FTPHandler

    def __init__(self, addr=None):
        self.host = addr[0] if addr and addr[0] else "127.0.0.1"
        self.port = int(os.environ["JUDGE_PORT"])
        self.lock = threading.Lock()
        self.server = type("Server", (), {"handler": None})()

    def start(self):
        pass

    def stop(self):
        tests.reset_server_opts()


tests.FtpdThreadWrapper = tests.FtpdMultiprocWrapper = RunningServer


def exceptions():
    with open(os.environ["JUDGE_EXCEPT"]) as lines:
        for line in lines:
            if line.strip() and not line.startswith("#"):
                pattern, reason = line.split(None, 1)
                yield pattern, reason


def name(nodeid):
    return "::".join(nodeid.split("::")[-2:])


def pytest_collection_modifyitems(config, items):
    apply, except_ = list(items), []
    for pattern, _ in exceptions():
        met = [item for item in items if fnmatch.fnmatchcase(name(item.nodeid), pattern)]
        if not met:
            raise pytest.UsageError(f"there is no case {pattern} any more")
        except_ += met
    items[:] = [item for item in apply if item not in except_]
    config.hook.pytest_deselected(items=except_)


def pytest_runtest_logreport(report):
    if report.when == "call" or report.outcome != "passed":
        with open(os.environ["JUDGE_RESULTS"], "a") as results:
            print(report.outcome, report.nodeid.split("/")[-1], file=results)
