# shellcheck shell=sh
# What the scripts of this folder share; it stands in front of each of them. It sets variables instead of printing where
# a process less matters: a look must cost a few milliseconds.

NL='
'

# route FILE FORM NAME BINARY CONFIG PREFIX KEY OWNER URL HOST INSECURE: the first eleven arguments of every script.
# FORM is "variable" or "upstream".
route() {
	FILE=$1 FORM=$2 NAME=$3 BINARY=$4 CONFIG=$5 PREFIX=$6 KEY=$7 OWNER=$8 URL=$9
	shift 9
	VHOST=$1 INSECURE=$2
	NDIR=$STATE/projects/$PROJECT/nginx
	read -r BOOT </proc/sys/kernel/random/boot_id
}

# installed: EXE is the program, CONF its main configuration file, PIDFILE its pidfile, TARGET the file to write.
installed() {
	TARGET=$FILE
	[ ! -L "$FILE" ] || TARGET=$(readlink -f "$FILE")
	if shared; then
		_ifs=$IFS
		IFS=$NL
		set -f
		# shellcheck disable=SC2086
		set -- $NGINX_BUILT
		set +f
		IFS=$_ifs
		EXE=$1 VERSION=$2 NPREFIX=$3 CONF=$4 ERRORLOG=$5 PIDFILE=$6
		CONFDIR=${CONF%/*}
		return 0
	fi
	EXE=$(command -v "$BINARY") || return 1
	[ ! -L "$EXE" ] || EXE=$(readlink -f "$EXE")
	_v=$("$EXE" -V 2>&1) || return 1
	VERSION=${_v%%"$NL"*}
	VERSION=${VERSION##*: }
	compiled prefix
	NPREFIX=${PREFIX:-${OPT:-/usr/local/nginx}}
	NPREFIX=${NPREFIX%/}
	compiled conf-path
	below "${CONFIG:-${OPT:-conf/nginx.conf}}"
	CONF=$BELOW
	CONFDIR=${CONF%/*}
	compiled error-log-path
	ERRORLOG=${OPT:-logs/error.log}
	compiled pid-path
	PIDFILE=$(sed -n 's/#.*//
		s/^\(.*[;[:space:]]\)\{0,1\}pid[[:space:]]\{1,\}["'\'']\{0,1\}\([^;"'\''[:space:]]\{1,\}\).*/\2/p' "$CONF" 2>/dev/null)
	below "${PIDFILE:-${OPT:-logs/nginx.pid}}"
	PIDFILE=$BELOW
}

# shared: several looks at one nginx are made at once, and this is one of them (look.shared.sh).
shared() { [ -n "${NGINX_BUILT:-}" ] && [ "$NGINX_FOR" = "$BINARY$NL$CONFIG$NL$PREFIX" ]; }

# below_head HEAD LINES: BELOW is what stands below that line, up to the next one that begins with "@". Not by patterns: the
# shell needs the square of a long text's length for ${LINES#*HEAD}.
below_head() {
	BELOW='' _mine=''
	_ifs=$IFS
	IFS=$NL
	set -f
	for _t in $2; do
		case $_t in
		"$1") _mine=1 ;;
		@*) _mine='' ;;
		*) [ -z "$_mine" ] || BELOW=$BELOW${BELOW:+$NL}$_t ;;
		esac
	done
	set +f
	IFS=$_ifs
}

