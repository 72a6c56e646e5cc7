"""Whatever happens on the way: in the end every byte is there, the catalog has each thing once, and nothing is left over.

RIG_FAULT_TRIALS sets how many times clients are killed; a full run is 40.
"""

import os
import random
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from rig_capture.delivery.catalog import Catalog
from rig_capture.delivery.errors import ObjectStoreError
from rig_capture.delivery.ingest import DataInterface, IngestResult
from rig_capture.delivery.s3_parts import PART
from rig_capture.profiles.settings.rig import DeliverySettings
from rig_capture.session.manifest import read_manifest
from test.delivery.faults import Fault, FaultProxy
from test.delivery.services import S3Server, s3_server
from test.delivery.sessions import make_session
from test.parts import wait_until

TRIALS = int(os.environ.get("RIG_FAULT_TRIALS", "3"))
ID = "rec_20260507_143022_a1b2"


def never(method: str, path: str) -> Fault:
    """No fault."""
    return Fault.NONE


@pytest.fixture
def session(tmp_path: Path) -> Path:
    """Small files, and one of three parts."""
    files = {f"f{number}": os.urandom(2000 * number + 1) for number in range(5)} | {"large": os.urandom(2 * PART + 5)}
    return make_session(tmp_path / "s", files, participant="Ada")


@pytest.fixture
def proxy(s3: S3Server) -> Iterator[FaultProxy]:
    """Before the server; no faults yet."""
    with FaultProxy(s3.port, never) as opened:
        yield opened


@pytest.fixture
def settings(s3_settings: DeliverySettings, proxy: FaultProxy) -> DeliverySettings:
    """Through the proxy."""
    return s3_settings.model_copy(update={"endpoint_url": proxy.url})


def some(fault: Fault, most: int, share: float = 0.4) -> Callable[[str, str], Fault]:
    """The fault for a share of the requests that send something, at most so often."""
    dice, left = random.Random(most), [most]

    def choose(method: str, path: str) -> Fault:
        if method not in {"PUT", "POST"} or left[0] == 0 or dice.random() > share:
            return Fault.NONE
        left[0] -= 1
        return fault

    return choose


def ingest(settings: DeliverySettings, session: Path) -> IngestResult:
    """One try, as the uploader's."""
    with DataInterface.open(settings) as data:
        result = data.ingest(manifest_path=session / "manifest.json", source_dir=session, participant="Ada")
        data.give_up_unfinished()
        return result


def ingest_at_last(settings: DeliverySettings, session: Path, tries: int = 8) -> tuple[IngestResult, list[ObjectStoreError]]:
    """Tries until it is in; also the errors on the way."""
    errors: list[ObjectStoreError] = []
    while True:
        try:
            return ingest(settings, session), errors
        except ObjectStoreError as error:
            errors.append(error)
            assert len(errors) < tries, errors


def check_all_is_there_once(s3: S3Server, settings: DeliverySettings, session: Path) -> None:
    """With clients that share nothing with the code under test but the library."""
    client, bucket = s3.client(), settings.store.split("/")[2]
    manifest = read_manifest(session)
    prefix = f"some/prefix/recordings/rig1/{manifest.recording_id}/host-a/"
    wanted = {prefix + entry.path: (session / entry.path).read_bytes() for entry in manifest.files}
    wanted[prefix + "manifest.json"] = (session / "manifest.json").read_bytes()
    keys = [item["Key"] for item in client.list_objects_v2(Bucket=bucket, Prefix=prefix)["Contents"]]
    assert sorted(keys) == sorted(wanted)
    for key, content in wanted.items():
        assert client.get_object(Bucket=bucket, Key=key)["Body"].read() == content, key
    assert "Uploads" not in client.list_multipart_uploads(Bucket=bucket, Prefix=prefix)
    with Catalog(settings.catalog) as catalog:
        (row,) = [row for row in catalog.recordings() if row.recording_id == manifest.recording_id]
        assert row.participants == ("Ada",)
        assert [node.name for node in row.nodes] == ["host-a"]
        files = [file.path for file in catalog.files(row.recording_hash, "host-a")]
        assert files == sorted(entry.path for entry in manifest.files)


@pytest.mark.parametrize("fault", [Fault.RESET, Fault.LOST_ANSWER, Fault.SLOW, Fault.E500, Fault.E503], ids=lambda fault: fault.value)
def test_what_passes_is_outlasted(s3: S3Server, proxy: FaultProxy, settings: DeliverySettings, session: Path, fault: Fault) -> None:
    proxy.choose = some(fault, 4)
    ingest_at_last(settings, session)
    assert proxy.made
    check_all_is_there_once(s3, settings, session)


@pytest.mark.parametrize(("fault", "words"), [(Fault.E403, "AccessDenied"), (Fault.CORRUPT, "BadDigest")], ids=["403", "wrong checksum"])
def test_what_does_not_pass_is_told_and_mended_by_the_next_try(
    s3: S3Server, proxy: FaultProxy, settings: DeliverySettings, session: Path, fault: Fault, words: str
) -> None:
    proxy.choose = some(fault, 2, share=1)
    _, errors = ingest_at_last(settings, session)
    assert errors
    assert words in str(errors[0])
    assert errors[0].key.startswith(f"recordings/rig1/{ID}/")
    check_all_is_there_once(s3, settings, session)


