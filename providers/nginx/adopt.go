package nginx

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/shipctl/shipctl/providers/remote"
)

// Found is a place in a machine's nginx that says where requests go, by a variable or an upstream. Alone says that its file
// holds nothing else, so that shipctl may write it.
type Found struct {
	File, Form, Name string
	Line             int
	Addrs            []string // host:port as written
	Alone            bool
}

// Proxy is a proxy_pass that names an address itself.
type Proxy struct {
	Place, Addr string
}

// Sights is what adopt.sh saw.
type Sights struct {
	Found   []Found
	Proxies []Proxy
	Down    string // why nginx was not asked, where it does not run
}

// AdoptQuery asks a machine what its nginx sends requests to.
func AdoptQuery(host string) remote.Query { return remote.Query{Host: host, Script: "nginx/adopt"} }

// ParseSights reads what adopt.sh printed, which may be anything.
func ParseSights(text string) (s Sights) {
	size := map[string]string{}
	var targets []string
	for line := range strings.Lines(text) {
		f := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		switch {
		case f[0] == "down" && len(f) == 2:
			s.Down = f[1]
		case f[0] == "size" && len(f) == 3:
			size[f[1]] = f[2]
		case f[0] == "set" && len(f) == 5:
			scheme, addr, _ := strings.Cut(f[4], "://")
			if at := strings.TrimSuffix(addr, "/"); scheme == "http" {
				s.Found = append(s.Found, Found{File: f[1], Line: number(f[2]), Form: "variable", Name: f[3], Addrs: []string{withPort(at)}, Alone: at == addr})
			}
		case f[0] == "upstream" && len(f) > 5:
			u := Found{File: f[1], Line: number(f[2]), Form: "upstream", Name: f[3], Alone: f[4] == "1"}
			for _, a := range f[5:] {
				u.Addrs = append(u.Addrs, withPort(a))
			}
			s.Found = append(s.Found, u)
		case f[0] == "proxy" && len(f) == 4:
			addr := f[3]
			if _, rest, ok := strings.Cut(addr, "://"); ok {
				addr = rest
			}
			targets = append(targets, addr)
			s.Proxies = append(s.Proxies, Proxy{Place: f[1] + ":" + f[2], Addr: withPort(addr)})
		}
	}
	for i := range s.Found {
		s.Found[i].Alone = s.Found[i].Alone && size[s.Found[i].File] == "1"
	}
	s.Found = used(s.Found, targets)
	return s
}

// used keeps what some proxy_pass names.
func used(all []Found, targets []string) (out []Found) {
	for _, f := range all {
		if !regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]{0,63}$`).MatchString(f.Name) {
			continue
		}
		want := regexp.MustCompile(`^` + f.Name + `(:|$)`)
		if f.Form == "variable" {
			want = regexp.MustCompile(`[$](` + f.Name + `([^A-Za-z0-9_]|$)|[{]` + f.Name + `[}])`)
		}
		for _, t := range targets {
			if want.MatchString(t) {
				out = append(out, f)
				break
			}
		}
	}
	return out
}

func number(s string) (n int) {
	_, _ = fmt.Sscanf(s, "%d", &n)
	return n
}

// withPort adds the port that nginx takes.
func withPort(addr string) string {
	if strings.Contains(addr[strings.LastIndexByte(addr, ']')+1:], ":") {
		return addr
	}
	return addr + ":80"
}
