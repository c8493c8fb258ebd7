# shellcheck shell=sh
# Writes launchers and removes those that are not wanted any more: write ROOT USER WHEN then NAME SHA256 FROM TO SECRETS
# for each. USER runs the jobs, "" for anybody. WHEN is "now", or "later": another release is about to become current, and
# until it is, a job runs with the command before. FROM and TO are the lines of $INPUT that are the launcher, SECRETS the
# last of the lines after TO that are its secret variables (NAME=value). SHA256 "-": the launcher is removed.
# A launcher is replaced by one rename: a shell that reads the old one reads on in it. Jobs that run are not touched.
# What was there before is kept in .state for unwrite.
root=$1 user=$2 when=$3
shift 3
have sha256sum flock || die "sha256sum and flock are needed on this machine: install coreutils and util-linux"
if [ -n "$user" ] && ! id "$user" >/dev/null 2>&1; then
	die "there is no user $user on this machine: create it (useradd --system $user), or change run_as."
fi
if [ -n "$user" ] && [ "$(id -u)" != 0 ] && [ "$(id -un)" != "$user" ]; then
	die "only root can write launchers for $user: set sudo = true for this host, or drop run_as."
fi
mkdir -p "$root/jobs/.state" || die "could not make $root/jobs/.state as $(id -un)"
cd -P "$root/jobs" || die "could not enter $root/jobs"
current=$(cd -P "$root/current" 2>/dev/null && pwd -P)

digest() { [ -f "$1" ] && sha256sum <"$1" | sed 's/ .*//'; }

# own FILE: the job's user may read it.
own() {
	if [ -z "$user" ] || [ "$(id -u)" != 0 ]; then return 0; fi
	chown "$user:$(id -g "$user")" "$1"
}

# lines FROM TO of the input.
lines() { [ "$1" -gt "$2" ] || printf '%s\n' "$INPUT" | sed -n "$1,$2p"; }

# keep NAME: what is there now, for unwrite and for jobs that start before current moves.
keep() {
	s=.state/$1
	rm -f "$s.from" "$s.before" "$s.prev" "$s.prev.env" "$s.prev.wrote"
	[ -f "$1" ] || return 0
	cp -p "$1" "$s.prev" || return 1
	if [ -f "$s.wrote" ]; then cp -p "$s.wrote" "$s.prev.wrote" || return 1; fi
	if [ -f "$s.env" ]; then cp -p "$s.env" "$s.prev.env" || return 1; fi
	if [ "$when" != later ] || [ -z "$current" ] || ! grep -q '^# end of the command$' "$1"; then return 0; fi
	{
		# shellcheck disable=SC2016 # for the launcher
		printf 'sc_env=$sc_state.prev.env\n'
		sed -n '/^# the command$/,/^# end of the command$/p' "$1"
	} | write_atomic "$s.before" 644 && printf '%s\n' "$current" | write_atomic "$s.from" 644
}

# state NAME: what a launcher needs beside itself. The job's user writes in a directory of its own only.
state() {
	s=.state/$1
	for f in "$s.lock" "$s.turn"; do
		[ -e "$f" ] || : >"$f" || return 1
		chmod 644 "$f"
	done
	mkdir -p "$s" && own "$s"
}

remove() {
	s=.state/$1
	if [ -f "$1" ]; then keep "$1" || die "could not keep $PWD/$1"; fi
	rm -f "$1" "$s.wrote" "$s.env" "$s".hold.* "$s.from" "$s.before"
	sync_path .
	if [ -e "$s.lock" ] && ! flock -n -x 7 7<"$s.lock"; then
		printf 'removed %s; it runs, and goes on\n' "$1"
	else
		printf 'removed %s\n' "$1"
	fi
}

# write NAME SHA256 FROM TO SECRETS
write() {
	state "$1" || die "could not write in $PWD/.state ($(df -P -k . | awk 'NR == 2 { print $4 }') KiB free)"
	s=.state/$1
	if [ "$(digest "$1")" != "$2" ]; then
		keep "$1" || die "could not keep $PWD/$1 as it is"
	elif [ "$when" != later ] || [ "$(cat "$s.from" 2>/dev/null)" != "$current" ]; then
		rm -f "$s.from" "$s.before" # not from an earlier try of this very step
	fi
	if [ "$5" -gt "$4" ]; then
		if ! lines $(($4 + 1)) "$5" | write_atomic "$s.env" 400 || ! own "$s.env"; then die "could not write $PWD/$s.env"; fi
	fi
	lines "$3" "$4" | write_atomic "$1.shipctl-new" 755 || die "could not write $PWD/$1"
	[ "$(digest "$1.shipctl-new")" = "$2" ] || {
		rm -f "$1.shipctl-new"
		die "the launcher of $1 did not arrive whole"
	}
	# Recorded first: a launcher that nothing is recorded of would look like one that somebody edited.
	printf '%s %s\n' "$2" "${user:--}" | write_atomic "$s.wrote" 644 || die "could not record in $PWD/.state"
	if ! mv -fT "$1.shipctl-new" "$1" || ! sync_path .; then die "could not place $PWD/$1"; fi
	[ "$5" -gt "$4" ] || rm -f "$s.env"
	printf 'wrote %s\n' "$1"
}

while [ $# -ge 5 ]; do
	case $1 in '' | -* | *[!A-Za-z0-9_-]*) die "$1 is not the name of a job" ;; esac
	if [ -e "$1" ] && { [ ! -f "$1" ] || [ -L "$1" ]; }; then die "$PWD/$1 is not a file: it was made by hand. Move it away and run again."; fi
	if [ "$2" = - ]; then remove "$1"; else write "$@"; fi
	shift 5
done
