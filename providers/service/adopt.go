package service

import (
	"fmt"
	"net/netip"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2/hclwrite"
	"github.com/zclconf/go-cty/cty"

	"github.com/shipctl/shipctl/providers"
	"github.com/shipctl/shipctl/providers/nginx"
	"github.com/shipctl/shipctl/providers/remote"
)

func adopter() providers.Adopter {
	return providers.Adopter{
		Queries: func(host string) []remote.Query {
			return []remote.Query{adoptQuery(host), nginx.AdoptQuery(host), remote.Identity(host)}
		},
		Describe: describe,
	}
}

// adopting is the work of describing.
type adopting struct {
	*providers.Adoption
	seen   map[string]found
	claims map[place]bool
}

// place is a port of a machine.
type place struct {
	host string
	port int
}

// way is a file in which nginx is told where to send requests, on one machine or on several that have the same.
type way struct {
	nginx.Found
	hosts []string
	to    []place
}

// describe writes a service for each variable or upstream of nginx that leads to a program on one of the machines.
func describe(a *providers.Adoption) {
	d := &adopting{Adoption: a, seen: map[string]found{}, claims: map[place]bool{}}
	for _, h := range a.Hosts {
		d.look(h.Name)
	}
	for _, w := range d.ways() {
		d.service(w)
	}
}

func (d *adopting) look(host string) {
	switch ans := d.Facts.Get(adoptQuery(host)); {
	case ans.Sight != remote.Seen:
		d.Note("%s: its programs could not be looked at: %s %s", host, ans.Sight, ans.Why)
	default:
		f := parseFound(ans.Text)
		d.seen[host] = f
		if !f.whole {
			d.Note("%s: the list of its programs is not complete", host)
		}
		if hidden := slices.ContainsFunc(f.listeners, func(l foundListener) bool { return l.pid == 0 }); hidden && loggedIn(d.Facts.Get(remote.Identity(host))).uid != "0" {
			d.Note("%s: some ports are held by processes that this user may not see; as root, or with sudo, they could be described", host)
		}
	}
}

// ways are what all nginx found, joined where machines have the same file and name.
func (d *adopting) ways() (out []*way) {
	for _, h := range d.Hosts {
		ans := d.Facts.Get(nginx.AdoptQuery(h.Name))
		switch ans.Sight {
		case remote.Seen:
		case remote.Absent:
			continue
		default:
			d.Note("%s: its nginx could not be looked at: %s %s", h.Name, ans.Sight, ans.Why)
			continue
		}
		s := nginx.ParseSights(ans.Text)
		if s.Down != "" {
			d.Note("%s: nginx does not run (%s): where it would send requests was not read", h.Name, s.Down)
		}
		for _, p := range s.Proxies {
			if at, ok := d.resolve(h.Name, p.Addr); ok {
				d.Note("%s: nginx sends requests to %s by a proxy_pass that names it, in %s: shipctl can't switch that. Put the address into a variable or an upstream in a file of its own", h.Name, show(at), p.Place)
			}
		}
		for _, f := range s.Found {
			out = d.join(out, h.Name, f)
		}
	}
	return out
}

func show(p place) string { return fmt.Sprintf("%s:%d", p.host, p.port) }

func (d *adopting) join(all []*way, host string, f nginx.Found) []*way {
	var to []place
	for _, a := range f.Addrs {
		at, ok := d.resolve(host, a)
		if !ok {
			d.Note("%s: %s %s leads to %s (%s:%d), which is none of the machines that were asked: name that machine too", host, f.Form, f.Name, a, f.File, f.Line)
			continue
		}
		to = append(to, at)
	}
	if len(to) == 0 {
		return all
	}
	i := slices.IndexFunc(all, func(w *way) bool {
		return w.File == f.File && w.Name == f.Name && w.Form == f.Form && !slices.Contains(w.hosts, host) &&
			(f.Form == "upstream" || w.to[0].host == to[0].host)
	})
	if i < 0 {
		return append(all, &way{Found: f, hosts: []string{host}, to: to})
	}
	w := all[i]
	w.hosts, w.Alone = append(w.hosts, host), w.Alone && f.Alone
	for _, t := range to {
		if !slices.Contains(w.to, t) {
			w.to = append(w.to, t)
		}
	}
	return all
}

