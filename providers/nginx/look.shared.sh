# shellcheck shell=sh
# For all looks at one nginx, once: what it was built with, its files, their times, its whole configuration. Arguments:
# "each" and a look's; at last "all". Looks with another program or configuration than the first one ask for themselves. It sets
#   NGINX_FOR    the program, its configuration and prefix
#   NGINX_TEXTS  "@FILE" and its lines as a look prints them; before the others, so that what changes meanwhile is newer
#   NGINX_BUILT  what installed finds out, a line each
#   NGINX_AT     the master as "PID:START", "" while it does not run
#   NGINX_TREES  what tree_awk says of its whole configuration for each route
#   NGINX_TIMES  "ctime mtime path" of all that, "" where its files are not known
#   NGINX_EPOCH  when the machine was started, in seconds since 1970
if [ "$1" = each ]; then
	shift
	NGINX_FOR=${NGINX_FOR:-"$4$NL$5$NL$6"}
	[ "$NGINX_FOR" = "$4$NL$5$NL$6" ] || return 0
	NGINX_FILES="${NGINX_FILES:-}$1$NL"
	f=$1
	[ ! -L "$f" ] || f=$(readlink -f "$f")
	NGINX_ROUTES="${NGINX_ROUTES:-}$1$NL$f$NL$2$NL$3$NL"
	return 0
fi

# lines FILE: text is the file as a look prints it, "" where that is long.
lines() {
	text='' n=0
	while IFS= read -r l || [ -n "$l" ]; do
		n=$((n + 1))
		if [ "$n" -gt 100 ] || [ "${#l}" -gt 500 ]; then
			text=''
			return 0
		fi
		text="${text}text $l$NL"
	done <"$1"
}

NGINX_TEXTS='' NGINX_TIMES='' NGINX_BUILT=''
_ifs=$IFS
IFS=$NL
set -f
for f in $NGINX_FILES; do
	if [ ! -f "$f" ] || [ ! -r "$f" ]; then continue; fi
	lines "$f"
	[ -z "$text" ] || NGINX_TEXTS="$NGINX_TEXTS@$f$NL$text"
done
IFS=$_ifs

# In a shell of its own: what it needs may end it.
NGINX_TREES=$(
	BINARY=${NGINX_FOR%%"$NL"*} CONFIG=${NGINX_FOR#*"$NL"} FILE=/
	PREFIX=${CONFIG#*"$NL"} CONFIG=${CONFIG%%"$NL"*}
	installed || exit 0
	# shellcheck disable=SC2153
	printf '%s\n' "$EXE" "$VERSION" "$NPREFIX" "$CONF" "$ERRORLOG" "$PIDFILE"
	master || exit 0
	printf '%s\n' "$MPID:$MSTART"
	ROUTES=$NGINX_ROUTES
	ngx -T 2>/dev/null | tree_awk all
)
n=0 NGINX_AT=''
IFS=$NL
for l in $NGINX_TREES; do
	n=$((n + 1))
	case $n in
	7) NGINX_AT=$l ;;
	8) break ;;
	*) NGINX_BUILT=$NGINX_BUILT$l$NL ;;
	esac
done
if [ "$n" -ge 6 ]; then
	read -r up _ </proc/uptime
	NGINX_EPOCH=$(($(date +%s) - ${up%%.*}))
	for l in $NGINX_BUILT; do f=$l; done # the pidfile
	set -- "$f"
	for f in $NGINX_FILES; do set -- "$@" "$f" "${f%/*}"; done
	n=0
	for l in $NGINX_TREES; do
		case $l in
		@*) [ "$n" = 0 ] || break ;; # what the first route's has, all have
		"config /"*) n=1 && set -- "$@" "${l#config }" ;;
		esac
	done
	if [ "$n" = 1 ]; then
		NGINX_TIMES=$(stat -c '%Z %Y %n' -- "$@" 2>/dev/null)
		f=$#
		for l in "$@"; do [ ! -L "$l" ] || set -- "$@" "$l"; done
		shift "$f"
		[ $# = 0 ] || NGINX_TIMES=$NGINX_TIMES$NL$(stat -L -c '%Z %Y %n' -- "$@" 2>/dev/null)
	fi
fi
set +f
IFS=$_ifs
