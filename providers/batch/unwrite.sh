# shellcheck shell=sh
# Takes write back: unwrite ROOT then NAME SHA256 BEFORE for each, as write was given it and as the file was before it
# ("-": there was none). A file that is neither is somebody else's by now, and stays.
root=$1
shift
cd -P "$root/jobs" 2>/dev/null || exit 0
while [ $# -ge 3 ]; do
	name=$1 wrote=$2 before=$3
	shift 3
	s=.state/$name
	now=-
	[ ! -f "$name" ] || now=$(sha256sum <"$name" | sed 's/ .*//')
	if [ "$now" = "$before" ] || [ "$now" != "$wrote" ]; then
		[ "$now" = "$before" ] || printf '%s was changed since: left as it is\n' "$name"
		rm -f "$s.from" "$s.before"
		continue
	fi
	if [ "$before" = - ]; then
		rm -f "$name" "$s.wrote" "$s.env" || die "could not remove $PWD/$name"
		printf 'removed %s\n' "$name"
	else
		[ -f "$s.prev" ] || die "$PWD/$s.prev is gone: $name can't be put back. Apply again."
		rm -f "$s.env"
		if [ -f "$s.prev.env" ]; then mv -fT "$s.prev.env" "$s.env" || die "could not put back $PWD/$s.env"; fi
		if [ -f "$s.prev.wrote" ]; then mv -fT "$s.prev.wrote" "$s.wrote" || die "could not put back $PWD/$s.wrote"; else rm -f "$s.wrote"; fi
		mv -fT "$s.prev" "$name" || die "could not put back $PWD/$name"
		printf 'put back %s\n' "$name"
	fi
	rm -f "$s.from" "$s.before"
	sync_path .
done
