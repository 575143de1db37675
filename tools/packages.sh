# SPDX-License-Identifier: MIT
# packages.sh - sourced by scripts that need Debian packages
# shellcheck shell=bash

# need_packages NAME... - go on only if these packages are installed
#
# As root, what is missing is installed (and only then are package lists
# fetched). Otherwise says what to run, and ends the script with 1. Without
# dpkg, says what is needed under Debian's names, and goes on: the machine may
# have it under others.
need_packages() {
	local name status missing=()

	if ! command -v dpkg-query >/dev/null; then
		echo "This machine has no dpkg. Needed, by Debian's names: $*" >&2
		return 0
	fi
	for name in "$@"; do
		# shellcheck disable=SC2016 # a field of dpkg-query
		status=$(dpkg-query -W -f='${db:Status-Status}\n' "$name" 2>/dev/null || true)
		# A package may be there for several architectures, a line each.
		[[ $'\n'$status$'\n' == *$'\n'installed$'\n'* ]] || missing+=("$name")
	done
	((${#missing[@]})) || return 0

	if ((EUID != 0)); then
		echo "Packages are missing. As root, run:" >&2
		echo "  apt-get update && apt-get install -y --no-install-recommends ${missing[*]}" >&2
		exit 1
	fi
	echo "installing: ${missing[*]}"
	if ! { apt-get update &&
		DEBIAN_FRONTEND=noninteractive \
			apt-get install -y --no-install-recommends "${missing[@]}"; } >&2; then
		echo "The packages could not be installed: ${missing[*]}" >&2
		exit 1
	fi
}
