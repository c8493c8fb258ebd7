# shellcheck shell=sh
# What this machine's nginx sends requests to, for whoever writes it down: adopt [BINARY CONFIG PREFIX]. Separated by tabs:
#   set       FILE LINE NAME VALUE            set $NAME VALUE, where VALUE is an address and nothing else
#   upstream  FILE LINE NAME PLAIN SERVER…    PLAIN is 1 where it holds nothing but "server ADDRESS;"
#   proxy     FILE LINE TARGET                proxy_pass, without the path
#   size      FILE STATEMENTS                 how many there are outside of any block, blocks included
#   down WHY                                  nginx does not run: its files are not read
# Its text may hold secrets: nothing else of it leaves the machine.

BINARY=${1:-nginx} CONFIG=${2:-} PREFIX=${3:-} FILE=/
installed || absent
if ! master; then
	printf 'down\t%s\n' "$PIDNOTE"
	exit 0
fi

reduce() {
	awk '
	function clean(s) { gsub(/[^ -~]/, "?", s); return substr(s, 1, 400) }
	function out(kind, text) { if (++lines <= 2000) printf "%s\t%s\t%d%s\n", kind, clean(path), first, text }
	function finish() { if (inword) { W[++nw] = word; if (nw == 1) first = lineno } word = ""; inword = 0 }
	function opened() {
		if (!depth) top++
		depth++
		if (W[1] == "upstream") { up = depth; upname = W[2]; upline = first; servers = ""; plain = 1 }
		else if (up) plain = 0
		if (W[1] ~ /_by_lua_block$/) lua = 1
		nw = 0
	}
	function closed() {
		if (up && depth == up) {
			first = upline
			out("upstream", "\t" clean(upname) "\t" plain servers)
			up = 0
		}
		if (depth) depth--
		nw = 0
	}
	function statement() {
		if (!depth) top++
		if (up) {
			if (W[1] == "server" && nw == 2 && depth == up) servers = servers "\t" clean(W[2])
			else plain = 0
		}
		if (W[1] == "set" && nw == 3 && W[2] ~ /^[$][A-Za-z0-9_]+$/ && W[3] ~ /^https?:\/\/[][A-Za-z0-9_.:-]+\/?$/)
			out("set", "\t" substr(W[2], 2) "\t" W[3])
		else if (W[1] == "proxy_pass" && nw == 2 && match(W[2], /^(https?:\/\/[][$}{A-Za-z0-9_.:-]+|[$][{]?[A-Za-z0-9_]+[}]?)/))
			out("proxy", "\t" substr(W[2], 1, RLENGTH))
		nw = 0
	}
	function braces(s,  o, c) { o = gsub(/\{/, "", s); c = gsub(/\}/, "", s); return o - c }
	# One line, the way nginx reads it: a word ends at space, ";" or "{"; quotes count at its beginning only.
	function tokens(s,  m, c) {
		while (s != "") {
			if (lua > 0) { lua += braces(s); if (lua <= 0) { lua = 0; closed() } return }
			if (q != "") {
				m = q == "\"" ? match(s, /["\\]/) : match(s, /[\047\\]/)
				if (!m) { word = word s " "; return }
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
				if (c == "{") { opened(); s = substr(s, 2); continue }
				if (c == "}") { closed(); s = substr(s, 2); continue }
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
	function done() { if (path != "") printf "size\t%s\t%d\n", clean(path), top }
	/^# configuration file .*:$/ {
		done()
		path = substr($0, 22, length($0) - 22)
		lineno = 0; depth = 0; top = 0; up = 0; nw = 0; q = ""; word = ""; inword = 0; lua = 0
		next
	}
	path != "" { lineno++; tokens($0) }
	END { done() }'
}

said=$(ngx -T 2>/dev/null | reduce)
if [ -z "$said" ]; then
	[ "$(id -u)" = 0 ] || denied "nginx does not print its configuration for $(id -un)"
	die 'nginx does not accept its own configuration: see nginx -t'
fi
printf '%s\n' "$said"
exit 0
