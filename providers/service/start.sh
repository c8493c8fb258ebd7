# shellcheck shell=sh
# Starts a slot's program and proves that it runs. Arguments: 1 service 2 slot 3 port 4 release 5 digest 6 directory
# 7 root 8 runner 9 run_as ("" for the user we are) 10 signal to stop with 11 seconds of grace 12 ExecStart as systemd
# reads it 13 further lines of the unit 14 "again" to keep what it takes to start it once more (recreate), else
# ""; then program and arguments. $INPUT: the environment, NAME=value a line.

start_slot "$@"
