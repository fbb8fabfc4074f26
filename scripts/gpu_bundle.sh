#!/usr/bin/env bash
# Makes one file that checks this program on a machine with a GPU: programs, operators, tests and timings, see gpu_check.sh.
#
# usage: scripts/gpu_bundle.sh [--no_build] [FILE]      (default: build/gpu_bundle.tar.gz)
#   --no_build     take what is built already
#   BUILD_DIR=DIR  the build to take it from, instead of build/; other variables as in scripts/setup.sh
# The file needs x86-64, glibc 2.34 and a Python with PyTorch's wheel of the version built against. Cost: seconds after a build.
set -euo pipefail
NEWEST_GLIBC=2.34
NEWEST_GLIBCXX=3.4.29 # gcc 11's, which systems with glibc 2.34 have
MOST_BYTES=$((32 << 20))

stop() { printf 'gpu_bundle: %s\n' "$*" >&2; exit 2; }

# The libraries that an ELF file asks for.
needed() { readelf -d "$1" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p'; }

# Copies the libraries that programs ask for and that no Linux with PyTorch has for certain to lib/.
add_libraries() {
  local file library path
  for file in "$@"; do
    for library in $(needed "$file"); do
      case $library in
        libtorch*.so | libc10*.so | libcudart.so.* | libgomp.so.1 | libipirm_*.so) ;;               # of the wheel, or here
        ld-linux-* | libc.so.6 | libm.so.6 | libpthread.so.0 | libdl.so.2 | libgcc_s.so.1 | libstdc++.so.6) ;; # of the system
        *)
          [[ -e $folder/lib/$library ]] && continue
          path=$(ldd "$file" | awk -v name="$library" '$1 == name { print $3 }')
          [[ -f $path ]] || stop "$library, which $file needs, is not found"
          cp -L "$path" "$folder/lib/$library"
          strip --strip-unneeded "$folder/lib/$library"
          add_libraries "$folder/lib/$library"
          ;;
      esac
    done
  done
}

# Stops where a file asks for a symbol of a newer version than the oldest systems have.
check_versions() {
  local file kind newest found
  for file in "$folder"/bin/* "$folder"/lib/*; do
    for kind in GLIBC GLIBCXX; do
      newest=$([[ $kind == GLIBC ]] && echo "$NEWEST_GLIBC" || echo "$NEWEST_GLIBCXX")
      found=$(objdump -T "$file" | grep -oE "\b${kind}_[0-9.]+" | sed 's/.*_//' | sort -Vu | tail -n 1 || true)
      [[ $(printf '%s\n' "${found:-0}" "$newest" | sort -V | tail -n 1) == "$newest" ]] ||
        stop "$(basename "$file") needs ${kind}_$found; the bundle is to run with ${kind}_$newest"
    done
  done
}

file="" build_first=1
for word in "$@"; do
  case $word in
    --no_build) build_first="" ;;
    -*) stop "$word: not understood; usage: scripts/gpu_bundle.sh [--no_build] [FILE]" ;;
    *) file=$(realpath -m "$word") ;;
  esac
done
cd "$(dirname "$0")/.."
build=$(realpath -m "${BUILD_DIR:-build}")
file=${file:-$build/gpu_bundle.tar.gz}
[[ -z $build_first ]] || scripts/setup.sh portable
[[ -x $build/portable/ipirm-train ]] || stop "$build/portable/ipirm-train is missing: run without --no_build"

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
folder=$scratch/ipirm_gpu
cmake --install "$build" --component portable --prefix "$folder" --strip >"$scratch/install.log" || stop "$(cat "$scratch/install.log")"
add_libraries "$folder"/bin/*
check_versions
mkdir "$folder/checks"
cp scripts/gpu_check/*.py tests/scripts/{plain_ops,plain_resnet,plain_training,small_run,ops_library_test}.py "$folder/checks/"
mkdir -p "$folder/tests/golden"
cp -r tests/golden/{maximize_offline,maximize_offline_k3,maximize_offline_mixup,weighted_knn} "$folder/tests/golden/" # device_test's
cp scripts/gpu_check.sh LICENSE "$folder/"
libtorch=$(sed -n 's/^LIBTORCH:[A-Z]*=//p' "$build/CMakeCache.txt")
torch=$(sed -n "s/^__version__ = '\(.*\)'/\1/p" "$libtorch/version.py" 2>/dev/null || cat "$libtorch/build-version")
kernels=$([[ -f $folder/lib/libipirm_cuda.so ]] && echo true || echo false)
commit=$(git describe --always --dirty 2>/dev/null || echo unknown)
printf '{"commit": "%s", "torch": "%s", "cuda_kernels": %s}\n' "$commit" "$torch" "$kernels" >"$folder/bundle.json"
mkdir -p "$(dirname "$file")"
tar -C "$scratch" --owner=0 --group=0 -czf "$file" ipirm_gpu
bytes=$(stat -c %s "$file")
((bytes <= MOST_BYTES)) || { rm "$file"; stop "$file would have $bytes bytes, more than the $MOST_BYTES that it may have"; }
[[ $kernels == true ]] || echo "gpu_bundle: without libipirm_cuda.so, since no nvcc was found (WITH_NVCC=1 scripts/setup.sh installs it): CUDA uses ATen"
awk -v file="$file" -v bytes="$bytes" 'BEGIN { printf "%s: %.1f MiB; there: tar xzf %s && ipirm_gpu/gpu_check.sh\n", file, bytes / 2^20, file }'
