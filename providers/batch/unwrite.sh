# shellcheck shell=sh
# Takes write back: unwrite ROOT then NAME SHA256 BEFORE for each, as write was given it and as the file was before it
# ("-": there was none). Where write had not begun with a launcher, another run's work stays as it is. A file that is
# neither is somebody else's by now, and stays.
root=$1
shift
cd -P "$root/jobs" 2>/dev/null || exit 0
current=$(cd -P "$root/current" 2>/dev/null && pwd -P)

# back NAME...: as it was saved, or gone.
back() {
	for f in "$@"; do
		if [ -f "$s.prev.$f" ]; then
			if ! cp -p "$s.prev.$f" "$s.$f.shipctl-$$" || ! mv -fT "$s.$f.shipctl-$$" "$s.$f"; then
				rm -f "$s.$f.shipctl-$$"
				die "could not put back $PWD/$s.$f"
			fi
		else
			rm -f "$s.$f"
		fi
	done
}

while [ $# -ge 3 ]; do
	name=$1 wrote=$2 before=$3
	shift 3
	s=.state/$name
	[ "$(cat "$s.prev.by" 2>/dev/null)" = "$RUN $STEP" ] || continue
	now=-
	[ ! -f "$name" ] || now=$(sha256sum <"$name" | sed 's/ .*//')
	if [ "$now" != "$before" ] && [ "$now" != "$wrote" ]; then
		printf '%s was changed since: left as it is\n' "$name"
		rm -f "$s.from" "$s.before" "$s.before.env" "$s.prev.by"
		continue
	fi
	back wrote
	# Secrets are there for as long as a launcher is that reads them.
	[ ! -f "$s.prev.env" ] || back env
	# A launcher that was not in force goes behind the command that was; any other comes before it is let go of.
	[ "$(cat "$s.prev.from" 2>/dev/null)" != "$current" ] || back before.env before from
	if [ "$now" = "$before" ]; then
		:
	elif [ "$before" = - ]; then
		rm -f "$name" || die "could not remove $PWD/$name"
		printf 'removed %s\n' "$name"
	else
		[ -f "$s.prev" ] || die "$PWD/$s.prev is gone: $name can't be put back. Apply again."
		mv -fT "$s.prev" "$name" || die "could not put back $PWD/$name"
		printf 'put back %s\n' "$name"
	fi
	back env from before before.env
	rm -f "$s.prev.by"
	sync_path .
done
