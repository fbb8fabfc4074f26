#!/usr/bin/env bash
# Fetches the published STL-10, CIFAR-10 and CIFAR-100 archives and Debian's Fashion-MNIST, checks them and unpacks them
# where --data_root expects them.
#
# usage: scripts/download.sh [STL|CIFAR10|CIFAR100|FashionMNIST|all] [DATA_ROOT]     (default: all data)
# Sizes: STL 2.6 GB (3.0 GB unpacked), CIFAR10 and CIFAR100 0.2 GB each, FashionMNIST 31 MB. A download that was cut off goes
# on where it stopped when the script is run again; a set that is there already is left alone; archives are removed once
# unpacked. FashionMNIST is taken from the Debian package dataset-fashion-mnist: from its place if it is installed, otherwise
# apt-get downloads it, which needs no rights and installs nothing.
# To use a mirror, set the folder that holds the archives, and their MD5 sums if it packed them anew:
#   STL_URL       http://ai.stanford.edu/~acoates/stl10      STL_MD5
#   CIFAR_URL     https://www.cs.toronto.edu/~kriz           CIFAR10_MD5, CIFAR100_MD5
#   FASHION_MNIST_DIR  /usr/share/datasets/fashion-mnist     FASHION_MNIST_SHA256 (of the four files, in the order below)
# Exit codes: 0 all sets are there, 1 a download, check or unpacking failed, 2 wrong usage.
set -euo pipefail

STL_URL=${STL_URL:-http://ai.stanford.edu/~acoates/stl10}
CIFAR_URL=${CIFAR_URL:-https://www.cs.toronto.edu/~kriz}
STL_MD5=${STL_MD5:-91f7769df0f17e558f3565bffb0c7dfb}
CIFAR10_MD5=${CIFAR10_MD5:-c32a1d4ab5d03f1284b67883e8d87530}
CIFAR100_MD5=${CIFAR100_MD5:-03b5dce01913d631647c71ecec9e9cb8}
FASHION_MNIST_DIR=${FASHION_MNIST_DIR:-/usr/share/datasets/fashion-mnist}
FASHION_MNIST_FILES=({train,t10k}-{images-idx3,labels-idx1}-ubyte.gz)
FASHION_MNIST_SHA256=${FASHION_MNIST_SHA256:-"
  b0564c3eedabfbf835052cff8503ea422014ce006caf5b757f851416ee8300c7 0ae29f65d86684f32d1b9c85147786c547b9c6aebcaf235f0400a0cce308b056
  cc1d090a38ace84dfa1aa66e3ada7c336ef481a96936906477e6dd344da56eaa 8d3605d196f4be44669e46906da9733c8131fef761fdbfec72c424d5222f1a05"}

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

# True if folder $1 of the data root holds the files $2...; fails if it is there without them.
is_there() {
  local folder=$1 file
  shift
  local -a missing=()
  for file in "$@"; do [[ -s $root/$folder/$file ]] || missing+=("$file"); done
  if ((${#missing[@]} == 0)); then
    say "$root/$folder: already there"
    return 0
  fi
  [[ ! -e $root/$folder ]] || fail "$root/$folder is there but lacks ${missing[*]}; move it away and run this again"
  return 1
}

# Makes sure that folder $1 of the data root holds the files $4..., from the archive at url $2 with checksum $3.
provide() {
  local folder=$1 url=$2 expected=$3
  shift 3
  local archive=$root/${url##*/} file
  if is_there "$folder" "$@"; then return; fi
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

# Lets apt-get put the package's files below folder $1; its lists of packages may be missing or old.
unpack_package() {
  local package=dataset-fashion-mnist tool
  for tool in apt-get dpkg-deb; do
    command -v "$tool" >/dev/null ||
      fail "no $tool here, which fetches Debian's $package; put its files (or zalandoresearch/fashion-mnist's) into $root/FashionMNIST/raw"
  done
  say "fetching Debian's package $package (31 MB)"
  local -a sudo=()
  if ((EUID)) && command -v sudo >/dev/null; then sudo=(sudo); fi
  (
    cd "$1"
    apt-get download "$package" >apt.log 2>&1 ||
      { "${sudo[@]}" apt-get update >>apt.log 2>&1 && apt-get download "$package" >>apt.log 2>&1; }
  ) || { tail -n 3 "$1/apt.log" >&2; fail "apt-get download $package failed (its last lines are above); run this again, or apt-get update first"; }
  dpkg-deb -x "$1/$package"_*.deb "$1" || fail "$package: unpacking failed; is the disk full?"
}

provide_fashion_mnist() {
  local folder=FashionMNIST/raw from=$FASHION_MNIST_DIR file found place=0
  local -a expected
  read -r -d '' -a expected <<<"$FASHION_MNIST_SHA256" || true
  if is_there "$folder" "${FASHION_MNIST_FILES[@]}"; then return; fi
  unpacked=$(mktemp -d "$root/.unpack.XXXXXX")
  if [[ ! -d $from ]]; then
    unpack_package "$unpacked"
    from=$unpacked/usr/share/datasets/fashion-mnist
  fi
  mkdir "$unpacked/raw"
  for file in "${FASHION_MNIST_FILES[@]}"; do
    cp "$from/$file" "$unpacked/raw/" || fail "$from/$file: cannot be copied; install dataset-fashion-mnist anew, or is the disk full?"
    found=$(sha256sum "$unpacked/raw/$file" | cut -d ' ' -f 1)
    [[ $found == "${expected[place]}" ]] || fail "$from/$file: SHA-256 $found, expected ${expected[place]}; the file is damaged"
    place=$((place + 1))
  done
  mkdir -p "$root/FashionMNIST"
  mv "$unpacked/raw" "$root/$folder"
  rm -rf "$unpacked"
  say "$root/$folder: complete"
}

(($# <= 2)) || misused "at most two arguments: scripts/download.sh [STL|CIFAR10|CIFAR100|FashionMNIST|all] [DATA_ROOT]"
what=${1:-all}
root=${2:-data}
case $what in
  STL | CIFAR10 | CIFAR100 | FashionMNIST) sets=("$what") ;;
  all) sets=(STL CIFAR10 CIFAR100 FashionMNIST) ;;
  *) misused "unknown set '$what': expected STL, CIFAR10, CIFAR100, FashionMNIST or all" ;;
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
    FashionMNIST) provide_fashion_mnist ;;
  esac
done
say "done; train with --data_root $root"
