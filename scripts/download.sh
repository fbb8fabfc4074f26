#!/usr/bin/env bash
# Fetches the published STL-10, CIFAR-10 and CIFAR-100 archives, checks them and unpacks them where --data_root expects them.
#
# usage: scripts/download.sh [STL|CIFAR10|CIFAR100|all] [DATA_ROOT]     (default: all data)
# Sizes: STL 2.6 GB (3.0 GB unpacked), CIFAR10 and CIFAR100 0.2 GB each. A download that was cut off goes on where it
# stopped when the script is run again; a set that is there already is left alone; archives are removed once unpacked.
# To use a mirror, set the folder that holds the archives, and their MD5 sums if it packed them anew:
#   STL_URL       http://ai.stanford.edu/~acoates/stl10      STL_MD5
#   CIFAR_URL     https://www.cs.toronto.edu/~kriz           CIFAR10_MD5, CIFAR100_MD5
# Exit codes: 0 all sets are there, 1 a download, check or unpacking failed, 2 wrong usage.
set -euo pipefail

STL_URL=${STL_URL:-http://ai.stanford.edu/~acoates/stl10}
CIFAR_URL=${CIFAR_URL:-https://www.cs.toronto.edu/~kriz}
STL_MD5=${STL_MD5:-91f7769df0f17e558f3565bffb0c7dfb}
CIFAR10_MD5=${CIFAR10_MD5:-c32a1d4ab5d03f1284b67883e8d87530}
CIFAR100_MD5=${CIFAR100_MD5:-03b5dce01913d631647c71ecec9e9cb8}

say() { printf '[download] %s\n' "$*"; }
fail() { printf '[download] error: %s\n' "$*" >&2; exit 1; }
misused() { printf '[download] error: %s\n' "$*" >&2; exit 2; }
md5_of() { md5sum "$1" | cut -d ' ' -f 1; }

# One call of curl that goes on after what stands in $2. Returns curl's exit code.
transfer() { curl --fail --location --retry 3 --continue-at - --progress-bar --output "$2" "$1"; }

has_md5() { [[ -f $1 && $(md5_of "$1") == "$2" ]]; }

# Downloads url $1 to file $2 unless what is there has the checksum $3 already; fails unless it has it afterwards.
fetch() {
  local url=$1 file=$2 expected=$3 part=$2.part code=0
  if [[ -f $file ]]; then mv "$file" "$part"; fi
  if ! has_md5 "$part" "$expected"; then
    local resumed=0
    if [[ -s $part ]]; then resumed=1; fi
    say "fetching $url"
    transfer "$url" "$part" || code=$?
    # 33: that server cannot resume. 0 and a wrong checksum: what was resumed was no part of this file.
    if ((resumed)) && { ((code == 33)) || { ((code == 0)) && ! has_md5 "$part" "$expected"; }; }; then
      say "cannot go on with $part; fetching it anew"
      rm -f "$part"
      code=0
      transfer "$url" "$part" || code=$?
    fi
    case $code in
      0) ;;
      22) fail "$url: the server refused it (no such file?); set STL_URL or CIFAR_URL to a mirror" ;;
      23) fail "$part: cannot be written; is the disk full?" ;;
      *) fail "$url: the download stopped (curl's code $code); run this again to go on where it stopped" ;;
    esac
  fi
  if ! has_md5 "$part" "$expected"; then
    local found
    touch "$part"  # curl makes no file for an empty answer
    found=$(md5_of "$part")
    rm -f "$part"
    fail "$url: MD5 $found, expected $expected; the download was damaged and is removed: run this again"
  fi
  mv "$part" "$file"
}

# Makes sure that folder $1 of the data root holds the files $4..., from the archive at url $2 with checksum $3.
provide() {
  local folder=$1 url=$2 expected=$3
  shift 3
  local archive=$root/${url##*/} file
  local -a missing=()
  for file in "$@"; do [[ -s $root/$folder/$file ]] || missing+=("$file"); done
  if ((${#missing[@]} == 0)); then
    say "$root/$folder: already there"
    return
  fi
  [[ ! -e $root/$folder ]] || fail "$root/$folder is there but lacks ${missing[*]}; move it away and run this again"
  fetch "$url" "$archive" "$expected"

  say "unpacking $archive"
  unpacked=$(mktemp -d "$root/.unpack.XXXXXX")
  tar -xzf "$archive" --no-same-owner -C "$unpacked" || fail "$archive: unpacking failed; is the disk full?"
  for file in "$@"; do
    [[ -s $unpacked/$folder/$file ]] || fail "$archive: holds no $folder/$file; is this the binary version?"
  done
  mv "$unpacked/$folder" "$root/$folder"
  rm -rf "$unpacked" "$archive"
  say "$root/$folder: complete"
}

(($# <= 2)) || misused "at most two arguments: scripts/download.sh [STL|CIFAR10|CIFAR100|all] [DATA_ROOT]"
what=${1:-all}
root=${2:-data}
case $what in
  STL | CIFAR10 | CIFAR100) sets=("$what") ;;
  all) sets=(STL CIFAR10 CIFAR100) ;;
  *) misused "unknown set '$what': expected STL, CIFAR10, CIFAR100 or all" ;;
esac
for tool in curl md5sum tar; do
  command -v "$tool" >/dev/null || misused "$tool is missing; install it (Debian: apt-get install curl coreutils tar)"
done
if ! mkdir -p "$root" 2>/dev/null || [[ ! -w $root ]]; then
  misused "$root: cannot be made or written to; name another folder"
fi
unpacked=
trap '[[ -z $unpacked ]] || rm -rf "$unpacked"' EXIT

for set in "${sets[@]}"; do
  case $set in
    STL) provide stl10_binary "$STL_URL/stl10_binary.tar.gz" "$STL_MD5" \
      train_X.bin train_y.bin test_X.bin test_y.bin unlabeled_X.bin ;;
    CIFAR10) provide cifar-10-batches-bin "$CIFAR_URL/cifar-10-binary.tar.gz" "$CIFAR10_MD5" \
      data_batch_{1..5}.bin test_batch.bin ;;
    CIFAR100) provide cifar-100-binary "$CIFAR_URL/cifar-100-binary.tar.gz" "$CIFAR100_MD5" train.bin test.bin ;;
  esac
done
say "done; train with --data_root $root"
