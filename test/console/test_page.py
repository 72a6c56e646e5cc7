"""The console's page in a real browser, against a rig of real nodes: each control is used, and the page never complains."""

import os
import re
import shutil
import signal
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal
from urllib.parse import urljoin

import pytest
from playwright.sync_api import Browser, Locator, Page, ViewportSize, expect

from test.console.browsers import DESKTOP, PATIENCE_MS, PHONE, Window, chromium
from test.console.rigs import SimRig, sim_rig
from test.parts import wait_until

pytestmark = pytest.mark.integration

HOSTILE = "<img src=x onerror=\"document.title='taken over'\">"
SETTINGS = (
    "console.port=0",
    "recorder.chunk_s=1",
    "recorder.lookback_s=2",
    "recorder.lookahead_s=1",
    "status.stale_s=2",
    "imus.imu.rate_hz=50",
    "share_process=[network, clock, battery, imu, status]",
)

_TAP = """() => {
  const connect = AudioNode.prototype.connect;
  AudioNode.prototype.connect = function (target, ...rest) {
    if (target instanceof AudioDestinationNode) connect.call(this, (window.tap = new AnalyserNode(this.context)));
    return connect.call(this, target, ...rest);
  };
  window.loudest = () => {
    const samples = new Float32Array(2048);
    window.tap?.getFloatTimeDomainData(samples);
    return Math.max(...samples.map(Math.abs));
  };
}"""
"""Listens to what the browser plays."""

expect.set_options(timeout=PATIENCE_MS)


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimRig]:
    with sim_rig(tmp_path_factory.mktemp("rig"), *SETTINGS) as running:
        yield running


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as running:
        yield running


@pytest.fixture(scope="module")
def address(rig: SimRig) -> str:
    """With the token."""
    return str(rig.status["console"]["url"])


@pytest.fixture(scope="module")
def shared_window(browser: Browser, address: str) -> Iterator[Window]:
    """The page, logged in; one for all, since each start of it costs a second."""
    shown = Window(browser, base_url=urljoin(address, "/"))
    shown.page.goto(address)
    yield shown
    shown.close()


@pytest.fixture
def window(shared_window: Window, tmp_path: Path) -> Iterator[Window]:
    """The page with the live view, on a desk and by day."""
    shared_window.page.set_viewport_size(DESKTOP)
    shared_window.page.emulate_media(color_scheme="light", reduced_motion="no-preference")
    go(shared_window.page, "Live")
    yield shared_window
    shared_window.judge(tmp_path)


@pytest.fixture
def page(window: Window) -> Page:
    return window.page


def go(page: Page, name: str) -> Locator:
    """Opens a view by its link."""
    page.get_by_role("navigation").get_by_role("link", name=re.compile(name)).click()
    view = page.get_by_role("region", name=name, exact=True).first
    expect(view).to_be_visible()
    return view


def panel(page: Page | Locator, name: str) -> Locator:
    return page.get_by_role("region", name=name, exact=True)


def state(page: Page) -> Locator:
    return page.locator("#state")


def record(page: Page, seconds: float, participant: str = "p01", label: str = "walk") -> str:
    """A recording from start to stop; the session's name."""
    control = panel(page, "Recording")
    control.get_by_label("Participant").fill(participant)
    control.get_by_label("Label").fill(label)
    control.get_by_role("button", name="Start").click()
    expect(state(page)).to_contain_text("recording")
    expect(control.locator(".time")).to_have_text(re.compile(rf"0:(0[{int(seconds)}-9]|[1-9]\d)"))
    control.get_by_role("button", name="Stop").click()
    link = control.get_by_role("link", name="Look at it")
    expect(link).to_be_visible()
    expect(state(page)).to_contain_text("idle")
    return str(link.get_attribute("href")).removeprefix("#/session/")


@pytest.fixture(scope="module")
def session(shared_window: Window) -> str:
    """A session of two seconds in several chunks, whose names are hostile."""
    go(shared_window.page, "Live")
    return record(shared_window.page, 2, HOSTILE, HOSTILE)


