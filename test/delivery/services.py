"""Real services in processes of their own: an S3 server and PostgreSQL."""

import contextlib
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest

from test.parts import wait_until

ACCESS_KEY, SECRET_KEY = "test-access", "test-secret"


def free_port() -> int:
    """A TCP port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def listens(port: int) -> bool:
    """Whether somebody accepts connections on a port of this machine."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


class S3Server:
    """moto's S3 in a process."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        self.folder = folder
        self.port = free_port()
        self.arguments = arguments
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Its end point."""
        return f"{'https' if self.arguments else 'http'}://127.0.0.1:{self.port}"

    @property
    def log(self) -> str:
        """A line for each request."""
        return (self.folder / "s3.log").read_text()

    def start(self) -> None:
        """Starts it and waits until it answers."""
        command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(self.port), *self.arguments]
        with (self.folder / "s3.log").open("ab") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log)
        wait_until(lambda: listens(self.port), "the S3 server's start", 60)

    def kill(self) -> None:
        """Kills it."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def client(self, **options: Any) -> Any:
        """A client that shares nothing with the code under test but the library."""
        keys = {"aws_access_key_id": ACCESS_KEY, "aws_secret_access_key": SECRET_KEY, "region_name": "us-east-1"}
        return boto3.client("s3", endpoint_url=self.url, **keys, **options)


class PostgresServer:
    """PostgreSQL on a folder and a port of its own."""

    password = "sec'ret/äöü"

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        programs = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
        found = [str(programs[-1])] if programs else [path for path in [shutil.which("initdb")] if path]
        if not found:
            pytest.skip("PostgreSQL not found; run: sudo apt-get install postgresql")
        self.programs = Path(found[0]).parent
        # It refuses to run as root.
        self.user = "postgres" if os.geteuid() == 0 else None
        self.environment = {key: value for key, value in os.environ.items() if key != "LD_LIBRARY_PATH"} | {"LC_ALL": "C"}

    def start(self) -> None:
        """Makes a cluster and starts it."""
        self.folder.mkdir(exist_ok=True)
        password_file = self.folder / "password"
        password_file.write_text(self.password)
        if self.user:
            for path in (self.folder, password_file):
                shutil.chown(path, self.user)
        self._run("initdb", "-D", "data", "-U", "rig", "-A", "scram-sha-256", f"--pwfile={password_file}", "-E", "UTF8", "--no-sync")
        options = f"-p {self.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={self.folder} -c fsync=off"
        self._run("pg_ctl", "-D", "data", "-w", "-l", "server.log", "-o", options, "start")

    def stop(self) -> None:
        """Stops it, without waiting for clients."""
        if (self.folder / "data" / "postmaster.pid").exists():
            self._run("pg_ctl", "-D", "data", "-w", "-m", "immediate", "stop")

    def url(self, database: str) -> str:
        """The address of a database, without password."""
        return f"postgresql://rig@127.0.0.1:{self.port}/{database}"

    def create(self, database: str) -> str:
        """A new database; returns its address."""
        environment = self.environment | {"PGPASSWORD": self.password}
        command = [str(self.programs / "createdb"), "-h", "127.0.0.1", "-p", str(self.port), "-U", "rig", database]
        subprocess.run(command, env=environment, check=True)
        return self.url(database)

    def _run(self, program: str, *arguments: str) -> None:
        # Not into pipes: the server would keep them open.
        with (self.folder / "programs.log").open("ab") as log:
            subprocess.run(
                [self.programs / program, *arguments],
                cwd=self.folder,
                env=self.environment,
                user=self.user,
                stdout=log,
                stderr=log,
                check=True,
            )


@contextlib.contextmanager
def s3_server(folder: Path, *arguments: str) -> Iterator[S3Server]:
    """A server while the block runs."""
    server = S3Server(folder, *arguments)
    try:
        server.start()
        yield server
    finally:
        server.kill()
