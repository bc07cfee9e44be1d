# SPDX-License-Identifier: MIT
"""What a job leaves in the project directory: GitLab's plan report, the report as JSON, and the page,
which a browser opens from `file:`. The endpoint's record and boto3 are the witnesses.
"""

from __future__ import annotations

import html
import json
import os
import re
import signal
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest

import browser
import mettel
from browser import Browser
from world import ENVIRONMENT, ROOT, Endpoint, World

SCHEMA = json.loads((ROOT / "config" / "report.schema.json").read_text())
FILES = ["berth-plan.json", "berth-report.html", "berth-report.json"]
USER, SYSTEM = 1, 2
MARKUP = "</script><script>alert(1)</script>"
HOSTILE = "dev/feature/<img src=x onerror=alert(1)>\u2028</script><!--"
needs_browser = pytest.mark.skipif(browser.PROGRAM is None, reason=browser.MISSING)


class Left:
    """What a job has left behind, copied out of its checkout by its after_script."""

    def __init__(self, world: World, job: str = "deploy-branches", code: int | None = 0,
                 **rest: Any) -> None:
        self.directory = world.directory / f"left-{world.pipeline}"
        self.directory.mkdir()
        self.result = world.job(job, after_script=f"cp berth-* {self.directory}/ || :", **rest)
        assert code is None or self.result.exit_code == code, self.result.log
        self.page = self.directory / "berth-report.html"

    def json(self, name: str = "berth-report.json") -> Any:
        return json.loads((self.directory / name).read_text())

    def report(self) -> dict[str, Any]:
        report = self.json()
        jsonschema.validate(report, SCHEMA)
        return report


