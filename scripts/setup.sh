#!/usr/bin/env bash
# Installs what the build needs and is missing (Debian packages, LibTorch in .venv/), then configures and builds into build/.
#
# usage: scripts/setup.sh [cmake target ...]      (default: everything)
#   LIBTORCH=DIR   use the LibTorch already in DIR (the folder that holds include/ and lib/) instead of the wheel
#   BUILD_DIR=DIR  build there instead of build/
#   WITH_NVCC=1    put NVIDIA's compiler into .venv/ (270 MB), so that libipirm_cuda.so is built where no CUDA toolkit is installed
#   JOBS=N         compile N files at once (default: all cores)
#   CMAKE_ARGS=... further arguments to cmake; with -DIPIRM_SANITIZE=address,undefined choose another BUILD_DIR too
# Running it again is quick: each step is skipped when there is nothing to do.
set -euo pipefail
cd "$(dirname "$0")/.."

TORCH_VERSION=2.11.0
NUMPY_VERSION=2.2.6
# Of the CUDA that torch was built with; pip would pair nvcc with newer parts, which do not fit it.
NVCC=(nvidia-cuda-nvcc==13.0.88 nvidia-nvvm==13.0.88 nvidia-cuda-crt==13.0.88 nvidia-cuda-cccl==13.0.85)
PACKAGES=(build-essential cmake ninja-build libopencv-dev libcli11-dev libspdlog-dev libyaml-cpp-dev
  libjpeg-dev libtiff-dev libgloo-dev libjs-dygraphs libgtest-dev libgmock-dev libbenchmark-dev nlohmann-json3-dev zlib1g-dev clang-format-14 python3 python3-venv curl ca-certificates)

say() { if [[ -t 1 && -z ${NO_COLOR:-} ]]; then printf '\033[1m[setup]\033[0m %s\n' "$*"; else printf '[setup] %s\n' "$*"; fi; }
stop() { printf '[setup] error: %s\n' "$*" >&2; exit 2; }
# Runs a step with its output in a log file; shows the end of it only when the step fails.
quietly() {
  local log=$1; shift
  "$@" >"$log" 2>&1 || { tail -n 40 "$log" >&2; stop "'$*' failed; the whole output is in $log"; }
}
mkdir -p .setup

# 1. Debian packages.
missing=()
if command -v dpkg-query >/dev/null; then
  for package in "${PACKAGES[@]}"; do
    dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'install ok installed' || missing+=("$package")
  done
else
  say "no dpkg here: install the equivalents of ${PACKAGES[*]} yourself"
fi
if ((${#missing[@]})); then
  say "installing Debian packages (about 2 minutes): ${missing[*]}"
  root=()
  if ((EUID)); then
    command -v sudo >/dev/null || stop "not root and no sudo: ask an administrator to run: apt-get install ${missing[*]}"
    root=(sudo)
  fi
  quietly .setup/apt-update.log "${root[@]}" apt-get update
  quietly .setup/apt-install.log "${root[@]}" env DEBIAN_FRONTEND=noninteractive \
    apt-get install -y --no-install-recommends "${missing[@]}"
else
  say "Debian packages: all present"
fi

# 2. LibTorch: the one given, or PyTorch's wheel in a virtual environment.
if [[ -n ${LIBTORCH:-} ]]; then
  [[ -f $LIBTORCH/include/torch/csrc/api/include/torch/torch.h ]] ||
    stop "LIBTORCH=$LIBTORCH holds no include/torch/csrc/api/include/torch/torch.h: name the folder with include/ and lib/ in it"
  [[ -z ${WITH_NVCC:-} ]] || stop "WITH_NVCC=1 puts nvcc beside the wheel's LibTorch; with LIBTORCH, install the CUDA toolkit that it was built with"
  say "LibTorch: $LIBTORCH (yours)"
else
  if ! .venv/bin/python -c "import importlib.metadata as m; assert m.version('torch').split('+')[0]=='$TORCH_VERSION'; m.version('numpy')" 2>/dev/null; then
    say "installing torch $TORCH_VERSION into .venv/ (2 to 5 minutes, 5 GB)"
    [[ -x .venv/bin/pip ]] || quietly .setup/venv.log python3 -m venv --clear .venv
    quietly .setup/pip.log .venv/bin/pip install --disable-pip-version-check "torch==$TORCH_VERSION" "numpy==$NUMPY_VERSION"
  fi
  LIBTORCH=$(.venv/bin/python -c "import importlib.util as u; print(u.find_spec('torch').submodule_search_locations[0])")
  say "LibTorch: torch $TORCH_VERSION in .venv/"
  if [[ -n ${WITH_NVCC:-} ]]; then
    say "nvcc: ${NVCC[0]} in .venv/"
    quietly .setup/nvcc.log .venv/bin/pip install --disable-pip-version-check "${NVCC[@]}"
  fi
fi

# 3. Configure and build.
build=${BUILD_DIR:-build}
jobs=${JOBS:-$(nproc)}
say "configuring $build/"
# shellcheck disable=SC2086  # CMAKE_ARGS is a list of words
quietly .setup/cmake.log cmake -S . -B "$build" -G Ninja -DLIBTORCH="$LIBTORCH" -DIPIRM_SANITIZE= \
  ${CMAKE_ARGS:-}
say "$(grep -o 'CUDA kernels: .*' .setup/cmake.log || echo 'CUDA kernels: not asked for')"
say "building with $jobs jobs (10 to 15 minutes on 2 cores the first time, seconds when nothing changed)"
if [[ -t 1 ]]; then
  ninja -C "$build" -j "$jobs" "$@"
else
  quietly .setup/build.log ninja -C "$build" -j "$jobs" "$@"
fi
say "done: programs in $build/bin/"
