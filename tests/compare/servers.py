"""The servers, each configured alike: same certificate, user, root folder; TLS required; no logs of
sessions; a way to refuse 127.0.0.2 at connect.
"""

import ftplib
import grp
import json
import os
import pwd
import shutil
import socket
import ssl
import subprocess
import time
from pathlib import Path

import peers

USER, PASSWORD = "compare", "open-sesame"
# Cheap on purpose: hashing is a choice of the operator's, and would hide what the servers do.
ARGON2ID = "$argon2id$v=19$m=8,t=1,p=1$uq4lcVhZta6WHtoktOj1zg$Lqf58Z1hcloEca4VoELdZ/Aka9sSDEaNiNsqadf9w1s"
MD5CRYPT = "openssl passwd -1 -salt compare"
# Whom the peers serve files as: somebody without power, with a home that exists, which vsftpd insists on.
SERVANT = next(user for user in pwd.getpwall() if user.pw_uid > 0 and os.path.isdir(user.pw_dir))
HOST, BANNED = "127.0.0.1", "127.0.0.2"
# A folder with many files.
CROWD, CROWD_ENTRIES = "crowd", 10_000
START_S_MAX = 20


class House:
    """What all share: a folder with the certificate and the files."""

    def __init__(self, folder, mib):
        self.folder = folder
        self.certificate, self.key = folder / "certificate.pem", folder / "key.pem"
        self.root = folder / "root"
        self.bulk, self.small = mib * 1024 * 1024, 4096
        folder.chmod(0o755)
        self.root.mkdir()
        run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
             "-keyout", self.key, "-out", self.certificate, "-days", "2", "-subj", "/CN=localhost",
             "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"])
        self.key.chmod(0o600)
        both = folder / "both.pem"
        both.write_bytes(self.key.read_bytes() + self.certificate.read_bytes())
        both.chmod(0o600)
        self.both = both
        with open(self.root / "bulk.bin", "wb") as file:
            block = os.urandom(1024 * 1024)
            for _ in range(mib):
                file.write(block)
        (self.root / "small.bin").write_bytes(b"x" * self.small)
        crowd = self.root / CROWD
        crowd.mkdir()
        for number in range(CROWD_ENTRIES):
            (crowd / f"report-{number:05}.txt").touch()
        if os.geteuid() == 0:
            for path in [self.root, *self.root.rglob("*")]:
                os.chown(path, SERVANT.pw_uid, SERVANT.pw_gid)


class Server:
    """One server in a folder of its own. `start` leaves it accepting; `stop` ends it by its process id."""

    name, hash, refusal = "", "", ""
    needs_root = True
    # Kinds of work that it has no command for.
    lacks = ()

    def __init__(self, house, root):
        self.house, self.root = house, root
        self.folder = house.folder / self.name
        self.process = None

    def version(self):
        return peers.version(self.root)

    def start(self, meter, core, refusing):
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir()
        self.port = free_port()
        argv, environment = self.command(refusing), peers.environment(self.root)
        # ProFTPD reads all of the system's authorities for each session, at four fifths of its time, if there
        # are any; no client certificates are asked for here.
        environment |= {"SSL_CERT_FILE": os.devnull, "SSL_CERT_DIR": str(self.folder)}
        self.log = open(self.folder / "log", "wb")
        self.process = meter.start(argv, core, env=environment, stdout=self.log, stderr=self.log,
                                   stdin=subprocess.DEVNULL, cwd=self.folder)
        self.await_port()
        self.held = self.refuse() if refusing else None

    def await_port(self):
        deadline = time.monotonic() + START_S_MAX
        while True:
            try:
                with socket.create_connection((HOST, self.port), 1) as probe:
                    if probe.recv(3) == b"220":
                        return
            except OSError:
                pass
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{self.name} does not come up: {self.last_words()}")
            time.sleep(0.02)

    def last_words(self):
        return (self.folder / "log").read_text(errors="replace")[-600:].strip()

    def hold(self):
        """Takes the only place of an address."""
        held = socket.create_connection((HOST, self.port), 5, source_address=(BANNED, 0))
        held.recv(256)
        return held

    def stop(self, meter):
        if self.held is not None:
            self.held.close()
        if self.process is not None:
            meter.stop(self.process)
            self.log.close()

    held = None


