# Shared by the scripts: where the project is, progress with durations, packages.
# Sourced by bash; sets `root` and changes into it.
# shellcheck shell=bash disable=SC2034

set -u -o pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
cd "$root" || exit 1
script_started=$SECONDS

if [ -t 1 ]; then bold=$'\e[1m' plain=$'\e[0m'; else bold='' plain=''; fi

# One line of progress.
say() { printf '%s\n' "$*"; }

# The heading of a phase, with the time since the script began.
heading() { printf '%s== %s%s (at %s)\n' "$bold" "$*" "$plain" "$(duration $((SECONDS - script_started)))"; }

die() {
    printf 'error: %s\n' "$*" >&2
    exit 1
}

# Seconds as people read them: 42 s, 3 min 07 s.
duration() {
    if [ "$1" -lt 60 ]; then
        printf '%d s' "$1"
    else
        printf '%d min %02d s' $(($1 / 60)) $(($1 % 60))
    fi
}

# Runs a command as root: directly, or by sudo with the caller's PATH (Swift is often outside
# root's own).
as_root() {
    if [ "$(id -u)" -eq 0 ]; then
        "$@"
    elif command -v sudo >/dev/null 2>&1; then
        sudo env "PATH=$PATH" "$@"
    else
        die "this needs root: run it as root or install sudo"
    fi
}

# Of every release build, or they would undo each other's work. With the Swift runtime inside, the
# program runs where no Swift is, and calls the runtime without a detour.
release_options=(-c release --static-swift-stdlib)

# Packages by what needs them. The build's are enough for `scripts/build`.
build_packages=(libssl-dev libnftables-dev libc-ares-dev zlib1g-dev pkg-config)
[ "$(uname -m)" = x86_64 ] && build_packages+=(libipsec-mb-dev)
network_packages=(python3 iproute2 iputils-ping nftables iperf3 ethtool procps tcpdump)
strongswan_packages=(
    strongswan-swanctl strongswan-charon libcharon-extra-plugins libcharon-extauth-plugins
    libstrongswan-extra-plugins libstrongswan-standard-plugins)
kernel_packages=(user-mode-linux kmod)
abuse_packages=(python3-scapy python3-cryptography)
capture_packages=(tshark)
benchmark_packages=(valgrind binutils gcc libc6-dev)
lint_packages=(shellcheck)

# Installs those of the named Debian packages that are missing, and says which.
need_packages() {
    local package missing=()
    command -v dpkg-query >/dev/null 2>&1 || die "this script installs what it needs with apt (Debian 12 or later)"
    for package in "$@"; do
        [ "$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null)" = installed ] ||
            missing+=("$package")
    done
    [ ${#missing[@]} -eq 0 ] && return 0
    say "installing: ${missing[*]}"
    local log status
    log=$(mktemp)
    apt_install "${missing[@]}" >"$log" 2>&1 || { apt_update >>"$log" 2>&1 && apt_install "${missing[@]}" >>"$log" 2>&1; }
    status=$?
    [ "$status" -eq 0 ] || tail -20 "$log" >&2
    rm -f "$log"
    [ "$status" -eq 0 ] || die "apt could not install: ${missing[*]}"
}

apt_update() { as_root env DEBIAN_FRONTEND=noninteractive apt-get update -q; }

apt_install() {
    as_root env DEBIAN_FRONTEND=noninteractive \
        apt-get install -y -q --no-install-recommends "$@"
}

need_swift() {
    command -v swift >/dev/null 2>&1 ||
        die "swift is not in PATH: install Swift 6.3 or later (https://www.swift.org/install/linux)"
}
