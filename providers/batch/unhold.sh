# shellcheck shell=sh
# Lets jobs start again: unhold ROOT NAME...
cd -P "$1/jobs/.state" 2>/dev/null || exit 0
shift
for name in "$@"; do
	case $name in '' | -* | *[!A-Za-z0-9_-]*) die "$name is not the name of a job" ;; esac
	rm -f "$name.hold" || die "could not remove $PWD/$name.hold"
done