def test_without_the_token_there_is_a_form_and_nothing_else(browser: Browser, address: str, tmp_path: Path) -> None:
    window = Window(browser)
    page = window.page
    page.goto(urljoin(address, "/"))
    assert window.axe() == []
    page.get_by_label("Token").fill("guess")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("not the token")
    assert page.get_by_role("navigation").count() == 0
    page.get_by_label("Token").fill(address.split("=")[1])
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("heading", name="sim")).to_be_visible()
    assert "token" not in page.url
    page.get_by_role("button", name="Log out").click()
    expect(page.get_by_label("Token")).to_be_visible()
    window.forgive("401")
    window.judge(tmp_path)
    window.close()


def test_what_the_rig_measures_is_shown(page: Page) -> None:
    for camera in ("camera_front", "camera_side"):
        figure = page.locator("figure", has_text=camera)
        expect(figure).to_contain_text(re.compile(r"\d+\.\d fps · now"))
        expect(figure.locator(".notice")).to_be_empty()
        assert (
            figure.locator("canvas").evaluate(
                "canvas => new Set(canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data).size"
            )
            > 50
        )
    for channel in ("ch0", "ch1"):
        expect(page.get_by_role("meter", name=f"Level of audio_main, {channel}")).to_have_attribute(
            "aria-valuetext", re.compile(r"−?-?\d+ dBFS")
        )
    expect(panel(page, "Motion")).to_contain_text(re.compile(r"z\s*9\.\d\d"))
    machine = panel(page, "Machine")
    expect(machine).to_contain_text(re.compile(r"\d+ %\d"))
    expect(machine).to_contain_text(re.compile(r"GB free"))
    nodes = page.get_by_role("group", name="Nodes of the rig")
    expect(nodes.get_by_role("row", name=re.compile("imu ok"))).to_contain_text(re.compile(r"\d+\.\d Hz"))


def test_previews_can_be_enlarged_and_paused_by_keyboard(page: Page) -> None:
    front = page.get_by_role("button", name="Enlarge camera_front")
    expect(page.locator("figure", has_text="camera_front")).to_contain_text("now")
    front.focus()
    page.keyboard.press("Enter")
    viewer = page.get_by_role("dialog", name="Camera, large")
    expect(viewer.get_by_role("img")).to_have_attribute("aria-label", "Live picture of camera_front")
    page.keyboard.press("ArrowRight")
    expect(viewer.get_by_role("img")).to_have_attribute("aria-label", "Live picture of camera_side")
    viewer.get_by_role("button", name="Next camera").click()
    viewer.get_by_role("button", name="Close").click()
    expect(viewer).to_be_hidden()
    expect(front).to_be_focused()
    page.get_by_label("Previews").select_option("paused")
    expect(page.get_by_text("previews are paused")).to_have_count(2)
    page.get_by_label("Previews").select_option("10 per second")
    expect(page.get_by_text("previews are paused")).to_have_count(0)


def test_one_channel_is_listened_to(page: Page) -> None:
    page.evaluate(_TAP)
    first, second = (page.get_by_role("button", name=f"Listen to audio_main, {channel}") for channel in ("ch0", "ch1"))
    second.click()
    expect(second).to_have_attribute("aria-pressed", "true")
    wait_until(lambda: page.evaluate("loudest()") > 0.05, "sound")
    page.get_by_label("Volume").fill("0")
    wait_until(lambda: page.evaluate("loudest()") == 0, "silence")
    first.click()
    expect(second).to_have_attribute("aria-pressed", "false")
    page.get_by_label("Volume").fill("0.5")
    wait_until(lambda: page.evaluate("loudest()") > 0.05, "sound")
    first.click()
    expect(page.locator("[aria-pressed=true]")).to_have_count(0)


def test_a_recording_is_run_by_keyboard_alone_and_cancelled_after_a_question(page: Page) -> None:
    control = panel(page, "Recording")
    expect(control.get_by_role("button", name="Start")).to_be_enabled()
    skip = page.get_by_role("link", name="Skip to the content")
    assert page.locator("a, button, input, select").first.inner_text() == skip.inner_text()
    skip.focus()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    expect(control.get_by_label("Participant")).to_be_focused()
    for text in ("p02", "keys", "ten minutes"):
        page.keyboard.type(text)
        page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(control.get_by_role("alert")).to_contain_text("no length of time")
    page.keyboard.press("Shift+Tab")
    page.keyboard.type("10m")
    page.keyboard.press("Enter")
    expect(control.get_by_role("status")).to_contain_text("for 10 min")
    expect(control.get_by_role("button", name="Stop")).to_be_focused()
    rows = page.get_by_role("group", name="Streams of the recording").get_by_role("row")
    expect(rows.filter(has_text="camera_front/video")).to_contain_text("Hz")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    question = page.get_by_role("dialog", name="Cancel this recording?")
    expect(question.get_by_role("button", name="Go on recording")).to_be_focused()
    page.keyboard.press("Escape")
    expect(question).to_be_hidden()
    expect(state(page)).to_contain_text("recording")
    control.get_by_role("button", name="Cancel").click()
    question.get_by_label("Keep the data on this machine").uncheck()
    question.get_by_role("button", name="Cancel the recording").click()
    expect(control.get_by_role("status")).to_contain_text("its data is removed")
    expect(state(page)).to_contain_text("idle")


