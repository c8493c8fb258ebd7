# shellcheck shell=sh
# Points ROOT/current to a release: activate ROOT KEY ID [NAME...]. The link is absolute and physical, so that a program
# that resolves it is in the release and nowhere else. NAMEs are the commands that are to run after it on this machine:
# they are due from now on, so that a run that dies before them leaves word.

records=$STATE/projects/$PROJECT/releases/$2 id=$3
cd -P "$1" || die "could not enter $1"
[ -d "releases/$id" ] || die "release $id is not on this machine: $PWD/releases/$id is not there. Plan again."
shift 3

# history: what was activated, of each release that is still here the last time at least.
history() {
	[ -f "$records/.history" ] || return 0
	while read -r was at; do
		[ -f "$records/$was" ] && printf '%s %s\n' "$was" "$at"
	done <"$records/.history" | awk '{ l[NR] = $0; id[NR] = $1; last[$1] = NR } END { for (i = 1; i <= NR; i++) if (i > NR - 49 || last[id[i]] == i) print l[i] }'
}

mkdir -p "$records" || die "could not make $records"
# Links that a run which died has left.
rm -f current.shipctl-*
# Recorded before it is done: an activation that is not recorded would make a good release look like a failed one.
# What is live may not be the last one recorded: an undoing died half way, or somebody moved the link.
last=$(awk 'END { print $1 }' "$records/.history" 2>/dev/null)
was=$(readlink current 2>/dev/null)
was=${was##*/}
case $was in
'' | "$last" | "$id" | *[!A-Za-z0-9._+-]*) was='' ;;
*) [ -f "$records/$was" ] || was='' ;;
esac
if [ "$last" != "$id" ] || [ -n "$was" ]; then
	{
		history
		[ -z "$was" ] || printf '%s %s\n' "$was" "$(date +%s)"
		printf '%s %s\n' "$id" "$(date +%s)"
	} | write_atomic "$records/.history" 644 || die "could not record the activation in $records"
fi
if [ $# -gt 0 ]; then
	for name in "$@"; do printf '%s %s\n' "$id" "$name"; done | write_atomic "$records/.after" 644 || die "could not record in $records what is to run after the activation"
else
	rm -f "$records/.after"
fi
# Until prune has run, plans go on asking for it: a run may die between the two.
: >"$records/.prune" || die "could not write to $records"
switch_link "$PWD/releases/$id" "$PWD/current" || die "could not point $PWD/current to release $id"
[ "$(readlink current)" = "$PWD/releases/$id" ] || die "$PWD/current points to $(readlink current), not to release $id"
