#!/bin/sh
# Makes .venv ready: `setup.sh run` for running, `setup.sh dev` for checks and tests as well.
# Nothing is done where it was done before with the same pyproject.toml and constraints.txt.
set -eu
cd "$(dirname "$0")/.."
kind=${1:-run}
python=${PYTHON:-$(command -v python3.11 || command -v python3 || true)}
say() { printf '%s\n' "$*" >&2; }

[ -n "$python" ] || { say "expected Python 3.11 or newer; got none; install it (Debian: apt install python3 python3-venv)"; exit 2; }
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || {
    say "expected Python 3.11 or newer; got $("$python" -V); set PYTHON to a newer one"; exit 2; }

wanted=$(cat pyproject.toml constraints.txt | sha256sum | cut -d' ' -f1)
stamp=.venv/.ready-$kind
if [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$wanted" ]; then exit 0; fi

if [ ! -x .venv/bin/pip ]; then
    if ! "$python" -m venv .venv 2>/dev/null; then
        rm -rf .venv
        [ "$(id -u)" = 0 ] || { say "expected Python's venv module; got none; apt install python3-venv"; exit 2; }
        say "installing python3-venv"
        apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq python3-venv >/dev/null
        "$python" -m venv .venv
    fi
fi
pip="./.venv/bin/python -m pip install --disable-pip-version-check --no-input --progress-bar off -q"
say "installing packages into .venv (once; some minutes)"
# Alone and first: within a range, pip may take a build of torch with gigabytes of CUDA packages.
$pip torch==2.13.0 -c constraints.txt
if [ "$kind" = dev ]; then $pip -c constraints.txt -e '.[dev]'; else $pip -c constraints.txt -e .; fi
printf '%s' "$wanted" > "$stamp"
