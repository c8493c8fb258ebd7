# shellcheck shell=sh
# What is in ROOT/jobs: files ROOT. Absent where that is not there.
#   current ID                     what ROOT/current leads to, - for nothing
#   file NAME SHA256 MODE OWNER    MODE: x when it can be run, - when not; OWNER: PROJECT/BATCH from its second line, -
#   wrote NAME SHA256 USER         what shipctl wrote there last, and for whom (- for anybody)
#   pending NAME ID                while release ID is current, it runs the command before
#   empty                          nothing is there but directories
#   left NAME OWNER                it has no launcher, and more than that is there of it; OWNER as of its last one
# A query: it writes nothing.
there() {
	if [ -e "$1" ]; then return 0; fi
	up=${1%/*}
	while [ -n "$up" ] && [ ! -e "$up" ]; do up=${up%/*}; done
	up=${up:-/}
	[ -d "$up" ] || die "$up is not a directory"
	[ -x "$up" ] || denied "may not look into $up"
	return 1
}
# owner_of: makes of a launcher's second line whose it is.
owner_of() {
	case $owner in
	'# shipctl '*)
		owner=${owner#'# shipctl '}
		case $owner in *[!A-Za-z0-9._/-]*) owner=- ;; esac
		;;
	*) owner=- ;;
	esac
}
there "$1/jobs" || absent
[ -d "$1/jobs" ] || die "$1/jobs is not a directory"
if [ ! -r "$1/jobs" ] || [ ! -x "$1/jobs" ]; then denied "may not look into $1/jobs"; fi

current=$(cd -P "$1/current" 2>/dev/null && pwd -P)
case ${current##*/} in
'' | *[!A-Za-z0-9._+-]*) printf 'current -\n' ;;
*) printf 'current %s\n' "${current##*/}" ;;
esac

cd -P "$1/jobs" || denied "may not look into $1/jobs"
set --
for f in *; do
	case $f in *[!A-Za-z0-9_-]* | -*) continue ;; esac
	if [ ! -f "$f" ] || [ -L "$f" ]; then
		if [ -e "$f" ] || [ -L "$f" ]; then printf 'file %s - - -\n' "$f"; fi
		continue
	fi
	[ -r "$f" ] || denied "may not read $PWD/$f"
	set -- "$@" "$f"
done
if [ $# -gt 0 ]; then
	sums=$(sha256sum -- "$@") || die "could not read the files in $PWD"
	while [ $# -gt 0 ]; do
		sum=${sums%%" "*}
		sums=${sums#*"$_nl"}
		owner='' mode=-
		{ IFS= read -r _ && IFS= read -r owner; } <"$1" || :
		owner_of
		[ ! -x "$1" ] || mode=x
		printf 'file %s %s %s %s\n' "$1" "$sum" "$mode" "$owner"
		shift
	done
fi

[ -d .state ] || exit 0
if [ ! -r .state ] || [ ! -x .state ]; then denied "may not look into $PWD/.state"; fi
for f in .state/*.wrote; do
	if [ ! -f "$f" ] || [ -L "$f" ]; then continue; fi
	name=${f#.state/}
	name=${name%.wrote}
	case $name in *[!A-Za-z0-9_-]* | -*) continue ;; esac
	sum='' user=''
	read -r sum user <"$f" || :
	printf 'wrote %s %s %s\n' "$name" "${sum:--}" "${user:--}"
	if [ -r ".state/$name.from" ]; then
		from=''
		read -r from <".state/$name.from" || :
		case ${from##*/} in '' | *[!A-Za-z0-9._+-]*) ;; *) printf 'pending %s %s\n' "$name" "${from##*/}" ;; esac
	fi
done
for f in .state/*.lock .state/*.prev.by; do
	if [ ! -f "$f" ] || [ -L "$f" ]; then continue; fi
	name=${f#.state/}
	name=${name%%.*}
	case $name in *[!A-Za-z0-9_-]* | -*) continue ;; esac
	if [ -e "$name" ] || [ -L "$name" ]; then continue; fi
	case $f in *.by) [ ! -f ".state/$name.lock" ] || continue ;; esac
	owner=''
	[ ! -r ".state/$name.prev" ] || { IFS= read -r _ && IFS= read -r owner; } <".state/$name.prev" || :
	owner_of
	printf 'left %s %s\n' "$name" "$owner"
done
for f in * .[!.]* .state/* .state/.[!.]*; do
	if [ "$f" != .state ] && { [ -e "$f" ] || [ -L "$f" ]; }; then exit 0; fi
done
printf 'empty\n'
