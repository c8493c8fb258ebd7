# shellcheck shell=sh
# Takes an artifact from standard input: upload ROOT KEY ID SHA256 SIZE NEED. It becomes ROOT/releases/.ready-SHA256,
# whole and on the disk, or nothing does. NEED is how many bytes it takes until it is published.

id=$3 sha=$4 size=$5 need=$6
record=$STATE/projects/$PROJECT/releases/$2/$id
ready=.ready-$sha

# enough: as much is free as is needed.
enough() {
	free=$(df -P -k . 2>/dev/null | awk 'NR == 2 { print $4 }')
	case $free in '' | *[!0-9]*) return 0 ;; esac
	[ "$free" -ge $(((need + 1023) / 1024)) ] ||
		die "not enough room in $PWD: $(((need + 999999) / 1000000)) MB needed, $((free * 1024 / 1000000)) MB free. Nothing was sent. Make room and run again."
}

# take: runs in a subshell, so that its traps are its own.
take() {
	tmp=.upload-$RUN-$$
	trap 'rm -f "$tmp"' EXIT
	trap 'exit 1' HUP INT TERM PIPE
	cat >"$tmp" || die "could not write to $PWD: $(df -P -k . | awk 'NR == 2 { print $4 }') KiB free. What had arrived was removed."
	got=$(($(wc -c <"$tmp")))
	[ "$got" -eq "$size" ] || die "the upload broke off: $got of $size bytes arrived. What had arrived was removed; run again."
	sum=$(sha256sum <"$tmp") || die "could not read back what was uploaded"
	sum=${sum%% *}
	[ "$sum" = "$sha" ] ||
		die "what arrived is not what was planned: its SHA-256 is $sum, planned was $sha. The source was changed meanwhile; plan again."
	sync_path "$tmp" || die "could not write $PWD/$tmp to the disk"
	mv -f "$tmp" "$ready" || die "could not rename $PWD/$tmp"
	sync_path .
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
rm -f .upload-* .ready-*
enough
(take) || exit 1
[ -f "$ready" ] || die "$PWD/$ready is gone"
