# shellcheck shell=sh
# Directories of releases on this machine that other tools made, for whoever writes them down: adopt [DIR...] looks into
# those DIRs too. Separated by tabs; a path with a control character is left out.
#   root     ROOT CURRENT RELEASES REVISION   as Capistrano lays out: ROOT/current is a link to ROOT/releases/CURRENT
#   ours     ROOT PROJECT                     CURRENT was published by shipctl, for PROJECT
#   shared   ROOT NAME                        CURRENT's NAME is a link into ROOT/shared
#   dated    DIR LINK TARGET COUNT            LINK leads to TARGET, one of COUNT directories of DIR that are named after a time
#   denied   DIR                              may not be looked into
#   end

soon=
have timeout && soon='timeout 5'

# candidate DIR: what may hold releases.
candidate() {
	case $1 in *[[:cntrl:]]*) return ;; esac
	[ -d "$1" ] || return
	if [ ! -r "$1" ] || [ ! -x "$1" ]; then
		printf 'denied\t%s\n' "$1"
		return
	fi
	capistrano "$1"
	dated "$1"
}

capistrano() {
	if [ ! -L "$1/current" ] || [ ! -d "$1/releases" ]; then return; fi
	root=$(cd -P "$1" 2>/dev/null && pwd -P) || return
	now=$(cd -P "$1/current" 2>/dev/null && pwd -P) || return
	id=${now#"$root/releases/"}
	case $id in "$now" | */* | *[[:cntrl:]]*) return ;; esac
	case $root in *[[:cntrl:]]*) return ;; esac
	n=0
	for d in "$root"/releases/*; do [ -d "$d" ] && n=$((n + 1)); done
	rev=
	# It may be another user's, and anything: a plain file only, and little of it.
	if [ -f "$now/REVISION" ] && [ ! -L "$now/REVISION" ]; then
		# shellcheck disable=SC2086
		rev=$($soon head -c 200 "$now/REVISION" 2>/dev/null | tr -d '\0' | head -n 1)
	fi
	case $rev in *[!0-9a-zA-Z._-]*) rev= ;; esac
	printf 'root\t%s\t%s\t%s\t%s\n' "$root" "$id" "$n" "${rev:--}"
	ours "$root" "$id"
	find "$now" -maxdepth 4 -type l 2>/dev/null | head -n 500 | while IFS= read -r l; do
		to=$(readlink "$l")
		case $to in /*) ;; *) to=$(readlink -f "$l") ;; esac
		case $to in "$root/shared/"* | "$1/shared/"*) ;; *) continue ;; esac
		case $l in *[[:cntrl:]]*) continue ;; esac
		printf 'shared\t%s\t%s\n' "$root" "${l#"$now"/}"
	done
}

# ours ROOT ID: whose record has it. Names that are none are left to who reads this.
ours() {
	key=$(printf %s "$1" | sha256sum 2>/dev/null | cut -c1-16)
	for f in "${STATE:-/nowhere}"/projects/*/releases/"$key/$2"; do
		if [ -z "$key" ] || [ ! -f "$f" ]; then continue; fi
		f=${f#"$STATE/projects/"}
		printf 'ours\t%s\t%s\n' "$1" "${f%%/*}"
	done
}

# dated: links to directories that are named after a time, which lie here.
dated() {
	for l in "$1"/*; do
		if [ ! -L "$l" ] || [ ! -d "$l" ]; then continue; fi
		to=$(cd -P "$l" 2>/dev/null && pwd -P) || continue
		case ${to##*/} in *[0-9][0-9][0-9][0-9][0-9][0-9][0-9][0-9][0-9][0-9][0-9][0-9][0-9][0-9]) ;; *) continue ;; esac
		case $l$to in *[[:cntrl:]]*) continue ;; esac
		dir=${to%/*} name=${to##*/}
		[ "$dir" != "$1/releases" ] || continue
		n=0
		for d in "$dir/${name%??????????????}"*; do
			case ${d##*[!0-9]} in ??????????????) [ -d "$d" ] && [ ! -L "$d" ] && n=$((n + 1)) ;; esac
		done
		printf 'dated\t%s\t%s\t%s\t%s\n' "$dir" "$l" "$name" "$n"
	done
}

# places: where such directories usually lie, where programs run, and those that were named.
places() {
	for d in "$@" /srv /srv/* /opt /opt/* /var/www /var/www/* /var/www/*/* /home/* /home/*/* /home/*/*/* /data /data/* /app /apps/* /usr/local/*; do
		printf '%s\n' "$d"
	done
	for d in /proc/[0-9]*/cwd; do
		d=$(readlink "$d" 2>/dev/null) || continue
		case $d in
		*/releases/*) printf '%s\n' "${d%%/releases/*}" ;;
		/?*/?*) printf '%s\n' "${d%/*}" ;;
		esac
	done
}

places "$@" | sort -u | head -n 3000 | while IFS= read -r d; do candidate "$d"; done | sort -u
printf 'end\n'
exit 0
