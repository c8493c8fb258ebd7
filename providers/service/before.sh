# shellcheck shell=sh
# Runs a before_start command in the release's directory. Arguments: 1 its name 2 directory 3 run_as 4 seconds; then
# program and arguments. $INPUT: the environment, NAME=value a line.
name=$1 dir=$2
shift 2
once run command_in "$dir" "$name" "$@" || exit 1
