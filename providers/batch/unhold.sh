# shellcheck shell=sh
# Lets jobs start again, as far as this very step of this run held them: unhold ROOT NAME...
cd -P "$1/jobs/.state" 2>/dev/null || exit 0
shift
holder=$(printf '%s %s' "$RUN" "$STEP" | sha256sum | cut -c1-16)
for name in "$@"; do
	case $name in '' | -* | *[!A-Za-z0-9_-]*) die "$name is not the name of a job" ;; esac
	rm -f "$name.hold.$holder" || die "could not remove $PWD/$name.hold.$holder"
done
