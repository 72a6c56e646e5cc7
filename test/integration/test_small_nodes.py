"""IMU, battery, network and clock nodes over DDS, each in a process of its own or together in one."""

import signal
from pathlib import Path

import numpy as np
import psutil
import pytest
from rig_capture_msgs.msg import ClockStatus, HealthEvent, NetworkStatus, RecorderStatus
from sensor_msgs.msg import BatteryState, Imu, Temperature

from rig_capture.nodes.common.base import state_qos
from test.integration.nodes import Ear, running, stamp_ns

pytestmark = pytest.mark.integration


def test_imu_samples_come_at_200_hz_without_a_gap(ear: Ear, namespace: str, tmp_path: Path) -> None:
    heard = ear.hear_numbered(Imu, f"{namespace}/imu/data_raw")
    temperatures = ear.hear(Temperature, f"{namespace}/imu/temperature")
    with running("imu", namespace, tmp_path, {"rate_hz": 200.0, "accel_stddev": 0.1, "frame_id": "imu_link"}) as node:
        ear.until(lambda: len(heard) >= 500 and len(temperatures) >= 2, "five hundred samples")
        code, seconds = node.end(signal.SIGTERM)
    assert (code, node.said) == (0, "")
    assert seconds < 2
    numbers = [number for _, number in heard]
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    assert np.diff([stamp_ns(message) for message, _ in heard]) == pytest.approx(5_000_000, abs=1)
    first = heard[0][0]
    assert first.header.frame_id == "imu_link"
    assert first.orientation_covariance[0] == -1
    assert list(first.linear_acceleration_covariance) == pytest.approx([0.01, 0, 0, 0, 0.01, 0, 0, 0, 0.01])
    assert first.angular_velocity_covariance[8] == pytest.approx(1e-6)
    gravity = [np.linalg.norm([m.linear_acceleration.x, m.linear_acceleration.y, m.linear_acceleration.z]) for m, _ in heard]
    assert np.mean(gravity) == pytest.approx(9.81, abs=0.3)
    assert 20 < temperatures[0].temperature < 40


def test_a_battery_of_the_power_supply_class_is_published_under_the_nodes_name(ear: Ear, namespace: str, tmp_path: Path) -> None:
    folder = tmp_path / "sys/class/power_supply/BAT0"
    folder.mkdir(parents=True)
    for name, value in {
        "type": "Battery",
        "status": "Discharging",
        "voltage_now": 7_400_000,
        "current_now": 500_000,
        "capacity": 80,
    }.items():
        (folder / name).write_text(f"{value}\n")
    heard = ear.hear(BatteryState, f"{namespace}/pack")
    diagnosis = ear.diagnosis(namespace, "pack")
    parameters = {"driver": "power_supply", "sysfs_root": str(tmp_path / "sys"), "rate_hz": 20.0}
    with running("battery", namespace, tmp_path, parameters, name="pack") as node:
        ear.until(lambda: len(heard) >= 3, "readings")
        (folder / "type").unlink()
        ear.until(lambda: (status := diagnosis()) is not None and "no battery" in status.message, "the loss in the diagnostics")
        assert node.end()[0] == 0
    battery = heard[0]
    assert (battery.voltage, battery.current, battery.percentage) == pytest.approx((7.4, -0.5, 0.8))
    assert battery.power_supply_status == BatteryState.POWER_SUPPLY_STATUS_DISCHARGING
    assert np.isnan([battery.temperature, battery.charge, battery.capacity, battery.design_capacity]).all()


def test_a_battery_that_runs_low_is_one_problem_and_one_recovery(ear: Ear, namespace: str, tmp_path: Path) -> None:
    folder = tmp_path / "sys/class/power_supply/BAT0"
    folder.mkdir(parents=True)
    (folder / "type").write_text("Battery\n")

    def discharge_to(percent: int, status: str = "Discharging") -> None:
        (folder / "status").write_text(f"{status}\n")
        (folder / "capacity").write_text(f"{percent}\n")

    discharge_to(80)
    told = ear.hear(HealthEvent, f"{namespace}/health", state_qos(50))
    readings = ear.hear(BatteryState, f"{namespace}/battery")

    def wait_for(percent: int) -> None:
        ear.until(lambda: bool(readings) and readings[-1].percentage == pytest.approx(percent / 100), f"{percent} percent")

    def codes() -> list[tuple[str, bool]]:
        return [(event.code, event.recovered) for event in told]

    parameters = {"driver": "power_supply", "sysfs_root": str(tmp_path / "sys"), "rate_hz": 50.0, "problem_hold_s": 0.0}
    with running("battery", namespace, tmp_path, parameters) as node:
        for percent in (80, 21, 20, 22, 25, 4):
            discharge_to(percent)
            wait_for(percent)
        ear.until(lambda: len(told) >= 2, "both problems")
        assert codes() == [("battery_low", False), ("battery_empty", False)]
        assert "charge it" in told[0].message
        discharge_to(4, "Charging")
        ear.until(lambda: len(told) >= 4, "their end")
        assert set(codes()[2:]) == {("battery_low", True), ("battery_empty", True)}
        assert node.end()[0] == 0


