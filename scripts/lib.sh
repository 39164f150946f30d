# Sourced by the scripts beside it: strict mode, the repository's root as the working directory, and
# how to ask for tools.
# shellcheck shell=bash
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"

# Each kind of build has a directory of its own below this one, so that none throws away another's
# work.
target_base=${CARGO_TARGET_DIR:-$root/target}

# rustup must never fetch something silently in the middle of a check.
export RUSTUP_AUTO_INSTALL=0

die() {
    echo "$(basename "$0"): $*" >&2
    exit 1
}

# need TOOL HOW: fails, naming the tool and how to get it.
need() {
    command -v "$1" >/dev/null || die "the tool '$1' is missing: $2"
}

# need_debian PACKAGE...: makes sure that Debian packages are there; installs them where it may,
# else names them.
need_debian() {
    local missing=() package
    command -v dpkg-query >/dev/null ||
        die "needs the packages $* of Debian (or their likes), and this is not a Debian system"
    for package in "$@"; do
        dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null | grep -qx installed ||
            missing+=("$package")
    done
    [ ${#missing[@]} -eq 0 ] && return
    if [ "$(id -u)" -ne 0 ]; then
        die "packages are missing, install them first:" \
            "sudo apt-get install --no-install-recommends ${missing[*]}"
    fi
    echo "installing ${missing[*]}"
    {
        apt-get update -q && DEBIAN_FRONTEND=noninteractive \
            apt-get install -y -q --no-install-recommends "${missing[@]}"
    } >"${TMPDIR:-/tmp}/mfio-apt.log" 2>&1 || {
        tail -n 20 "${TMPDIR:-/tmp}/mfio-apt.log" >&2
        die "could not install ${missing[*]}"
    }
}

# use_debian_rust [PACKAGE...]: Debian's Rust, which comes with the sources of its std, so that std
# (or core and alloc alone) can be built for targets that rustup has no std for here.
use_debian_rust() {
    need_debian rustc-web cargo-web rust-web-src "$@"
    unset RUSTUP_TOOLCHAIN RUSTC RUSTC_WRAPPER
    export PATH=/usr/bin:$PATH RUSTC_BOOTSTRAP=1
    export CARGO_TARGET_DIR=$target_base/cross
    [ "$(command -v cargo)" = /usr/bin/cargo ] || die "Debian's cargo is not first in PATH"
}

# For cargo of use_debian_rust: warnings of our own packages are errors (those of std, which is
# built along, are not).
# shellcheck disable=SC2034
deny_warnings=(-Zwarnings --config 'build.warnings="deny"')
