# shellcheck shell=sh
# shellcheck disable=SC2154 # what begins with sc_ is set in the lines that are put in front of this
#
# Starts a job in the release that is current now. It is a file of its own: it needs no shipctl, and where something is
# in the way of its records it says so on standard error and runs the job all the same.
#
# Exit status: the job's (128 and the signal's number where one ended it). Its own: 75 not started, because it runs
# already, was removed meanwhile, or a deployment is about to stop something; 77 wrong user; 78 no release, or its secrets can't be read.
#
# Locks are held by descriptors that the job inherits, so they last as long as the job or a child of it lives, whatever
# happens to this shell: "lock" (9, shared) says that the job runs, "turn" (8, exclusive) that no other one may begin.
# Nobody but launchers touches "turn", so a look at "lock" never makes a launcher believe that the job runs.
#
# The race with a deployment that stops something jobs rely on: it first writes "hold" and then looks at "lock"; this
# takes "lock" first and then looks at "hold". Whichever comes second sees the other: either the deployment sees the job
# and waits, or the job sees the deployment and waits. hold has an end, in uptime of one boot, so that a deployment
# which died holds up nobody; and it is there for that moment only, not while files are sent.

sc_state=$sc_root/jobs/.state/$sc_job
sc_say() { printf 'shipctl: job %s: %s\n' "$sc_job" "$*" >&2; }

# sc_passwd: sets sc_uid, sc_gid and sc_home of sc_user. Each program that it did without is a millisecond of every run.
sc_passwd() {
	while IFS=: read -r sc_name _ sc_uid sc_gid _ sc_home _; do
		[ "$sc_name" != "$sc_user" ] || return 0
	done </etc/passwd
	sc_home=$(getent passwd "$sc_user" 2>/dev/null) || return 1
	IFS=: read -r _ _ sc_uid sc_gid _ sc_home _ <<-end
		$sc_home
	end
}

# sc_setpriv: setpriv can become another user. busybox' can't; a file that is not busybox need not be asked.
sc_setpriv() {
	sc_prog=/usr/bin/setpriv
	# shellcheck disable=SC3013 # dash and busybox have it
	if [ -x "$sc_prog" ] && [ ! -L "$sc_prog" ] && [ ! "$sc_prog" -ef /bin/busybox ] && [ ! "$sc_prog" -ef /usr/bin/busybox ]; then return 0; fi
	sc_prog=setpriv
	case $(setpriv --help 2>&1) in *--init-groups*) return 0 ;; esac
	return 1
}

# Another user's: root becomes the one who runs it, everybody else is told.
sc_become() {
	sc_passwd || {
		sc_say "there is no user $sc_user on this machine"
		exit 77
	}
	sc_me=0
	[ -O /etc/passwd ] || sc_me=$(id -u) # root's: it knows itself without a program
	[ "$sc_me" != "$sc_uid" ] || return 0 # and the state directory is gone, or somebody else's
	if [ "$sc_me" != 0 ]; then
		sc_say "runs as $sc_user, and was started by $(id -un): start it as $sc_user or as root"
		exit 77
	fi
	HOME=$sc_home USER=$sc_user LOGNAME=$sc_user
	export HOME USER LOGNAME
	SHIPCTL_JOB=$sc_job
	export SHIPCTL_JOB
	if sc_setpriv; then exec "$sc_prog" --reuid="$sc_uid" --regid="$sc_gid" --init-groups /bin/sh "$0" "$@"; fi
	# shellcheck disable=SC2016
	exec su -s /bin/sh -c 'exec /bin/sh "$0" "$@"' -- "$sc_user" "$0" "$@"
}

# A service that starts jobs gives them its marks. A process with these is taken for the service's own, and stopped with
# it: this one too, so that it begins anew without.
sc_marks=${SHIPCTL:-}${SHIPCTL_SLOT:-}
unset SHIPCTL SHIPCTL_SLOT
# -O asks for the owner without starting a program.
if [ -n "$sc_user" ] && [ ! -O "$sc_state" ]; then sc_become "$@"; fi
[ -z "$sc_marks" ] || SHIPCTL_JOB=$sc_job exec /bin/sh "$0" "$@"

