"""Debian's packages of the other servers, unpacked beside each other.

They exclude one another as installed packages (each provides `ftp-server`), and their installation starts
services. So they are downloaded by apt, which checks them, and unpacked into a folder: nothing is installed.
"""

import os
import subprocess
from pathlib import Path

WANTED = {
    "ProFTPD": ["proftpd-core", "proftpd-mod-crypto"],
    "vsftpd": ["vsftpd"],
    "Pure-FTPd": ["pure-ftpd", "pure-ftpd-common"],
}


def unpacked(folder):
    """For each peer its folder, or why it is missing."""
    folder.mkdir(parents=True, exist_ok=True)
    return {peer: _peer(folder / peer, packages) for peer, packages in WANTED.items()}


def environment(root):
    """What a program needs to find its own libraries in an unpacked folder."""
    places = [str(place) for place in root.glob("usr/lib/*-linux-*")] + [str(place) for place in root.glob("lib/*-linux-*")]
    return {**os.environ, "LD_LIBRARY_PATH": ":".join(places), "LC_ALL": "C"}


def version(root):
    return (root / "version").read_text().strip()


def _peer(root, packages):
    if (root / "version").exists():
        return root
    try:
        return _fetch(root, packages)
    except FileNotFoundError as error:
        return f"there is no {error.filename}; on Debian or Ubuntu this works"
    except subprocess.CalledProcessError as error:
        told = (error.stderr or b"").decode(errors="replace").strip().splitlines()
        return f"{' '.join(error.cmd[:3])}: {told[-1] if told else 'failed'}"


def _fetch(root, packages):
    try:
        needed = _needed(packages)
    except subprocess.CalledProcessError:
        if os.geteuid() != 0:
            return "apt does not know it; run `apt-get update` as root, then this again"
        _apt(["apt-get", "update"])
        needed = _needed(packages)
    debs = root / "debs"
    debs.mkdir(parents=True, exist_ok=True)
    # apt hands the download to a user of its own, who may not enter every folder.
    _apt(["apt-get", "-o", "APT::Sandbox::User=root", "download", *needed], cwd=debs)
    for deb in sorted(debs.glob("*.deb")):
        _apt(["dpkg-deb", "-x", str(deb), str(root)])
    told = _apt(["dpkg-deb", "-f", str(next(debs.glob(f"{packages[0]}_*.deb"))), "Version"])
    (root / "version").write_text(told)
    return root


def _needed(packages):
    """The packages, and the libraries of theirs that this machine lacks."""
    told = _apt(["apt-get", "install", "-s", "--no-install-recommends", *packages])
    would = [line.split()[1] for line in told.splitlines() if line.startswith("Inst ")]
    return packages + [name for name in would if name.startswith("lib") and name not in packages]


def _apt(argv, **more):
    return subprocess.run(argv, check=True, capture_output=True, **more).stdout.decode()
