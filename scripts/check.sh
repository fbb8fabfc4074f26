#!/usr/bin/env bash
# The developer's one command: format, includes between rooms, warnings as errors, all tests.
#
# usage: scripts/check.sh [--fast]     --fast: format and includes alone, seconds
set -euo pipefail
cd "$(dirname "$0")/.."
format=$(command -v clang-format-14 || command -v clang-format || true)
if [[ -z $format ]]; then
  scripts/setup.sh help >/dev/null  # installs the packages; 'help' builds nothing
  format=$(command -v clang-format-14)
fi
echo "[check] format"
find include src tests \( -name '*.h' -o -name '*.cpp' -o -name '*.cu' -o -name '*.cuh' \) -print0 | xargs -0 "$format" --dry-run --Werror
echo "[check] includes and file headers"
python3 scripts/check_includes.py
[[ ${1:-} == --fast ]] && exit
CMAKE_ARGS="-DIPIRM_WERROR=ON ${CMAKE_ARGS:-}" scripts/test.sh
echo "[check] all is well"