// resolve tells which port of which machine an address of nginx is.
func (d *adopting) resolve(on, addr string) (place, bool) {
	if port, ok := strings.CutPrefix(addr, "localhost:"); ok {
		d.Note("%s: nginx has the name localhost:%s; write it as 127.0.0.1:%s and reload nginx: shipctl reads IP addresses only", on, port, port)
		addr = "127.0.0.1:" + port
	}
	at, err := netip.ParseAddrPort(addr)
	if err != nil || at.Port() == 0 {
		return place{}, false
	}
	if at.Addr().IsLoopback() {
		return place{on, int(at.Port())}, true
	}
	for _, h := range d.Hosts {
		if d.seen[h.Name].has(h, at.Addr()) {
			if on != h.Name {
				d.Private[h.Name] = at.Addr().String()
			}
			return place{h.Name, int(at.Port())}, true
		}
	}
	return place{}, false
}

// service describes one way, or says why it can't.
func (d *adopting) service(w *way) {
	where := fmt.Sprintf("%s: %s %s in %s:%d", strings.Join(w.hosts, ", "), w.Form, w.Name, w.File, w.Line)
	if !w.Alone {
		d.Note("%s is not described: its file holds other things too, and shipctl writes the whole file. Move it into a file of its own, include that, reload nginx and run adopt again", where)
		return
	}
	if !cleanPath(w.File) {
		d.Note("%s is not described: a configuration can't name that file", where)
		return
	}
	apps, ports := spread(w.to)
	if len(ports) > 2 {
		d.Note("%s is not described: it leads to more than two ports", where)
		return
	}
	var live *foundProc
	for _, t := range w.to {
		p, hidden := d.seen[t.host].on(t.port)
		switch {
		case d.claims[t]:
			d.Note("%s is not described: %s is another service's already", where, show(t))
		case hidden:
			d.Note("%s is not described: it can't be seen who listens on %s: as root, or with sudo, it could be, unless it is in a container", where, show(t))
		case p == nil:
			d.Note("%s is not described: nobody listens on %s", where, show(t))
		case p.ours:
			d.Note("%s is not described: shipctl started what listens on %s", where, show(t))
		case len(p.args) == 0 || slices.ContainsFunc(p.args, func(a string) bool { return !writable(a) }):
			d.Note("%s is not described: the command line of pid %d on %s holds characters that a configuration can't", where, p.pid, t.host)
		default:
			if live == nil {
				live = p
			}
			continue
		}
		return
	}
	for _, t := range w.to {
		d.claims[t] = true
	}
	d.write(w, apps, ports, live)
}

// spread gives the machines and the ports of places, in their order.
func spread(to []place) (hosts []string, ports []int) {
	for _, t := range to {
		if !slices.Contains(hosts, t.host) {
			hosts = append(hosts, t.host)
		}
		if !slices.Contains(ports, t.port) {
			ports = append(ports, t.port)
		}
	}
	slices.Sort(ports)
	return hosts, ports
}

// write is the block.
func (d *adopting) write(w *way, apps []string, ports []int, p *foundProc) {
	prog := adoptee{foundProc: p, port: w.to[0].port}
	prog.split()
	for _, t := range w.to {
		if q, _ := d.seen[t.host].on(t.port); q == p {
			prog.port = t.port
		}
	}
	name := d.Name(prog.name(w.Name), "service", "release")
	d.Wishes = append(d.Wishes, providers.Wish{Name: name, Hosts: apps, Root: prog.root, Dir: prog.dir})

	block := hclwrite.NewBlock("service", []string{name})
	b := block.Body()
	providers.Comment(b, "On %s: pid %d, which shipctl did not start. A plan takes it over with -take-over=service.%s", strings.Join(apps, ", "), p.pid, name)
	if p.unit != "-" && p.unit != "" {
		providers.Comment(b, "It is the unit %s, which a take-over stops and disables.", p.unit)
	}
	b.SetAttributeRaw("release", providers.Word("release."+name))
	d.command(b, prog)
	d.environment(b, name, prog)
	d.rights(b, apps, p)
	d.slots(b, apps, ports, prog)
	health(b)
	route(b, w)
	d.Blocks = append(d.Blocks, block)
}