@pytest.fixture(scope="module")
def whole(endpoint: Endpoint, prepared: str, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The whole example, deployed from nothing; and what the endpoint has seen of it."""
    endpoint.restore(prepared)
    world = World(endpoint, tmp_path_factory.mktemp("whole"))
    left = Left(world)
    calls = endpoint.record("service", "action", "write")
    services = [world.service(name)["serviceName"] for name in mettel.SERVICES]
    return left, calls, services


@pytest.fixture
def small(ready: World) -> World:
    ready.keep_services("notifier")
    return ready


# -- the files -------------------------------------------------------------------------------------

def test_all_that_was_done_is_in_the_report(whole: Any) -> None:
    left, calls, services = whole
    report = left.report()
    assert sorted(path.name for path in left.directory.iterdir()) == FILES
    seen = Counter(call["action"] for call in calls)
    told = Counter(call["action"] for call in report["calls"] for _ in range(call["tries"]))
    assert told == seen
    created = [r for r in report["resources"] if r["action"] == "create"]
    assert {r["name"] for r in created if r["type"] == "ecs.service"} == set(services)
    assert left.json("berth-plan.json") == report["plan"] == {
        "create": len(created), "update": 0, "delete": 0}
    assert all(r["result"] == "done" and r["start"] <= r["end"] <= report["seconds"]
               for r in created)
    assert f"{len(created)} created" in left.result.log
    assert report["verdict"] == {"result": "succeeded"}
    assert (report["environment"], report["url"]) == (
        ENVIRONMENT, f"https://8527fec8.{mettel.ZONE}/")


def test_calls_are_told_of_the_resource_they_were_for(whole: Any) -> None:
    report = whole[0].report()
    writes = [call for call in report["calls"] if call["write"]]
    types = {"CreateService": "ecs.service", "RegisterTaskDefinition": "ecs.task_definition",
             "PutMetricAlarm": "cloudwatch.alarm", "CreateSecurityGroup": "security_group"}
    for action, kind in types.items():
        of = [call["resource"] for call in writes if call["action"] == action
              and call["service"] != "servicediscovery"]
        wanted = [r["address"] for r in report["resources"]
                  if r["type"] == kind and r["action"] == "create"]
        assert sorted(of) == sorted(wanted), action


def test_each_step_of_the_critical_path_waited_for_the_one_before(whole: Any) -> None:
    report = whole[0].report()
    resources = {r["address"]: r for r in report["resources"]}
    path = report["criticalPath"]
    assert path[-1]["end"] == max(r.get("end", 0) for r in resources.values())
    assert "released" not in path[0] and not [
        need for need in resources[path[0]["address"]]["needs"] if "start" in resources[need]]
    for before, step in zip(path, path[1:]):
        assert before["address"] in resources[step["address"]]["needs"]
        one = resources[before["address"]]
        assert step["released"] in (one["end"], one["written"])
        assert step["released"] <= step["start"] <= step["end"]


def test_waits_lie_within_the_time_that_a_resource_took(whole: Any) -> None:
    waited = [r for r in whole[0].report()["resources"] if r.get("waits")]
    assert {"ecs.service", "elasticache.cluster"} <= {r["type"] for r in waited}
    for r in waited:
        assert all(r["start"] <= w["start"] <= w["end"] <= r["end"] and w["why"]
                   for w in r["waits"]), r


def test_an_unchanged_environment_and_a_plan(small: World) -> None:
    plan = Left(small, "plan").report()
    assert plan["job"]["plan"] and plan["plan"]["create"] > 10 and plan["criticalPath"] == []
    assert {r["result"] for r in plan["resources"]} == {"none"}
    small.deploy()
    again = Left(small)
    assert again.json("berth-plan.json") == {"create": 0, "update": 0, "delete": 0}
    assert again.report()["criticalPath"] == [] and not [
        call for call in again.report()["calls"] if call["write"]]
    destroyed = Left(small, "destroy-branches", variables={"GIT_STRATEGY": "none"}).report()
    removed = [r for r in destroyed["resources"] if r["action"] == "remove"]
    assert destroyed["plan"] == {"create": 0, "update": 0, "delete": len(removed)}
    assert destroyed["left"] == [] and {r["result"] for r in removed} == {"done"}
    assert destroyed["criticalPath"][-1]["end"] == max(r["end"] for r in removed)


@pytest.fixture(scope="module")
def failed(endpoint: Endpoint, prepared: str, tmp_path_factory: pytest.TempPathFactory) -> Left:
    """A job that failed, of a branch whose name would be more than text, as AWS's message would."""
    endpoint.restore(prepared)
    world = World(endpoint, tmp_path_factory.mktemp("failed"))
    world.keep_services("notifier")
    endpoint.fault(service="ecs", action="CreateService", fault="error", status=400,
                   code="AccessDeniedException", message=f"not allowed {MARKUP}")
    return Left(world, code=SYSTEM, ref=HOSTILE)


def test_a_failed_job_leaves_why(failed: Left) -> None:
    report = failed.report()
    assert (report["verdict"]["result"], report["verdict"]["blame"]) == ("failed", "system")
    [resource] = [r for r in report["resources"] if r["result"] == "failed"]
    assert resource["address"] == "ecs.service/notifier" and "not allowed" in resource["error"]
    assert resource["explanation"]["cause"]
    [call] = [c for c in report["calls"]
              if c["action"] == "CreateService" and c["service"] == "ecs"]
    assert (call["error"], call["resource"]) == ("AccessDeniedException", resource["address"])
    page = failed.page.read_text()
    assert html.escape(MARKUP) in page and MARKUP not in page


def test_a_cancelled_job_leaves_what_is_done(small: World, tmp_path: Path,
                                             monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))  # where the runner keeps what it keeps
    small.config["onCancel"] = "rollback"
    small.write_config()
    small.aws.fault(service="ecs", action="CreateService", fault="slow", seconds=2)
    with small.start(keep=True) as running:
        group = running.wait_stage("build_script").pid
        deadline = time.monotonic() + 60
        while not small.aws.calls("ecs", "CreateService"):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        os.killpg(group, signal.SIGTERM)
        result = running.wait(120)
    assert result.exit_code == SYSTEM, result.log
    report = json.loads((Path(result.build_dir) / "berth-report.json").read_text())
    jsonschema.validate(report, SCHEMA)
    assert report["verdict"]["result"] == "cancelled"
    assert {"done", "failed"} <= {r["result"] for r in report["resources"]}
    [service] = [r for r in report["resources"] if r["type"] == "ecs.service"]
    assert service["unfinished"] and "goesOn" not in service
    [line] = report["takenBack"]
    assert line.startswith("service 'notifier' is taken back: ") and f"\n{line}\n" in result.log
    page = (Path(result.build_dir) / "berth-report.html").read_text()
    assert "cancelled" in page and html.escape(line, quote=False).replace("'", "&#39;") in page
    assert ">Not finished</h2>" in page and ">Failures</h2>" not in page


