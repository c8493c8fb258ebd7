# shellcheck shell=sh
# Waits for the workers that may still send to the earlier slot. Arguments: the route's; SECONDS at most. Whether they were
# gone by then or not is printed; either way the step is done.

route "$@"
shift 11
begin
old=
if [ -r "$NDIR/$KEY.draining" ] && [ "$(sed -n 's/^boot //p' "$NDIR/$KEY.draining")" = "$BOOT" ]; then
	old=$(sed -n 's/^worker \([0-9]*\) /\1:/p' "$NDIR/$KEY.draining" | tr '\n' ' ')
fi
if [ -n "$MPID" ]; then
	workers # an earlier reload's may be there still, and know the earlier slot too
	old="$old $LEAVING"
fi
BREAKABLE=1
await_gone "$1" "$old" || :
drained "$1"
rm -f "$NDIR/$KEY.draining"
exit 0
