# shellcheck shell=sh
# The history of this project on this machine: the newest part, one run a line, JSON; a run that did not end comes last.
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
	# The first line may be cut: the reader skips what is not JSON.
	tail -c "$room" "$dir/history"
fi
[ "$room" = 900000 ] || cat "$dir/running"
exit 0
