# shellcheck shell=sh
# What an endpoint answers on this machine's ports. Arguments: path, Host header, 1 for the body, ports. Prints for each
# port "port N -" when nobody listens there, else "port N STATUS" (000: no answer) and, behind "|", the body's lines or
# why there is no answer.
path=$1 host=$2 body=$3
shift 3
listening=$(listening_sockets) || exit $?
listening=" $(printf '%s\n' "$listening" | awk '{ printf "%s ", $1 }')"
for port in "$@"; do
	case $listening in
	*" $port "*) ;;
	*)
		printf 'port %s -\n' "$port"
		continue
		;;
	esac
	answer=$(http_get 5 "http://127.0.0.1:$port$path" "$host" 0)
	status=$(printf '%s\n' "$answer" | head -n 1)
	printf 'port %s %s\n' "$port" "$status"
	case $body$status in 1* | 0000) printf '%s\n' "$answer" | sed '1d; s/^/|/' ;; esac
done
exit 0
