"""What the tree promises of itself: its targets, its set-up, its examples and its habits."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from blockbuster import BlockingError

TOP = Path(__file__).parent.parent
PROJECT = tomllib.loads((TOP / "pyproject.toml").read_text("utf-8"))["project"]
TARGETS = ("run", "test", "check", "bench", "demo", "clean")


def said_by(*command: str, cwd: Path = TOP, env: dict[str, str] | None = None) -> tuple[int, str]:
    """The exit code of a command and all that it printed."""
    done = subprocess.run(
        command,
        cwd=cwd,
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=15,
    )
    return done.returncode, done.stdout


# -- make and CI


@pytest.mark.parametrize("target", TARGETS)
def test_make_knows_its_target(target: str) -> None:
    code, printed = said_by("make", "--dry-run", target)
    assert code == 0, printed


def test_make_check_asks_for_everything() -> None:
    _, printed = said_by("make", "--dry-run", "check")
    wanted = ["ruff format --check", "ruff check", "mypy", "test_architecture.py", "pytest -n 2"]
    places = [printed.find(command) for command in wanted]
    assert -1 not in places, printed
    assert places == sorted(places)


def test_ci_runs_the_suite_once() -> None:
    steps = (TOP / ".ci" / "run").read_text("utf-8").splitlines()[-2:]
    printed = [said_by(*step.split()[:1], "--dry-run", *step.split()[1:])[1] for step in steps]
    assert [step.split()[:2] for step in steps] == [["make", "check"], ["make", "test"]]
    assert [text.count("pytest -n 2") for text in printed] == [0, 1]


# -- deploy/setup.sh, with a made-up Python and an empty machine

FAKE_PYTHON = """#!/bin/sh
echo "$0 $*" >>"{log}"
case "$*" in
  *"import ensurepip"*) exit {without_venv} ;;
  "-m venv --clear .venv") mkdir -p .venv/bin; cp "$0" .venv/bin/python; cp "$0" .venv/bin/pip ;;
  "-c import sys; print"*) echo python3.11-venv ;;
  *-V*) echo Python 3.11.2 ;;
esac
"""
TOOLS = "bash cat chmod cp cut dirname mkdir rm sha256sum touch".split()  # noqa: SIM905  a list of words


class Machine:
    """A tree with setup.sh in it, and a PATH with nothing but the bare tools."""

    def __init__(self, where: Path) -> None:
        self.top, self.path, self.log = where / "tree", where / "bin", where / "log"
        self.policy = where / "policy-rc.d"
        for folder in (self.top / "deploy", self.path):
            folder.mkdir(parents=True)
        shutil.copy(TOP / "deploy" / "setup.sh", self.top / "deploy")
        (self.top / "pyproject.toml").write_text("[project]\n")
        for tool in TOOLS:
            (self.path / tool).symlink_to(shutil.which(tool) or tool)
        self.program("id", "#!/bin/sh\necho 1000\n")
        self.log.touch()

    def program(self, name: str, text: str) -> None:
        (self.path / name).write_text(text)
        (self.path / name).chmod(0o755)

    def python(self, *, venv: bool = True) -> None:
        self.program("python3", FAKE_PYTHON.format(log=self.log, without_venv=int(not venv)))

    def setup(self, target: str) -> tuple[int, str]:
        env = {"PATH": str(self.path), "POLICY_RC_D": str(self.policy)}
        return said_by("bash", "deploy/setup.sh", target, cwd=self.top, env=env)

    def installs(self) -> list[str]:
        return re.findall(r"--editable (\S+)", self.log.read_text())


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_set_up_installs_once_until_something_changes(machine: Machine) -> None:
    machine.python()
    for change in ("", "", "[project]\nname = 'other'\n"):
        if change:
            (machine.top / "pyproject.toml").write_text(change)
        assert machine.setup("run")[0] == 0
    assert machine.installs() == [".", "."]
    assert machine.log.read_text().count("-m venv") == 1


def test_set_up_of_tests_adds_what_they_need(machine: Machine) -> None:
    machine.python()
    machine.program("redis-server", "")
    assert machine.setup("test")[0] == machine.setup("check")[0] == 0
    assert machine.installs() == [".[test]", ".[test,check]"]


def test_set_up_without_python_says_which_is_wanted(machine: Machine) -> None:
    code, printed = machine.setup("run")
    assert code == 1
    assert "no Python 3.11 or newer" in printed


def test_set_up_without_the_venv_module_says_what_to_install(machine: Machine) -> None:
    machine.python(venv=False)
    code, printed = machine.setup("run")
    assert code == 1
    assert printed.strip().endswith("Run: sudo apt-get install python3.11-venv")


def test_set_up_without_redis_says_what_to_install(machine: Machine) -> None:
    machine.python()
    code, printed = machine.setup("test")
    assert code == 1
    assert "redis-server is missing" in printed
    assert printed.strip().endswith("sudo apt-get install redis-server")
    assert machine.installs() == []


def test_as_root_set_up_installs_what_is_missing_and_starts_no_service(machine: Machine) -> None:
    machine.python()
    machine.program("id", "#!/bin/sh\necho 0\n")
    machine.program(
        "apt-get",
        f"""#!/bin/sh
