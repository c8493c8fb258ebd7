# shellcheck shell=sh
# Takes an activation back: deactivate ROOT KEY ID TARGET [NAME RUN_AS SECONDS COUNT WORD...]... ROOT/current points to
# TARGET again, or is gone where that is empty. Somebody else's link is left alone. The commands, of COUNT words each, are
# those that run after an activation: they run again, in what is live then. $INPUT: their environment, "NAME VARIABLE=value"
# a line.

records=$STATE/projects/$PROJECT/releases/$2
history=$records/.history id=$3 target=${4:-}
cd -P "$1" 2>/dev/null || exit 0
shift 3
[ $# = 0 ] || shift
rm -f current.shipctl-* "$records/.prune"
if [ "$(awk 'END { print $1 }' "$history" 2>/dev/null)" = "$id" ]; then
	sed '$d' "$history" | write_atomic "$history" 644 || die "could not correct $history"
fi
now=$(readlink current 2>/dev/null)
if [ "$now" = "$PWD/releases/$id" ]; then
	if [ -n "$target" ]; then
		switch_link "$target" "$PWD/current" || die "could not point $PWD/current back to $target"
	else
		rm -f current || die "could not remove $PWD/current"
		sync_path .
	fi
elif [ "$now" != "$target" ] || { [ -e current ] && [ ! -L current ]; }; then
	printf 'current does not point to release %s: left as it is\n' "$id"
	exit 0
fi

# again NAME RUN_AS SECONDS COUNT WORD...: one command; behind its words there are more.
again() {
	words='' i=5
	while [ "$i" -le $(($4 + 4)) ]; do
		words="$words \"\${$i}\""
		i=$((i + 1))
	done
	INPUT="$(printf '%s\n' "$all" | sed -n "s/^$1 //p")
SHIPCTL_RELEASE=$live
SHIPCTL_UNDO=$id"
	eval "once undo-$1 command_in \"\$dir\" \"\$1\" \"\$2\" \"\$3\" $words"
}

dir=$(readlink -f current 2>/dev/null) all=$INPUT failed=
live=${dir#"$PWD/releases/"}
while [ $# -gt 4 ] && [ -d "$dir" ]; do
	again "$@" || failed="$failed $1"
	shift $((4 + $4))
done
[ -z "$failed" ] || die "$PWD/current points to $target again, but this failed in it:$failed"
rm -f "$records/.after"
