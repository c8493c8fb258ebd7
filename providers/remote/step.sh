# shellcheck shell=sh
# What is around every step: the machine's step lock and the check of the lease's epoch. __main is the step.

# A step goes on when nobody listens any more. A handler, not "ignore": what the step starts must not inherit that.
__step() {
	trap : PIPE
	[ -d "$STATE/projects/$PROJECT" ] || mkdir -p "$STATE/projects/$PROJECT" 2>/dev/null || die "can't make the state directory $STATE as $(id -un)"
	have flock || die "flock is not on this machine: install util-linux"
	__lock
	printf '%s %s %s\n' "$PROJECT" "$RUN" "$STEP" 2>/dev/null >"$STATE/step.holder" # before the check: lease.sh waits for whoever may have passed it
	__lease
	if [ -n "$SENT" ]; then __fed "$@"; else __main "$@"; fi
}

# __lock: descriptor 9 holds the lock until the step ends. The wait counts towards the step's time.
__lock() {
	(: >>"$STATE/step.lock") 2>/dev/null || die "can't write $STATE/step.lock as $(id -un)"
	exec 9>>"$STATE/step.lock"
	__since=$(now_ms)
	until flock -n 9; do
		if [ $(($(now_ms) - __since)) -ge $((LIMIT * 1000 - 1000)) ]; then # in time to say so
			printf 'another step held this machine for %s s (project, run and step: %s). Look whether that run is still alive, then try again.\n' \
				"$LIMIT" "$(cat "$STATE/step.holder" 2>/dev/null)" >&2
			exit 75
		fi
		nap
	done
	LIMIT=$((LIMIT - ($(now_ms) - __since) / 1000))
	[ "$LIMIT" -ge 1 ] || LIMIT=1
}

# __lease: a run whose lease was taken over since must not change anything any more.
__lease() {
	__f="$STATE/projects/$PROJECT/lease"
	[ -e "$__f" ] || return 0
	__epoch=$(sed -n 's/^epoch \([0-9][0-9]*\)$/\1/p' "$__f") || die "can't read $__f as $(id -un)"
	[ -n "$__epoch" ] || die "$__f does not say which epoch it is"
	# What is no number, or too large for one, is refused as well.
	[ "$__epoch" -le "$EPOCH" ] 2>/dev/null && return 0
	printf 'another run took over this machine (lease epoch %s, this run has %s): nothing was changed by %s. Plan again.\n' \
		"$__epoch" "$EPOCH" "$STEP" >&2
	exit 76
}

# __fed WORD...: a step that something is sent to reads it by way of a dd, which __watch can end: a sender that is frozen,
# or whose link is dead, closes nothing, and would keep the machine's lock. To the step the sending just breaks off.
__fed() {
	exec 6<&0
	__feed | (
		exec 6<&-
		read -r __reader __start
		(__main "$@")
		__status=$?
		! proc_is "$__reader" "$__start" || kill "$__reader" # not all of it was wanted
		[ "$__status" = 0 ] || __lease                       # it may have failed because of that
		exit "$__status"
	)
}

# __feed: "pid start" of the reader, then what is on descriptor 6. Nothing here may hold the lock, or the pipe once it is gone.
__feed() {
	exec 9>&-
	(
		read -r __reader _ </proc/self/stat
		printf '%s %s\n' "$__reader" "$(proc_start "$__reader")"
		exec dd bs=65536 <&6 6<&- 2>/dev/null
	) &
	__reader=$!
	exec </dev/null >/dev/null 2>&1 6<&-
	__watch "$__reader" "$(proc_start "$__reader")" &
	__dog=$!
	wait "$__reader"
	kill "$__dog"
	wait "$__dog"
}

# __watch PID START: ends that process once another run has the lease, the step's time is over, or it has read nothing for
# a minute.
__watch() {
	__nap=''
	trap '[ -z "$__nap" ] || kill "$__nap"; exit' TERM
	__heard=$(now_ms)
	__end=$((__heard + LIMIT * 1000)) __silence=60000 __got=''
	while proc_is "$1" "$2"; do
		__was=$__got
		__got=$(sed -n 's/^rchar: //p' "/proc/$1/io")
		__now=$(now_ms)
		[ -n "$__got" ] && [ "$__got" = "$__was" ] || __heard=$__now
		if [ "$__now" -ge "$__end" ] || [ $((__now - __heard)) -ge "$__silence" ] || ! (__lease); then
			kill "$1"
			return
		fi
		sleep 1 &
		__nap=$!
		wait "$__nap"
		__nap=''
	done
}

