package service

import (
	"maps"
	"net/netip"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strings"
	"unicode"

	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/gocty"

	"github.com/shipctl/shipctl/config"
)

func (d *decoder) nginx() {
	in := d.in.Nginx
	if in == nil && d.s.recreates() { // a batch server may have none
		d.someMachine()
		return
	}
	if in == nil {
		d.wrong(&d.b.Range, "No route", "nginx_upstream { … } is needed: it says which nginx sends requests to the live slot.")
		return
	}
	n := Nginx{
		File: in.File, Variable: in.Variable, Upstream: in.Upstream, Binary: in.Binary, Config: in.Config, Prefix: in.Prefix,
		Drain: d.duration(in.Drain, "30s", "nginx_upstream", "drain"), at: d.b.At("nginx_upstream", "file"),
	}
	n.Hosts = d.hosts()
	for name, p := range map[string]string{"file": n.File, "config": n.Config, "prefix": n.Prefix, "binary": n.Binary} {
		if p == "" && name != "file" || name == "binary" && plainName.MatchString(p) {
			continue
		}
		if !cleanPath(p) {
			d.wrong(d.b.At("nginx_upstream", name), "Not a path", "%q: an absolute path without spaces, quotes, wildcards or .. is expected.", p)
		}
	}
	switch name := n.Variable + n.Upstream; {
	case (n.Variable == "") == (n.Upstream == ""):
		d.wrong(d.b.At("nginx_upstream"), "variable or upstream",
			`Exactly one is expected: variable = "service_url" writes "set $service_url http://IP:PORT;", upstream = "NAME" writes an upstream block.`)
	case !nginxName.MatchString(name):
		d.wrong(d.b.At("nginx_upstream", map[bool]string{true: "variable", false: "upstream"}[n.Variable != ""]), "Not a name for nginx", "%q: letters, digits and _ are expected.", name)
	case n.Variable != "" && nginxOwn.MatchString(strings.ToLower(name)):
		d.wrong(d.b.At("nginx_upstream", "variable"), "A variable of nginx's own", "$%s has a meaning of its own in nginx, which refuses to set it or would change the request: take a name of your own, such as service_url.", name)
	case n.Variable != "" && len(active(d.s.Hosts)) > 1:
		d.wrong(d.b.At("nginx_upstream", "variable"), "One variable, several machines",
			"%s runs on %d machines and a variable holds one address: use upstream = %q.", d.b.Ref, len(active(d.s.Hosts)), n.Variable)
	}
	d.someMachine()
	n.Verify = d.verify()
	d.s.Nginx = n
	d.reachable()
}

// someMachine: the program must be left somewhere.
func (d *decoder) someMachine() {
	if len(d.s.Hosts) > 0 && len(active(d.s.Hosts)) == 0 {
		d.wrong(d.in.Release.Range().Ptr(), "Every machine is retired", "%s would run nowhere, and nginx would still send requests to it. Leave one machine, or give nginx another place to send them and remove the block.", d.b.Ref)
	}
}

