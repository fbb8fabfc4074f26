#!/usr/bin/env bash
# Checks and times this program on a machine with a GPU: lies in the bundle that scripts/gpu_bundle.sh makes.
#
# usage: ./gpu_check.sh [--device cuda|cpu] [--short] [--only PART ...] [--out DIR]
# Needs a Python (PYTHON, default python3) with PyTorch's wheel of the version in bundle.json, and nothing else. Writes gpu_check.json and
# gpu_check.md; its exit status is 0 where no part failed. Cost, an estimate: 10 minutes on an H100; with --short half a minute on 2 CPU cores.
set -euo pipefail
here=$(dirname "$(realpath "${BASH_SOURCE[0]}")")
PYTHON=${PYTHON:-python3}

stop() { printf 'gpu_check: %s\n' "$*" >&2; exit 2; }

[[ -x $here/bin/ipirm-train ]] || stop "$here holds no bin/ipirm-train: unpack the file that scripts/gpu_bundle.sh makes, and call the one in it"
torch=$("$PYTHON" -c 'import importlib.util as u; s = u.find_spec("torch"); print(s.submodule_search_locations[0] if s else "")') ||
  stop "$PYTHON does not run: set PYTHON to one that has PyTorch"
[[ -n $torch ]] || stop "$PYTHON has no torch: set PYTHON to one that has it"
wanted=$(sed -n 's/.*"torch": "\([0-9.]*\).*/\1/p' "$here/bundle.json")
found=$(sed -n "s/^__version__ = '\([0-9.]*\).*/\1/p" "$torch/version.py")
[[ $found == "$wanted" ]] || stop "$PYTHON has PyTorch $found; the bundle was built against $wanted, and fits no other"
export LD_LIBRARY_PATH=$torch/lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
error=$("$here/bin/ipirm-train" --version 2>&1) || stop "bin/ipirm-train does not start here: $error"
exec "$PYTHON" "$here/checks/gpu_check.py" "$@"
