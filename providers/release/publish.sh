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

# as UID GID NAME COMMAND...: as another user, who then can do no more harm than it could do anyway. The name of a
# program says little: busybox' setpriv can't do this.
as() {
	uid=$1 gid=$2 user=$3
	shift 3
	if setpriv --reuid "$uid" --regid "$gid" --clear-groups true 2>/dev/null; then
		setpriv --reuid "$uid" --regid "$gid" --clear-groups "$@"
	elif su -s /bin/sh -c true -- "$user" 2>/dev/null; then
		# shellcheck disable=SC2016
		su -s /bin/sh -c 'exec "$0" "$@"' -- "$user" "$@"
	else
		die "shipctl can't become $user on this machine, and does not do this as root: install util-linux (setpriv)"
	fi
}

# unpack DIR: as nobody where we are root, so that tar can do no more harm than nobody can.
unpack() {
	flags=-xof
	[ "$form" = tar.gz ] && flags=-xzof
	# What we pack ourselves has no times; a file of 1970 in every release would look unchanged to a cache.
	[ "$form" = tar ] && flags=-xmof
	if [ "$(id -u)" != 0 ]; then
		(cd "$1" && tar "$flags" -) <artifact
		return
	fi
	chown 65534:65534 "$1" || return 1
	(cd "$1" && as 65534 65534 nobody tar "$flags" -) <artifact || return 1
	chown -hR 0:0 "$1"
}

# box: what may be the reason.
box() { tar --version 2>&1 | grep -qi busybox && printf "; busybox' tar can't unpack read-only directories with something in them"; }

# unpacked DIR: what came out is what was inspected. A tar that reads an archive in another way than we do is caught here.
unpacked() {
	list=$(cd "$1" && find . -mindepth 1 | sort | sha256sum)
	[ "${list%% *}" = "$paths" ] ||
		die "what tar unpacked on this machine is not what is in the archive: it does not understand all of it (very long names?). Give a .zip or a directory as source."
	odd=$(find "$1" ! -type d ! -type f ! -type l -o ! -type l -perm -4000 -o -type f -perm -2000 | head -n 3)
	[ -z "$odd" ] || die "unpacking gave a device, a pipe, a socket or a setuid file: $odd"
}

# keeper NAME: sets keep, "UID GID USER" of the last one who can bend the way to the shared NAME, "" where only root can.
# Root itself goes no such way: another user's link could lead it anywhere.
keeper() {
	keep='' rest=/shared/$1/ way=$root
	while [ -n "$rest" ]; do
		if [ ! -e "$way" ] && [ ! -L "$way" ]; then return 0; fi
		for k in "$(stat -c '%u %g %U' "$way")" "$(stat -L -c '%u %g %U' "$way")"; do
			case $k in "0 "*) ;; *) keep=$k ;; esac
		done
		case $keep$(stat -L -c '%A %g' "$way") in
		d????w??[!w]?" 0") ;;
		d????w* | d???????w*) die "$way belongs to root, and others can write to it: chown it to them, or take that away (chmod go-w $way)" ;;
		esac
		rest=${rest#/} && way=$way/${rest%%/*} rest=/${rest#*/}
		[ "$rest" != / ] || rest=
	done
}

# share DIR NAME: the release's NAME is the one of all releases.
share() {
	at=$1/$2 all=$root/shared/$2
	if [ ! -e "$all" ] && [ ! -L "$all" ]; then
		keep=
		[ "$(id -u)" != 0 ] || keeper "$2"
		# shellcheck disable=SC2086
		${keep:+as $keep} mkdir -p "$all" || die "could not make $all${keep:+ as ${keep##* }}: make it by hand"
	fi
	mkdir -p "$(dirname "$at")" || return 1
	if [ -d "$at" ] && [ ! -L "$at" ]; then
		rmdir "$at" 2>/dev/null || die "the artifact brings its own $2, and it is not empty, but $2 is to be shared: leave it out of one of them"
	elif [ -e "$at" ] || [ -L "$at" ]; then
		die "the artifact brings its own $2, but $2 is to be shared: leave it out of one of them"
	fi
	ln -s "$all" "$at"
}

# clear DIR...: an artifact's own directories may be read-only. Root needs no rights for that, and chmod follows a link.
clear() {
	[ "$(id -u)" = 0 ] || chmod -R u+rwX "$@" 2>/dev/null
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

# bring: the upload, or a second name of it, where nobody else can change it any more. The first stays, should we die.
bring() {
	if [ ! -f "../$ready" ] || [ -L "../$ready" ]; then die "$root/releases/$ready is no file"; fi
	ln "../$ready" artifact 2>/dev/null || cp "../$ready" artifact || die "could not copy $root/releases/$ready"
	if [ -L artifact ] || [ ! -f artifact ]; then die "$root/releases/$ready is no file"; fi
	if [ ! -O artifact ]; then # its owner could go on writing
		if ! cp artifact own || ! mv -f own artifact; then die "could not copy $root/releases/$ready"; fi
	fi
	sum=$(sha256sum <artifact) || die "could not read $root/releases/$ready"
	if [ "${sum%% *}" != "$sent" ]; then
		rm -f "../$ready" "../$ready.sent"
		die "the upload was damaged on this machine: its SHA-256 is ${sum%% *}, it was $sent. It was removed; plan again."
	fi
}

# make SHARED...: in a subshell, so that its traps are its own. All is done in a private directory, and leaves it whole.
make() {
	tmp=.publish-$RUN-$$
	trap 'cd "$root/releases" && clear "$tmp"' EXIT
	trap 'exit 1' HUP INT TERM
	trap : PIPE
	private "$tmp" || die "could not make $root/releases/$tmp: is somebody else at work there?"
	bring
	mkdir -m 755 new || die "could not make $root/releases/$tmp/new"
	if [ "$form" = file ]; then
		mv artifact "new/$name" || die "could not place $name in $root/releases/$tmp"
		chmod 755 "new/$name" || die "could not set the mode of $name"
	else
		have tar || die "there is no tar on this machine: install tar"
		unpack new || die "could not unpack the artifact in $root/releases ($(df -P -k . | awk 'NR == 2 { print $4 }') KiB free$(box))"
		unpacked new
		chmod -R u+rwX,go+rX,go-w,a-s new || die "could not set modes in $root/releases/$tmp"
	fi
	for s in "$@"; do share new "$s" || die "could not link the shared $s"; done
	# The whole tree; the machine's sync may not know how.
	sync -f new 2>/dev/null || sync || die "could not write the release to the disk"
	# The record first: a release without one would be a stranger's to the next run; a record without its release is
	# not looked at.
	seq=$(next)
	kib=$(du -sk new | awk '{ print $1 }')
	printf '%s %s %s %s\n%s %s %s\n' "$sha" "$seq" "$form" "$name" "$(date -u +%Y-%m-%dT%H:%M:%SZ)" "$RUN" "$kib" |
		write_atomic "$records/$id" 644 || die "could not record release $id in $records"
	mv -T new "../$id" || die "could not rename $root/releases/$tmp/new to $id"
	sync_path ..
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
(make "$@") || exit 1
[ -d "$id" ] || die "$PWD/$id is gone"
rm -f "$ready" "$ready.sent"