def test_an_event_is_saved(page: Page) -> None:
    control = panel(page, "Recording")
    control.get_by_role("button", name="Save event").click()
    told = control.get_by_role("status")
    expect(told).to_contain_text("Saving the event as ")
    name = told.inner_text().removeprefix("Saving the event as ").removesuffix(".")
    expect(go(page, "Sessions").get_by_role("row").filter(has_text=name)).to_contain_text("complete")


def test_a_refusal_is_told_in_the_rigs_own_words(window: Window) -> None:
    page = window.page
    expect(state(page)).to_contain_text("idle")
    page.route("**/api/recording/start", lambda route: route.continue_(post_data='{"duration_s": -1}'), times=1)
    panel(page, "Recording").get_by_role("button", name="Start").click()
    expect(panel(page, "Recording").get_by_role("alert")).to_contain_text("duration_s")
    window.forgive("400")


def test_sessions_are_found_and_names_are_never_markup(page: Page, session: str) -> None:
    view = go(page, "Sessions")
    expect(view.get_by_text(re.compile(r"^\d+ sessions?$"))).to_be_visible()
    view.get_by_label("Find").fill("onerror")
    expect(view.get_by_role("row")).to_have_count(2)
    expect(view.get_by_role("row").last).to_contain_text(HOSTILE)
    expect(view.get_by_role("row").last).to_contain_text("complete")
    view.get_by_label("State").select_option("damaged")
    expect(view.get_by_text("No session is like that.")).to_be_visible()
    view.get_by_label("State").select_option("complete")
    view.get_by_role("link", name=session).click()
    shown = panel(page, session)
    expect(shown).to_contain_text(HOSTILE)
    expect(panel(page, "Streams and losses")).to_contain_text("camera_front")
    assert page.locator("main img").count() == 0
    assert "taken over" not in page.title()


def test_many_sessions_come_page_by_page(page: Page, rig: SimRig, session: str) -> None:
    found = rig.home / "data" / "sessions" / session
    copies = [found.with_name(f"rec_20200101_0000{number:02d}_c0de") for number in range(30)]
    try:
        for copy in copies:  # unfinished ones, so that nobody uploads them
            shutil.copytree(found, copy, copy_function=os.link, ignore=shutil.ignore_patterns(".rig_complete"))
        view = go(page, "Sessions")
        expect(view.get_by_role("row")).to_have_count(26)
        view.get_by_role("button", name="Show more").click()
        expect(view.get_by_role("row").filter(has_text="c0de")).to_have_count(30)
        expect(view.get_by_role("row").nth(26).get_by_role("link")).to_be_focused()
        expect(view.get_by_role("button", name="Show more")).to_be_hidden()
    finally:
        for copy in copies:
            shutil.rmtree(copy, ignore_errors=True)


def test_a_session_plays_over_its_chunks_is_verified_and_reported_on(page: Page, session: str) -> None:
    page.goto(f"#/session/{session}")
    playback = panel(page, "Pictures and sound")
    video = playback.locator("video")
    expect(playback.get_by_role("button", name=re.compile("Chunk 2"))).to_be_visible()
    playback.get_by_role("button", name="Play").click()
    expect(playback.locator(".chunks .now")).to_have_text("2")
    assert video.evaluate("video => video.videoWidth") == 320
    playback.get_by_role("button", name="Pause").click()
    assert video.evaluate("video => video.paused")
    playback.get_by_role("button", name="Previous chunk").click()
    expect(playback.locator(".chunks .now")).to_have_text("1")
    position = playback.get_by_role("slider", name="Position in the session")
    position.focus()
    page.keyboard.press("End")
    expect(playback.locator(".chunks .now button")).to_have_text(re.compile("[3-9]"))
    page.keyboard.press("Home")
    expect(playback.locator(".chunks .now")).to_have_text("1")
    playback.get_by_label("Video", exact=True).select_option("camera_side")
    playback.get_by_label("Speed").select_option("2")
    expect(playback.get_by_role("status")).to_be_empty()
    quality = panel(page, "Proof and quality")
    quality.get_by_role("button", name="Verify").click()
    expect(quality).to_contain_text("The session is whole.")
    quality.get_by_role("button", name=re.compile("report")).click()
    expect(page.frame_locator("iframe").get_by_role("heading").first).to_be_visible()