// adoptee is a process with what its directory and its command line say.
type adoptee struct {
	*foundProc
	port     int
	root, id string // of Capistrano's layout; "" where it is not in one
	below    string // directory below the release
}

var releaseDir = regexp.MustCompile(`^(/.+)/(?:releases/([^/]+)|current)(?:/(.*))?$`)

func (p *adoptee) split() {
	if m := releaseDir.FindStringSubmatch(p.dir); m != nil && m[2] != "" {
		p.root, p.id, p.below = m[1], m[2], m[3]
		return
	}
	for _, a := range p.args { // started from elsewhere, by a path
		_, a, _ = cutPath(a)
		if m := releaseDir.FindStringSubmatch(a); m != nil && m[3] != "" {
			p.root, p.id = m[1], m[2]
			return
		}
	}
}

// cutPath finds the absolute path that a word is, or ends with behind a "=".
func cutPath(word string) (before, p string, ok bool) {
	if strings.HasPrefix(word, "/") {
		return "", word, true
	}
	if i := strings.Index(word, "=/"); i >= 0 {
		return word[:i+1], word[i+1:], true
	}
	return word, "", false
}

func (p adoptee) name(route string) string {
	if unit := strings.TrimSuffix(p.unit, ".service"); unit != p.unit && !strings.Contains(unit, "@") {
		return unit
	}
	if p.root != "" {
		return path.Base(p.root)
	}
	short := regexp.MustCompile(`[_-]?(url|upstream|backend|servers?)$`).ReplaceAllString(route, "")
	if dir := path.Base(p.dir); (short == "" || short == "service") && len(dir) > 1 {
		return dir
	}
	return short
}

// inRelease makes a path below the directory of the release relative to it. A path that stays would be the old version's.
func (p adoptee) inRelease(word string, first bool) string {
	before, at, ok := cutPath(word)
	if !ok {
		return word
	}
	dirs := []string{p.root + "/current", p.root + "/releases/" + p.id}
	if p.root == "" {
		dirs = []string{strings.TrimSuffix(p.dir, "/")}
	}
	for _, d := range dirs {
		if rel, ok := strings.CutPrefix(at, d+"/"); ok && d != "" && rel != "" {
			if first && before == "" || strings.HasPrefix(rel, "-") {
				rel = "./" + rel
			}
			return before + rel
		}
	}
	return word
}

// pieces replaces the port, and the release where it is named.
func (p adoptee) pieces(word string) (out []providers.Piece, port bool) {
	pattern := fmt.Sprintf(`[0-9]+|%s`, regexp.QuoteMeta(orElse(p.id, "\x00")))
	at := 0
	for _, m := range regexp.MustCompile(pattern).FindAllStringIndex(word, -1) {
		switch word[m[0]:m[1]] {
		case itoa(p.port):
			out = append(out, providers.Piece{Text: word[at:m[0]], Expr: "slot.port"})
			port = true
		case p.id:
			out = append(out, providers.Piece{Text: word[at:m[0]], Expr: "slot.version"})
		default:
			continue
		}
		at = m[1]
	}
	return append(out, providers.Piece{Text: word[at:]}), port
}

const leftOut = "REPLACED"

