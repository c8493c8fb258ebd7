# shellcheck shell=sh
# Makes an uploaded artifact a release: publish ROOT KEY ID SHA256 FORM NAME PATHS [SHARED...]. FORM is file (placed as
# NAME), tar or tar.gz (PATHS is the SHA-256 of the sorted list of what is in it). A release appears whole, by one rename;
# from then on nothing in it changes.

have sha256sum || die "there is no sha256sum on this machine: install coreutils"
root=$1 records=$STATE/projects/$PROJECT/releases/$2 id=$3 sha=$4 form=$5 name=$6 paths=$7
shift 7

[ ! -L "$root/releases" ] || die "$root/releases is a symbolic link, which shipctl does not follow: make it a directory"
root=$(cd -P "$root" && pwd -P) || die "could not enter the release root"
cd -P "$root/releases" || die "could not enter $root/releases"
ready=.ready-$sha sent=$sha
if [ -f "$ready.sent" ]; then # of a source that was fetched: what the plan could not know
	read -r sent paths <"$ready.sent" || die "could not read $PWD/$ready.sent"
fi

# unpack DIR: as nobody where we are root, so that tar can do no more harm than nobody can.
unpack() {
	flags=-xof
	[ "$form" = tar.gz ] && flags=-xzof
	# What we pack ourselves has no times; a file of 1970 in every release would look unchanged to a cache.
	[ "$form" = tar ] && flags=-xmof
	drop=
	if [ "$(id -u)" = 0 ] && setpriv --reuid 65534 --regid 65534 --clear-groups true 2>/dev/null; then
		chown 65534:65534 "$1" || return 1
		drop='setpriv --reuid 65534 --regid 65534 --clear-groups'
	fi
	# shellcheck disable=SC2086
	(cd "$1" && $drop tar "$flags" -) <"$ready" || return 1
	[ -z "$drop" ] || chown -hR 0:0 "$1"
}

# unpacked DIR: what came out is what was inspected. A tar that reads an archive in another way than we do is caught here.
unpacked() {
	list=$(cd "$1" && find . -mindepth 1 | sort | sha256sum)
	[ "${list%% *}" = "$paths" ] ||
		die "what tar unpacked on this machine is not what is in the archive: it does not understand all of it (very long names?). Give a .zip or a directory as source."
	odd=$(find "$1" ! -type d ! -type f ! -type l -o ! -type l -perm -4000 -o -type f -perm -2000 | head -n 3)
	[ -z "$odd" ] || die "unpacking gave a device, a pipe, a socket or a setuid file: $odd"
}

# share DIR NAME: the release's NAME is the one of all releases.
share() {
	at=$1/$2 all=$root/shared/$2
	if [ ! -e "$all" ] && [ ! -L "$all" ]; then
		owner=
		[ "$(id -u)" = 0 ] && owner=$(stat -c %u:%g "$root/shared" 2>/dev/null)
		mkdir -p "$all" || return 1
		[ -z "$owner" ] || chown "$owner" "$all"
	fi
	mkdir -p "$(dirname "$at")" || return 1
	if [ -d "$at" ] && [ ! -L "$at" ]; then
		rmdir "$at" 2>/dev/null || die "the artifact brings its own $2, and it is not empty, but $2 is to be shared: leave it out of one of them"
	elif [ -e "$at" ] || [ -L "$at" ]; then
		die "the artifact brings its own $2, but $2 is to be shared: leave it out of one of them"
	fi
	ln -s "$all" "$at"
}

# clear DIR...: an artifact's own directories may be read-only.
clear() {
	chmod -R u+rwX "$@" 2>/dev/null
	rm -rf "$@"
}

# next: the number of this publication on this root.
next() {
	max=0
	for r in "$records"/*; do
		[ -f "$r" ] || continue
		read -r _ seq _ <"$r" || :
		case $seq in '' | *[!0-9]*) continue ;; esac
		[ "$seq" -gt "$max" ] && max=$seq
	done
	printf '%s\n' $((max + 1))
}

# make SHARED...: in a subshell, so that its traps are its own.
make() {
	tmp=.publish-$RUN-$$
	trap 'clear "$tmp"' EXIT
	trap 'exit 1' HUP INT TERM
	trap : PIPE
	mkdir -m 755 "$tmp" || die "could not make $PWD/$tmp"
	if [ "$form" = file ]; then
		# A second name for the same file, so that the upload is still there should we die before the rename.
		ln "$ready" "$tmp/$name" 2>/dev/null || cp "$ready" "$tmp/$name" || die "could not place $name in $PWD/$tmp"
		chmod 755 "$tmp/$name" || die "could not set the mode of $name"
	else
		have tar || die "there is no tar on this machine: install tar"
		unpack "$tmp" || die "could not unpack the artifact in $PWD ($(df -P -k . | awk 'NR == 2 { print $4 }') KiB free)"
		unpacked "$tmp"
		chmod -R u+rwX,go+rX,go-w,a-s "$tmp" || die "could not set modes in $PWD/$tmp"
	fi
	for s in "$@"; do share "$tmp" "$s" || die "could not link the shared $s"; done
	# The whole tree; the machine's sync may not know how.
	sync -f "$tmp" 2>/dev/null || sync || die "could not write the release to the disk"
	# The record first: a release without one would be a stranger's to the next run; a record without its release is
	# not looked at.
	seq=$(next)
	kib=$(du -sk "$tmp" | awk '{ print $1 }')
	printf '%s %s %s %s\n%s %s %s\n' "$sha" "$seq" "$form" "$name" "$(date -u +%Y-%m-%dT%H:%M:%SZ)" "$RUN" "$kib" |
		write_atomic "$records/$id" 644 || die "could not record release $id in $records"
	mv -T "$tmp" "$id" || die "could not rename $PWD/$tmp to $id"
	sync_path .
}

mkdir -p "$records" || die "could not make $records"
clear .publish-*
if [ -e "$id" ] || [ -L "$id" ]; then
	known=
	if [ -f "$records/$id" ]; then read -r known _ <"$records/$id"; fi
	[ "$known" = "$sha" ] ||
		die "release $id is there with other content: ${known:-nothing is recorded of it}, wanted is $sha. A release never changes; give this content another version."
	rm -f "$ready" "$ready.sent"
	printf 'release %s is published already\n' "$id"
	exit 0
fi
[ -f "$ready" ] || die "$PWD/$ready is not there: the upload was removed. Plan again."
sum=$(sha256sum <"$ready") || die "could not read $PWD/$ready"
if [ "${sum%% *}" != "$sent" ]; then
	rm -f "$ready" "$ready.sent"
	die "the upload was damaged on this machine: its SHA-256 is ${sum%% *}, it was $sent. It was removed; plan again."
fi
(make "$@") || exit 1
[ -d "$id" ] || die "$PWD/$id is gone"
rm -f "$ready" "$ready.sent"