# compiled NAME: OPT is the value that nginx was built with.
compiled() {
	OPT=
	case $_v in *" --$1="*) ;; *) return 0 ;; esac
	OPT=${_v#*" --$1="}
	OPT=${OPT%%[ "$NL"]*}
	OPT=${OPT#\'}
	OPT=${OPT%\'}
}

# below PATH: BELOW is what nginx makes of it, a relative one against its prefix.
below() {
	BELOW=${1%%"$NL"*}
	case $BELOW in /*) ;; *) BELOW=$NPREFIX/$BELOW ;; esac
}

# ngx ARG...: nginx with the route's configuration.
ngx() { "$EXE" ${PREFIX:+-p "$PREFIX"} ${CONFIG:+-c "$CONFIG"} "$@"; }

# stat_of PID: STARTED (ticks since boot) and PARENT. 1: there is no such process.
stat_of() {
	STARTED='' PARENT='' _l=''
	{ IFS= read -r _l <"/proc/$1/stat"; } 2>/dev/null || return 1
	case $_l in
	*") "*") "*) _l=${_l##*) } ;; # which takes longer
	*) _l=${_l#*) } ;;
	esac
	# shellcheck disable=SC2086
	set -- $_l
	case ${1:-} in Z | X | '') return 1 ;; esac
	PARENT=$2
	shift 19
	STARTED=$1
}

# alive PID:START: that very process lives.
alive() { stat_of "${1%%:*}" && [ "$STARTED" = "${1##*:}" ]; }

# title PID: TITLE is what the process calls itself. read drops the NULs after it.
title() {
	TITLE=
	{ IFS= read -r TITLE <"/proc/$1/cmdline"; } 2>/dev/null
	[ -n "$TITLE" ]
}

# running_here PID: it is a master of our program. Its exe can't be read without its rights.
running_here() {
	title "$1" || return 1
	case $TITLE in *": master process"*) ;; *) return 1 ;; esac
	# shellcheck disable=SC3013 # dash and busybox have -ef, and a process less is worth it
	[ ! "/proc/$1/exe" -ef "$EXE" ] || return 0
	_e=$(readlink "/proc/$1/exe" 2>/dev/null)
	[ -n "$_e" ] || denied "nginx's master (pid $1) belongs to another user: set sudo = true for this host"
	[ "${_e% (deleted)}" = "$EXE" ]
}

# master: MPID and MSTART of the running master, as the pidfile names it. 1: it names none; PIDNOTE says what it does.
# A pidfile outlives a crash, and its number may be anybody's by then. UPGRADE is the master before it, which lives and serves
# too, where an upgrade of the program (USR2) is half way.
master() {
	MPID='' MSTART='' PIDNOTE='' UPGRADE='' _p=''
	[ -e "$PIDFILE" ] || {
		PIDNOTE="there is no pidfile $PIDFILE"
		return 1
	}
	[ -r "$PIDFILE" ] || denied "can't read nginx's pidfile $PIDFILE as $(id -un)"
	read -r _p <"$PIDFILE"
	case $_p in
	'' | *[!0-9]*)
		PIDNOTE="the pidfile $PIDFILE is empty"
		return 1
		;;
	esac
	if ! stat_of "$_p"; then
		PIDNOTE="the pidfile $PIDFILE names pid $_p, which is gone"
		return 1
	fi
	MSTART=$STARTED
	if running_here "$_p" && alive "$_p:$MSTART"; then
		MPID=$_p
		[ ! -e "$PIDFILE.oldbin" ] || upgrading
		return 0
	fi
	MSTART=
	PIDNOTE="the pidfile $PIDFILE is stale: pid $_p is $(cmd_of "$_p")"
	return 1
}

# upgrading: UPGRADE, as the earlier master's pidfile names it. Its program may be another file by now.
upgrading() {
	[ -r "$PIDFILE.oldbin" ] || denied "can't read nginx's pidfile $PIDFILE.oldbin as $(id -un)"
	read -r _p <"$PIDFILE.oldbin"
	case $_p in '' | *[!0-9]* | "$MPID") return 0 ;; esac
	if stat_of "$_p" && title "$_p"; then
		case $TITLE in *": master process"*) UPGRADE=$_p ;; esac
	fi
}

# half_way: says what is to be done about UPGRADE.
half_way() {
	printf "an upgrade of nginx's program is half way, two masters serve (pid %s and %s): end one of them (kill -QUIT %s for the earlier one)" "$MPID" "$UPGRADE" "$UPGRADE"
}

# strays: "pid" of each master with this configuration that the pidfile does not name. One in another container has a
# PID namespace of its own.
strays() {
	_self=$(readlink /proc/self/ns/pid)
	for _d in /proc/[0-9]*; do
		title "${_d#/proc/}" || continue
		case $TITLE in *": master process"*) ;; *) continue ;; esac
		case $TITLE in *" -c $CONF" | *" -c $CONF "*) ;; *" -c "*) continue ;; *) [ -z "$CONFIG" ] || continue ;; esac
		case $TITLE in *" -p $PREFIX" | *" -p $PREFIX "*) ;; *" -p "*) continue ;; *) [ -z "$PREFIX" ] || continue ;; esac
		[ "$(readlink "$_d/ns/pid" 2>/dev/null)" = "$_self" ] || continue
		_e=$(readlink "$_d/exe" 2>/dev/null)
		[ "${_e% (deleted)}" = "$EXE" ] && printf '%s\n' "${_d#/proc/}"
	done
}

# workers: WORKERS are those that serve, LEAVING those that finish what they have, each as " PID:START". A child that
# has not changed its title yet is a worker that starts.
workers() {
	WORKERS='' LEAVING=''
	children
	for _c in $KIDS; do
		case "$WORKERS$LEAVING " in *" $_c:"*) continue ;; esac
		stat_of "$_c" || continue
		[ "$PARENT" = "$MPID" ] || continue
		title "$_c" || continue
		case $TITLE in
		*"shutting down"*) LEAVING="$LEAVING $_c:$STARTED" ;;
		*": worker process"* | *": master process"*) WORKERS="$WORKERS $_c:$STARTED" ;;
		esac
	done
}

# children: KIDS of the master. The kernel's list may miss one while another exits: read it twice.
children() {
	KIDS='' _k1='' _k2=''
	if [ -r "/proc/$MPID/task/$MPID/children" ]; then
		{
			read -r _k1 <"/proc/$MPID/task/$MPID/children"
			read -r _k2 <"/proc/$MPID/task/$MPID/children"
		} 2>/dev/null
		KIDS="$_k1 $_k2"
		return 0
	fi
	KIDS=$(cat /proc/[0-9]*/stat 2>/dev/null | awk -v m="$MPID" '{ p = $1; sub(/.*\) /, ""); if ($2 == m) print p }')
}

# only LIST LIST: every word of the first is in the second.
only() {
	for _w in $1; do
		case " $2 " in *" $_w "*) ;; *) return 1 ;; esac
	done
}