def test_a_spec_that_is_wrong_leaves_no_plan(small: World) -> None:
    small.spec_path.write_text("{ \"services\": 1 }")
    left = Left(small, code=USER)
    assert left.report()["resources"] == [] and "services" in left.page.read_text()
    assert not (left.directory / "berth-plan.json").exists()


def test_what_an_earlier_job_has_left_is_not_taken_for_this_ones(small: World) -> None:
    """A destroy has GIT_STRATEGY "none": it begins with what the last job has left."""
    small.aws.fault(service="tagging", action="GetResources", fault="error", status=400,
                    code="AccessDeniedException", message="not allowed")
    script = "; ".join(f"echo another > {name}" for name in FILES)
    left = Left(small, "destroy-branches", code=SYSTEM, script=[script],
                variables={"GIT_STRATEGY": "none"})
    assert left.report()["verdict"]["result"] == "failed"
    assert "another" not in left.page.read_text()
    assert not (left.directory / "berth-plan.json").exists()


def test_what_lies_in_the_way_is_a_warning_or_replaced(small: World, tmp_path: Path) -> None:
    """The checkout is the job's: what it has under these names leads nowhere and fails nothing."""
    target = tmp_path / "elsewhere"
    target.write_text("untouched")
    for name in ("berth-plan.json", "berth-report.json"):
        (small.project / name).symlink_to(target)
    (small.project / "berth-report.html").mkdir()
    (small.project / "berth-report.html" / "keep").touch()
    result = small.job("plan")
    assert result.exit_code == 0 and target.read_text() == "untouched"
    assert "WARNING: the report of this job is not left behind: cannot write 'berth-report.html'" \
        in result.log
    assert result.log.rindex("WARNING") < result.log.rindex("this was a plan of")


# -- the page --------------------------------------------------------------------------------------

@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    if browser.PROGRAM is None:
        pytest.skip(browser.MISSING)
    with browser.started() as started:
        yield started


@pytest.fixture
def page(chromium: Browser, whole: Any) -> Iterator[Browser]:
    """The report of the whole example, opened anew."""
    chromium.console.clear()
    chromium.scripts(True)
    chromium.scheme("light")
    chromium.size(1360, 900)
    chromium.open(whole[0].page)
    yield chromium
    assert chromium.console == []


def texts(page: Browser, selector: str) -> list[str]:
    return page.run(f"[...document.querySelectorAll({selector!r})].map(e => e.textContent.trim())")


@needs_browser
def test_the_page_shows_graph_timeline_and_critical_path(page: Browser, whole: Any) -> None:
    report = whole[0].report()
    resources = report["resources"]
    chips = page.run("return [...document.querySelectorAll('.chip')].map(c => [Number(c.dataset.r), "
                     "c.querySelector('.label').textContent, c.classList.contains('s-created'), "
                     "c.classList.contains('critical')])")
    critical = {step["address"] for step in report["criticalPath"]}
    assert sorted(chips) == [
        [i, r["label"], r["action"] == "create", r["address"] in critical]
        for i, r in enumerate(resources)]
    cards = texts(page, ".kind .title")
    assert len(cards) == len({r["type"] for r in resources}) and "services" in cards
    assert page.run("document.querySelectorAll('.edges path').length") >= len(cards) - 2
    rows = page.run("return [...document.querySelectorAll('.chart .rows > li')]"
                    ".map(r => resourceOf(r)); function resourceOf(r) { return Number(r.dataset.r); }")
    assert sorted(rows) == [i for i, r in enumerate(resources) if r["action"] == "create"]
    starts = [resources[i]["start"] for i in rows]
    assert starts == sorted(starts)
    steps = texts(page, ".steps .who")
    assert steps == [f"{r['kind']} {r['label']}" for step in report["criticalPath"]
                     for r in resources if r["address"] == step["address"]]


def numbers(page: Browser) -> dict[str, int]:
    """What the page says of how many resources stand how, by its words."""
    return {word: int(number) for number, word in page.run(
        "return [...document.querySelectorAll('.counts li:not(.s-time)')]"
        ".map(e => [e.firstElementChild.textContent, e.lastChild.textContent.trim()])")}


