# shellcheck shell=sh
# Whether there is a user of this name, local or from a directory. Argument: the name.
id -u "$1" >/dev/null 2>&1 || absent
