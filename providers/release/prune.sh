# shellcheck shell=sh
# Removes releases that nothing uses: prune ROOT KEY ID..., or prune ROOT KEY -all where the whole is given up: then what
# is live goes too, with the link to it, and what was shared stays. What is in use is decided here, at the last moment: the
# current and the previous release stay, so does what a link of ours points to or a process has as directory, program
# or open file. A release is first renamed, then looked at again, then removed: what is there under its name is whole.

[ ! -L "$1/releases" ] || die "$1/releases is a symbolic link, which shipctl does not follow: make it a directory"
[ -e "$1/releases" ] || exit 0
root=$(cd -P "$1" && pwd -P) || die "could not enter $1"
cd -P "$root/releases" || die "could not enter $root/releases"
records=$STATE/projects/$PROJECT/releases/$2
shift 2
all=
if [ "${1:-}" = -all ]; then
	all=1
	shift
	for record in "$records"/*; do [ -f "$record" ] && set -- "$@" "${record##*/}"; done
fi

# links: "path target" of what every process has as directory and program, and has open.
links() {
	if find /proc/self/cwd -maxdepth 0 -printf '' 2>/dev/null; then
		find /proc/[0-9]*/cwd /proc/[0-9]*/exe /proc/[0-9]*/fd -maxdepth 1 -type l -printf '%p %l\n' 2>&1
	else
		for p in /proc/[0-9]*; do
			# shellcheck disable=SC2012
			ls -ld "$p/cwd" "$p/exe" "$p"/fd/* 2>&1 | sed 's|^l.* \(/proc/.*\) -> |\1 |'
		done
	fi
}

# users: "ID PID" for every process that uses a release, "denied PID" for one that could not be looked at.
users() {
	links | dir="$PWD/" awk '
		/Permission denied|Operation not permitted/ {
			pid = ""
			if (match($0, /\/proc\/[0-9]+/)) pid = substr($0, RSTART + 6, RLENGTH - 6)
			print "denied", pid
			next
		}
		{
			at = index($0, " ")
			path = substr($0, at + 1)
			if (index(path, ENVIRON["dir"]) != 1) next
			path = substr(path, length(ENVIRON["dir"]) + 1)
			sub(/ \(deleted\)$/, "", path)
			sub(/\/.*/, "", path)
			split($0, p, "/")
			print path, p[3]
		}' | sort -u
}

# user ID: the first process that uses it.
user() { printf '%s\n' "$used" | awk -v id="$1" '$1 == id { print $2; exit }'; }

# pointed ID: a link of this root leads into it.
pointed() {
	for l in "$root"/* "$root"/*/*; do
		[ -L "$l" ] || continue
		case $l in "$root"/current/*) continue ;; esac # it lies in the release itself
		# What is given up as a whole is given up by its slots, too: what runs in one is noticed as a process.
		[ -z "$all" ] || case $l in "$root/current" | "$root"/slots/*) continue ;; esac
		case $(readlink -f "$l")/ in "$PWD/$1/"*) return 0 ;; esac
	done
	return 1
}

# reason ID: why it stays, or nothing.
reason() {
	pid=$(user "$1")
	if [ -z "$all" ] && [ "$1" = "$live" ]; then
		printf 'it is live'
	elif [ -z "$all" ] && [ "$1" = "$previous" ]; then
		printf 'it was live before'
	elif [ -n "$pid" ]; then
		printf 'in use by process %s (%s)' "$pid" "$(cmd_of "$pid")"
	elif pointed "$1"; then
		printf 'a link points to it'
	fi
}

look() {
	used=$(users)
	case "
$used" in
	*"
denied "*)
		return 1
		;;
	esac
}

# unseen: the first process that could not be looked at, and how many there are.
unseen() {
	n=$(printf '%s\n' "$used" | grep -c '^denied ')
	pid=$(printf '%s\n' "$used" | sed -n 's/^denied \([0-9][0-9]*\)$/\1/p' | sort -n | head -n 1)
	printf 'process %s' "${pid:-unknown}"
	[ -z "$pid" ] || printf ' (%s)' "$(cmd_of "$pid")"
	[ "$n" -le 1 ] || printf ' and %s more' "$((n - 1))"
}

# remove ID: with its record, unless it was published again since a run died here.
remove() {
	rm -rf ".remove-$1" || die "could not remove $PWD/.remove-$1"
	[ -e "$1" ] || rm -f "$records/$1"
}

live=$(readlink -f ../current 2>/dev/null)
live=${live#"$PWD"/}
live=${live%%/*}
previous=$(awk -v live="$live" '$1 != live { p = $1 } END { print p }' "$records/.history" 2>/dev/null)

# blind MESSAGE: retention can wait; what is to be given up was not.
blind() {
	[ -z "$all" ] || die "$*"
	printf '%s\n' "$*"
	rm -f "$records/.prune"
	exit 0
}
[ "$(id -u)" = 0 ] || blind 'nothing removed: without root it can not be seen whether a process uses a release'
look || blind "nothing removed: $(unseen) can not be looked at, not even as root (a container without CAP_SYS_PTRACE, or a security module, forbids it), so it is not known what it uses of $PWD. Run it elsewhere, or remove old releases by hand"

for id in "$@"; do
	case $id in [!A-Za-z0-9]* | *[!A-Za-z0-9._+-]* | '') die "$id is not the name of a release" ;; esac
	if [ ! -d "$id" ] || [ -L "$id" ]; then
		[ -z "$all" ] || rm -f "$records/$id" # of a publication that was broken off
		continue
	fi
	why=$(reason "$id")
	if [ -n "$why" ]; then
		printf 'kept %s: %s\n' "$id" "$why"
		continue
	fi
	if [ "$id" = "$live" ]; then # with -all only
		rm -f "$root/current" || die "could not remove $root/current"
	fi
	mv -T "$id" ".remove-$id" || die "could not rename $PWD/$id"
done
sync_path .

# Also what an earlier run has left.
look || used=all
for dir in .remove-*; do
	if [ ! -d "$dir" ] || [ -L "$dir" ]; then continue; fi
	id=${dir#.remove-}
	pid=$(user "$dir")
	if [ "$used" = all ] || [ -n "$pid" ]; then
		[ -e "$id" ] || mv -T "$dir" "$id" || die "could not put $PWD/$id back"
		[ "$id" != "$live" ] || switch_link "$PWD/$id" "$root/current" || die "could not point $root/current back to $PWD/$id"
		printf 'kept %s: %s uses it since a moment ago\n' "$id" "${pid:+process }${pid:-somebody}"
		continue
	fi
	remove "$id"
	printf 'removed %s\n' "$id"
done
sync_path .
rm -f "$records/.prune"
[ -n "$all" ] || exit 0

# The rest, where nothing was kept: what never became a release, our notes, and the directories, if they are empty.
for record in "$records"/*; do [ -f "$record" ] && exit 0; done
rm -rf .upload-* .ready-* .publish-*
rm -rf "$records"
cd "$root" || exit 0
rm -f current.shipctl-*
if [ ! -e current ]; then # it led into what is gone
	case $(readlink current) in "$root/releases/"*) rm -f current ;; esac
fi
for l in slots/*; do
	if [ -L "$l" ] && [ ! -e "$l" ]; then rm -f "$l"; fi
done
for dir in releases slots jobs; do rmdir "$dir" 2>/dev/null; done
cd / && rmdir "$root" 2>/dev/null
exit 0