@needs_browser
def test_a_number_means_the_same_everywhere(page: Browser, whole: Any) -> None:
    """In the log, in the report and on the page; what is only looked up is not 'unchanged'."""
    report = whole[0].report()
    said = re.search(r"(?m)^plan: ([0-9]+) to create, ([0-9]+) unchanged$", whole[0].result.log)
    assert said, whole[0].result.log
    create, keep = (int(number) for number in said.groups())
    assert [report["counts"]["create"], report["counts"]["keep"]] == [create, keep] == [
        sum(r["counted"] == counted for r in report["resources"]) for counted in ("create", "keep")]
    looked = sum(r["counted"] == "lookup" for r in report["resources"])
    assert looked > 10 and create + keep + looked == len(report["resources"])
    assert numbers(page) == {"created": create, "unchanged": keep, "looked up": looked}
    assert texts(page, ".rest summary")[0] == f"{keep} unchanged, {looked} looked up"


@needs_browser
def test_bars_lie_where_the_report_has_them(page: Browser, whole: Any) -> None:
    report = whole[0].report()
    bars = page.run("return [...document.querySelectorAll('.chart .rows > li')].map(row => {"
                    "const bar = row.querySelector('.span').getBoundingClientRect(), "
                    "all = row.querySelector('svg').getBoundingClientRect();"
                    "return [Number(row.dataset.r), (bar.left - all.left) / all.width, "
                    "bar.width / all.width]; })")
    for index, left, width in bars:
        r = report["resources"][index]
        assert abs(left - r["start"] / report["seconds"]) < 0.01, r["address"]
        assert abs(width - (r["end"] - r["start"]) / report["seconds"]) < 0.01, r["address"]


@needs_browser
def test_everything_is_reached_by_the_keyboard(page: Browser) -> None:
    """In the order of the page, each list with one stop, each stop with a visible ring."""
    stops, inside = [], "document.activeElement.closest"
    for _ in range(60):
        page.press("Tab")
        if page.run("document.activeElement === document.body"):
            break
        stops.append(page.run(
            f"({inside}('section') || {inside}('header') || document.activeElement).id || 'top'"))
        assert page.run("getComputedStyle(document.activeElement).outlineStyle") != "none"
    order = list(dict.fromkeys(stops))
    assert order == ["top", "summary", "path", "graph", "timeline", "plan", "calls"]
    page.run("document.querySelector('.chart summary').focus()")
    page.press("ArrowDown")
    page.press("Enter")
    assert page.run("document.querySelectorAll('.chart .rows details')[1].open")
    page.press("End")
    assert page.run("document.activeElement === [...document.querySelectorAll("
                    "'.chart .rows > li > details > summary')].at(-1)")


@needs_browser
def test_a_resource_is_found_and_opened(page: Browser, whole: Any) -> None:
    page.run("document.getElementById('find').focus()")
    page.write("service metrics-grafana")
    wanted = [i for i, r in enumerate(whole[0].report()["resources"])
              if "metrics-grafana" in r["label"] and r["kind"] in ("service", "Cloud Map service")]
    shown = page.run("return [...document.querySelectorAll('.chart .rows > li')]"
                     ".filter(r => r.checkVisibility()).map(r => Number(r.dataset.r))")
    assert set(wanted) <= set(shown) and len(shown) < 10
    page.press("Escape")
    assert page.run("document.querySelectorAll('.miss').length") == 0
    page.run(f"location.hash = 'r-{wanted[0]}'")
    assert page.run(f"new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => "
                    f"done(document.getElementById('r-{wanted[0]}').open))))")


@needs_browser
def test_what_a_resource_needs_is_shown_while_it_has_the_focus(page: Browser, whole: Any) -> None:
    resources = whole[0].report()["resources"]
    [index] = [i for i, r in enumerate(resources) if r["type"] == "elasticache.cluster"]
    redis = resources[index]
    page.run(f"document.querySelector('.chip[data-r=\"{index}\"] a').focus()")
    picked = page.run("[...document.querySelectorAll('.chip.picked')].map(c => Number(c.dataset.r))")
    assert set(picked) == {index} | {
        i for i, r in enumerate(resources)
        if r["address"] in redis["needs"] or redis["address"] in r["needs"]}
    assert page.run("document.querySelectorAll('.edges .on').length") >= 3