class Portcullis(Server):
    name, hash, needs_root = "Portcullis", "argon2id m=8,t=1,p=1", False
    refusal = "a ban in its ledger"

    def version(self):
        return run([self.root, "--version"]).split()[-1]

    def start(self, meter, core, refusing):
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir()
        users = self.folder / "users.toml"
        users.write_text(f"[[user]]\nname = '{USER}'\npassword = '{ARGON2ID}'\nhome = '{self.house.root}'\n")
        users.chmod(0o600)
        (self.folder / "portcullis.toml").write_text(f"""
            server.listen = ["{HOST}:0"]
            server.state = "state"
            tls.certificate = "{self.house.certificate}"
            tls.key = "{self.house.key}"
            users.file = "users.toml"
            limits.connections-per-address = 10000
            limits.unauthenticated-per-address = 10000
            log.level = "warn"
        """)
        ready = self.folder / "ready.json"
        self.log = open(self.folder / "log", "wb")
        argv = [self.root, "serve", "--config", "portcullis.toml", "--ready-file", ready]
        self.process = meter.start(argv, core, stdout=self.log, stderr=self.log, stdin=subprocess.DEVNULL,
                                   cwd=self.folder)
        deadline = time.monotonic() + START_S_MAX
        while not ready.exists():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{self.name} does not come up: {self.last_words()}")
            time.sleep(0.02)
        told = json.loads(ready.read_text())
        self.port = int(told["addresses"][0].rsplit(":", 1)[1])
        if refusing:
            run([self.root, "bans", "add", BANNED, "--for", "1h", "--reach", "node",
                 "--config", self.folder / "portcullis.toml"])


class ProFtpd(Server):
    name, hash, refusal = "ProFTPD", "md5crypt", "mod_ban, local table"

    def command(self, refusing):
        # On a disk its scoreboard would cost more than its sessions; in a folder that others may write it
        # does not want it.
        memory = Path("/dev/shm") if os.access("/dev/shm", os.W_OK) else self.folder
        self.scoreboard = memory / f"{self.house.folder.name}-scoreboard"
        self.scoreboard.mkdir(exist_ok=True)
        users = self.folder / "users"
        users.write_text(f"{USER}:{md5crypt()}:{SERVANT.pw_uid}:{SERVANT.pw_gid}::{self.house.root}:/bin/false\n")
        users.chmod(0o600)
        (self.folder / "proftpd.conf").write_text(f"""
            ModulePath {self.root}/usr/lib/proftpd
            LoadModule mod_tls.c
            LoadModule mod_ban.c
            ServerName compare
            ServerType standalone
            DefaultAddress {HOST}
            SocketBindTight on
            Port {self.port}
            UseIPv6 off
            UseReverseDNS off
            User {SERVANT.pw_name}
            Group {grp.getgrgid(SERVANT.pw_gid).gr_name}
            MaxInstances none
            ScoreboardFile {self.scoreboard}/board
            PidFile {self.folder}/pid
            DelayEngine off
            SystemLog none
            WtmpLog off
            TransferLog none
            AuthOrder mod_auth_file.c
            AuthUserFile {users}
            RequireValidShell off
            DefaultRoot ~
            AllowOverwrite on
            MaxLoginAttempts 1
            TLSEngine on
            TLSRequired on
            TLSProtocol TLSv1.2 TLSv1.3
            TLSECCertificateFile {self.house.certificate}
            TLSECCertificateKeyFile {self.house.key}
            TLSOptions NoSessionReuseRequired
            BanEngine on
            BanTable {self.folder}/ban-table
            BanOnEvent MaxLoginAttempts 1/01:00:00 01:00:00
        """)
        return [self.root / "usr/sbin/proftpd", "-n", "-c", self.folder / "proftpd.conf"]

    def stop(self, meter):
        super().stop(meter)
        shutil.rmtree(self.scoreboard, ignore_errors=True)

    def refuse(self):
        """One wrong password from the address bans it."""
        client = ftplib.FTP_TLS(context=ssl._create_unverified_context(), source_address=(BANNED, 0))
        client.connect(HOST, self.port, 10)
        try:
            client.login(USER, "wrong")
        except (ftplib.error_perm, EOFError):
            pass
        finally:
            client.close()


