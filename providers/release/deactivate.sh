# shellcheck shell=sh
# Takes an activation back: deactivate ROOT KEY ID [TARGET]. ROOT/current points to TARGET again, or is gone where there
# was none. Somebody else's link is left alone.

history=$STATE/projects/$PROJECT/releases/$2/.history id=$3
cd -P "$1" 2>/dev/null || exit 0
rm -f current.shipctl-* "$STATE/projects/$PROJECT/releases/$2/.prune"
if [ "$(tail -n 1 "$history" 2>/dev/null)" = "$id" ]; then
	sed '$d' "$history" | write_atomic "$history" 644 || die "could not correct $history"
fi
if [ "$(readlink current 2>/dev/null)" != "$PWD/releases/$id" ]; then
	printf 'current does not point to release %s: left as it is\n' "$id"
	exit 0
fi
if [ -n "${4:-}" ]; then
	switch_link "$4" "$PWD/current" || die "could not point $PWD/current back to $4"
else
	rm -f current || die "could not remove $PWD/current"
	sync_path .
fi
