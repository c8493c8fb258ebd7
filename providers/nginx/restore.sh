# shellcheck shell=sh
# What the switch of this run changed is put back, and nobody is on its slot any more. It copes with a switch that was
# done, half done or not begun. Arguments: the route's; WAS, the addresses that the plan saw loaded, "" when not known;
# STATUSES and BODY of an answer of the earlier slot through nginx; TAG of the switch; SECONDS to drain.

route "$@"
shift 11
WAS=$1 STATUSES=$2 BODY=$3 TAG=$4 DRAIN=$5
begin
backup "$TAG"
log_mark
if [ ! -d "$BACKUP" ]; then
	printf 'nothing was changed\n'
	exit 0
fi
put_back "$WAS" || die "$WHYNOT$NL$(log_tail)"
[ -n "$MPID" ] || exit 0
verify "$STATUSES" "$BODY" && bad='' || bad="$FILE is as it was and nginx serves it, but $WHYNOT"
workers
await_gone "$DRAIN" "$OLD $LEAVING" || :
drained "$DRAIN"
# Where nothing is said of the earlier slot, it may have been broken before.
if [ -n "$bad" ] && [ -n "$STATUSES$BODY" ]; then die "$bad$NL$(log_tail)"; fi
[ -z "$bad" ] || printf '%s\n' "$bad"
rm -f "$BACKUP/reloaded" "$NDIR/$KEY.draining"
