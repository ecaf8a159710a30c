# SPDX-License-Identifier: BSD-2-Clause
# Sourced by the fetch scripts: a view of Debian's archive that is ours alone. Lists, cache and
# sources lie under build/downloads/apt, so packages of another architecture and source packages
# can be fetched without touching what the machine has configured, and without being root.

DEBIAN_MIRROR=${KEEL_DEBIAN_MIRROR:-http://deb.debian.org/debian}
DEBIAN_KEYRING=/usr/share/keyrings/debian-archive-keyring.gpg
# How long the lists are believed before they are fetched again.
APT_VIEW_MAX_AGE_MIN=1440

die()
{
	echo "${0##*/}: $*" >&2
	exit 1
}

# Views are one script's at a time, to its end: make -j, or two work trees that share their downloads,
# would otherwise change lists and files under each other.
lock_views()
{
	local apt=${KEEL_DOWNLOADS:-build/downloads}/apt
	mkdir -p "$apt"
	[ -n "${APT_VIEW_LOCK-}" ] || exec {APT_VIEW_LOCK}>"$apt/lock"
	flock "$APT_VIEW_LOCK"
}

# apt_view NAME ARCH TYPE SUITE...: choose (and make, if need be) a view; TYPE is deb or deb-src.
apt_view()
{
	local name=$1 arch=$2 type=$3
	shift 3
	[ -f "$DEBIAN_KEYRING" ] || die "no $DEBIAN_KEYRING: install debian-archive-keyring"
	lock_views
	APT_VIEW=$(realpath -m "${KEEL_DOWNLOADS:-build/downloads}/apt/$name")
	mkdir -p "$APT_VIEW/lists/partial" "$APT_VIEW/cache/archives/partial"
	: >"$APT_VIEW/status"
	printf '%s\n' "Types: $type" "URIs: $DEBIAN_MIRROR" "Suites: $*" "Components: main" \
		"Architectures: $arch" "Signed-By: $DEBIAN_KEYRING" >"$APT_VIEW/new.sources"
	if ! cmp -s "$APT_VIEW/new.sources" "$APT_VIEW/view.sources"; then
		mv "$APT_VIEW/new.sources" "$APT_VIEW/view.sources"
		rm -f "$APT_VIEW/updated"
	fi
	APT_VIEW_OPTS=(
		-qq
		-oAPT::Architecture="$arch" -oAPT::Architectures="$arch"
		-oAPT::Sandbox::User= -oAPT::Get::List-Cleanup=false
		-oDir::Etc::sourcelist="$APT_VIEW/view.sources" -oDir::Etc::sourceparts=/dev/null
		-oDir::Etc::preferences=/dev/null -oDir::Etc::preferencesparts=/dev/null
		-oDir::State::Lists="$APT_VIEW/lists" -oDir::State::status="$APT_VIEW/status"
		-oDir::Cache="$APT_VIEW/cache" -oAcquire::Languages=none
		-oAcquire::Retries=3
	)
}

# apt_view_update: fetch the package lists, unless they are fresh.
apt_view_update()
{
	[ -n "$(find "$APT_VIEW/updated" -mmin -$APT_VIEW_MAX_AGE_MIN 2>/dev/null)" ] && return 0
	echo "  fetching package lists from $DEBIAN_MIRROR" >&2
	if ! apt-get "${APT_VIEW_OPTS[@]}" update; then
		[ -f "$APT_VIEW/updated" ] || die "cannot fetch package lists: is $DEBIAN_MIRROR reachable?" \
			"(KEEL_DEBIAN_MIRROR names another)"
		echo "  (using the lists fetched before)" >&2
		return 0
	fi
	touch "$APT_VIEW/updated"
}

# in_view COMMAND ARGS...: run an apt tool on the chosen view.
in_view()
{
	local tool=$1
	shift
	"$tool" "${APT_VIEW_OPTS[@]}" "$@"
}