# SHIPCTL_TURN: this very process has its turn, and has begun anew since.
sc_mine=${SHIPCTL_TURN:-}
unset SHIPCTL_TURN
sc_turn() {
	case $sc_concurrency in
	allow)
		[ "$sc_mine" != $$ ] || exec 8<&-
		return 0
		;;
	esac
	[ "$sc_mine" != $$ ] || return 0
	[ -r "$sc_state.turn" ] || return 0 # said by sc_lock
	exec 8<"$sc_state.turn"
	case $sc_concurrency in
	queue) if flock -x 8; then sc_mine=$$; else sc_say 'could not take its turn: it runs beside others'; fi ;;
	*)
		flock -n -x 8 && sc_mine=$$ && return 0
		sc_say 'runs already, and its concurrency is "forbid": not started'
		exit 75
		;;
	esac
}

# Only a look at the lock can be in the way, and that takes no time; one that hangs must not stop the night's batch.
sc_lock() {
	exec 9<"$sc_state.lock"
	sc_tries=0
	until flock -n -s 9; do
		sc_tries=$((sc_tries + 1))
		if [ "$sc_tries" -gt 50 ]; then
			sc_say "could not lock $sc_state.lock: a deployment can't see that it runs"
			return 0
		fi
		sleep 0.1 2>/dev/null || sleep 1
	done
}

# sc_uptime: sets sc_up, in seconds, without starting a program.
sc_uptime() {
	for sc_up in 1 2 3; do # a signal's trap may read something else in the middle of it
		sc_up=''
		{ read -r sc_up _; } 2>/dev/null </proc/uptime || :
		sc_up=${sc_up%.*}
		case $sc_up in '' | *[!0-9]*) sc_up='' ;; *) break ;; esac
	done
}

# sc_held: a deployment asks jobs to wait; each has a file of its own. sc_by: which, sc_until: until when, at most.
sc_held() {
	sc_dead=
	for sc_hold in "$sc_state".hold.*; do
		[ -e "$sc_hold" ] || continue
		sc_on='' sc_until='' sc_by=''
		{ read -r sc_on sc_until sc_by; } 2>/dev/null <"$sc_hold" || :
		sc_boot=''
		{ read -r sc_boot; } 2>/dev/null </proc/sys/kernel/random/boot_id || :
		sc_uptime
		case $sc_until in
		'' | *[!0-9]* | ???????????*)
			[ ! -e "$sc_hold" ] || sc_dead="could not read $sc_hold: does not wait for a deployment"
			continue
			;;
		esac
		[ "$sc_on" != "$sc_boot" ] || [ "$sc_until" -le "${sc_up:=0}" ] || [ "$sc_until" -gt $((sc_up + 3600)) ] || return 0
		sc_dead="a deployment that asked jobs to wait has died (${sc_by:-unknown}): does not wait for it"
	done
	[ -z "$sc_dead" ] || [ "$sc_dead" = "${sc_told:-}" ] || sc_say "$sc_dead"
	sc_told=$sc_dead
	return 1
}

sc_enter() {
	if ! command -v flock >/dev/null 2>&1; then
		sc_say 'there is no flock on this machine (package util-linux): runs without a lock'
		return 0
	elif [ ! -r "$sc_state.lock" ] || [ ! -r "$sc_state.turn" ]; then
		sc_say "could not read $sc_state.lock: runs without a lock"
		return 0
	fi
	sc_turn
	sc_said=
	while sc_lock && [ "$sc_meanwhile" != run ] && sc_held; do
		if [ "$sc_meanwhile" = skip ]; then
			sc_say "a deployment ($sc_by) is about to stop what it relies on: not started"
			exit 75
		fi
		exec 9<&-
		[ -n "$sc_said" ] || sc_say "waits for a deployment ($sc_by), at most $((sc_until - sc_up)) s"
		sc_said=1
		while sc_held; do sleep 0.2 2>/dev/null || sleep 1; done
	done
}

sc_enter

# After the waiting: the release that is current when the job begins. The kernel follows the link once.
if ! cd -P "$sc_root/current" 2>/dev/null; then
	sc_say "there is no release: $sc_root/current leads nowhere"
	exit 78
fi
sc_release=${PWD##*/}

# sc_secrets: opens them. A deployment writes them before the launcher that is to read them.
sc_secrets() {
	sc_open=
	[ -z "$sc_secret" ] || [ ! -r "$sc_env" ] || ! command exec 6<"$sc_env" || sc_open=1
}

# sc_same: the launcher is still the one that this shell reads.
sc_same() {
	while IFS= read -r sc_line; do
		case $sc_line in "sc_id=$sc_id") return 0 ;; sc_*) return 1 ;; esac
	done 2>/dev/null <"$sc_root/jobs/$sc_job"
	return 1
}

