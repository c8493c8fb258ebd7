# shellcheck shell=sh
# The history of this project on this machine: the newest part, one run a line, JSON; a run that did not end comes last.
# Argument: 1 the SHA-256 of a plan file, or none: then it begins with the first run of that plan, and is empty without one.
plan=${1-}
dir="$STATE/projects/$PROJECT"
[ -x "$dir" ] || [ ! -e "$dir" ] || denied "$dir: not permitted to look into it as $(id -un)"
[ -e "$dir/history" ] || [ -e "$dir/running" ] || absent
room=900000 # of both: an answer is less than 1 MB
if [ -e "$dir/running" ]; then
	[ -r "$dir/running" ] || denied "$dir/running: not permitted to read it as $(id -un)"
	size=$(wc -c <"$dir/running") && [ "$size" -lt "$room" ] && room=$((room - size))
fi
if [ -e "$dir/history" ]; then
	[ -r "$dir/history" ] || denied "$dir/history: not permitted to read it as $(id -un)"
	# A line may be cut, the first or the last: the reader skips what is not JSON.
	if [ -n "$plan" ]; then
		sed -n "/\"plan\":\"$plan\"/,\$p" "$dir/history" | head -c "$room"
		echo
	else
		tail -c "$room" "$dir/history"
	fi
fi
[ "$room" = 900000 ] || cat "$dir/running"
exit 0
