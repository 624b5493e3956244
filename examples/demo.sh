#!/usr/bin/env bash
# Installs what is missing, builds Weir, and shows it at work on an embedded cluster. Arguments go to `weir demo`, e.g. --keep.
set -euo pipefail
cd "$(dirname "$0")/.."
bash tests/packages.sh build demo
cmake --preset release -DWEIR_TESTS=OFF >/dev/null
cmake --build --preset release
exec build/release/weir demo "$@"
