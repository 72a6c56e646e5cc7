"""A boto3 client for one S3 service: end point, trust, credentials, retries, and connections that can be cut."""

import ipaddress
import socket
import threading
import weakref
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import boto3
import botocore.awsrequest
from botocore.config import Config
from s3transfer.utils import signal_not_transferring, signal_transferring

from rig_capture.delivery.credentials import Credentials
from rig_capture.delivery.errors import BadAddress, InsecureEndpoint
from rig_capture.profiles.settings.rig import DeliverySettings

Client = Any
"""botocore makes the class of its clients while it runs."""

CONNECT_TIMEOUT_S = 10
READ_TIMEOUT_S = 60
_SMALL_BODY = 2**20
"""Bytes."""
ATTEMPTS = 5
"""First try included; waits between them grow exponentially, with jitter (botocore's standard mode)."""


def make_client(settings: DeliverySettings, credentials: Credentials) -> Client:
    """A client; nothing is sent yet.

    Raises:
        InsecureEndpoint: plain HTTP to another machine, and not allowed.
        BadAddress: the end point or the file of certificates is none.
    """
    if settings.ca_bundle and not Path(settings.ca_bundle).expanduser().is_file():
        raise BadAddress(f"ca_bundle {settings.ca_bundle!r}: no such file")
    session = boto3.session.Session(
        aws_access_key_id=credentials.access_key_id.get_secret_value() or None,
        aws_secret_access_key=credentials.secret_access_key.get_secret_value() or None,
        aws_session_token=credentials.session_token.get_secret_value() or None,
    )
    url = urlsplit(settings.endpoint_url)
    secure = url.scheme != "http" or is_loopback(url.hostname or "")
    try:
        client = session.client(
            "s3",
            region_name=settings.region or session.region_name or "us-east-1",
            endpoint_url=settings.endpoint_url or None,
            verify=str(Path(settings.ca_bundle).expanduser()) if settings.ca_bundle else None,
            config=_config(settings, secure=secure),
        )
    except ValueError as error:
        raise BadAddress(f"endpoint_url {settings.endpoint_url!r}: {error}") from error
    # Not the setting: the end point may also come from AWS_ENDPOINT_URL or the AWS configuration file.
    check_transport(client.meta.endpoint_url, allow_http=settings.allow_http)
    # Bodies are read once for the signature over plain HTTP; these mark which read is the sending one.
    client.meta.events.register_first("request-created.s3", signal_not_transferring)
    client.meta.events.register_last("request-created.s3", signal_transferring)
    client.meta.events.register_last("before-call.s3", _send_small_bodies_unasked)
    return client


def check_transport(endpoint: str, *, allow_http: bool) -> None:
    """Refuses plain HTTP that leaves this machine.

    Raises:
        InsecureEndpoint: saying what would allow it.
    """
    url = urlsplit(endpoint)
    if url.scheme == "https" or allow_http or is_loopback(url.hostname or ""):
        return
    raise InsecureEndpoint(
        f"{endpoint}: plain HTTP would send recordings readable for everyone on the way; use https:// "
        "(with ca_bundle where the certificate is your own), or set allow_http: true"
    )


def _send_small_bodies_unasked(params: dict[str, Any], **_: object) -> None:
    """Asking the service first whether it wants a body, as botocore does with each, costs more than to send a small one in vain."""
    if int(params["headers"].get("Content-Length", _SMALL_BODY)) < _SMALL_BODY:
        params["headers"].pop("Expect", None)


def is_loopback(host: str) -> bool:
    """Whether a host's name or address means this machine, whatever a name server says."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _config(settings: DeliverySettings, *, secure: bool) -> Config:
    s3: dict[str, Any] = {"addressing_style": "path"} if settings.endpoint_url else {}
    if secure:
        # TLS, or that nothing leaves the machine, and our own checksum in the header protect the body; a second SHA-256 over
        # it would only cost time.
        s3["payload_signing_enabled"] = False
    return Config(
        connect_timeout=CONNECT_TIMEOUT_S,
        read_timeout=READ_TIMEOUT_S,
        retries={"mode": "standard", "total_max_attempts": ATTEMPTS},
        max_pool_connections=settings.concurrent_uploads + 2,
        tcp_keepalive=True,
        s3=s3,
    )


class Connections:
    """The open sockets of one client, so that a transfer that waits for a silent server can be ended at once."""

    def __init__(self, client: Client) -> None:
        self._lock = threading.Lock()
        self._open: weakref.WeakSet[Any] = weakref.WeakSet()
        # botocore offers no public way to its connections; where this attribute is gone, stopping just takes longer.
        http_session = getattr(client._endpoint, "http_session", None)  # noqa: SLF001
        manager = getattr(http_session, "_manager", None)
        if manager is not None:
            manager.pool_classes_by_scheme = {
                "http": self._watched_pool(botocore.awsrequest.AWSHTTPConnectionPool),
                "https": self._watched_pool(botocore.awsrequest.AWSHTTPSConnectionPool),
            }

    def cut(self) -> None:
        """Shuts all of them down; whoever waits on one gets an error."""
        with self._lock:
            connections = list(self._open)
        for connection in connections:
            sock = connection.sock
            if sock is None:
                continue
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                # It was closed in the meantime, which is what was wanted.
                continue

    def _watched_pool(self, pool: type[Any]) -> type[Any]:
        owner, base = self, pool.ConnectionCls

        class WatchedConnection(base):  # type: ignore[valid-type, misc]
            def connect(self) -> None:
                with owner._lock:
                    owner._open.add(self)
                super().connect()

        return type("WatchedPool", (pool,), {"ConnectionCls": WatchedConnection})
