# shellcheck shell=sh
# Takes an artifact from standard input: upload ROOT KEY ID SHA256 SIZE NEED. It becomes ROOT/releases/.ready-SHA256,
# whole and on the disk, or nothing does. NEED is how many bytes it takes until it is published. Where SIZE is "-", the
# source was fetched, and a line goes ahead: SHA256 SIZE NEED PATHS, of what is sent (a .zip is packed anew) and for
# publish, which finds it in .ready-SHA256.sent.

id=$3 sha=$4 size=$5 need=$6
record=$STATE/projects/$PROJECT/releases/$2/$id
ready=.ready-$sha sent=$sha paths=
if [ "$size" = - ]; then
	read -r sent size need paths || die "the upload broke off before anything had arrived. Run again."
	case $sent$size$need$paths in *[!0-9a-f-]* | '') die "what arrived is no upload" ;; esac
fi

# room KIB: for people.
room() { printf '%s MB' $((($1 * 1024 + 999999) / 1000000)); }

# free: how many KiB are, or nothing where it can't be said.
free() { df -P -k . 2>/dev/null | awk 'NR == 2 && $4 ~ /^[0-9]+$/ { print $4 }'; }

# enough: as much is free as is needed, also in inodes: one at least.
enough() {
	left=$(free)
	if [ -n "$left" ] && [ "$left" -lt $(((need + 1023) / 1024)) ]; then
		die "not enough room in $PWD: $(room $(((need + 1023) / 1024))) needed, $((left * 1024 / 1000000)) MB free. Nothing was written. Make room and run again."
	fi
}

# broke GOT: why not all of it is there.
broke() {
	left=$(free)
	rm -f artifact
	[ "${left:-9999}" -ge 4096 ] ||
		die "${PWD%/*} is full: $(room $(((size + 1023) / 1024))) were to be written, there was room for $(($1 / 1000000)) MB (for all until it is published, $(room $(((need + 1023) / 1024))) are needed). What had arrived was removed. Make room and run again."
	die "the upload broke off: $1 of $size bytes arrived. What had arrived was removed; run again."
}

# take: runs in a subshell, so that its traps are its own. The digest is of what is read from the disk's cache while it
# is written: reading it once more afterwards took as long again.
take() {
	tmp=.upload-$RUN-$$ here=$PWD
	trap 'cd "$here" && rm -rf "$tmp"' EXIT
	trap 'exit 1' HUP INT TERM PIPE
	private "$tmp" || die "could not make $here/$tmp: is somebody else at work there?"
	sum=$(tee artifact | sha256sum) || die "could not compute a SHA-256"
	got=$(stat -c %s artifact) || die "$here/$tmp is gone"
	[ "$got" -eq "$size" ] || broke "$got"
	sum=${sum%% *}
	[ "$sum" = "$sent" ] ||
		die "what arrived is not what was planned: its SHA-256 is $sum, planned was $sent. The source was changed meanwhile; plan again."
	sync_path artifact || die "could not write $here/$tmp to the disk"
	if [ -n "$paths" ]; then
		if ! printf '%s %s\n' "$sent" "$paths" | write_atomic sent 644 || ! mv -fT sent "../$ready.sent"; then die "could not write $here/$ready.sent"; fi
	fi
	mv -fT artifact "../$ready" || die "could not rename $here/$tmp/artifact"
	sync_path ..
}

have sha256sum || die "there is no sha256sum on this machine: install coreutils"
mkdir -p "$1/releases" || die "could not make $1/releases"
[ ! -L "$1/releases" ] || die "$1/releases is a symbolic link, which shipctl does not follow: make it a directory"
cd -P "$1/releases" || die "could not enter $1/releases"

if [ -e "$id" ] || [ -L "$id" ]; then
	known=''
	if [ -f "$record" ]; then read -r known _ <"$record"; fi
	[ "$known" = "$sha" ] ||
		die "release $id is there with other content: ${known:-nothing is recorded of it}, wanted is $sha. A release never changes; give this content another version."
	cat >/dev/null
	printf 'release %s is published already\n' "$id"
	exit 0
fi
if [ -f "$ready" ] && [ "$(($(wc -c <"$ready")))" -eq "$size" ]; then
	cat >/dev/null
	printf 'already there\n'
	exit 0
fi

# We hold the machine's step lock: nobody else is uploading, so what lies here was left by a run that died, or
# superseded by this one.
rm -rf .upload-* .ready-* 2>/dev/null
why=$(mkdir ".upload-$RUN-$$" 2>&1) || die "could not write to $PWD: ${why##*: }. Nothing was written."
rmdir ".upload-$RUN-$$"
enough
(take) || exit 1
[ -f "$ready" ] || die "$PWD/$ready is gone"
