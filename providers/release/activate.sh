# shellcheck shell=sh
# Points ROOT/current to a release: activate ROOT KEY ID. The link is absolute and physical, so that a program that
# resolves it is in the release and nowhere else.

records=$STATE/projects/$PROJECT/releases/$2 id=$3
cd -P "$1" || die "could not enter $1"
[ -d "releases/$id" ] || die "release $id is not on this machine: $PWD/releases/$id is not there. Plan again."

mkdir -p "$records" || die "could not make $records"
# Links that a run which died has left.
rm -f current.shipctl-*
# Recorded before it is done: an activation that is not recorded would make a good release look like a failed one.
if [ "$(tail -n 1 "$records/.history" 2>/dev/null)" != "$id" ]; then
	{
		tail -n 49 "$records/.history" 2>/dev/null
		printf '%s\n' "$id"
	} | write_atomic "$records/.history" 644 || die "could not record the activation in $records"
fi
# Until prune has run, plans go on asking for it: a run may die between the two.
: >"$records/.prune" || die "could not write to $records"
switch_link "$PWD/releases/$id" "$PWD/current" || die "could not point $PWD/current to release $id"
[ "$(readlink current)" = "$PWD/releases/$id" ] || die "$PWD/current points to $(readlink current), not to release $id"
