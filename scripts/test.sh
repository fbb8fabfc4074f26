#!/usr/bin/env bash
# Installs what is missing, builds, and runs all tests. About 30 minutes on 2 cores the first time, 8 after that.
#
# usage: scripts/test.sh [ctest arguments]     for instance: scripts/test.sh -R partition
# The variables of scripts/setup.sh apply (LIBTORCH, BUILD_DIR, JOBS, CMAKE_ARGS).
set -euo pipefail
cd "$(dirname "$0")/.."
scripts/setup.sh
# Three at a time: many tests wait for programs they start.
ctest --test-dir "${BUILD_DIR:-build}" --output-on-failure --no-tests=error --parallel 3 "$@"
