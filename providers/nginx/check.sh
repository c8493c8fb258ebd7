# shellcheck shell=sh
# nginx accepts the new addresses and reaches them; nothing is changed. Arguments: the route's; the addresses with commas;
# PATH, HOST, STATUSES and BODY of a request that each address must answer (no PATH: a connection is enough).
# The file is in place for as long as nginx tests it, and put back byte for byte whatever happens.

route "$@"
shift 11
begin

# reaches ADDR PATH HOST STATUSES BODY: from here, as nginx will. A slot that is healthy and refuses a connection has crashed:
# it is not waited for, it may come up again and crash again.
reaches() {
	waits 3000
	while :; do
		if [ -z "$2" ]; then
			connects "$1" && return 0
			[ "$REFUSED" = 0 ] || return 1
		else
			r=$(http_get 2 "http://$1$2" "$3" 0)
			answer_fits "$r" "$4" "$5" && return 0
			WHYNOT="from this machine, http://$1$2 gave $(answer_shown "$r"); expected $(expectation "$4" "$5")"
			case $r in "000$NL"*'curl: (7)'* | "000$NL"*refused*) return 1 ;; esac
		fi
		late && return 1
		nap
	done
}

refuse_strays
for a in $(printf '%s\n' "$1" | tr ',' ' '); do
	reaches "$a" "$2" "$3" "$4" "$5" || die "$WHYNOT"
done

if holds "$1"; then
	accepted || die "$WHYNOT"
	exit 0
fi
KEEP=$NDIR/$KEY.check

put_away() {
	trap '' HUP INT TERM
	if ! put_file "$KEEP"; then
		printf "can't put %s back; what it was is in %s\n" "$FILE" "$KEEP" >&2
		exit 1
	fi
	if ! unread "$KEEP"; then # it stays: the next step tries again
		printf '%s is as it was, but somebody reloaded nginx while it was tried, and: %s\n' "$FILE" "$WHYNOT" >&2
		exit 1
	fi
	rm -rf "$KEEP"
}

save_file "$KEEP" note_before || die "can't keep a copy of $FILE in $NDIR"
: >"$KEEP/placed"
trap put_away EXIT
trap 'exit 1' HUP INT TERM
content "$1" | write_file || die "can't write $FILE as $(id -un)"
accepted || die "$WHYNOT"