# recorded: the serving workers are among those of our last verified reload, under the same master: then LOADED (comma
# between) is what they were started with. Otherwise WHYNOT says what is different.
recorded() {
	LOADED='' RBOOT='' RMASTER='' RWORKERS='' RSHA='' RSEAL='' _end=''
	WHYNOT="no verified reload of ours is recorded"
	[ -r "$NDIR/$KEY.loaded" ] || return 1
	while read -r _k _a _b; do
		case $_k in
		boot) RBOOT=$_a ;;
		master) RMASTER=$_a:$_b ;;
		worker) RWORKERS="$RWORKERS $_a:$_b" ;;
		addr) LOADED=${LOADED:+$LOADED,}$_a ;;
		sha) RSHA=$_a ;;
		seal) RSEAL=$_a ;;
		end) _end=1 ;;
		esac
	done <"$NDIR/$KEY.loaded"
	[ -n "$_end" ] || {
		RMASTER=''
		return 1
	}
	WHYNOT="nginx was started again since our last verified reload"
	[ "$RBOOT" = "$BOOT" ] && [ "$RMASTER" = "$MPID:$MSTART" ] || return 1
	WHYNOT="no worker serves"
	[ -n "$WORKERS" ] || return 1
	WHYNOT="a worker is newer than our last verified reload: somebody else has reloaded nginx, or a worker crashed"
	only "$WORKERS" "$RWORKERS"
}

