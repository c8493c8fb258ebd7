# shellcheck shell=sh
# Our file is gone, nginx does without it, and nobody serves with it any more; or all is as it was. Workers may serve a file
# that somebody has removed. Arguments: the route's; TAG, which names the step within its run; SECONDS to drain.

route "$@"
shift 11
TAG=$1 DRAIN=$2
begin
refuse_strays
backup "$TAG"
log_mark
if [ -e "$BACKUP/removed" ] || { [ ! -e "$TARGET" ] && [ ! -d "$BACKUP" ] && [ -z "$MPID" ]; }; then
	printf 'is not there\n'
	exit 0
fi
if [ -e "$TARGET" ]; then
	IFS= read -r first <"$TARGET" || first=
	case $first in
	"# Written by shipctl for $OWNER of project $PROJECT."*) ;;
	*) die "$FILE was not written by shipctl for $OWNER of project $PROJECT, or was changed by hand: it was left as it is. Remove it yourself." ;;
	esac
fi
[ -d "$BACKUP" ] || save_file "$BACKUP" note_before || die "can't keep a copy of $FILE in $NDIR"

abandon() {
	trap '' HUP INT TERM
	if put_back ''; then
		printf '%s is as it was\n' "$FILE" >&2
	else
		printf 'AND nginx could not be put back: %s\n' "$WHYNOT" >&2
	fi
}
trap abandon EXIT
trap 'exit 1' HUP INT TERM
rm -f "$TARGET" || die "can't remove $FILE as $(id -un)"
sync_path "${TARGET%/*}"
out=$(ngx -t 2>&1) || die "nginx can't do without $FILE: take what names it out of nginx's configuration first$NL$(printf '%s\n' "$out" | head -c 2000)"
OLD=
if [ -n "$MPID" ]; then
	: >"$BACKUP/reloaded"
	reload || die "$WHYNOT$NL$(log_tail)"
fi
: >"$BACKUP/removed"
rm -f "$NDIR/$KEY.loaded" "$NDIR/$KEY.files" "$NDIR/$KEY.draining"
trap - EXIT HUP INT TERM
await_gone "$DRAIN" "$OLD" || :
drained "$DRAIN"
