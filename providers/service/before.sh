# shellcheck shell=sh
# Runs a before_start command in the release's directory. Arguments: 1 its name 2 directory 3 run_as 4 seconds; then
# program and arguments. $INPUT: the environment, NAME=value a line.
name=$1 dir=$2 user=$3 seconds=$4
shift 4
have timeout || die "timeout is not on this machine: install coreutils."
as='' homedir=${HOME:-/}
if [ -n "$user" ] && [ "$user" != "$(id -un)" ]; then
	[ "$(id -u)" = 0 ] || die "only root can run a command as $user: set sudo = true for this host, or drop run_as."
	as="setpriv --reuid=$user --regid=$(id -g "$user") --init-groups"
	homedir=$(getent passwd "$user" 2>/dev/null | cut -d: -f6)
fi
cd "$dir" || die "can't change into $dir"
# shellcheck disable=SC2016,SC2086
out=$(printf '%s\n' "$INPUT" | env -i PATH="$PATH" HOME="${homedir:-/}" timeout "$seconds" $as sh -c '
	while IFS= read -r line; do [ -z "$line" ] || export "$line"; done
	exec "$@" </dev/null' sh "$@" 2>&1 9>&-)
status=$?
out=$(printf '%s\n' "$out" | tail -n 20 | sed 's/^/  | /')
# coreutils says 124, busybox what its TERM came to.
[ $status = 124 ] || [ $status = 143 ] && die "$name took longer than $seconds s. Its last lines:
$out"
[ $status = 0 ] || die "$name failed with exit status $status. Its last lines:
$out"
printf '%s\n' "$out"
