#!/usr/bin/env bash
# Builds helm into the user's cache; the last line printed is the program. After the control plane, whose packages it
# shares, it takes about a minute on two cores the first time, nothing afterwards.
set -euo pipefail
cd "$(dirname "$0")"
key=$(cat go.mod go.sum main.go | sha256sum | cut -c1-16)
out="${XDG_CACHE_HOME:-$HOME/.cache}/eso-helm/$key"
if [ -x "$out/helm" ]; then echo "$out/helm"; exit 0; fi

go=$(bash ../go.sh)
mkdir -p "$out"
partial="$out/.helm.$$"
trap 'rm -f "$partial"' EXIT
echo "building helm into $out (once; about a minute on two cores)" >&2
CGO_ENABLED=0 GOFLAGS=-mod=readonly "$go" build -trimpath -ldflags "-s -w" -o "$partial" .
mv "$partial" "$out/helm"
echo "$out/helm"