# above PATH: it and each folder above it go to AT, links to LINKS, and BAD is set where a change could stay unseen. What is
# in / is not renamed while a machine runs, and its folders change all the time.
above() {
	_rest=${1#/}/ _q=''
	case "$NL$AT" in *"$NL${1%/*}$NL"*) _rest=${1##*/}/ _q=${1%/*} ;; esac
	while [ -n "$_rest" ]; do
		_c=${_rest%%/*} _rest=${_rest#*/}
		case $_c in '' | .) continue ;; esac
		_q=$_q/$_c
		[ "$_c" != .. ] || continue # a folder that is above others of these
		case "$NL$AT" in *"$NL$_q$NL"*) continue ;; esac
		if [ -L "$_q" ]; then
			LINKS=$LINKS$_q$NL
		elif [ ! -e "$_q" ]; then # it would show in the folder that it is missing in
			case "$NL$AT" in *"$NL${_q%/*}$NL"*) [ -x "${_q%/*}" ] || BAD=1 ;; *) BAD=1 ;; esac
			return 0
		else
			case $_q in /etc | /usr | /var | /tmp) continue ;; esac
		fi
		AT=$AT$_q$NL
	done
}

# sealed: AT is every path that the configuration on disk hangs on, a line each: its files, the folders of its patterns, all
# that is above them, and where links lead, step by step. "" where that can't be said. From TREE.
sealed() {
	AT='' LINKS='' BAD='' _round=0
	case "$NL$TREE$NL" in *"${NL}config $CONF$NL"*) ;; *) return 0 ;; esac
	_ifs=$IFS
	IFS=$NL
	set -f
	for _t in $TREE; do
		case $_t in
		"config "*) above "${_t#config }" ;;
		"pattern "*)
			_t=${_t#pattern }
			case ${_t%/*} in *[*?[\\]*) BAD=1 ;; esac # folders of any name
			above "${_t%/*}"
			;;
		esac
	done
	while [ -n "$LINKS" ] && [ -z "$BAD" ]; do
		# shellcheck disable=SC2086
		set -- $LINKS
		LINKS='' _round=$((_round + 1))
		_t=$(stat -c %N -- "$@" 2>/dev/null) && [ "$_round" -lt 9 ] || BAD=1
		for _t in $_t; do # 'link' -> 'where to'
			case $_t in "'/"*"' -> '"*"'") ;; *) BAD=1 ;; esac
			case $_t in *[!A-Za-z0-9_./@%+=:,\'\ \>-]*) BAD=1 ;; esac
			set -- "${_t%%"' -> '"*}" "${_t#*"' -> '"}"
			set -- "${1#\'}" "${2%\'}"
			case $2 in /*) above "$2" ;; *) above "${1%/*}/$2" ;; esac
		done
	done
	set +f
	IFS=$_ifs
	[ -z "$BAD" ] || AT=''
}

# seal: SEAL stands for the configuration on disk: a change shows, and one that was taken back shows too, for nobody sets a
# change time. "" where that can't be said. What was mounted over it for a while leaves no trace.
seal() {
	SEAL=''
	sealed
	[ -n "$AT" ] || return 0
	_ifs=$IFS
	IFS=$NL
	set -f
	# shellcheck disable=SC2086
	_what=$(stat -c '%n %i/%d %z %s' -- $AT 2>/dev/null) || _what=''
	set +f
	IFS=$_ifs
	# A clock of whole seconds hides what is done and taken back within one.
	case $_what in '' | *:[0-9][0-9].000000000' '* | *:[0-9][0-9]' '*) return 0 ;; esac
	SEAL=$(printf '%s\n' "$_what" | sha256sum)
	SEAL=${SEAL%% *}
}

# unchanged: whoever has made nginx load its configuration since our last verified reload, and however often, it was the same
# one, for nothing of it was changed. After recorded, tree and workers.
unchanged() {
	[ -n "$RSEAL" ] && [ -z "$BROKEN" ] && [ -n "$WORKERS" ] && [ "$RBOOT" = "$BOOT" ] && [ "$RMASTER" = "$MPID:$MSTART" ] || return 1
	seal
	[ "$SEAL" = "$RSEAL" ] || {
		WHYNOT="$WHYNOT, and files of its configuration were changed since then"
		return 1
	}
}

# tree_awk MODE < FILES: what the configuration says about our file, a fact a line. It reads nginx's own dump (MODE dump),
# or a list of files (MODE disk, where nginx can't be asked), and follows includes in nginx's order. Of the text nothing
# leaves but places, the names of files and two plain values. MODE all is a dump for several routes at once, of which ROUTES
# has file, target, form and name, a line each: "@FORM NAME FILE" stands before the facts of each.
#   config PATH · included PATH:LINE · named PATH:LINE (likewise, without a wildcard: nginx can not do without) · used · other PATH:LINE · shutdown VALUE · errorlog PATH · unread PATH · pattern GLOB
tree_awk() {
	[ "$1" = all ] || ROUTES="$FILE$NL$TARGET$NL$FORM$NL$NAME"
	ROUTES=$ROUTES awk -v mode="$1" -v main="$CONF" -v confdir="$CONFDIR" '
	function plain(p) {
		gsub(/\/\/+/, "/", p)
		while (sub(/\/\.\//, "/", p)) ;
		while (sub(/\/[^\/]+\/\.\.\//, "/", p)) ;
		return p
	}
	# A pattern of glob(3) as a regular expression; "*" does not match a leading dot.
	function glob(p,  i, c, r, j) {
		if (p in globs) return globs[p]
		r = "^"
		for (i = 1; i <= length(p); i++) {
			c = substr(p, i, 1)
			if (c == "*") r = r (substr(p, i - 1, 1) == "/" ? "([^/.][^/]*)?" : "[^/]*")
			else if (c == "?") r = r (substr(p, i - 1, 1) == "/" ? "[^/.]" : "[^/]")
			else if (c == "[" && (j = index(substr(p, i + 2), "]"))) {
				c = substr(p, i + 1, j)
				if (substr(c, 1, 1) == "!") c = "^" substr(c, 2)
				r = r "[" c "]"
				i += j + 1
			} else if (c == "\\") r = r "\\" substr(p, ++i, 1)
			else if (index(".+(){}|^$[]", c)) r = r "\\" c
			else r = r c
		}
		return globs[p] = r "$"
	}
	function event(type, line, arg) {
		n[path]++
		ev[path, n[path]] = type
		at[path, n[path]] = line
		val[path, n[path]] = arg
	}
	function finish() { if (inword) { W[++nw] = word; if (nw == 1) first = lineno } word = ""; inword = 0 }
	# Is it our variable, or our upstream, by its name?
	function uses(w) {
		if (form == "variable") return w ~ ("[$][{]?" name "([^A-Za-z0-9_]|$)")
		return w == name || w ~ (":\/\/" name "([:\/]|$)")
	}
	function statement(  i) {
		for (i = W[1] == "set" ? 3 : 2; i <= nw; i++) words[W[i]]
		if (W[1] == "include" && nw > 1) event("I", first, W[2])
		else if (W[1] == "set" || W[1] == "auth_request_set") event("S", first, W[2])
		else if (W[1] == "worker_shutdown_timeout") event("T", first, W[2])
		else if (W[1] == "error_log") event("L", first, W[2])
		nw = 0
	}
	function braces(s,  o, c) { o = gsub(/\{/, "", s); c = gsub(/\}/, "", s); return o - c }
	# One line of a file, the way nginx reads it: a word ends at space, ";" or "{"; quotes count at its beginning only.
	function tokens(s,  m, c) {
		while (s != "") {
			if (lua > 0) { lua += braces(s); if (lua <= 0) { lua = 0; event("E", lineno, "") } return }
			if (q != "") {
				m = q == "\"" ? match(s, /["\\]/) : match(s, /[\047\\]/)
				if (!m) { word = word s "\n"; return }
				c = substr(s, m, 1)
				if (c == "\\") { word = word substr(s, 1, m + 1); s = substr(s, m + 2); continue }
				word = word substr(s, 1, m - 1)
				s = substr(s, m + 1); q = ""; finish()
				continue
			}
			if (!inword) {
				if (!match(s, /[^ \t\r]/)) return
				s = substr(s, RSTART)
				c = substr(s, 1, 1)
				if (c == "#") return
				if (c == ";") { statement(); s = substr(s, 2); continue }
				if (c == "{") {
					event("B", first, W[1] " " W[2])
					if (W[1] ~ /_by_lua_block$/) lua = 1
					nw = 0; s = substr(s, 2); continue
				}
				if (c == "}") { event("E", lineno, ""); nw = 0; s = substr(s, 2); continue }
				inword = 1
				if (c == "\"" || c == "\047") { q = c; s = substr(s, 2); continue }
			}
			m = match(s, /[ \t\r;{\\$]/)
			if (!m) { word = word s; s = ""; continue }
			c = substr(s, m, 1)
			if (c == "\\" || c == "$" && substr(s, m + 1, 1) == "{") { word = word substr(s, 1, m + 1); s = substr(s, m + 2) }
			else if (c == "$") { word = word substr(s, 1, m); s = substr(s, m + 1) }
			else { word = word substr(s, 1, m - 1); s = substr(s, m); finish() }
		}
		if (q == "" && inword) finish()
	}
	function named(l,  i) {
		for (i = 4; i <= routes; i += 4) if (index(l, R[i])) return 1
		return 0
	}
	# Files without one of the words can only hold whole blocks: they are not looked into further.
	function scan(p,  l, k, r, hit) {
		if (p in have) return have[p]
		files[++nf] = p
		hit = p == main
		while ((r = (getline l < p)) > 0) {
			line[++k] = l
			if (!hit && (named(l) || index(l, "include") || index(l, "worker_shutdown") || index(l, "error_log"))) hit = 1
		}
		close(p)
		if (r < 0) print "unread " p
		have[p] = k + 0
		if (hit) {
			path = p; q = ""; word = ""; inword = 0; nw = 0; lua = 0
			for (lineno = 1; lineno <= k; lineno++) tokens(line[lineno])
		}
		return k + 0
	}
	function ours(p) { return p == file || p == target || plain(p) == file || plain(p) == target }
	function descend(pattern, from,  i, p, g, found) {
		if (substr(pattern, 1, 1) != "/") pattern = confdir "/" pattern
		g = pattern ~ /[*?[]/
		if (mode == "disk" || g) print "pattern " pattern
		if (!g) {
			if (pattern in have) walk(pattern, from, 1)
			else print "unread " pattern
			return
		}
		for (i = 1; i <= nf; i++) if (files[i] ~ glob(pattern)) walk(files[i], from, 0)
	}
	function walk(p, from, byname,  i, t, v) {
		if (++depth > 30) { depth--; return }
		if (ours(p)) {
			k++; inFrom[k] = from; inName[k] = byname; inServer[k] = server; inBlock[k] = block; inSeq[k] = ++seq
		}
		for (i = 1; i <= n[p]; i++) {
			t = ev[p, i]; v = val[p, i]
			if (t == "B") {
				parent[++blocks] = block; outer[blocks] = server; block = blocks
				split(v, w, " ")
				if (w[1] == "server") server = blocks
				if (form == "upstream" && v == "upstream " name && !ours(p)) print "other " p ":" at[p, i]
			} else if (t == "E") {
				if (block) { server = outer[block]; block = parent[block] }
			} else if (t == "I") descend(v, p ":" at[p, i])
			else if (t == "T" && !block) print "shutdown " v
			else if (t == "L" && !block) log_ = v
			else if (t == "S" && form == "variable" && v == "$" name && !ours(p)) {
				o++; oAt[o] = p ":" at[p, i]; oServer[o] = server; oBlock[o] = block; oSeq[o] = ++seq
			}
		}
		depth--
	}
	function inside(b, a) { while (b && b != a) b = parent[b]; return b == a }
	# A setting counts in its own server. It does no harm where ours comes later: before it in the same block, or in
	# a block around it, which nginx runs first.
	function harmless(i, j) {
		if (oServer[i] != inServer[j] || !oServer[i]) return 1
		if (oBlock[i] == inBlock[j]) return oSeq[i] < inSeq[j]
		return inside(inBlock[j], oBlock[i])
	}
	function about(r,  i, j, l, w, new) {
		file = R[r]; target = R[r + 1]; form = R[r + 2]; name = R[r + 3]
		depth = seq = k = o = block = blocks = server = 0
		log_ = ""
		if (mode == "all") print "@" form " " name " " file
		for (i = 1; i <= nf; i++) print "config " files[i]
		# A file that is not there yet: would an include find it?
		if (!(file in have) && (getline l < file) < 0) { files[++nf] = file; have[file] = 0; new = 1 }
		walk(main, "", 0)
		if (new) { delete have[file]; nf-- }
		for (j = 1; j <= k; j++) {
			print "included " inFrom[j]
			if (inName[j]) print "named " inFrom[j]
		}
		for (i = 1; i <= o; i++) for (j = 1; j <= k; j++) if (!harmless(i, j)) { print "other " oAt[i]; break }
		if (log_ != "") print "errorlog " log_
		for (w in words) if (uses(w)) { print "used"; break }
	}
	BEGIN { routes = split(ENVIRON["ROUTES"], R, "\n"); routes -= routes % 4 }
	mode == "disk" { scan($0); next }
	skip > 0 { skip--; next }
	/^# configuration file .*:$/ { skip = scan(substr($0, 22, length($0) - 22)) }
	END {
		if (!nf) exit
		for (r = 1; r <= routes; r += 4) about(r)
	}' 2>/dev/null
}

# tree: TREE, from nginx while it runs. BROKEN is nginx's complaint where its configuration is not accepted: then, and
# with nginx down (a test would leave a pidfile and directories), the files are read.
tree() {
	BROKEN=
	TREE=
	if [ -n "$MPID" ]; then
		if shared && [ "$NGINX_AT" = "$MPID:$MSTART" ]; then
			below_head "@$FORM $NAME $FILE" "$NGINX_TREES"
			TREE=$BELOW
		else
			TREE=$(ngx -T 2>/dev/null | tree_awk dump)
		fi
		[ -n "$TREE" ] && return 0
		BROKEN=$(ngx -t 2>&1 | head -c 2000)
	fi
	tree_disk
}

# tree_disk: the files that are there, found round by round as their includes name them.
tree_disk() {
	_all=$CONF _round=0
	while [ "$_round" -lt 12 ]; do
		_round=$((_round + 1))
		TREE=$(printf '%s\n' "$_all" | tree_awk disk)
		_more=
		_ifs=$IFS
		IFS=$NL
		set -f
		for _t in $TREE; do
			case $_t in "pattern "*) ;; *) continue ;; esac
			set +f
			for _f in ${_t#pattern }; do
				[ -e "$_f" ] || continue
				case "$NL$_all$NL" in *"$NL$_f$NL"*) ;; *) _all=$_all$NL$_f _more=1 ;; esac
			done
			set -f
		done
		set +f
		IFS=$_ifs
		[ -n "$_more" ] || return 0
	done
}

# facts KEY: what TREE says under it, a value a line.
facts() { printf '%s\n' "$TREE" | sed -n "s/^$1 //p"; }

# file_addrs PATH: the addresses that a file of ours, or a plain one made by hand, routes to, with commas.
file_addrs() {
	[ -r "$1" ] || return 0
	# shellcheck disable=SC2020 # three characters, each to a newline
	sed 's/#.*//' "$1" | tr ';{}' '\n\n\n' | if [ "$FORM" = variable ]; then
		sed -n 's|^[[:space:]]*set[[:space:]]\{1,\}\$'"$NAME"'[[:space:]]\{1,\}["'\'']\{0,1\}http://\([^/"'\''[:space:]]*\).*|\1|p' | tail -n 1
	else
		sed -n 's/^[[:space:]]*server[[:space:]]\{1,\}\([^[:space:]]*\).*/\1/p' | tr '\n' ',' | sed 's/,$//'
	fi
}