def test_jobs_are_added_and_cancelled(page: Page) -> None:
    view = go(page, "Jobs")
    view.get_by_role("button", name="Add").click()
    expect(view.get_by_role("alert").first).to_contain_text("how long")
    view.get_by_label("Duration").fill("1")
    view.get_by_label("Label").fill("<b>now</b>")
    view.get_by_role("button", name="Add").click()
    now = view.get_by_role("row").filter(has_text="<b>now</b>")
    expect(now).to_have_count(1)
    view.get_by_label("Label").fill("morning")
    view.get_by_label("When").select_option("at a time")
    view.get_by_label("Time").fill("2099-01-01T09:00:00")
    view.get_by_label("Again every").fill("1d")
    view.get_by_role("button", name="Add").click()
    later = view.get_by_role("row").filter(has_text="morning")
    expect(later).to_contain_text("scheduled")
    expect(later).to_contain_text("2099-01-01 09:00:00, every 1 d")
    later.get_by_role("button", name=re.compile("Cancel job")).click()
    page.get_by_role("dialog").get_by_role("button", name="Cancel the job").click()
    expect(later).to_contain_text("cancelled")
    expect(now).to_contain_text("done")


def test_a_camera_that_falls_silent_is_said_to_be_gone_and_is_a_problem(page: Page, rig: SimRig) -> None:
    figure = page.locator("figure", has_text="camera_side")
    expect(figure).to_contain_text("now")
    camera = rig.node("camera_side")
    camera.send_signal(signal.SIGSTOP)
    try:
        expect(figure.locator(".notice")).not_to_be_empty()
        expect(figure).to_have_class(re.compile("old"))
        problems = panel(go(page, "Health"), "Open problems")
        expect(problems).to_contain_text("camera_side")
        expect(panel(page, "Events, newest first")).to_contain_text("camera_side")
    finally:
        camera.send_signal(signal.SIGCONT)


def test_a_lost_connection_is_said_and_made_again(browser: Browser, rig: SimRig, address: str, tmp_path: Path) -> None:
    window = Window(browser)
    page = window.page
    page.goto(address)
    expect(state(page)).to_contain_text("idle")
    page.context.set_offline(True)
    expect(page.locator("#banner")).to_contain_text("connection to the rig is lost")
    expect(state(page)).to_contain_text("not connected")
    assert window.axe() == []
    page.get_by_role("button", name="Try now").click()
    page.context.set_offline(False)
    expect(state(page)).to_contain_text("idle")
    expect(page.locator("#banner")).to_be_hidden()
    window.forgive("ERR_INTERNET_DISCONNECTED")
    window.judge(tmp_path)
    window.close()


@pytest.mark.parametrize(
    ("scheme", "size", "places"),
    [
        ("light", DESKTOP, ("live", "sessions", "session", "health", "jobs")),
        ("dark", PHONE, ("live", "sessions", "session", "health", "jobs")),
        ("dark", DESKTOP, ("live",)),
        ("light", PHONE, ("live",)),
    ],
    ids=["light-desktop", "dark-phone", "dark-desktop", "light-phone"],
)
def test_nothing_bars_anybody(
    window: Window, session: str, scheme: Literal["light", "dark"], size: ViewportSize, places: Sequence[str]
) -> None:
    page = window.page
    page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
    page.set_viewport_size(size)
    for place in places:
        page.goto(f"#/{place}{f'/{session}' if place == 'session' else ''}")
        expect(page.locator("main .panel:visible").first).to_be_visible()
        assert window.axe() == [], place
        assert page.evaluate("document.documentElement.scrollWidth") <= size["width"], place
