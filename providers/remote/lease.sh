# shellcheck shell=sh
# The lease on this machine for one project: who may change things here. Arguments: 1 what to do (acquire, renew,
# release, force) 2 the run's ID 3 milliseconds that it lasts without being renewed 4 who 5 URL of the CI job.
# The file is "key value" a line; its epoch only ever rises, and a step of an earlier epoch is refused (step.sh).
# Expiry is counted in uptime of this boot: no clock can move it, and a reboot ends every lease.
# acquire prints the epoch, once no step of an earlier epoch runs any more. Exit status 74: somebody else has it, or such
# a step does not end; 75: nobody has it, and it was to be taken away; 76: it was taken over.
what=$1 id=$2 ttl=$3 who=$4 url=$5
dir="$STATE/projects/$PROJECT"
file="$dir/lease"
have flock || die "flock is not on this machine: install util-linux"
[ -d "$dir" ] || mkdir -p "$dir" || die "can't make $dir as $(id -un)"
exec 8>>"$dir/lease.lock" || die "can't write $dir/lease.lock as $(id -un)"

# locked: descriptor 8 holds the lease's own lock, which nobody holds for long.
locked() {
	tries=0
	until flock -n 8; do
		tries=$((tries + 1))
		[ $tries -lt 100 ] || die "$dir/lease.lock is held for 10 s"
		nap
	done
}
locked

# number: a leading zero would make it octal, and more digits would not fit.
number() {
	case $1 in
	'' | *[!0-9]* | 0?* | ????????????????*) return 1 ;;
	esac
}

has_epoch=0 has_id='' has_who='' has_url='' has_boot='' has_until=0 has_since='' has_ttl=0
if [ -e "$file" ]; then
	[ -r "$file" ] || die "can't read $file as $(id -un)"
	while read -r key value; do
		case $key in
		epoch) has_epoch=$value ;;
		id) has_id=$value ;;
		who) has_who=$value ;;
		url) has_url=$value ;;
		boot) has_boot=$value ;;
		until) has_until=$value ;;
		since) has_since=$value ;;
		ttl) has_ttl=$value ;;
		esac
	done <"$file"
	if ! number "$has_epoch" || ! number "$has_until" || ! number "$has_ttl"; then
		die "$file can't be understood: have a look at it, and remove it when no deployment of $PROJECT runs"
	fi
fi
read -r boot </proc/sys/kernel/random/boot_id
now=$(now_ms)
# What this machine was writing when it died: a run that goes on then takes no lease anew.
[ "$has_boot" = "$boot" ] || rm -f "$file".shipctl-*

live() { [ -n "$has_id" ] && [ "$has_boot" = "$boot" ] && [ "$has_until" -gt "$now" ]; }
describe() {
	printf 'the lease of project %s is held by %s since %s (ID %s%s); %s' "$PROJECT" "${has_who:-?}" "${has_since:-?}" "$has_id" "${has_url:+, $has_url}" "$1"
}
# sign: how long ago the holder gave a sign, by its own lease's length, of which it gives one in each third. Until a second
# after the next one is due it is alive; later it may as well be cut off. An earlier shipctl's lease does not say that.
sign() {
	age=$((now - has_until + has_ttl)) due=$((has_ttl / 3))
	if [ "$has_ttl" = 0 ]; then
		printf 'how long ago its last sign was is not known'
	elif [ $age -le $((due + 1000)) ]; then
		printf 'alive: its last sign was %s s ago' $((age / 1000))
	else
		printf 'no sign for %s s, and one is due every %s s: probably dead, or cut off' $((age / 1000)) $(((due + 999) / 1000))
	fi
	printf '; without another it expires in %s s' $(((has_until - now + 999) / 1000))
}
# text EPOCH ID UNTIL: what the file says then.
text() { printf 'epoch %s\nid %s\nwho %s\nurl %s\nboot %s\nuntil %s\nsince %s\nttl %s\n' "$1" "$2" "$who" "$url" "$boot" "$3" "$has_since" "$ttl"; }
put() { text "$@" | write_atomic "$file" 644 || die "can't write $file"; }
# again: the same lease for longer, every few seconds of a run. Which of the two names the disk has after a crash is no
# matter: the epoch is the same in both.
again() {
	new="$file.shipctl-$$"
	if ! text "$has_epoch" "$id" $((now + ttl)) >"$new" || ! sync_path "$new" || ! mv -fT "$new" "$file"; then
		rm -f "$new"
		die "can't write $file"
	fi
}

# await_step: a step of the run before that has passed its check goes on to its end, whatever became of that run; one that
# only waits is told to end, and one that is being sent something ends by itself (step.sh). Beside it nothing may be planned
# or changed. What another project does here is no matter. The lease is kept alive meanwhile.
await_step() {
	(: >>"$STATE/step.lock") 2>/dev/null || die "can't write $STATE/step.lock as $(id -un)"
	exec 7>>"$STATE/step.lock"
	end=$((now + 20000)) told='' # the controller waits for 30 s
	until flock -n 7; do
		holder=$(cat "$STATE/step.holder" 2>/dev/null)
		case $holder in
		"$PROJECT "*)
			run=${holder#* }
			run=${run%% *}
			[ "$run" = "$told" ] || printf '%s\n' "$run" | write_atomic "$dir/interrupt" 644
			told=$run
			;;
		'') ;;
		*) break ;;
		esac
		flock -u 8
		nap
		locked
		now=$(now_ms)
		grep -qx "id $id" "$file" || {
			printf 'the lease was taken away while a step of a run before was waited for' >&2
			exit 74
		}
		if [ "$now" -ge $end ]; then
			put "$has_epoch" '' 0
			printf 'a step of a run before still runs on this machine (project, run and step: %s)' "$holder" >&2
			exit 74
		fi
		put "$has_epoch" "$id" $((now + ttl))
	done
	exec 7>&-
}

case $what in
acquire)
	if [ "$has_id" != "$id" ]; then
		if live; then
			describe "$(sign)" >&2
			exit 74
		fi
		has_epoch=$((has_epoch + 1)) has_since=$(date -u +%Y-%m-%dT%H:%M:%SZ)
	fi
	put "$has_epoch" "$id" $((now + ttl))
	if [ "$has_id" != "$id" ]; then
		await_step
		rm -f "$dir"/*.shipctl-* "$dir"/*/*.shipctl-* # what was being written when a run before, or the machine, died
	fi
	printf '%s\n' "$has_epoch"
	;;
renew)
	if [ -z "$has_id" ]; then
		printf 'another run took the lease of project %s over and gave it back since, or it was taken away by force-unlock' "$PROJECT" >&2
		exit 76
	elif [ "$has_id" != "$id" ]; then
		describe 'this run had it before' >&2
		exit 76
	fi
	again
	;;
release)
	[ "$has_id" = "$id" ] || exit 0
	who='' url=''
	put "$has_epoch" '' 0
	;;
force)
	if [ "$has_id" != "$id" ]; then
		live || {
			echo 'nobody has the lease' >&2
			exit 75
		}
		describe 'another ID was given' >&2
		exit 74
	fi
	who='' url=''
	put $((has_epoch + 1)) '' 0
	describe 'taken away' | sed 's/is held/was held/'
	echo
	;;
*) die "lease: what is $what?" ;;
esac
