"""The benchmark's reading of wrk and its report; the run itself is `make bench`."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

import pytest

from deploy import bench
from deploy.bench import Bench, Round, filled, parse_options, parse_wrk, report

PRINTED = """Running 1s test @ http://127.0.0.1:1/bench/hit
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency   541.67us  130.87us   2.11ms   80.96%
  Latency Distribution
     50%  531.00us
     99%  {p99}
  118301 requests in 2.00s, 146.89MB read
{trouble}Requests/sec:  59150.11
Transfer/sec:     73.44MB
"""


@pytest.mark.parametrize(
    ("p99", "ms"), [("905.00us", 0.905), ("1.41ms", 1.41), ("1.20s", 1200.0)], ids=["us", "ms", "s"]
)
def test_wrk_is_read(p99: str, ms: float) -> None:
    assert parse_wrk(PRINTED.format(p99=p99, trouble="")) == Round(59150.11, ms)


@pytest.mark.parametrize(
    "trouble",
    [
        "  Socket errors: connect 0, read 3, write 0, timeout 0\n",
        "  Non-2xx or 3xx responses: 118301\n",
    ],
    ids=["socket", "status"],
)
def test_a_round_with_errors_is_no_measurement(trouble: str) -> None:
    with pytest.raises(SystemExit, match=trouble.strip()):
        parse_wrk(PRINTED.format(p99="1ms", trouble=trouble))


def test_other_output_is_shown_whole() -> None:
    with pytest.raises(SystemExit, match="unable to connect"):
        parse_wrk("unable to connect")


def test_the_report_gives_medians_and_ratios() -> None:
    rounds = {
        ("hit", "nginx"): [Round(100, 1), Round(300, 2), Round(200, 9)],
        ("hit", "larder"): [Round(400, 1)],
    }
    assert report(rounds).splitlines()[2:] == [
        "| hit | nginx | 200 | 100 to 300 | 2.00 | 1.00 |",
        "| hit | larder | 400 | 400 to 400 | 1.00 | 2.00 |",
    ]


def test_the_report_does_without_a_baseline() -> None:
    assert report({("hit", "larder"): [Round(4, 1)]}).endswith(
        "| hit | larder | 4 | 4 to 4 | 1.00 | - |"
    )


@pytest.mark.parametrize("name", bench.CONTENDERS)
def test_a_contender_gets_its_port_and_files_with_nothing_left_open(
    name: str, tmp_path: Path
) -> None:
    command = bench.CONTENDERS[name](Bench(tmp_path, "127.0.0.1:9", "larder"), 8123)
    files = [
        Path(word) for word in command if word.startswith(str(tmp_path)) and Path(word).is_file()
    ]
    written = "\n".join(path.read_text() for path in files)
    assert "8123" in " ".join(command) + written
    assert "@" not in written.replace("at signs", "")


def test_the_page_says_all_it_was_given() -> None:
    page = filled("report.md", table="TABLE", circumstances="WHEN")
    assert ("TABLE" in page, "WHEN" in page, "@" in page) == (True, True, False)


@pytest.mark.parametrize("option", ["--rounds", "--seconds", "--connections"])
def test_a_run_is_at_least_one_of_each(option: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert isinstance(parse_options([option, "1"]), Namespace)
    with pytest.raises(SystemExit):
        parse_options([option, "0"])
    assert "at least 1" in capsys.readouterr().err
