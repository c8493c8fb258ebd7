package nginx_test

import (
	"strings"
	"testing"

	"github.com/shipctl/shipctl/providers/nginx"
	"github.com/shipctl/shipctl/providers/remote"
)

// TestAdoptLook: where requests go, from a real nginx, and nothing else of its text.
func TestAdoptLook(t *testing.T) {
	each(t, func(t *testing.T, shell string) {
		s := newSite(t, shell, false)
		ask := func() remote.Answer {
			answers, err := s.machine.Ask(t.Context(), []remote.Query{{Script: "nginx/adopt", Args: []string{"nginx", s.route.Config, s.route.Prefix}}})
			if err != nil {
				t.Fatal(err)
			}
			return answers[0]
		}
		if a := ask(); nginx.ParseSights(a.Text).Down == "" {
			t.Errorf("nginx is down: %+v", a)
		}
		s.write("sites/more.conf", `
upstream plain { server 10.0.0.11:8081; server 10.0.0.12:8081; }
upstream rich { least_conn; server 10.0.0.13:8081 weight=2; }
server {
	listen unix:`+s.dir+`/more.sock;
	set $secret "hunter2";
	set $unused_url http://10.0.0.14:8081;
	proxy_set_header Authorization "Basic hunter3";
	location /a { proxy_pass http://plain/hunter4; }
	location /b { proxy_pass "http://rich"; }
	location /c { proxy_pass http://10.0.0.15:8081; }
}
`)
		s.up(s.blue)
		before := s.conf()
		a := ask()
		if a.Sight != remote.Seen || strings.Contains(a.Text, "hunter") {
			t.Fatalf("%+v", a)
		}
		got := nginx.ParseSights(a.Text)
		var found []string
		for _, f := range got.Found {
			found = append(found, f.Form+" "+f.Name+" "+strings.Join(f.Addrs, ",")+map[bool]string{true: " alone"}[f.Alone])
		}
		equal(t, "found", strings.Join(found, "; "), "upstream plain 10.0.0.11:8081,10.0.0.12:8081; variable service_url "+s.blue.addr+" alone")
		if !strings.Contains(a.Text, "\trich\t0") {
			t.Errorf("the upstream with a setting is not reported as such:\n%s", a.Text)
		}
		var direct []string
		for _, p := range got.Proxies {
			direct = append(direct, p.Addr)
		}
		equal(t, "proxies", strings.Contains(strings.Join(direct, " "), "10.0.0.15:8081"), true)
		equal(t, "the files", s.conf(), before)
	})
}
