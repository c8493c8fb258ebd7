# shellcheck shell=sh
# Removes releases that nothing uses: prune ROOT KEY ID..., or prune ROOT KEY -all where the whole is given up: then what
# is live goes too, with the link to it, and what was shared stays. What is in use is decided here, at the last moment: the
# current and the previous release stay, so does what a link of ours points to or a process has as directory, program
# or open file. A release is first renamed, then looked at again, then removed: what is there under its name is whole.

[ ! -L "$1/releases" ] || die "$1/releases is a symbolic link, which shipctl does not follow: make it a directory"
[ -e "$1/releases" ] || exit 0
root=$(cd -P "$1" && pwd -P) || die "could not enter $1"
cd -P "$root/releases" || die "could not enter $root/releases"
records=$STATE/projects/$PROJECT/releases/$2
shift 2
all=
if [ "${1:-}" = -all ]; then
	all=1
	shift
	for record in "$records"/*; do [ -f "$record" ] && set -- "$@" "${record##*/}"; done
fi

# links: "path target" of what every process has as directory, root, program and mount namespace, and has open.
links() {
	if find /proc/self/cwd -maxdepth 0 -printf '' 2>/dev/null; then
		find /proc/[0-9]*/cwd /proc/[0-9]*/root /proc/[0-9]*/exe /proc/[0-9]*/ns/mnt /proc/[0-9]*/fd -maxdepth 1 -type l -printf '%p %l\n' 2>&1
	else
		for p in /proc/[0-9]*; do
			# shellcheck disable=SC2012
			ls -ld "$p/cwd" "$p/root" "$p/exe" "$p/ns/mnt" "$p"/fd/* 2>&1 | sed 's|^l.* \(/proc/.*\) -> |\1 |'
		done
	fi
}

# users: "ID PID" for every process that uses a release, "ID PID MOUNT" for one that is mounted where that process lives,
# "denied PID" for one that could not be looked at. Where it lives (a container, a unit with mounts of its own) the
# releases may have another path than here: each mount of their filesystem says which part of it is seen there, and
# where. Mounts are read once for each namespace and root, not for each process.
users() {
	links | dir="$PWD" awk '
		function within(path, at) { return path == at || index(path, at "/") == 1 }
		function bare(path) { return path == "/" ? "" : path }
		function first(path) { # ID of what is below the releases
			sub(/^\//, "", path)
			sub(/ \(deleted\)$/, "", path)
			sub(/\/.*/, "", path)
			return path
		}
		function plain(path) { # mountinfo is written with escapes
			gsub(/\\040/, " ", path)
			gsub(/\\011/, "\t", path)
			gsub(/\\134/, "\\", path)
			return path
		}
		function sees(ns, path, id) { views[ns]++; view[ns, views[ns]] = path; whole[ns, views[ns]] = id }
		# mounts PID: the ways to the releases in its namespace, below its root.
		function mounts(pid, ns, above,    file, line, f, root, at, id) {
			file = "/proc/" pid "/mountinfo"
			while ((getline line <file) > 0) {
				looked[ns, above] = 1
				split(line, f, " ")
				if (f[3] != device) continue
				root = plain(f[4])
				at = above bare(plain(f[5]))
				if (root != inside && within(root, inside)) {
					id = first(substr(root, length(inside) + 1))
					sees(ns, at, id)
					print id, pid, at
				} else if (within(inside, bare(root))) sees(ns, at substr(inside, length(bare(root)) + 1), "")
			}
			close(file)
		}
		BEGIN {
			dir = ENVIRON["dir"]
			while ((getline line <"/proc/self/mountinfo") > 0) { # where in their filesystem the releases are
				split(line, f, " ")
				at = bare(plain(f[5]))
				if (!within(dir, at) || length(at) < deepest) continue
				deepest = length(at)
				device = f[3]
				inside = bare(plain(f[4])) substr(dir, deepest + 1)
			}
		}
		/Permission denied|Operation not permitted|rgument list too long/ {
			pid = ""
			if (match($0, /\/proc\/[0-9]+/)) pid = substr($0, RSTART + 6, RLENGTH - 6)
			print "denied", pid
			next
		}
		index($0, "/proc/") == 1 {
			at = index($0, " ")
			path = substr($0, at + 1)
			split(substr($0, 1, at - 1), p, "/")
			if (p[4] == "ns") space[p[3]] = path
			else if (p[4] == "root") above[p[3]] = bare(path)
			if (index(path, "/") == 1) { n++; pids[n] = p[3]; paths[n] = path }
		}
		END {
			if (device != "") for (pid in space) if (!((space[pid], above[pid]) in looked)) mounts(pid, space[pid], above[pid])
			for (i = 1; i <= n; i++) {
				path = paths[i]
				if (index(path, dir "/") == 1) print first(substr(path, length(dir) + 1)), pids[i]
				ns = space[pids[i]]
				for (v = 1; v <= views[ns]; v++) {
					at = view[ns, v]
					if (!within(path, at) || at == dir) continue
					id = whole[ns, v]
					if (id == "") id = first(substr(path, length(at) + 1))
					if (id != "") print id, pids[i]
				}
			}
		}' | sort -u
}

# user ID: the first process that uses it, or "PID MOUNT".
user() {
	printf '%s\n' "$used" | awk -v id="$1" '
		$1 "" != id { next }
		NF == 2 { print $2; found = 1; exit }
		mount == "" { mount = $0; sub(/^[^ ]* /, "", mount) }
		END { if (!found && mount != "") print mount }'
}

