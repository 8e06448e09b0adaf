"""Exact CPU time of a server, its ended processes included.

A control group counts for every process that ever ran in it. Where none can be made, this process becomes
the reaper of its orphaned descendants: the kernel then adds the time of each that ends to ours, and the
living ones are read from /proc (in ticks of 10 ms).
"""

import ctypes
import os
import resource
import signal
import subprocess
import time
from pathlib import Path

PR_SET_CHILD_SUBREAPER = 36
SETTLE_S = 0.05
SETTLE_S_MAX = 1.0


def meter():
    """The most exact way that this machine and user allow."""
    for base, usage in (
        (Path("/sys/fs/cgroup"), _usage_v2),
        (Path("/sys/fs/cgroup/unified"), _usage_v2),
        (_own_group(), _usage_v2),
        (Path("/sys/fs/cgroup/cpuacct"), _usage_v1),
    ):
        try:
            group = base / f"portcullis-compare-{os.getpid()}"
            group.mkdir()
        except OSError:
            continue
        try:
            usage(group)
            return Group(group, usage)
        except OSError:
            group.rmdir()
    return Tree()


def pin(core):
    """To be called in a new process: everything it starts stays on one core."""
    if core is not None:
        os.sched_setaffinity(0, {core})


class Group:
    """Counts by control group."""

    def __init__(self, path, usage):
        self.path, self._usage = path, usage
        self.how = f"control group, {'v2 cpu.stat' if usage is _usage_v2 else 'v1 cpuacct.usage'}"

    def start(self, argv, core, **more):
        def enter():
            (self.path / "cgroup.procs").write_text("0")
            pin(core)

        return subprocess.Popen(argv, preexec_fn=enter, **more)

    def seconds(self):
        return self._usage(self.path)

    def stop(self, process):
        """Ends the server by its process id, then what it left behind."""
        _end(process, lambda: [int(pid) for pid in (self.path / "cgroup.procs").read_text().split()])

    def close(self):
        _until(lambda: not (self.path / "cgroup.procs").read_text().split())
        self.path.rmdir()


class Tree:
    """Counts by being the reaper."""

    how = "reaped children and /proc, no control group could be made"

    def __init__(self):
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        self._server = None

    def start(self, argv, core, **more):
        self._server = subprocess.Popen(argv, preexec_fn=lambda: pin(core), **more)
        return self._server

    def seconds(self):
        living = sum(_stat(pid)[1] for pid in self._family())
        self._reap()
        ended = resource.getrusage(resource.RUSAGE_CHILDREN)
        return living + ended.ru_utime + ended.ru_stime

    def stop(self, process):
        family = self._family()
        _end(process, lambda: [pid for pid in family if Path(f"/proc/{pid}").exists() and pid != process.pid])
        self._reap()

    def close(self):
        self._reap()

    def _family(self):
        """The server, and all that descend from it or that we inherited."""
        parents = {}
        for entry in os.listdir("/proc"):
            if entry.isdigit():
                try:
                    parents[int(entry)] = _stat(int(entry))[0]
                except OSError:
                    pass

        def ours(pid):
            while pid in parents:
                if parents[pid] == os.getpid():
                    return True
                pid = parents[pid]
            return False

        return [pid for pid in parents if ours(pid)]

    def _reap(self):
        """Orphans that have ended; the server itself is waited for by its own handle."""
        for pid in self._family():
            if self._server is None or pid != self._server.pid:
                try:
                    os.waitpid(pid, os.WNOHANG)
                except ChildProcessError:
                    pass


def settled(meter):
    """The CPU seconds, once they no longer grow: processes of sessions that are over may still be ending."""
    deadline = time.monotonic() + SETTLE_S_MAX
    before = meter.seconds()
    while True:
        time.sleep(SETTLE_S)
        now = meter.seconds()
        if now - before < 0.001 or time.monotonic() > deadline:
            return now
        before = now


def _own_group():
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        if line.startswith("0::"):
            return Path("/sys/fs/cgroup") / line[3:].lstrip("/")
    return Path("/nonexistent")


def _usage_v2(group):
    for line in (group / "cpu.stat").read_text().splitlines():
        if line.startswith("usage_usec "):
            return int(line.split()[1]) / 1e6
    raise OSError("no usage_usec")


def _usage_v1(group):
    return int((group / "cpuacct.usage").read_text()) / 1e9


def _stat(pid):
    """Parent and CPU seconds, those of waited-for children included."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return int(fields[1]), sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")


def _end(process, rest):
    process.terminate()
    try:
        process.wait(5)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    for kind in (signal.SIGTERM, signal.SIGKILL):
        for pid in rest():
            try:
                os.kill(pid, kind)
            except ProcessLookupError:
                pass
        if _until(lambda: not rest()):
            return


def _until(holds, seconds=2):
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True
