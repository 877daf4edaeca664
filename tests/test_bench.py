"""The benchmark's reading of wrk, its tables, workloads and settings; the run is `make bench`."""

from __future__ import annotations

import asyncio
import json
import os
import re
from argparse import Namespace
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import ClientSession

from deploy.bench import connections_for, parse_options
from deploy.benchmark import contenders, origin, report
from deploy.benchmark.contenders import CONTENDERS, PARTS, Place
from deploy.benchmark.footprint import Footprint
from deploy.benchmark.load import NotMeasuredError, Round, parse_wrk, said_in
from deploy.benchmark.processes import Spent, cpu_seconds, resident
from deploy.benchmark.workloads import NAMES, WORKLOADS, Workload
from proxy import rules

PRINTED = """Running 1s test @ http://127.0.0.1:1/bench/hit
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency   541.67us  130.87us   2.11ms   80.96%
    Req/Sec    59.47k     1.50k   62.00k    50.00%
  Latency Distribution
     50%  531.00us
     99%  {p99}
  118301 requests in 2.00s, 146.89MB read
{trouble}Requests/sec:  59150.11
Transfer/sec:     73.44MB
"""


def at(rate: float, p99: float = 2, *, p50: float = 1, busy: float = 1, cpu_us: float = 9) -> Round:
    return Round(rate, p50, p99, int(rate), busy, cpu_us, load=0.75, others=rate / 10_000)


# -- what wrk prints


@pytest.mark.parametrize(
    ("p99", "ms"), [("905.00us", 0.905), ("1.41ms", 1.41), ("1.20s", 1200.0)], ids=["us", "ms", "s"]
)
def test_wrk_is_read(p99: str, ms: float) -> None:
    assert parse_wrk(PRINTED.format(p99=p99, trouble="")) == Round(59150.11, 0.531, ms, 118301)


@pytest.mark.parametrize(
    "trouble",
    [
        "  Socket errors: connect 0, read 3, write 0, timeout 0\n",
        "  Non-2xx or 3xx responses: 118301\n",
    ],
    ids=["socket", "status"],
)
def test_a_round_with_errors_is_no_measurement(trouble: str) -> None:
    with pytest.raises(NotMeasuredError, match=trouble.strip()):
        parse_wrk(PRINTED.format(p99="1ms", trouble=trouble))


@pytest.mark.parametrize(
    "printed",
    [
        "unable to connect",
        PRINTED.replace("     50%  531.00us\n", "").format(p99="1ms", trouble=""),
    ],
    ids=["nothing", "no-median"],
)
def test_other_output_is_shown_whole(printed: str) -> None:
    with pytest.raises(NotMeasuredError) as ended:
        parse_wrk(printed)
    assert printed in str(ended.value)


# -- tables


def test_speeds_are_medians_with_ratios_to_nginx() -> None:
    rounds = {
        ("hit", "nginx"): [at(100, 1), at(300, 2, busy=0.5, cpu_us=10), at(200, 9, cpu_us=12)],
        ("hit", "larder"): [at(400, 1, cpu_us=20)],
        ("out of Redis", "larder"): [at(4)],
    }
    assert report.speeds(rounds).splitlines()[2:] == [
        "| hit | nginx | 200 | 100 to 300 | 1.00 | 2.00 | 100% | 75% | 10.0 | 1.00 | 1.00 |",
        "| hit | larder | 400 | 400 to 400 | 1.00 | 1.00 | 100% | 75% | 20.0 | 2.00 | 0.50 |",
        "| out of Redis | larder | 4 | 4 to 4 | 1.00 | 2.00 | 100% | 75% | 9.0 | - | - |",
    ]


NOT_SLOWER = "Larder is slower than *nginx* in no workload that both have."
NOT_DEARER = "Larder is dearer in CPU than *nginx* in no workload that both have."


