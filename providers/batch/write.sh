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

# mine DIR: it is a directory, and nobody else can change what is in it: root would follow their links, and they would
# write what root's cron runs. The user who deploys is root as well.
mine() {
	[ -d "$1" ] || mkdir "$1" || die "could not make $root/jobs as $(id -un)"
	[ ! -L "$1" ] || die "$root/jobs is a symbolic link, which shipctl does not follow: make it a directory"
	[ "$(id -u)" = 0 ] || return 0
	case $(stat -c '%u %A' "$1") in
	"0 "d????-??-? | "${SUDO_UID:-0} "d????-??-?) ;;
	*) die "others than root can change what is in $root/jobs: chown root: $root/jobs $root/jobs/.state; chmod go-w $root/jobs $root/jobs/.state" ;;
	esac
}

if ! mkdir -p "$root" || ! cd -P "$root"; then die "could not enter $root as $(id -un)"; fi
dir=$(pwd -P)/jobs
mine jobs
if ! cd -P ./jobs || [ "$(pwd -P)" != "$dir" ]; then die "could not enter $root/jobs"; fi
mine .
mine .state
current=$(cd -P "$root/current" 2>/dev/null && pwd -P)

digest() { [ -f "$1" ] && sha256sum <"$1" | sed 's/ .*//'; }

# own FILE: the job's user may read it.
own() {
	if [ -z "$user" ] || [ "$(id -u)" != 0 ]; then return 0; fi
	chown "$user:$(id -g "$user")" "$1"
}

# lines FROM TO of the input.
lines() { [ "$1" -gt "$2" ] || printf '%s\n' "$INPUT" | sed -n "$1,$2p"; }

# save NAME: all that is there of it now, for unwrite. Once in this run's step: a second try finds the first one's work.
save() {
	s=.state/$1
	[ "$(cat "$s.prev.by" 2>/dev/null)" != "$RUN $STEP" ] || return 0
	rm -f "$s.prev.by" "$s.prev"
	for f in env wrote from before before.env; do
		rm -f "$s.prev.$f"
		[ ! -f "$s.$f" ] || cp -p "$s.$f" "$s.prev.$f" || return 1
	done
	[ ! -f "$1" ] || cp -p "$1" "$s.prev" || return 1
	printf '%s\n' "$RUN $STEP" | write_atomic "$s.prev.by" 644
}

# before NAME SHA256: for jobs that start before current moves, the command that is in force now. Where a run that died
# has left one for this very release it stays: what lies there as the launcher was never in force.
before() {
	s=.state/$1
	if [ "$when" != later ] || [ -z "$current" ] || [ "$(cat "$s.from" 2>/dev/null)" = "$current" ]; then return 0; fi
	rm -f "$s.from" "$s.before" "$s.before.env"
	if [ "$(digest "$1")" = "$2" ] || ! grep -qs '^# end of the command$' "$1"; then return 0; fi
	[ ! -f "$s.env" ] || cp -p "$s.env" "$s.before.env" || return 1
	{
		# shellcheck disable=SC2016 # for the launcher
		printf 'sc_env=$sc_state.before.env\n'
		sed -n '/^# the command$/,/^# end of the command$/p' "$1"
	} | write_atomic "$s.before" 644 && printf '%s\n' "$current" | write_atomic "$s.from" 644
}

# state NAME: what a launcher needs beside itself. The job's user writes in a directory of its own only. Whoever can open a
# lock can hold it, and no job would start any more: with run_as, root and that user's group alone.
state() {
	s=.state/$1
	for f in "$s.lock" "$s.turn"; do
		[ -e "$f" ] || (umask 077 && : >"$f") || return 1
		if [ -z "$user" ] || [ "$(id -u)" != 0 ]; then
			chmod 644 "$f"
		elif ! chown "0:$(id -g "$user")" "$f" || ! chmod 640 "$f"; then
			return 1
		fi
	done
	mkdir -p "$s" && own "$s"
}

remove() {
	s=.state/$1
	save "$1" || die "could not keep $PWD/$1"
	rm -f "$1" "$s.wrote" "$s.env" "$s".hold.* "$s.from" "$s.before" "$s.before.env"
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
	if ! save "$1" || ! before "$1" "$2"; then die "could not keep $PWD/$1 as it is"; fi
	if [ "$5" -gt "$4" ]; then
		# It is the job's user's before it is in its place: a run that begins now reads it.
		if ! lines $(($4 + 1)) "$5" | write_atomic "$s.env.shipctl-new" 400 || ! own "$s.env.shipctl-new" ||
			! mv -fT "$s.env.shipctl-new" "$s.env" || ! sync_path .state; then
			rm -f "$s.env.shipctl-new"
			die "could not write $PWD/$s.env"
		fi
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
	# Only now: until it was there, the one before may have been for another release.
	if [ "$when" != later ] || [ -z "$current" ]; then rm -f "$s.from" "$s.before" "$s.before.env"; fi
	printf 'wrote %s\n' "$1"
}

while [ $# -ge 5 ]; do
	case $1 in '' | -* | *[!A-Za-z0-9_-]*) die "$1 is not the name of a job" ;; esac
	if [ -e "$1" ] && { [ ! -f "$1" ] || [ -L "$1" ]; }; then die "$PWD/$1 is not a file: it was made by hand. Move it away and run again."; fi
	if [ "$2" = - ]; then remove "$1"; else write "$@"; fi
	shift 5
done