CONTRAST = """
const channel = (c) => { c /= 255; return c <= .03928 ? c / 12.92 : ((c + .055) / 1.055) ** 2.4; };
const probe = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
const rgb = (...colours) => { probe.clearRect(0, 0, 1, 1);
    for (const colour of colours) { probe.fillStyle = colour; probe.fillRect(0, 0, 1, 1); }
    return [...probe.getImageData(0, 0, 1, 1).data]; };
const light = ([r, g, b]) => .2126 * channel(r) + .7152 * channel(g) + .0722 * channel(b);
const behind = (e) => { const all = []; for (; e; e = e.parentElement) {
    all.unshift(getComputedStyle(e).backgroundColor); } return all; };
const low = new Set();
for (const e of document.querySelectorAll('main *, header *, footer *')) {
    const text = [...e.childNodes].some((n) => n.nodeType === 3 && n.data.trim());
    if (!text || !e.checkVisibility() || e.closest('svg, .quiet')) continue;
    const under = behind(e);
    const a = light(rgb(...under)), b = light(rgb(...under, getComputedStyle(e).color));
    if ((Math.max(a, b) + .05) / (Math.min(a, b) + .05) < 4.5) low.add(e.className || e.tagName);
}
return [rgb(...behind(document.body)), [...low]];
"""


@needs_browser
def test_light_and_dark_can_be_read(page: Browser) -> None:
    """Every text has the contrast that WCAG 2.2 asks for (1.4.3)."""
    grounds = []
    for scheme in ("light", "dark"):
        page.scheme(scheme)
        ground, low = page.run(CONTRAST)
        assert low == [], scheme
        grounds.append(sum(ground[:3]))
    assert grounds[0] > 700 and grounds[1] < 100


@needs_browser
def test_nothing_lies_over_anything_else(page: Browser) -> None:
    """Cards and rows neither overlap nor leave the page, wide or narrow."""
    for width in (1360, 800, 390):
        page.size(width, 900)
        page.run("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
        assert page.run("document.documentElement.scrollWidth") <= width
        overlaps = page.run(
            "const boxes = [...document.querySelectorAll('.kind, .chart .rows > li, section')]"
            ".map(e => [e, e.getBoundingClientRect()]);"
            "return boxes.flatMap(([a, x]) => boxes.filter(([b, y]) => a !== b && !a.contains(b) && "
            "!b.contains(a) && x.left < y.right - 1 && y.left < x.right - 1 && x.top < y.bottom - 1 "
            "&& y.top < x.bottom - 1)).length")
        assert overlaps == 0, width


@needs_browser
def test_without_scripts_it_says_the_same(chromium: Browser, whole: Any) -> None:
    chromium.console.clear()
    chromium.scripts(False)
    chromium.open(whole[0].page)
    chromium.scripts(True)
    text = chromium.run("document.querySelector('main').textContent")
    for r in whole[0].report()["resources"]:
        assert r["label"] in text
    assert "Critical path" in text and "succeeded" in text
    assert chromium.run("document.querySelector('.search').hidden")


@needs_browser
def test_the_page_of_a_failure(failed: Left, chromium: Browser) -> None:
    chromium.console.clear()
    chromium.open(failed.page)
    assert texts(chromium, "#failures h3")[0] == "service notifier"
    assert MARKUP in texts(chromium, ".failure")[0]
    assert chromium.run("document.images.length") == 0
    assert "<img src=x" in "".join(texts(chromium, ".facts dd"))
    assert chromium.run("document.querySelector('.pill').textContent") == "failed"
    assert chromium.console == []


@needs_browser
def test_the_end_of_a_log_is_what_is_seen_of_it(small: World, chromium: Browser) -> None:
    """As in the job's log: an end tells more than a beginning."""
    name = f"{ENVIRONMENT}-notifier"
    lines = [f"line {n}" for n in range(60)] + ["KeyError: 'SLACK_URL'"]
    small.aws.fault(service="ecs", fault="crash", code=1, match={"serviceName": name})
    small.aws.fault(service="ecs", fault="writes", message="\n".join(lines))
    left = Left(small, code=USER)
    chromium.console.clear()
    chromium.scripts(True)
    chromium.open(left.page)
    shown = texts(chromium, ".failure pre")[-1].splitlines()
    assert shown == lines[-50:]
    hidden, below = chromium.run(
        "const log = [...document.querySelectorAll('.failure pre')].at(-1);"
        "return [log.scrollTop, log.scrollHeight - log.clientHeight - log.scrollTop];")
    assert hidden > 0 and abs(below) < 2
    assert chromium.console == []


def test_the_page_asks_for_nothing_else(whole: Any) -> None:
    page = whole[0].page.read_text()
    assert len(page) < 600_000
    assert re.findall(r"(?:\bsrc|srcset)=|@import|url\(|<(?:link|iframe|object|img)\b", page) == []
    assert "default-src 'none'" in page