var nginxName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]{0,63}$`)

// nginxOwn are variables of nginx's (1.22 and later, of the usual modules): most it refuses to set, as "duplicate"; some, such
// as args, change the request. Its names are the same in capitals. What it only makes up from a request, such as
// http_x, may be set.
var nginxOwn = regexp.MustCompile(`^(args|binary_remote_addr|body_bytes_sent|bytes_sent|connection(_requests|_time)?|` +
	`connections_(active|reading|waiting|writing)|content_(length|type)|date_(gmt|local)|document_(root|uri)|fastcgi_(path_info|script_name)|` +
	`gzip_ratio|host|hostname|http[23]|http_(cookie|host|referer|user_agent|via|x_forwarded_for)|https|invalid_referer|is_args|` +
	`limit_(conn_status|rate|req_status)|memcached_key|msec|nginx_version|pid|pipe|proxy_(add_x_forwarded_for|host|port)|` +
	`proxy_protocol_(server_)?(addr|port)|query_string|quic|realip_remote_(addr|port)|realpath_root|remote_(addr|port|user)|` +
	`request(_body|_body_file|_completion|_filename|_id|_length|_method|_time|_uri)?|scheme|secure_link(_expires)?|` +
	`sent_http_(cache_control|connection|content_length|content_type|keep_alive|last_modified|link|location|transfer_encoding)|` +
	`server_(addr|name|port|protocol)|slice_range|ssl_(alpn_protocol|ciphers?|client_.+|curves?|early_data|protocol|server_name|session_id|session_reused)|` +
	`status|tcpinfo_(rtt|rttvar|snd_cwnd|rcv_space)|time_(iso8601|local)|uid_(got|reset|set)|` +
	`upstream_(addr|bytes_received|bytes_sent|cache_status|connect_time|header_time|response_length|response_time|status)|uri)$`)

func cleanPath(p string) bool {
	return strings.HasPrefix(p, "/") && path.Clean(p) == p && p != "/" && strings.IndexFunc(p, func(r rune) bool {
		return unicode.IsControl(r) || strings.ContainsRune(" \t'\"\\*?[]{}$;#`", r)
	}) < 0
}

// active machines are those that are not to be taken out.
func active(hs []config.HostValue) (out []config.HostValue) {
	for _, h := range hs {
		if !h.Retired {
			out = append(out, h)
		}
	}
	return out
}

func (d *decoder) hosts() []config.HostValue {
	e := d.in.Nginx.Hosts
	v, diags := d.b.Eval(e, nil)
	d.diags = append(d.diags, diags...)
	if diags.HasErrors() || !v.IsWhollyKnown() {
		return nil
	}
	var out []config.HostValue
	if err := eachHost(v, &out); err != nil || len(out) == 0 {
		d.wrong(e.Range().Ptr(), "Not a list of machines", `hosts = [host.NAME, …] or hosts_with({ role = "web" }) is expected, with one machine at least.`)
		return nil
	}
	seen := map[string]bool{}
	for _, h := range out {
		if seen[h.Name] {
			d.wrong(e.Range().Ptr(), "A machine twice", "%s is named twice.", h.Name)
		}
		seen[h.Name] = true
	}
	return active(out)
}

func eachHost(v cty.Value, out *[]config.HostValue) error {
	if v.IsNull() || !v.CanIterateElements() || v.Type().IsObjectType() || v.Type().IsMapType() {
		return cty.GetAttrPath("hosts").NewErrorf("not a list")
	}
	for it := v.ElementIterator(); it.Next(); {
		_, e := it.Element()
		var h config.HostValue
		if e.Type().IsObjectType() && e.Type().HasAttribute("addr") {
			e = without(e, "addr")
		}
		if err := gocty.FromCtyValue(e, &h); err != nil {
			return err
		}
		*out = append(*out, h)
	}
	return nil
}

func without(v cty.Value, name string) cty.Value {
	attrs := maps.Clone(v.AsValueMap())
	delete(attrs, name)
	return cty.ObjectVal(attrs)
}

func (d *decoder) verify() *Verify {
	in := d.in.Nginx.Verify
	if in == nil {
		return nil
	}
	u, err := url.Parse(in.URL)
	if err != nil || strings.ContainsFunc(in.URL, unicode.IsControl) || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || strings.ContainsAny(in.URL, " '\"\\") {
		d.wrong(d.b.At("nginx_upstream", "verify", "url"), "Not a URL", `%q: http:// or https://, as the nginx machine itself reaches its nginx, is expected: "http://127.0.0.1/profile".`, in.URL)
	}
	d.hostHeader(in.Host, d.b.At("nginx_upstream", "verify", "host"))
	status := slices.Clone(in.Status)
	body := ""
	if !namesSlot(in.Body) {
		body = d.line(in.Body, nil, "body")
	}
	d.answer(&status, body, "nginx_upstream", "verify")
	return &Verify{URL: in.URL, Host: in.Host, Insecure: in.Insecure, Status: in.Status, Body: body}
}

