# shellcheck shell=sh
# Runs a command of a release in its directory: hook ROOT KEY ID WHEN NAME RUN_AS SECONDS WORD... WHEN is before or after
# its activation. $INPUT: the environment, NAME=value a line. An "after" that was due (see activate) is not, once it is done.

records=$STATE/projects/$PROJECT/releases/$2 id=$3 when=$4 name=$5
dir=$1/releases/$id
[ -d "$dir" ] || die "release $id is not on this machine: $dir is not there. Plan again."
shift 4
INPUT="$INPUT
SHIPCTL_RELEASE=$id"
once run command_in "$dir" "$@" || exit 1
[ "$when" = after ] && [ -f "$records/.after" ] || exit 0
grep -vxF -e "$id $name" "$records/.after" | write_atomic "$records/.after" 644 || die "$name is done, but that could not be recorded in $records"
