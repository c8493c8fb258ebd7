# shellcheck shell=sh
# What is around every step: the machine's step lock and the check of the lease's epoch. __main is the step.

# A step goes on when nobody listens any more. A handler, not "ignore": what the step starts must not inherit that.
__step() {
	trap : PIPE
	mkdir -p "$STATE/projects/$PROJECT" 2>/dev/null || die "can't make the state directory $STATE as $(id -un)"
	have flock || die "flock is not on this machine: install util-linux"
	__lock
	printf '%s %s %s\n' "$PROJECT" "$RUN" "$STEP" 2>/dev/null >"$STATE/step.holder" # before the check: lease.sh waits for whoever may have passed it
	__lease
	__main "$@"
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