// reachable: nginx gets addresses, never names (a name needs a resolver, and answers 502 without one).
func (d *decoder) reachable() {
	for _, h := range active(d.s.Hosts) {
		for _, n := range d.s.Nginx.Hosts {
			if n.Name == h.Name {
				continue
			}
			if _, err := netip.ParseAddr(h.PrivateAddress); err != nil {
				d.wrong(d.in.Nginx.Hosts.Range().Ptr(), "No address for nginx",
					"nginx on %s needs the IP address of %s: give host %q a private_address.", n.Name, h.Name, h.Name)
				break
			}
		}
	}
}

func (d *decoder) stop() {
	s := Stop{Signal: "TERM", Grace: d.duration("", "30s", "stop", "grace")}
	if in := d.in.Stop; in != nil {
		s.Signal = orElse(strings.TrimPrefix(in.Signal, "SIG"), "TERM")
		s.Grace, s.Disconnect = d.duration(in.Grace, "30s", "stop", "grace"), in.Disconnect
		if !slices.Contains(stopSignals(), s.Signal) {
			d.wrong(d.b.At("stop", "signal"), "Not a signal to stop with", "%q: TERM, INT, QUIT, HUP, USR1 or USR2 is expected; KILL follows after the grace.", in.Signal)
		}
	}
	d.s.Stop = s
}

func (d *decoder) rollout() {
	d.s.Previous = "stopped"
	in := d.in.Rollout
	if in == nil {
		return
	}
	switch orElse(in.Strategy, "blue_green") {
	case "blue_green":
	case recreate:
		d.s.Strategy = recreate
	default:
		d.wrong(d.b.At("rollout", "strategy"), "Unknown strategy", `%q: "blue_green" or "recreate" (the old one is stopped before the new one is started) is expected.`, in.Strategy)
	}
	if d.s.Previous = orElse(in.Previous, "stopped"); d.s.Previous != "stopped" && d.s.Previous != "running" {
		d.wrong(d.b.At("rollout", "previous"), "Unknown value", `previous is "stopped" or "running" (until the next deployment), not %q.`, in.Previous)
	} else if d.s.recreates() && d.s.Previous == "running" {
		d.wrong(d.b.At("rollout", "previous"), "Two would run", `previous = "running" keeps the old program beside the new one, and strategy = "recreate" is for programs of which two must never run at once.`)
	}
}

var propertyName = regexp.MustCompile(`^[A-Z][A-Za-z0-9]{1,63}$`)

// ours are the properties on which the runner rests.
var ours = []string{"Type", "ExecStart", "ExecStartPre", "ExecStop", "EnvironmentFile", "Environment", "WorkingDirectory", "User", "KillSignal", "KillMode", "TimeoutStopSec", "StandardOutput", "StandardError", "StandardInput", "PIDFile", "RemainAfterExit"}

func (d *decoder) properties() {
	in := d.in.Systemd
	if in == nil {
		return
	}
	at := d.b.At("systemd", "properties")
	if d.s.Runner != "systemd" {
		d.wrong(at, "No systemd", `systemd { … } goes with runner = "systemd".`)
	}
	for _, k := range slices.Sorted(maps.Keys(in.Properties)) {
		v := in.Properties[k]
		switch {
		case !propertyName.MatchString(k) || strings.IndexFunc(v, unicode.IsControl) >= 0 || strings.HasSuffix(v, `\`):
			d.wrong(at, "Not a property", "%q = %q: a name of systemd.service(5), systemd.exec(5) or systemd.resource-control(5) and a value on one line are expected.", k, v)
		case slices.Contains(ours, k):
			d.wrong(at, "This property is shipctl's", "%s is set from the service itself (command, env, run_as, stop).", k)
		default:
			d.s.Unit = append(d.s.Unit, Property{k, v})
		}
	}
}