def test_network_state_reaches_also_who_comes_late(ear: Ear, namespace: str, tmp_path: Path) -> None:
    diagnosis = ear.diagnosis(namespace, "network")
    with running("network", namespace, tmp_path, {"interval_s": 3600.0}) as node:
        ear.until(lambda: diagnosis() is not None, "the node")
        heard = ear.hear(NetworkStatus, f"{namespace}/network", state_qos())
        told = ear.hear(HealthEvent, f"{namespace}/health", state_qos(50))
        ear.until(lambda: len(heard) >= 1, "the state")
        if heard[0].state != NetworkStatus.ONLINE:
            ear.until(lambda: [event.code for event in told] == ["network_lost"], "the problem")
        code, seconds = node.end()
    assert code == 0
    assert seconds < 2
    up = {name for name, stats in psutil.net_if_stats().items() if stats.isup}
    assert heard[0].interface == "" or heard[0].interface in up
    assert stamp_ns(heard[0]) >= heard[0].changed_at.sec * 1_000_000_000 > 0


def test_a_clock_is_measured_against_the_reference_node(ear: Ear, namespace: str, tmp_path: Path) -> None:
    ours = ear.hear(ClockStatus, f"{namespace}/clock_status", state_qos())
    theirs = ear.hear(ClockStatus, f"{namespace}/other/clock_status", state_qos())
    parameters = {"reference": f"{namespace}/other/clock", "interval_s": 0.2, "probes": 8}
    with (
        running("clock", f"{namespace}/other", tmp_path) as reference,
        running("clock", namespace, tmp_path, parameters) as node,
    ):
        ear.until(lambda: any(status.probes == 8 for status in ours) and len(theirs) >= 1, "a measured offset")
        assert reference.end()[0] == 0
        ear.until(lambda: ours[-1].probes == 0, "the silence of the reference")
        assert (node.end()[0], node.said) == (0, "")
    measured = next(status for status in ours if status.probes == 8)
    assert measured.method == "ntp_exchange"
    assert measured.round_trip_ns > 0
    assert abs(measured.offset_ns) <= measured.round_trip_ns
    assert (theirs[0].method, theirs[0].offset_ns, theirs[0].reference) == ("reference", 0, "")
    assert measured.boot_id == theirs[0].boot_id == Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    last = next(status for status in reversed(ours) if status.probes > 0)
    assert ours[-1].offset_ns == last.offset_ns


def test_a_clock_is_measured_again_when_the_recorder_beside_its_reference_stops(ear: Ear, namespace: str, tmp_path: Path) -> None:
    heard = ear.hear(ClockStatus, f"{namespace}/left/clock_status", state_qos(10))
    recorder = ear.node.create_publisher(RecorderStatus, f"{namespace}/recorder/status", state_qos())
    parameters = {"reference": f"{namespace}/clock", "interval_s": 600.0}
    with (
        running("clock", namespace, tmp_path) as reference,
        running("clock", f"{namespace}/left", tmp_path, parameters) as node,
    ):
        ear.until(lambda: any(status.probes for status in heard), "a measured offset")
        before = len(heard)
        recorder.publish(RecorderStatus(state=RecorderStatus.RECORDING))
        recorder.publish(RecorderStatus(state=RecorderStatus.STOPPING))
        ear.until(lambda: len(heard) > before and heard[-1].probes > 0, "another at the stop")
        assert reference.end()[0] == node.end()[0] == 0


def test_small_nodes_share_a_process_and_cost_next_to_nothing(ear: Ear, namespace: str, tmp_path: Path) -> None:
    batteries = ear.hear(BatteryState, f"{namespace}/battery")
    spare = ear.hear(BatteryState, f"{namespace}/spare")
    networks = ear.hear(NetworkStatus, f"{namespace}/network", state_qos())
    clocks = ear.hear(ClockStatus, f"{namespace}/clock_status", state_qos())
    nodes = ("battery:battery", "battery:spare", "network:network", "clock:clock")
    with running("group", namespace, tmp_path, nodes=nodes) as node:
        ear.until(lambda: bool(batteries and spare and networks and clocks), "all four nodes")
        process = psutil.Process(node.process.pid)
        before, heard = process.cpu_times(), len(batteries)
        ear.until(lambda: len(batteries) >= heard + 3, "three more seconds")
        after = process.cpu_times()
        code, seconds = node.end(signal.SIGTERM)
    assert code == 0
    assert seconds < 2
    assert after.user + after.system - before.user - before.system < 0.15 * 3
