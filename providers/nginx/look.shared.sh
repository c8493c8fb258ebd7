# shellcheck shell=sh
# For all looks of one machine: what nginx was built with and its whole configuration, asked once. Arguments: "each", then
# a look's. Looks with another program or configuration than the first one ask for themselves.
if [ "$1" = each ] && [ -z "${NGINX_FOR:-}" ]; then
	shift
	NGINX_FOR="$4$NL$5$NL$6"
	NGINX_V=$("$4" -V 2>&1) || NGINX_V=
	# In a shell of its own: what it needs may end it.
	NGINX_DUMP=$(
		route "$@"
		installed && master && ngx -T 2>/dev/null
	)
fi
