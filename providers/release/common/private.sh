# shellcheck shell=sh
# In front of what writes in ROOT/releases. Others may be able to write there too: whoever deployed before with another
# tool, say. Root follows nothing that they could have put there.

# private DIR: a new directory that nobody else can enter, and we are in it. What somebody puts in its place meanwhile is
# not taken for it: a link leads elsewhere, another directory is somebody else's, or not empty. It can be renamed but not
# moved elsewhere, so ".." is where it was made.
private() {
	here=$(pwd -P)
	(umask 077 && mkdir "$1") && cd -P "./$1" && [ "$(pwd -P)" = "$here/$1" ] && [ -O . ] && chmod 700 . && [ -z "$(ls -A)" ]
}