# by "PID MOUNT": in words.
by() {
	case $1 in
	*' '*) printf 'mounted on %s where process %s (%s) lives' "${1#* }" "${1%% *}" "$(cmd_of "${1%% *}")" ;;
	*) printf 'in use by process %s (%s)' "$1" "$(cmd_of "$1")" ;;
	esac
}

# pointed ID: a link of this root leads into it.
pointed() {
	for l in "$root"/* "$root"/*/*; do
		[ -L "$l" ] || continue
		case $l in "$root"/current/*) continue ;; esac # it lies in the release itself
		# What is given up as a whole is given up by its slots, too: what runs in one is noticed as a process.
		[ -z "$all" ] || case $l in "$root/current" | "$root"/slots/*) continue ;; esac
		case $(readlink -f "$l")/ in "$PWD/$1/"*) return 0 ;; esac
	done
	return 1
}

# reason ID: why it stays, or nothing.
reason() {
	pid=$(user "$1")
	if [ -z "$all" ] && [ "$1" = "$live" ]; then
		printf 'it is live'
	elif [ -z "$all" ] && [ "$1" = "$previous" ]; then
		printf 'it was live before'
	elif [ -n "$pid" ]; then
		by "$pid"
	elif pointed "$1"; then
		printf 'a link points to it'
	fi
}

look() {
	used=$(users)
	case "
$used" in
	*"
denied "*)
		return 1
		;;
	esac
}

# unseen: the first process that could not be looked at, and how many there are.
unseen() {
	n=$(printf '%s\n' "$used" | grep -c '^denied ')
	pid=$(printf '%s\n' "$used" | sed -n 's/^denied \([0-9][0-9]*\)$/\1/p' | sort -n | head -n 1)
	printf 'process %s' "${pid:-unknown}"
	[ -z "$pid" ] || printf ' (%s)' "$(cmd_of "$pid")"
	[ "$n" -le 1 ] || printf ' and %s more' "$((n - 1))"
}

# remove ID: with its record, unless it was published again since a run died here.
remove() {
	rm -rf ".remove-$1" || die "could not remove $PWD/.remove-$1"
	[ -e "$1" ] || rm -f "$records/$1"
}

live=$(readlink -f ../current 2>/dev/null)
live=${live#"$PWD"/}
live=${live%%/*}
previous=$(awk -v live="$live" '$1 != live { p = $1 } END { print p }' "$records/.history" 2>/dev/null)

# blind MESSAGE: retention can wait; what is to be given up was not.
blind() {
	[ -z "$all" ] || die "$*"
	printf 'warning: %s\n' "$*"
	rm -f "$records/.prune"
	exit 0
}
[ "$(id -u)" = 0 ] || blind 'nothing removed: without root it can not be seen whether a process uses a release'
look || blind "nothing removed: $(unseen) can not be looked at, not even as root (a container without CAP_SYS_PTRACE, or a security module, forbids it), so it is not known what it uses of $PWD. Run it elsewhere, or remove old releases by hand"

for id in "$@"; do
	case $id in [!A-Za-z0-9]* | *[!A-Za-z0-9._+-]* | '') die "$id is not the name of a release" ;; esac
	if [ ! -d "$id" ] || [ -L "$id" ]; then
		[ -z "$all" ] || rm -f "$records/$id" # of a publication that was broken off
		continue
	fi
	why=$(reason "$id")
	if [ -n "$why" ]; then
		printf 'kept %s: %s\n' "$id" "$why"
		continue
	fi
	if [ "$id" = "$live" ]; then # with -all only
		rm -f "$root/current" || die "could not remove $root/current"
	fi
	mv -T "$id" ".remove-$id" || die "could not rename $PWD/$id"
done
sync_path .

# Also what an earlier run has left.
look || used=all
for dir in .remove-*; do
	if [ ! -d "$dir" ] || [ -L "$dir" ]; then continue; fi
	id=${dir#.remove-}
	pid=$(user "$dir")
	pid=${pid%% *}
	if [ "$used" = all ] || [ -n "$pid" ]; then
		[ -e "$id" ] || mv -T "$dir" "$id" || die "could not put $PWD/$id back"
		[ "$id" != "$live" ] || switch_link "$PWD/$id" "$root/current" || die "could not point $root/current back to $PWD/$id"
		printf 'kept %s: %s uses it since a moment ago\n' "$id" "${pid:+process }${pid:-somebody}"
		continue
	fi
	remove "$id"
	printf 'removed %s\n' "$id"
done
sync_path .
rm -f "$records/.prune"
[ -n "$all" ] || exit 0

# The rest, where nothing was kept: what never became a release, our notes, and the directories, if they are empty.
for record in "$records"/*; do [ -f "$record" ] && exit 0; done
rm -rf .upload-* .ready-* .publish-*
rm -rf "$records"
cd "$root" || exit 0
rm -f current.shipctl-*
if [ ! -e current ]; then # it led into what is gone
	case $(readlink current) in "$root/releases/"*) rm -f current ;; esac
fi
for l in slots/*; do
	if [ -L "$l" ] && [ ! -e "$l" ]; then rm -f "$l"; fi
done
for dir in releases slots jobs; do rmdir "$dir" 2>/dev/null; done
cd / && rmdir "$root" 2>/dev/null
exit 0
