# shellcheck shell=sh
# What was last carried out on this machine for this project, and the run that began and did not end: "record JSON" and
# "running JSON", a line each.
dir="$STATE/projects/$PROJECT"
for f in record running; do
	[ -e "$dir/$f" ] || continue
	[ -r "$dir/$f" ] || denied "$dir/$f: not permitted to read it as $(id -un)"
	IFS= read -r line <"$dir/$f" || [ -n "$line" ] || continue
	printf '%s %s\n' "$f" "$line"
done
[ -x "$dir" ] || [ ! -e "$dir" ] || denied "$dir: not permitted to look into it as $(id -un)"
[ -e "$dir/record" ] || [ -e "$dir/running" ] || absent
exit 0
