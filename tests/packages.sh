#!/usr/bin/env bash
# Installs the Debian packages that are missing: packages.sh build|test|demo|e2e... Downloads are tried again with back-off, nothing else is.
set -euo pipefail

build=(gcc libc6-dev cmake ninja-build pkg-config libgit2-dev libcurl4-openssl-dev libyaml-dev libcjson-dev libexpat1-dev libmicrohttpd-dev uthash-dev
	libssl-dev zlib1g-dev)
test=(libcmocka-dev clang clang-format clang-tidy git openssh-client openssh-server curl python3 groff-base binutils)
demo=(git)
e2e=(iproute2 openjdk-17-jdk-headless)

[ $# -gt 0 ] || { echo "usage: $0 build|test|demo|e2e..." >&2; exit 2; }
wanted=()
for group in "$@"; do
	case $group in
	demo) wanted+=("${demo[@]}") ;;
	build) wanted+=("${build[@]}") ;;
	test) wanted+=("${test[@]}") ;;
	e2e)
		for package in "${e2e[@]}"; do
			# Any JDK that is already on the path will do.
			if [[ $package != openjdk-* ]] || ! command -v javac >/dev/null; then wanted+=("$package"); fi
		done
		;;
	*) echo "$0: no such group: $group" >&2; exit 2 ;;
	esac
done

installed() { [ "$(dpkg-query -W -f='${db:Status-Status}' "$1" 2>/dev/null)" = installed ]; }
missing=()
if command -v dpkg-query >/dev/null; then
	for package in "${wanted[@]}"; do installed "$package" || missing+=("$package"); done
else
	echo "$0: not a Debian system: make sure that these are there under whatever names: ${wanted[*]}" >&2
	exit 0
fi
if [ ${#missing[@]} -eq 0 ]; then
	echo "every package is there"
	exit 0
fi
echo "missing: ${missing[*]}"

root=()
if [ "$(id -u)" -ne 0 ]; then
	command -v sudo >/dev/null || { echo "$0: needs root or sudo to install: ${missing[*]}" >&2; exit 1; }
	root=(sudo)
fi
retry() {
	local wait=2 try
	for try in 1 2 3 4 5; do
		"$@" && return 0
		[ "$try" -lt 5 ] || break
		echo "try $try failed, again in $wait s: $*" >&2
		sleep "$wait"
		wait=$((wait * 2))
	done
	return 1
}
apt=("${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq -o Dpkg::Use-Pty=0 -o DPkg::Lock::Timeout=120)
retry "${apt[@]}" update
retry "${apt[@]}" install -y --no-install-recommends --download-only "${missing[@]}"
"${apt[@]}" install -y --no-install-recommends "${missing[@]}" >/dev/null
