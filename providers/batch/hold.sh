# shellcheck shell=sh
# Keeps jobs from starting for a moment, with none of them running: hold ROOT SECONDS WAIT NAME... [-- NAME...]. For whoever
# stops something that jobs rely on: hold, stop, unhold. Where jobs run it waits for them, WAIT seconds at most, and lets
# others start meanwhile; after that it fails with status 77 and says which run. Those behind -- are kept from starting only:
# that one of them runs is no matter. The hold ends by itself after SECONDS (3600 at most). Why no job can slip through is
# written in launcher.sh. A job with on_deployment = "run" does not look at it. A run whose lease was taken over holds nothing.
# Each step that holds has a file of its own: several may hold a job at once, and it waits for all of them.
root=$1 seconds=$2 patience=$3
shift 3
have flock || die "flock is not on this machine: install util-linux"
cd -P "$root/jobs/.state" 2>/dev/null || {
	[ ! -e "$root/jobs" ] || die "could not enter $root/jobs/.state as $(id -un)"
	exit 0
}
names='' must='' only=''
for name in "$@"; do
	case $name in
	--) only=1 && continue ;;
	'' | -* | *[!A-Za-z0-9_-]*) die "$name is not the name of a job" ;;
	esac
	names="$names $name"
	[ -n "$only" ] || must="$must $name"
done
read -r boot </proc/sys/kernel/random/boot_id
have sha256sum || die "sha256sum is not on this machine: install coreutils"
holder=$(printf '%s %s' "$RUN" "$STEP" | sha256sum | cut -c1-16)

# running: sets busy.
running() {
	busy=
	for name in $must; do
		[ -e "$name.lock" ] || continue
		flock -n -x 7 7<"$name.lock" || busy="$busy $name"
	done
	[ -n "$busy" ]
}

unhold() { for name in $names; do rm -f "$name.hold.$holder"; done; }

# fenced: nobody has taken over. A machine without a lease of ours (epoch 0) is not asked.
fenced() { [ "$EPOCH" = 0 ] || (__lease); }

# forget NAME: holds that have ended by themselves. What can't be read may be written at this moment: launchers judge it.
forget() {
	for h in "$1".hold.*; do
		on='' end=''
		{ read -r on end _; } 2>/dev/null <"$h" || continue
		case $end in '' | *[!0-9]* | ???????????*) continue ;; esac
		if [ "$on" != "$boot" ] || [ "$end" -le $(($(now_ms) / 1000)) ]; then rm -f "$h"; fi
	done
}

fenced || exit $?
begun=$(now_ms)
left() { [ $(($(now_ms) - begun)) -lt $((patience * 1000)) ]; }
while :; do
	if ! running; then
		until=$(($(now_ms) / 1000 + seconds))
		for name in $names; do
			forget "$name"
			printf '%s %s %s\n' "$boot" "$until" "$RUN" | write_atomic "$name.hold.$holder" 644 || {
				unhold
				die "could not write $PWD/$name.hold.$holder"
			}
		done
		fenced || {
			status=$?
			unhold
			exit "$status"
		}
		running || break
		unhold
	fi
	if ! left; then
		printf 'still running after %s s:%s. Nothing was stopped.\n' "$patience" "$busy" >&2
		exit 77
	fi
	nap
done
printf 'no job runs, and none starts for %s s\n' "$seconds"