def test_a_long_outage_is_an_error_and_not_a_wait_without_end(proxy: FaultProxy, settings: DeliverySettings, session: Path) -> None:
    proxy.choose = lambda method, path: Fault.E403
    with pytest.raises(ObjectStoreError, match="AccessDenied"):
        ingest(settings, session)
    with Catalog(settings.catalog) as catalog:
        assert catalog.recordings() == []


def test_a_refused_connection_is_told_and_the_next_try_gets_through(
    s3: S3Server, proxy: FaultProxy, settings: DeliverySettings, session: Path
) -> None:
    with proxy.closed(), pytest.raises(ObjectStoreError, match="connect"):
        ingest(settings, session)
    ingest(settings, session)
    check_all_is_there_once(s3, settings, session)


SCRIPT = """
import sys
from pathlib import Path
from rig_capture.delivery.ingest import DataInterface
from rig_capture.profiles.settings.rig import DeliverySettings
session = Path(sys.argv[1])
with DataInterface.open(DeliverySettings.model_validate_json(sys.argv[2])) as data:
    print("begin", flush=True)
    tell = lambda event: print(event.bytes_processed, flush=True)
    data.ingest(manifest_path=session / "manifest.json", source_dir=session, participant="Ada", progress=tell)
"""


def begin(settings: DeliverySettings, session: Path) -> subprocess.Popen[str]:
    """An ingest in a process of its own, once it runs."""
    command = [sys.executable, "-c", SCRIPT, str(session), settings.model_dump_json()]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert process.stdout is not None
    process.stdout.readline()
    return process


def kill_after(process: subprocess.Popen[str], count: int) -> None:
    """Kills a process when it has moved so many bytes, or ended before."""
    assert process.stdout is not None
    next((line for line in process.stdout if int(line) >= count), None)
    process.kill()
    process.wait()
    process.stdout.close()


@pytest.mark.timeout(60 + 30 * TRIALS)
def test_clients_killed_at_random_leave_nothing_behind(s3: S3Server, proxy: FaultProxy, settings: DeliverySettings, tmp_path: Path) -> None:
    dice = random.Random(7)
    faults = [Fault.RESET, Fault.LOST_ANSWER, Fault.E500, Fault.E503, Fault.E403, Fault.CORRUPT]
    for trial in range(TRIALS):
        files = {f"f{number}": os.urandom(dice.randrange(1, 300_000)) for number in range(6)} | {"large": os.urandom(3 * PART + trial)}
        session = make_session(tmp_path / f"s{trial}", files, recording_id=f"rec_20260507_1430{trial:02d}_a1b2", participant="Ada")
        total = sum(map(len, files.values()))
        proxy.choose = some(dice.choice(faults), dice.randrange(3))
        slow = settings.model_copy(update={"bandwidth_limit": 60_000_000})
        # Every other time two at once; one of them, or both, die.
        processes = [begin(slow, session) for _ in range(1 + trial % 2)]
        for process in processes:
            kill_after(process, dice.randrange(total))
        ingest_at_last(settings, session)
        check_all_is_there_once(s3, settings, session)


def test_one_of_two_that_send_the_same_session_may_die_while_the_other_sends(
    s3: S3Server, settings: DeliverySettings, session: Path
) -> None:
    slow = settings.model_copy(update={"bandwidth_limit": 12_000_000})
    dying = begin(slow, session)
    bucket: Any = settings.store.split("/")[2]
    wait_until(lambda: "Uploads" in s3.client().list_multipart_uploads(Bucket=bucket), "the first one's upload")
    living = begin(slow, session)
    kill_after(dying, PART)
    assert living.stdout is not None
    living.stdout.read()
    assert living.wait() == 0
    living.stdout.close()
    ingest(settings, session)
    check_all_is_there_once(s3, settings, session)


def test_a_server_that_is_killed_and_comes_back_gets_everything(tmp_path: Path, s3_credentials: None, session: Path) -> None:
    with s3_server(tmp_path) as server:
        server.client().create_bucket(Bucket="bucket")
        places = {"store": "s3://bucket/some/prefix", "catalog": str(tmp_path / "catalog.db"), "endpoint_url": server.url}
        settings = DeliverySettings.model_validate(places)
        process = begin(settings.model_copy(update={"bandwidth_limit": 12_000_000}), session)
        assert process.stdout is not None
        next(line for line in process.stdout if int(line) > PART)
        server.kill()
        process.stdout.read()
        assert process.wait() == 1
        process.stdout.close()
        server.start()  # moto keeps nothing; as a service whose disks were lost
        server.client().create_bucket(Bucket="bucket")
        ingest(settings, session)
        check_all_is_there_once(server, settings, session)
