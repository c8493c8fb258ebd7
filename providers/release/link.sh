# shellcheck shell=sh
# Takes an artifact from a release of this machine instead of from the network: link ROOT KEY SHA256 ID NAME. The file
# ID/NAME gets a further name, .ready-SHA256, as if it had been uploaded. No room is needed: neither of them ever changes.

sha=$3 from=$4/$5 ready=.ready-$3
cd -P "$1/releases" || die "could not enter $1/releases"
[ -f "$ready" ] && exit 0
if [ ! -f "$from" ] || [ -L "$from" ]; then die "$PWD/$from is not there any more. Plan again."; fi
sum=$(sha256sum <"$from") || die "could not read $PWD/$from"
[ "${sum%% *}" = "$sha" ] ||
	die "$PWD/$from was changed by hand: its SHA-256 is ${sum%% *}, $sha was published. Remove release $4 when nothing uses it, and plan again: then the content is sent."
rm -rf .upload-* .ready-*

# take: in a subshell, so that its traps are its own.
take() {
	tmp=.upload-$RUN-$$ here=$PWD
	trap 'cd "$here" && rm -rf "$tmp"' EXIT
	trap 'exit 1' HUP INT TERM PIPE
	private "$tmp" || die "could not make $here/$tmp: is somebody else at work there?"
	ln "../$from" artifact 2>/dev/null || cp "../$from" artifact || die "could not link $here/$from"
	mv -fT artifact "../$ready" || die "could not rename to $here/$ready"
	sync_path ..
}
(take) || exit 1
