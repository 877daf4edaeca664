#!/usr/bin/env bash
# Makes this machine ready for one of make's targets: `setup.sh run|test|check|bench`.
#
# From a bare Debian 12 with Python 3.11 to a virtual environment in .venv with
# Larder installed in place, and the programs that the target starts. Quick when
# nothing changed: a stamp in .venv is keyed on all that decides its contents.
# Reaches nothing but the package indexes that pip and apt-get are set up with.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

say() { printf 'setup: %s\n' "$*" >&2; }
die() { say "$*"; exit 1; }

# -- system packages ---------------------------------------------------------------------------------------------------

may_install() { [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; }

# Debian starts a service as soon as it is installed. Ours are started by those who use them, on free
# ports, so unless the machine has a policy of its own, none is started while we install.
hold_services() {
    local policy="${POLICY_RC_D:-/usr/sbin/policy-rc.d}"
    [ -e "$policy" ] && return
    printf '#!/bin/sh\nexit 101\n' >"$policy" && chmod +x "$policy"
    # shellcheck disable=SC2064  # the path as it is now
    trap "rm -f '$policy'" EXIT
}

apt_install() {
    say "installing $* with apt-get"
    hold_services
    export DEBIAN_FRONTEND=noninteractive
    # A fresh machine has no package lists, and an old one has old ones: try, update, try again.
    apt-get install -qq -y --no-install-recommends "$@" >/dev/null 2>&1 ||
        { apt-get update -qq && apt-get install -qq -y --no-install-recommends "$@" >/dev/null; }
}

# need PROGRAM PACKAGE WHY: the program is there afterwards, or the message says what to do.
need() {
    command -v "$1" >/dev/null && return
    may_install || die "$1 is missing ($3). Install it and run make again: sudo apt-get install $2"
    apt_install "$2"
    command -v "$1" >/dev/null || die "$2 was installed, but there is still no $1 on PATH ($3)"
}

# want PROGRAM PACKAGE WHY: like need, but going on without it is a choice the target can report.
want() {
    command -v "$1" >/dev/null && return
    if may_install; then need "$@"; else say "$1 is missing ($3): sudo apt-get install $2"; fi
}

# -- Python ------------------------------------------------------------------------------------------------------------

is_python_311() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; }

# $PYTHON if given, else the first on PATH that is new enough. Each is tried, as a shim may be there for nothing.
find_python() {
    local candidate
    for candidate in ${PYTHON:-python3.11 python3 python3.12 python3.13 python3.14}; do
        if is_python_311 "$candidate"; then command -v "$candidate"; return; fi
    done
    die "no Python 3.11 or newer among: ${PYTHON:-python3.11 python3 python3.12 python3.13 python3.14}." \
        "Install one (Debian 12: apt-get install python3) or name it: make PYTHON=/path/to/python3"
}

# Debian splits ensurepip, which makes a virtual environment usable, into a package of its own.
need_venv_module() {
    "$1" -c 'import ensurepip, venv' 2>/dev/null && return
    local package
    package="$("$1" -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])')"
    may_install || die "$1 cannot make a virtual environment. Run: sudo apt-get install $package"
    apt_install "$package"
    "$1" -c 'import ensurepip, venv' 2>/dev/null || die "$package was installed, but $1 still has no ensurepip"
}

# Everything that decides what .venv holds: the place it is bound to, the interpreter, the wishes.
venv_key() {
    { pwd; cat pyproject.toml deploy/setup.sh; .venv/bin/python -VV; printf '%s' "$1"; } | sha256sum | cut -c1-16
}

# install EXTRAS (pip says only what went wrong): .venv has Larder in place and these extras ("" for none).
install() {
    # pip comes last into a new environment: without it, the making was interrupted.
    if ! { is_python_311 .venv/bin/python && [ -x .venv/bin/pip ]; }; then
        local python
        python="$(find_python)"
        need_venv_module "$python"
        say "making .venv with $python ($("$python" -V))"
        "$python" -m venv --clear .venv
    fi
    local stamp
    stamp=".venv/ready${1:+-$1}-$(venv_key "$1")"
    [ -e "$stamp" ] && return
    say "installing Larder${1:+ and its $1 packages} into .venv"
    rm -f ".venv/ready${1:+-$1}"-????????????????
    .venv/bin/python -m pip install -qq --disable-pip-version-check --editable ".${1:+[$1]}"
    touch "$stamp"
}

case "${1:-}" in
run) install "" ;;
test)
    need redis-server redis-server "the tests run against a real Redis"
    install test
    ;;
check)
    need redis-server redis-server "the tests run against a real Redis"
    install test,check
    ;;
bench)
    need wrk wrk "it makes the load"
    need taskset util-linux "it gives each side a core of its own"
    want nginx nginx "the yardstick that Larder is measured beside"
    want varnishd varnish "a peer that Larder is measured beside"
    want squid squid "a peer that Larder is measured beside"
    want openssl openssl "it makes the certificate for TLS"
    want redis-server redis-server "the shared store whose hits are measured"
    install ""
    ;;
*) die "usage: deploy/setup.sh run|test|check|bench" ;;
esac
