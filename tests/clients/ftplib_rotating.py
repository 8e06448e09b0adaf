"""Python's ftplib behind a balancer: each line of the input is one login of a client of its own, PORT ADDRESS USER
PASSWORD; each line of the output says how it ended: the code of the reply to the password, or `refused` where there
was no greeting."""

import ftplib
import ssl
import sys

BALANCER = "127.0.0.50"


class Behind(ftplib.FTP_TLS):
    """A header of the PROXY protocol goes before everything else."""

    header = None

    def getresp(self):
        if self.header:
            self.sock.sendall(self.header)
            self.header = None
        return super().getresp()


def log_in(port, address, user, password):
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    client = Behind(context=context, timeout=20, source_address=(BALANCER, 0))
    client.header = f"PROXY TCP6 {address} 2001:db8:ffff::1 40000 21\r\n".encode()
    try:
        client.connect("127.0.0.1", port)
    except (ftplib.Error, EOFError, OSError):
        return "refused"
    try:
        return client.login(user, password)[:3]
    except ftplib.Error as reply:
        return str(reply)[:3]
    finally:
        client.close()


for line in sys.stdin:
    port, address, user, password = line.split()
    print(log_in(int(port), address, user, password))