# once NAME COMMAND...: runs a function, but not again when this step of this run did so before: a reply that was lost
# makes the controller ask again. What it came to is kept in $STATE/projects/$PROJECT/once for the run that is the last.
once() {
	__done=$STATE/projects/$PROJECT/once
	__key="$RUN $STEP $1"
	shift
	__was=$(key="$__key " awk 'index($0, ENVIRON["key"]) == 1 { s = substr($0, length(ENVIRON["key"]) + 1) } END { print s }' "$__done" 2>/dev/null)
	case $__was in
	'') ;;
	0)
		printf 'done already; the first reply was lost\n'
		return 0
		;;
	*) die "it failed with exit status $__was; the reply that said more was lost" ;;
	esac
	("$@")
	__was=$?
	{
		grep -F -e "$RUN " "$__done" 2>/dev/null
		printf '%s %s\n' "$__key" "$__was"
	} | write_atomic "$__done" 600 2>/dev/null || printf 'could not note in %s that this was done\n' "$__done" >&2
	return "$__was"
}

# as_user USER: as is what runs a command as USER, "" where that is who we are.
as_user() {
	as=''
	if [ -z "$1" ] || [ "$1" = "$(id -un)" ]; then return 0; fi
	[ "$(id -u)" = 0 ] || die "only root can run a program as $1: set sudo = true for this host, or drop run_as."
	__group=$(id -g "$1" 2>/dev/null) || die "there is no user $1 on this machine: create it (useradd --system $1), or change run_as."
	have setpriv || die "setpriv is not on this machine: install util-linux."
	as="setpriv --reuid=$1 --regid=$__group --init-groups"
	$as true 2>/dev/null || die "this machine's setpriv can't run a program as $1, as busybox's can't: install util-linux."
}

# command_in DIR NAME USER SECONDS WORD...: runs a command in a directory, as USER ("": as we are), with PATH, HOME and
# what $INPUT says (NAME=value a line) as its environment, and nothing else. Its last lines are shown. What it leaves
# running must not keep us waiting, so they go by way of a file, which has no name any more when it is written.
command_in() {
	__dir=$1 __name=$2 __user=$3 __limit=$4
	shift 4
	have timeout || die "timeout is not on this machine: install coreutils."
	as_user "$__user"
	__home=${HOME:-/}
	[ -z "$as" ] || __home=$(getent passwd "$__user" 2>/dev/null | cut -d: -f6)
	cd "$__dir" || die "can't change into $__dir"
	__out=$STATE/projects/$PROJECT/.output-$$
	(umask 077 && : >"$__out") || die "can't write $__out"
	exec 7>"$__out"
	exec 8<"$__out"
	rm -f "$__out"
	__since=$(now_ms)
	# shellcheck disable=SC2016,SC2086
	printf '%s\n' "$INPUT" | env -i PATH="$PATH" HOME="${__home:-/}" timeout -k 10 "$__limit" $as sh -c '
		while IFS= read -r line; do [ -z "$line" ] || export "$line"; done
		exec "$@" </dev/null' sh "$@" >&7 2>&1 7>&- 8<&- 9>&-
	__status=$?
	__since=$(($(now_ms) - __since))
	exec 7>&-
	__said=$(tail -n 20 <&8 | tr -d '\0' | sed 's/^/  | /')
	exec 8<&-
	# coreutils says 124, busybox what its TERM came to.
	if [ "$__status" != 0 ] && [ "$__since" -ge "$((__limit * 1000 - 50))" ]; then
		printf '%s\n' "$__name took longer than $__limit s. Its last lines:" "$__said" >&2
	elif [ "$__status" != 0 ]; then
		printf '%s\n' "$__name failed with exit status $__status. Its last lines:" "$__said" >&2
	else
		printf '%s\n' "$__said"
	fi
	return "$__status"
}