@pytest.mark.parametrize(
    ("larder", "said"),
    [
        (at(99), ["Larder is slower than *nginx* in hit (0.99).", NOT_DEARER]),
        (at(100), [NOT_SLOWER, NOT_DEARER]),
        (at(100, cpu_us=10), [NOT_SLOWER, "Larder is dearer in CPU than *nginx* in hit (0.90)."]),
    ],
    ids=["slower", "equal", "dearer"],
)
def test_where_larder_is_slower_or_dearer_is_said(larder: Round, said: list[str]) -> None:
    results = {("hit", "nginx"): [at(100)], ("hit", "larder"): [larder]}
    assert report.slower(results).splitlines() == said


def test_nginx_set_up_otherwise_is_compared_too() -> None:
    results = {("hit", "nginx, sendfile off"): [at(200)], ("hit", "larder"): [at(100)]}
    assert "Larder is slower than *nginx, sendfile off* in hit (0.50)." in report.slower(results)


def test_without_a_baseline_nothing_is_said_of_it() -> None:
    assert report.slower({("hit", "larder"): [at(100)]}) == ""


def test_what_else_ran_is_said() -> None:
    results = {("hit", "nginx"): [at(100), at(200)], ("hit", "larder"): [at(2500)]}
    said = "Other programs took 2% of the two cores in the median round and 25% in the worst one."
    assert report.disturbance(results) == said


def test_every_round_is_in_the_json() -> None:
    results = {("hit", "larder"): [at(100), at(200)]}
    told = json.loads(report.rounds(results, {}, {"larder": Footprint(0.5, 9)}))
    (row,) = told["saturated"]
    assert (row["workload"], row["contender"]) == ("hit", "larder")
    assert [one["rate"] for one in row["rounds"]] == [100, 200]
    assert told["half"] == []
    assert told["footprints"] == {"larder": {"start_s": 0.5, "empty_bytes": 9, "entry_bytes": None}}


def test_half_of_saturation_says_what_share_it_was() -> None:
    where = ("hit", "larder")
    table = report.halves({where: [at(1000)]}, {where: [at(490, 0.8, p50=0.25)]})
    assert table.splitlines()[2:] == ["| hit | larder | 490 | 49% | 0.25 | 0.80 |"]


def test_footprints_are_in_units_of_people() -> None:
    seen = {
        "nginx": Footprint(0.012, 20 * 2**20),
        "larder": Footprint(0.534, 59 * 2**20 + 2**19, 650.4),
    }
    assert report.footprints(seen).splitlines()[2:] == [
        "| nginx | 0.01 s | 20.0 MiB | - |",
        "| larder | 0.53 s | 59.5 MiB | 650 bytes |",
    ]


def test_what_was_not_measured_has_no_table() -> None:
    assert (report.halves({}, {}), report.footprints({})) == ("", "")


def test_the_page_says_all_it_was_given() -> None:
    page = report.page(["SPEEDS", "", "FOOTPRINTS"], "WHEN")
    assert "\n\nSPEEDS\n\nFOOTPRINTS\n\n" in page
    assert "\n\nWHEN\n\n" in page
    assert not re.search(r"@\w+@", page)


def test_circumstances_name_the_machine_and_how() -> None:
    told = report.circumstances("HOW.", "no-such-program")
    assert told.endswith(". HOW.")
    assert "uvloop " in told


# -- contenders and workloads


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
@pytest.mark.parametrize("name", CONTENDERS)
def test_a_contender_gets_its_port_and_files_with_nothing_left_open(
    name: str, tls: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        contenders, "certificate", lambda place: (place.work / "cert.pem", place.work / "key.pem")
    )
    command = CONTENDERS[name](Place(tmp_path, 8123, 9, tls=tls))
    written = "\n".join(path.read_text() for path in tmp_path.iterdir())
    assert "8123" in " ".join(command) + written
    assert not re.search(r"@\w+@", written)


@pytest.mark.parametrize("shared", ["none", "sqlite:x.db", "redis://127.0.0.1:1/0"])
def test_larders_rules_are_right(shared: str, tmp_path: Path) -> None:
    CONTENDERS["larder"](Place(tmp_path, 8123, 9, shared=shared))
    config = rules.load(tmp_path / "rules.yaml", {})
    assert (config.store.memory_max_object < 1024) is (shared != "none")


