"""A throw-away PostgreSQL with TLS and passwords, and the secrets by which programs find it."""

import os
import pathlib
import shutil
import subprocess

import poll

PASSWORD = "a 'pass\\word"
CERTIFICATE = {"dnsNames": ["db"], "usages": ["server auth"]}


def programs():
    given = os.environ.get("UNWIND_PG_BINDIR")
    found = [given] if given else sorted(map(str, pathlib.Path("/usr/lib/postgresql").glob("*/bin")))
    assert found, "PostgreSQL's server is not installed: apt-get install postgresql-15"
    return pathlib.Path(found[-1])


class Postgres:
    """On the standard port of `address`."""

    def __init__(self, host, issuer, address):
        self.address = address
        self.folder = host.folder / "postgres"
        issuer.issue(CERTIFICATE, [address], self.folder / "tls")
        (self.folder / "superuser").write_text(PASSWORD)
        self.as_user = ["/usr/bin/setpriv", "--pdeathsig=QUIT"]
        if os.geteuid() == 0:
            self.as_user += ["--reuid=postgres", "--regid=postgres", "--init-groups"]
            host.folder.chmod(0o755)
            for path in (self.folder, *self.folder.rglob("*")):
                shutil.chown(path, "postgres", "postgres")
        (self.folder / "tls/tls.key").chmod(0o600)
        self.data = self.folder / "data"
        self.run("initdb", "-D", self.data, "-U", "postgres", "-A", "scram-sha-256", "-E", "UTF8", "--locale=C.UTF-8",
                 "--no-sync", f"--pwfile={self.folder / 'superuser'}")
        settings = {
            "listen_addresses": address,
            "unix_socket_directories": "",
            "fsync": "off",
            "ssl": "on",
            "ssl_cert_file": self.folder / "tls/tls.crt",
            "ssl_key_file": self.folder / "tls/tls.key",
        }
        flags = [flag for name, value in settings.items() for flag in ("-c", f"{name}={value}")]
        self.server = host.start("server", [*self.as_user, "--", programs() / "postgres", "-D", self.data, *flags], {})
        self.server.passes(lambda: self.sql("select 1").returncode == 0)

    def run(self, program, *arguments):
        command = [*self.as_user, "--", programs() / program, *arguments]
        done = subprocess.run(list(map(str, command)), capture_output=True, text=True, cwd="/")
        assert done.returncode == 0, done.stderr

    def sql(self, statement):
        env = {**os.environ, "PGPASSWORD": PASSWORD}
        command = [programs() / "psql", "-h", self.address, "-U", "postgres", "-c", statement]
        return subprocess.run(command, env=env, capture_output=True, text=True)

    def secret(self, name, folder):
        """Into `folder` what docs/DEPLOY.md says of a database's secret, for a database `name` of its own."""
        password = PASSWORD.replace("'", "''")
        for statement in (f"create role \"{name}\" login password '{password}'", f'create database "{name}" owner "{name}"'):
            done = self.sql(statement)
            assert done.returncode == 0, done.stderr
        folder.mkdir(parents=True)
        (folder / "password").write_text(PASSWORD)
        (folder / "ca.crt").write_bytes((self.folder / "tls/ca.crt").read_bytes())
        (folder / "dsn").write_text(
            f"postgres:host={self.address} dbname={name} user={name} sslmode=verify-full "
            "sslrootcert=/run/unwind/db/ca.crt password_file=/run/unwind/db/password"
        )
