# shellcheck shell=sh
# Removes what is in ROOT/jobs/.state of jobs whose launchers were removed, and the directories when nothing else is in them:
# tidy ROOT NAME... What runs, or is about to, has locks: these stay until it ends, with its record, and that is said. Nothing
# can be put back after this. The lock goes last: by it files.sh sees that there is something left.
root=$1
shift
have flock || die "flock is not on this machine: install util-linux"
if ! cd -P "$root" 2>/dev/null || [ ! -d jobs/.state ]; then exit 0; fi
dir=$(pwd -P)/jobs/.state
if ! cd -P ./jobs/.state || [ "$(pwd -P)" != "$dir" ]; then die "could not enter $dir as $(id -un)"; fi
[ "$(id -u)" != 0 ] || case $(stat -c '%u %A' .) in
"0 "d????-??-? | "${SUDO_UID:-0} "d????-??-?) ;;
*) die "others than root can change what is in $dir: chown root: $dir; chmod go-w $dir" ;;
esac

# records NAME: they lie in a directory of the job's user, who may have put anything there.
records() {
	if [ ! -d "$1" ] || [ -L "$1" ]; then return 0; fi
	rm -f "$1/runs" "$1/runs.1"
	rmdir "$1" 2>/dev/null || printf '%s is not empty: it stays\n' "$dir/$1"
}

# forget NAME: 7 and 8 are its locks. With both, nothing runs, and nothing waits for its turn.
forget() {
	if ! flock -n -x 7 || ! flock -n -x 8; then
		printf '%s runs, and goes on: %s, %s.turn and its record in %s stay, to be removed when it has ended\n' "$1" "$dir/$1.lock" "$1" "$1"
		return 0
	fi
	records "$1"
	rm -f "$1.turn" || return 1
	rm -f "$1.lock" || return 1
	printf 'removed what was left of %s\n' "$1"
}

# A launcher that began before it was removed has taken its lock, or seen that it was removed, by then.
sleep 2

for name in "$@"; do
	case $name in '' | -* | *[!A-Za-z0-9_-]*) die "$name is not the name of a job" ;; esac
	if [ -e "../$name" ] || [ -L "../$name" ]; then
		printf '%s has a launcher again: what is there of it stays\n' "$name"
		continue
	fi
	for f in "$name".*; do
		case $f in "$name.lock" | "$name.turn") ;; *) rm -f "$f" || die "could not remove $dir/$f" ;; esac
	done
	for f in "$name.lock" "$name.turn"; do
		[ -e "$f" ] || (umask 077 && : >"$f") || die "could not write in $dir"
	done
	forget "$name" 7<"$name.lock" 8<"$name.turn" || die "could not remove $dir/$name.lock"
done
sync_path .
cd -P "$root" || exit 0
if rmdir jobs/.state 2>/dev/null; then rmdir jobs 2>/dev/null; fi
sync_path .