class Vsftpd(Server):
    name, hash = "vsftpd", "none (pam_permit)"
    lacks = ("mlsd",)
    refusal = "max_per_ip"
    pam = Path("/etc/pam.d/portcullis-compare")

    def command(self, refusing):
        # PAM looks in one folder only. Its own module for a file of users is not in Debian, so that any
        # password is right here; it costs vsftpd nothing that the others do not pay.
        self.pam.write_text("auth required pam_permit.so\naccount required pam_permit.so\n")
        (self.folder / "empty").mkdir()
        settings = {
            "listen": "YES", "listen_address": HOST, "listen_port": self.port, "background": "NO",
            "anonymous_enable": "NO", "local_enable": "YES", "write_enable": "YES",
            "guest_enable": "YES", "guest_username": SERVANT.pw_name, "virtual_use_local_privs": "YES",
            "local_root": self.house.root, "chroot_local_user": "YES", "allow_writeable_chroot": "YES",
            "pam_service_name": self.pam.name, "secure_chroot_dir": self.folder / "empty",
            "xferlog_enable": "NO", "ssl_enable": "YES", "ssl_tlsv1": "YES", "require_ssl_reuse": "NO",
            "force_local_logins_ssl": "YES", "force_local_data_ssl": "YES", "ssl_ciphers": "HIGH",
            "rsa_cert_file": self.house.certificate, "rsa_private_key_file": self.house.key,
            "seccomp_sandbox": "NO", "max_clients": "0", "max_per_ip": "1" if refusing else "0",
        }
        configuration = self.folder / "vsftpd.conf"
        configuration.write_text("".join(f"{key}={value}\n" for key, value in settings.items()))
        return [self.root / "usr/sbin/vsftpd", configuration]

    def refuse(self):
        return self.hold()

    def stop(self, meter):
        super().stop(meter)
        self.pam.unlink(missing_ok=True)


class PureFtpd(Server):
    name, hash, refusal = "Pure-FTPd", "md5crypt", "its limit for one address"

    def command(self, refusing):
        book, table = self.folder / "users", self.folder / "users.pdb"
        book.write_text(f"{USER}:{md5crypt()}:{SERVANT.pw_uid}:{SERVANT.pw_gid}::{self.house.root}/./::::::::::::\n")
        run([self.root / "usr/bin/pure-pw", "mkdb", table, "-f", book], env=peers.environment(self.root))
        return [self.root / "usr/sbin/pure-ftpd", "-S", f"{HOST},{self.port}", "-4", "-H", "-A", "-u", "1",
                "-l", f"puredb:{table}", "-E", "-Y", "2", "-2", self.house.both, "-c", "10000",
                "-C", "1" if refusing else "10000", "-k", "99", "-L", f"{CROWD_ENTRIES * 2}:5", "-g", self.folder / "pid", "-f", "none"]

    def refuse(self):
        return self.hold()


PEERS = {"ProFTPD": ProFtpd, "vsftpd": Vsftpd, "Pure-FTPd": PureFtpd}


def run(argv, **more):
    done = subprocess.run([str(word) for word in argv], capture_output=True, text=True, **more)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(map(str, argv[:3]))}: {(done.stderr or done.stdout).strip()[-400:]}")
    return done.stdout


def md5crypt():
    return run([*MD5CRYPT.split(), PASSWORD]).strip()


def free_port():
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return probe.getsockname()[1]