echo "apt-get $*" >>"{machine.log}"
"{machine.policy}"; echo "policy says $?" >>"{machine.log}"
cp "$0" "{machine.path}/redis-server"
""",
    )
    code, printed = machine.setup("test")
    assert (code, "installing redis-server with apt-get" in printed) == (0, True)
    assert machine.log.read_text().splitlines()[:2] == [
        "apt-get install -qq -y --no-install-recommends redis-server",
        "policy says 101",
    ]
    assert not machine.policy.exists()


# -- what is declared


def test_every_dependency_is_bounded_on_both_sides() -> None:
    extras = PROJECT["optional-dependencies"].values()
    wanted = [*PROJECT["dependencies"], *(one for extra in extras for one in extra)]
    assert [one for one in wanted if not re.fullmatch(r"[a-z0-9-]+>=[\d.]+,<[\d.]+", one)] == []


def test_deploy_speaks_of_metrics_and_labels_that_exist() -> None:
    from proxy.edges.families import METRICS  # noqa: PLC0415  so that the rest runs without it

    text = (TOP / "deploy" / "alerts.yml").read_text("utf-8")
    rules = [rule for group in yaml.safe_load(text)["groups"] for rule in group["rules"]]
    named = {name for rule in rules for name in re.findall(r"larder_\w+", rule["expr"])}
    assert named - METRICS.keys() == set()
    uses = {use for rule in rules for use in re.findall(r"(larder_\w+)\{(\w+)", rule["expr"])}
    assert [use for use in uses if use[1] not in METRICS[use[0]].labels] == []
    assert all(rule["annotations"]["summary"] for rule in rules)


def test_the_prometheus_example_reads_the_alerts_beside_it() -> None:
    config = yaml.safe_load((TOP / "deploy" / "prometheus.yml").read_text("utf-8"))
    assert config["rule_files"] == ["alerts.yml"]
    assert config["scrape_configs"][0]["static_configs"] == [{"targets": ["127.0.0.1:8081"]}]


def test_the_environment_example_names_settings_that_exist() -> None:
    from proxy.edges.settings import SETTINGS  # noqa: PLC0415  so that the rest runs without it

    text = (TOP / "deploy" / "larder.env.example").read_text("utf-8")
    in_rules = set(re.findall(r"\$\{(\w+)", (TOP / "rules.yaml").read_text("utf-8")))
    named = set(re.findall(r"^#?([A-Z_]+)=", text, re.MULTILINE))
    assert named - SETTINGS.keys() - in_rules == set()
    assert SETTINGS.keys() - named == {"LARDER_RULES"}


README_RULES = re.findall(r"```yaml\n(.*?)```", (TOP / "README.md").read_text("utf-8"), re.DOTALL)


@pytest.mark.parametrize("text", README_RULES, ids=["first", "routes"])
def test_the_rules_of_the_readme_load(text: str, tmp_path: Path) -> None:
    from proxy import rules  # noqa: PLC0415  so that the rest runs without it

    config = rules.loads(text, "README.md", {}, tmp_path)
    assert [upstream.name for upstream in config.upstreams] == ["db"]


def test_every_test_folder_is_in_its_page() -> None:
    page = (TOP / "tests" / "README.md").read_text("utf-8")
    folders = {path.name for path in (TOP / "tests").iterdir() if path.is_dir()} - {"__pycache__"}
    assert {name for name in folders if f"`{name}/`" not in page} == set()


# -- what conftest.py holds


async def test_code_of_the_proxy_may_not_block_the_event_loop() -> None:
    made_up: dict[str, object] = {}
    where = TOP / "proxy" / "made_up.py"
    exec(compile("import time\ndef block(): time.sleep(0.001)", where, "exec"), made_up)  # noqa: S102  ours
    block = made_up["block"]
    assert callable(block)
    with pytest.raises(BlockingError, match=r"time\.sleep"):
        block()


@pytest.mark.slow
def test_fault_tests_share_one_worker(tmp_path: Path) -> None:
    """Two workers, for real: each fault test notes who ran it, and all note the same."""
    tests = tmp_path / "tests"
    for folder in ("faults", "unit"):
        (tests / folder).mkdir(parents=True)
    noting = """
import os, pathlib, pytest
@pytest.mark.parametrize("number", range(6))
def test_note(number):
    pathlib.Path(NOTES, f"{os.environ['PYTEST_XDIST_WORKER']}-{KIND}-{number}").touch()
"""
    notes = tmp_path / "notes"
    notes.mkdir()
    for folder, name in (("faults", "a"), ("faults", "b"), ("unit", "c")):
        text = f"NOTES, KIND = {str(notes)!r}, {folder + name!r}\n{noting}"
        (tests / folder / f"test_{name}.py").write_text(text)
    shutil.copy(TOP / "tests" / "conftest.py", tests)
    (tmp_path / "pytest.ini").write_text(f"[pytest]\npythonpath = {TOP}\n")
    pytest_run = (sys.executable, "-m", "pytest", "-q", "-n", "2", "tests")
    code, printed = said_by(*pytest_run, cwd=tmp_path)
    assert (code, "18 passed" in printed) == (0, True), printed
    workers = {note.name.partition("-")[0] for note in notes.glob("*-faults*")}
    assert len(workers) == 1
