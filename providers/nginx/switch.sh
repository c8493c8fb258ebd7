# shellcheck shell=sh
# nginx routes to the addresses, proved by a request; or it is again as it was. Arguments: the route's; the addresses with
# commas; STATUSES and BODY of the answer through nginx; TAG, which names the switch within its run; WAS, the addresses
# that the plan saw loaded, "" when not known.

route "$@"
shift 11
ADDRS=$1 STATUSES=$2 BODY=$3 TAG=$4 WAS=$5
begin
refuse_strays
backup "$TAG"
log_mark

# done_already: the file is right, and it is what the workers were started with.
done_already() {
	[ -n "$MPID" ] && holds "$ADDRS" || return 1
	workers
	recorded && [ "$LOADED" = "$ADDRS" ] && [ "$(sha256sum <"$TARGET")" = "$RSHA  -" ]
}

if done_already; then
	verify "$STATUSES" "$BODY" || die "$WHYNOT"
	printf 'was done already\n'
	exit 0
fi

# Healthy a moment ago, and maybe crashed since.
for a in $(printf '%s\n' "$ADDRS" | tr ',' ' '); do
	connects "$a" || die "$WHYNOT any more: it was there when nginx was checked. Nothing was changed."
done

keep() {
	for b in "$NDIR/$KEY.run."*; do # of earlier runs, which nobody takes back any more
		case $b in "$NDIR/$KEY.run.$RUN."*) ;; *) rm -rf "$b" ;; esac
	done
	[ -d "$BACKUP" ] || save_file "$BACKUP" note_before || die "can't keep a copy of $FILE in $NDIR"
}

abandon() {
	trap '' HUP INT TERM
	if put_back "$WAS"; then
		_now='nginx serves it'
		[ ! -e "$BACKUP/down" ] || _now='nginx is down again'
		printf '%s is as it was, and %s\n' "$FILE" "$_now" >&2
	else
		printf 'AND nginx could not be put back: %s\n' "$WHYNOT" >&2
	fi
}

keep
trap abandon EXIT
trap 'exit 1' HUP INT TERM
if ! holds "$ADDRS"; then content "$ADDRS" | write_file || die "can't write $FILE as $(id -un)"; fi
accepted || die "$WHYNOT"
log_mark
if [ -n "$MPID" ]; then
	: >"$BACKUP/reloaded"
	if ! reload; then
		die "$WHYNOT$NL$(log_tail)"
	fi
else
	OLD=
	start_nginx || die "$WHYNOT"
	printf '%s\n' "$MPID:$MSTART" >"$BACKUP/started"
	printf 'nginx was not running; it is started\n'
fi
verify "$STATUSES" "$BODY" || die "$WHYNOT$NL$(log_tail)"
refuse_upgrade
record || die "can't write the record in $NDIR"
{
	printf 'boot %s\n' "$BOOT"
	list_workers "$OLD"
} | write_atomic "$NDIR/$KEY.draining" 0644 || die "can't write the record in $NDIR"
trap - EXIT HUP INT TERM