func (d *adopting) command(b *hclwrite.Body, p adoptee) {
	var words []hclwrite.Tokens
	port := slices.ContainsFunc(p.env, func(e foundEnv) bool { return e.port })
	var notes []string
	for i, w := range p.args {
		if strings.Contains(w, "\x03") {
			w = strings.ReplaceAll(w, "\x03", leftOut)
			notes = append(notes, leftOut+" stands for what looks like a secret: it was left out. Pass it in env, by a sensitive variable.")
		}
		if i == 0 && (w == "" || strings.HasPrefix(w, "-")) {
			w = "./" + w
		}
		w = p.inRelease(w, i == 0)
		if _, at, ok := cutPath(w); ok && !systemPath(at) {
			notes = append(notes, at+" is outside of the release: as it stands it is the same file for every version.")
		}
		pieces, has := p.pieces(w)
		port = port || has
		words = append(words, providers.Template(pieces, func(expr string) string {
			return map[string]string{"slot.port": itoa(p.port), "slot.version": p.id}[expr]
		}))
	}
	if !port {
		notes = append(notes, fmt.Sprintf("Nothing here names the port %d: give ${slot.port} to the program, or both slots would want the same one.", p.port))
	}
	if p.below != "" {
		notes = append(notes, "It runs in the folder "+p.below+" of its release; shipctl starts it in the release itself.")
	}
	for _, n := range slices.Compact(notes) {
		providers.Comment(b, "%s", n)
	}
	b.SetAttributeRaw("command", providers.List(words...))
}

func systemPath(p string) bool {
	for _, d := range []string{"/usr/", "/bin/", "/sbin/", "/lib/", "/lib64/", "/dev/", "/proc/", "/sys/", "/etc/", "/run/", "/var/log/", "/tmp/"} {
		if strings.HasPrefix(p, d) {
			return true
		}
	}
	return false
}

// usual are variables that the way of starting gives, shells and systemd.
var usual = regexp.MustCompile(`^(PATH|HOME|PWD|OLDPWD|SHLVL|_|LANG|LANGUAGE|LC_.*|USER|LOGNAME|USERNAME|SHELL|TERM|MAIL|HOSTNAME|EDITOR|PAGER|DISPLAY|INVOCATION_ID|JOURNAL_STREAM|SYSTEMD_.*|NOTIFY_SOCKET|LISTEN_.*|MAINPID|MANAGERPID|MEMORY_PRESSURE_.*|WATCHDOG_.*|SSH_.*|SUDO_.*|XDG_.*|DBUS_.*|LS_COLORS|LESS.*|RUNTIME_DIRECTORY|STATE_DIRECTORY|CREDENTIALS_DIRECTORY|container.*|SHIPCTL.*)$`)

var secretName = regexp.MustCompile(`(?i)pass|secret|token|cred|key|auth|url|uri|dsn|conn|cert|salt|sign`)

// environment: names only. The values never left the machine.
func (d *adopting) environment(b *hclwrite.Body, name string, p adoptee) {
	var attrs []hclwrite.ObjectAttrTokens
	filled := true
	seen := map[string]bool{}
	for _, e := range p.env {
		if usual.MatchString(e.name) || seen[e.name] {
			continue
		}
		seen[e.name] = true
		value := providers.Word("slot.port")
		if !e.port {
			filled = false
			secret := secretName.MatchString(e.name)
			v := d.Variable(name+"_"+e.name, "The value of "+e.name+" was not read: give it, here or as SHIPCTL_VAR_… (docs/adopt.md).", secret)
			value = providers.Word("var." + v)
		}
		attrs = append(attrs, hclwrite.ObjectAttrTokens{Name: providers.Word(e.name), Value: value})
	}
	if len(attrs) == 0 {
		return
	}
	if !filled {
		providers.Comment(b, "Names only: values were not read. What differs between the slots belongs into their own env.")
		d.Note("service.%s: the values of its environment were not read: fill in the variables", name)
	}
	b.SetAttributeRaw("env", hclwrite.TokensForObject(attrs))
}