# Written for a release that is not current yet: until it is, the command is the one before.
sc_env=$sc_state.env
sc_secrets
if [ -r "$sc_state.from" ]; then
	{ IFS= read -r sc_from; } 2>/dev/null <"$sc_state.from" || sc_from=
	if [ "$sc_from" = "$PWD" ] && [ -r "$sc_state.before" ]; then
		# shellcheck disable=SC1090
		. "$sc_state.before"
		sc_secrets
	fi
fi

# A deployment writes the launchers of a release before that is current. So what is still in its place belongs to the
# release that was entered; another one than it began with takes over, with the turn.
if ! sc_same; then
	if [ -r "$sc_root/jobs/$sc_job" ]; then
		exec 6<&-
		[ "$sc_mine" != $$ ] || export SHIPCTL_TURN=$$
		exec /bin/sh "$sc_root/jobs/$sc_job" "$@"
	elif [ -x "$sc_root/jobs" ] && [ ! -e "$sc_root/jobs/$sc_job" ]; then
		sc_say 'was removed by a deployment before it could begin: not started'
		exit 75
	fi
	sc_say "could not read $sc_root/jobs/$sc_job: runs the command that it began with"
fi

# sc_go: becomes the job.
sc_go() {
	if [ -n "$sc_secret" ]; then
		[ -n "$sc_open" ] || {
			sc_say "could not read $sc_env, which holds its secrets"
			exit 78
		}
		while IFS= read -r sc_line || [ -n "$sc_line" ]; do export "${sc_line?}"; done <&6
	fi
	exec 6<&-
	SHIPCTL_JOB=$sc_job SHIPCTL_RELEASE=$sc_release
	export SHIPCTL_JOB SHIPCTL_RELEASE
	sc_start "$@"
}

sc_record() {
	{ printf '%s\n' "$*" >>"$sc_state/runs"; } 2>/dev/null || sc_say "could not record in $sc_state/runs: $*"
}

# sc_ignores PID: it ignores INT, as some shells make a program in the background do (dash, busybox), and QUIT with it.
# Nothing in these shells gives a program the default back: a trap can't, and job control wants a terminal and takes the
# job out of the process group. QUIT is no wish that TERM stands for: who has no handler for it does not notice it.
sc_ignores() {
	while read -r sc_key sc_mask; do
		if [ "$sc_key" = SigIgn: ]; then
			case $sc_mask in *[2367abef]) return 0 ;; esac
			return 1
		fi
	done 2>/dev/null <"/proc/$1/status"
	return 1
}

sc_pid='' sc_got=''
sc_pass() {
	sc_got=$1
	[ -n "$sc_pid" ] || return 0
	kill -s "$1" "$sc_pid" 2>/dev/null || :
	if [ "$1" = INT ] && sc_ignores "$sc_pid"; then kill -s TERM "$sc_pid" 2>/dev/null || :; fi
}
for sc_signal in TERM INT HUP QUIT USR1 USR2; do
	# shellcheck disable=SC2064
	trap "sc_pass $sc_signal" "$sc_signal"
done

# A shell gives a program in the background no standard input; a descriptor of its own keeps it.
if [ -e /proc/self/fd/0 ]; then
	exec 7<&0
	sc_go "$@" <&7 7<&- &
	sc_pid=$!
	exec 7<&-
else
	sc_go "$@" <&- &
	sc_pid=$!
fi
exec 6<&-
[ -z "$sc_got" ] || sc_pass "$sc_got"
sc_begin=$(date +%s) # while the job begins
sc_uptime
sc_since=${sc_up:-0}
sc_record "start $sc_begin $sc_pid $sc_release"

sc_got=
wait "$sc_pid" 2>/dev/null # a shell says here which signal ended it
sc_status=$?
while [ -n "$sc_got" ]; do # a signal ended the wait, not the job
	sc_got=
	wait "$sc_pid" 2>/dev/null
	sc_again=$?
	[ "$sc_again" = 127 ] && ! kill -0 "$sc_pid" 2>/dev/null || sc_status=$sc_again
done

# By uptime: no clock that is set makes a run shorter than nothing.
sc_uptime
sc_record "end $sc_begin $((sc_begin + ${sc_up:-0} - sc_since)) $sc_status $sc_pid $sc_release"
case $sc_pid in
*00) # now and then
	if [ "$(wc -l 2>/dev/null <"$sc_state/runs")" -gt 500 ] 2>/dev/null; then
		mv -f "$sc_state/runs" "$sc_state/runs.1" 2>/dev/null || :
	fi
	;;
esac
exit "$sc_status"
