# shellcheck shell=sh
# The history of this project on this machine: the newest part, one run a line, JSON; a run that did not end comes last.
dir="$STATE/projects/$PROJECT"
[ -x "$dir" ] || [ ! -e "$dir" ] || denied "$dir: not permitted to look into it as $(id -un)"
[ -e "$dir/history" ] || [ -e "$dir/running" ] || absent
for f in history running; do
	[ -e "$dir/$f" ] || continue
	[ -r "$dir/$f" ] || denied "$dir/$f: not permitted to read it as $(id -un)"
	# The first line may be cut: the reader skips what is not JSON.
	tail -c 900000 "$dir/$f"
done
exit 0