def test_a_workload_has_one_name_its_script_and_contenders_that_exist() -> None:
    assert len(set(NAMES)) == len(NAMES)
    for workload in WORKLOADS:
        assert not workload.script or (PARTS / "lua" / f"{workload.script}.lua").is_file()
        assert set(workload.who) <= CONTENDERS.keys()
        assert "larder" in workload.who


@pytest.mark.parametrize(
    ("says", "reached", "fine"),
    [("HIT", 10, True), ("HIT", 11, False), ("MISS", 1000, True), ("MISS", 900, False)],
)
def test_hits_that_were_none_are_noticed(says: str, reached: int, fine: bool) -> None:
    least, most = Workload("name", "title", "/", says=says).may_reach(1000)
    assert (least <= reached <= most) is fine


def test_squids_place_of_a_hit_is_not_the_word() -> None:
    assert said_in((200, 1024, "HIT from bench")) == "HIT"


# -- the upstream, the processes, the command line


@pytest.fixture
async def upstream() -> AsyncIterator[int]:
    """The port of the benchmark's upstream, which nobody has asked anything."""

    class Fresh(origin.Upstream):
        asked = 0

    server = await asyncio.get_running_loop().create_server(Fresh, "127.0.0.1", 0)
    yield server.sockets[0].getsockname()[1]
    server.close()
    await server.wait_closed()


@pytest.mark.parametrize("workload", WORKLOADS, ids=lambda workload: workload.name)
async def test_the_upstream_answers_what_a_workload_expects(
    workload: Workload, upstream: int
) -> None:
    url = f"http://127.0.0.1:{upstream}"
    async with ClientSession() as session:
        async with session.request(
            workload.method, url + workload.asked, data=workload.body
        ) as got:
            stored = "no-store" not in got.headers["Cache-Control"]
            assert (got.status, len(await got.read())) == (200, workload.size)
            assert stored == (workload.says != "BYPASS")
        async with session.get(f"{url}/bench/count") as got:
            assert await got.text() == "1"


async def test_the_upstream_puts_requests_in_pieces_together(upstream: int) -> None:
    post = b"POST /bench/post HTTP/1.1\r\nContent-Length: 8\r\n\r\n\r\n\r\nabcd"
    sent = post * 2 + b"GET /bench/count HTTP/1.1\r\n\r\n"
    reader, writer = await asyncio.open_connection("127.0.0.1", upstream)
    for piece in (sent[:45], sent[45:60], sent[60:]):
        writer.write(piece)
        await writer.drain()
    received = await reader.readuntil(b"\r\n\r\n2")
    assert received.count(b"HTTP/1.1 200 OK") == 3
    writer.close()
    await writer.wait_closed()


def test_memory_and_time_of_a_process_are_read() -> None:
    assert resident(os.getpid()) > 2**20
    assert cpu_seconds(os.getpid()) > 0


@pytest.mark.skipif((os.cpu_count() or 1) < 2, reason="the benchmark is for two cores")
def test_all_that_was_spent_is_ours_or_others() -> None:
    spent = Spent.now()
    assert spent.ours > 0
    assert spent.load > 0
    assert spent.everybody > 0


def test_half_of_saturation_is_made_by_connections_that_pause() -> None:
    assert [connections_for(rate) for rate in (40_000, 1)] == [220, 1]


@pytest.mark.parametrize("option", ["--rounds", "--seconds", "--connections"])
def test_a_run_is_at_least_one_of_each(option: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert isinstance(parse_options([option, "1"]), Namespace)
    with pytest.raises(SystemExit):
        parse_options([option, "0"])
    assert "at least 1" in capsys.readouterr().err


def test_a_part_of_a_run_is_not_recorded(capsys: pytest.CaptureFixture[str]) -> None:
    assert parse_options(["--only", "hit", "--only", "tls"]).only == ["hit", "tls"]
    with pytest.raises(SystemExit):
        parse_options(["--only", "hit", "--write"])
    assert "whole run" in capsys.readouterr().err
    assert parse_options(["--only", "hit", "--write", "page.md"]).write == Path("page.md")
