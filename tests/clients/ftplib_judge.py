"""Python's ftplib against a server: KIND VERSION CERTIFICATE HOST PORT USER PASSWORD

KIND is `plain`, as the library comes; `resuming`, with the session of the control connection on each data
connection; `demanding`, which besides ends everything when a data connection did not resume it, as FileZilla
does; `abrupt`, which closes data connections without a TLS farewell.
"""

import ftplib
import io
import os
import ssl
import sys

kind, version, certificate, host, port, user, password = sys.argv[1:]


class Resuming(ftplib.FTP_TLS):
    """Data connections resume the session of the control connection."""

    def ntransfercmd(self, cmd, rest=None):
        conn, size = ftplib.FTP.ntransfercmd(self, cmd, rest)
        if self._prot_p:
            conn = self.context.wrap_socket(conn, server_hostname=self.host, session=self.sock.session)
        return conn, size


class Demanding(Resuming):
    """Nothing is sent or believed on a data connection that did not."""

    def ntransfercmd(self, cmd, rest=None):
        conn, size = super().ntransfercmd(cmd, rest)
        if not conn.session_reused:
            conn.close()
            sys.exit(f"data connection of `{cmd}` did not resume the control connection's session")
        return conn, size


class Abrupt(ftplib.FTP_TLS):
    """A FIN and no close_notify."""

    def storbinary(self, cmd, fp, *_):
        self.voidcmd("TYPE I")
        conn, _ = self.ntransfercmd(cmd)
        conn.sendall(fp.read())
        conn.close()
        return self.voidresp()


context = ssl.create_default_context(cafile=certificate)
if version == "1.2":
    context.maximum_version = ssl.TLSVersion.TLSv1_2
else:
    context.minimum_version = ssl.TLSVersion.TLSv1_3
kinds = {"plain": ftplib.FTP_TLS, "resuming": Resuming, "demanding": Demanding, "abrupt": Abrupt}
ftp = kinds[kind](context=context, timeout=30)
ftp.connect(host, int(port))
ftp.login(user, password)
ftp.prot_p()

for round, count in enumerate([200_000, 0, 1, 3_000_000]):
    data = os.urandom(count)
    name = f"ftplib-{kind}-{version}-{round}"
    ftp.storbinary(f"STOR {name}", io.BytesIO(data))
    back = io.BytesIO()
    ftp.retrbinary(f"RETR {name}", back.write)
    assert back.getvalue() == data, "what comes back is what was sent"
    assert ftp.size(name) == len(data)
    assert name in ftp.nlst()
    assert name in dict(ftp.mlsd())
    ftp.rename(name, name + ".moved")
    ftp.delete(name + ".moved")

lines = [b"one", b"two", b"three"]
ftp.storlines("STOR lines", io.BytesIO(b"\r\n".join(lines) + b"\r\n"))
read = []
ftp.retrlines("RETR lines", read.append)
assert read == [line.decode() for line in lines], read
ftp.delete("lines")

ftp.mkd("made-by-ftplib")
ftp.cwd("made-by-ftplib")
assert ftp.pwd() == "/made-by-ftplib", ftp.pwd()
ftp.cwd("..")
ftp.rmd("made-by-ftplib")

if kind == "demanding":
    # More than any cache of the server's holds by default for one client.
    for round in range(300):
        ftp.storbinary("STOR again", io.BytesIO(b"x" * round))
        back = io.BytesIO()
        ftp.retrbinary("RETR again", back.write)
        assert len(back.getvalue()) == round
    ftp.delete("again")

ftp.quit()
print("ftplib is content")
