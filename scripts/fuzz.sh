#!/usr/bin/env bash
# Fuzzes the readers of files with libFuzzer, address and undefined-behaviour sanitizers: each target for a minute.
#
# usage: scripts/fuzz.sh [seconds a target] [target ...]        (default: 60, all of tests/fuzz/*_fuzz.cpp)
# Needs clang with its run-time library (Debian: clang-14 libclang-rt-14-dev) besides what scripts/setup.sh installs.
# Building takes 5 minutes of one core the first time. New inputs are kept in build-fuzz/corpus/NAME and used again; an
# input that breaks a target is kept in build-fuzz/findings/NAME, and tried again by build-fuzz/tests/NAME_fuzz FILE.
# Exit codes: 0 no findings, 1 findings, 2 something is missing.
set -euo pipefail
cd "$(dirname "$0")/.."
seconds=${1:-60}
[[ $seconds =~ ^[1-9][0-9]*$ ]] || { echo "usage: scripts/fuzz.sh [seconds a target] [target ...]" >&2; exit 2; }
shift || true

clang=$(command -v clang++-14 || command -v clang++ || true)
[[ -n $clang ]] || { echo "[fuzz] error: no clang++: apt-get install clang-14 libclang-rt-14-dev" >&2; exit 2; }
build=${FUZZ_BUILD_DIR:-build-fuzz}
mkdir -p "$build"
if ! echo 'extern "C" int LLVMFuzzerTestOneInput(const unsigned char*, unsigned long) { return 0; }' |
  "$clang" -x c++ - -fsanitize=fuzzer,address -o "$build/probe" 2>"$build/probe.log"; then
  tail -n 3 "$build/probe.log" >&2
  echo "[fuzz] error: $clang has no libFuzzer: apt-get install libclang-rt-14-dev" >&2
  exit 2
fi
BUILD_DIR=$build CMAKE_ARGS="-DCMAKE_CXX_COMPILER=$clang -DIPIRM_FUZZ=ON ${CMAKE_ARGS:-}" scripts/setup.sh fuzz

targets=("$@")
if ((${#targets[@]} == 0)); then
  for source in tests/fuzz/*_fuzz.cpp; do
    name=${source##*/}
    targets+=("${name%_fuzz.cpp}")
  done
fi
# LibTorch is not instrumented: what it keeps to the end of the process is no leak of ours.
export ASAN_OPTIONS=detect_leaks=0:allocator_may_return_null=0 UBSAN_OPTIONS=print_stacktrace=1
export OMP_NUM_THREADS=1
printf '%-18s %12s %10s %9s %9s\n' target executions per_second coverage findings
total=0
for name in "${targets[@]}"; do
  [[ -x $build/tests/${name}_fuzz ]] || { echo "[fuzz] error: no target '$name'" >&2; exit 2; }
  mkdir -p "$build/corpus/$name" "$build/findings/$name"
  log=$build/$name.log
  code=0
  # An input may take 10 seconds, one allocation 512 MiB and the process 2 GiB; beyond that is a finding.
  "$build/tests/${name}_fuzz" -max_total_time="$seconds" -timeout=10 -malloc_limit_mb=512 -rss_limit_mb=2048 \
    -max_len=65536 -print_final_stats=1 -artifact_prefix="$build/findings/$name/" \
    "$build/corpus/$name" "tests/fuzz/corpus/$name" >"$log" 2>&1 || code=$?
  runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log" | tail -n 1)
  rate=$(sed -n 's/^stat::average_exec_per_sec: *//p' "$log" | tail -n 1)
  coverage=$(grep -o 'cov: [0-9]*' "$log" | tail -n 1 | cut -d ' ' -f 2)
  found=0
  if ((code)); then
    found=1
    total=$((total + 1))
  fi
  printf '%-18s %12s %10s %9s %9s\n' "$name" "${runs:-?}" "${rate:-?}" "${coverage:-?}" "$found"
  if ((code)); then grep -m 3 -E 'finding:|ERROR|runtime error|SUMMARY' "$log" || tail -n 5 "$log"; fi
done
exit $((total > 0))