// rights: as whom, and by which runner, so that a plan does not refuse.
func (d *adopting) rights(b *hclwrite.Body, apps []string, p *foundProc) {
	as := loggedIn(d.Facts.Get(remote.Identity(apps[0])))
	systemd := !slices.ContainsFunc(apps, func(h string) bool { return remote.Lacks(d.Facts, h, "systemd") != "" })
	root := as.uid == "0"
	switch {
	case p.user == "root":
		providers.Comment(b, "It runs as root. Better: run_as = the user that it needs.")
	case !userName(p.user) || p.user == "UNKNOWN":
		providers.Comment(b, "As whom it runs could not be seen: run_as = …")
	case root || p.user != as.user:
		b.SetAttributeValue("run_as", cty.StringVal(p.user))
	}
	if !root || !systemd {
		b.SetAttributeValue("runner", cty.StringVal("process"))
	}
}

func (d *adopting) slots(b *hclwrite.Body, apps []string, ports []int, p adoptee) {
	why := ""
	if len(ports) == 1 {
		var other int
		if other = d.twin(apps, p); other != 0 {
			why = "The same program listens there too: stop it before the next deployment needs the port."
		} else {
			other = d.free(apps, ports[0])
			why = "Chosen by adopt: nobody listens there now. Take the port that your scripts use."
		}
		for _, h := range apps {
			d.claims[place{h, other}] = true
		}
		ports = append(ports, other)
	}
	chosen := ports[1]
	slices.Sort(ports)
	for i, name := range []string{"blue", "green"} {
		b.AppendNewline()
		slot := b.AppendNewBlock("slot", []string{name}).Body()
		if why != "" && ports[i] == chosen {
			providers.Comment(slot, "%s", why)
		}
		slot.SetAttributeValue("port", cty.NumberIntVal(int64(ports[i])))
	}
}

// twin is the port on which the same program, of the same user, listens besides.
func (d *adopting) twin(apps []string, p adoptee) int {
	if len(apps) != 1 {
		return 0
	}
	for _, l := range d.seen[apps[0]].listeners {
		q, _ := d.seen[apps[0]].on(l.port)
		if q == nil || q == p.foundProc || l.port == p.port || d.claims[place{apps[0], l.port}] || q.user != p.user || len(q.args) != len(p.args) || len(p.args) == 0 {
			continue
		}
		same := path.Base(q.args[0]) == path.Base(p.args[0])
		named := false
		for i := range q.args {
			at := strings.Index(q.args[i], itoa(l.port))
			named = named || at >= 0 && strings.ReplaceAll(q.args[i], itoa(l.port), itoa(p.port)) == p.args[i]
		}
		if same && (named || slices.ContainsFunc(q.env, func(e foundEnv) bool { return e.port })) {
			return l.port
		}
	}
	return 0
}

func (d *adopting) free(apps []string, port int) int {
	for n := port + 1; n != port; n++ {
		if n > 65535 {
			n = 1024
		}
		if !slices.ContainsFunc(apps, func(h string) bool { return d.seen[h].taken(n) || d.claims[place{h, n}] }) {
			return n
		}
	}
	return port
}

func health(b *hclwrite.Body) {
	b.AppendNewline()
	h := b.AppendNewBlock("health", nil).Body()
	providers.Comment(h, "Fill in: a path that answers only when the program can serve, best with the slot or the version in the")
	providers.Comment(h, "body: http { path = \"/…\" }. This one waits for the port to open, no more.")
	h.AppendUnstructuredTokens(providers.Word("tcp {}\n"))
}

func route(b *hclwrite.Body, w *way) {
	b.AppendNewline()
	n := b.AppendNewBlock("nginx_upstream", nil).Body()
	n.SetAttributeRaw("hosts", providers.HostRefs(w.hosts))
	n.SetAttributeRaw("file", providers.Text(w.File))
	n.SetAttributeValue(w.Form, cty.StringVal(w.Name))
	providers.Comment(n, "Fill in: verify { url = \"http://127.0.0.1/…\" } asks through nginx after the switch.")
}
