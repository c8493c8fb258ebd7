package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/hashicorp/hcl/v2/hclwrite"

	"github.com/shipctl/shipctl/config"
	"github.com/shipctl/shipctl/providers"
	"github.com/shipctl/shipctl/providers/remote"
)

// described is what adopt prints of machines that said this: app-1 about its programs and releases, web-1 about its nginx.
func described(t testing.TB, programs, nginx, releases string) (text string, notes []string) {
	t.Helper()
	s := &scene{config: &config.Configuration{}, names: []string{"app-1", "web-1"}}
	a := &providers.Adoption{Facts: remote.Facts{}, Taken: map[string]bool{}, Private: map[string]string{}}
	for _, name := range s.names {
		b, _, err := adoptArgs{sudo: true}.host(name)
		if err != nil {
			t.Fatal(err)
		}
		s.made = append(s.made, b)
		a.Hosts = append(a.Hosts, config.HostValue{Name: name, Address: name})
		put := func(script, text string) {
			a.Facts.Put(remote.Query{Host: name, Script: script}, remote.Answer{Sight: remote.Seen, Text: text})
		}
		a.Facts.Put(remote.Identity(name), remote.Answer{Sight: remote.Seen, Text: "uid 0\nuser root\nhas systemd\n"})
		put("release/adopt", map[string]string{"app-1": releases}[name]+"end\n")
		put("service/adopt", map[string]string{"app-1": programs}[name]+"end\n")
		put("nginx/adopt", map[string]string{"web-1": nginx}[name])
	}
	out, err := s.describe(a)
	if err != nil {
		t.Fatal(err)
	}
	return string(out), a.Notes
}

// valid fails the test unless shipctl takes the text, fmt leaves it alone, and no expression is in it that adopt does not
// write itself.
func valid(t testing.TB, text string) {
	t.Helper()
	formatted, diags := config.Format([]byte(text), "main.hcl")
	if diags.HasErrors() || !bytes.Equal(formatted, []byte(text)) {
		t.Fatalf("fmt would change it: %v\n%s", diags, text)
	}
	f, diags := hclsyntax.ParseConfig([]byte(text), "main.hcl", hcl.InitialPos)
	if diags.HasErrors() {
		t.Fatalf("%v\n%s", diags, text)
	}
	_ = hclsyntax.VisitAll(f.Body.(*hclsyntax.Body), func(n hclsyntax.Node) hcl.Diagnostics {
		switch n := n.(type) {
		case *hclsyntax.FunctionCallExpr:
			if n.Name != "coalesce" {
				t.Fatalf("%s is called in\n%s", n.Name, text)
			}
		case *hclsyntax.ScopeTraversalExpr:
			if root := n.Traversal.RootName(); !slices.Contains([]string{"var", "host", "release", "slot", "string"}, root) {
				t.Fatalf("%s is used in\n%s", root, text)
			}
		case *hclsyntax.ConditionalExpr, *hclsyntax.BinaryOpExpr, *hclsyntax.ForExpr, *hclsyntax.SplatExpr:
			t.Fatalf("%T in\n%s", n, text)
		}
		return nil
	})
	dir := t.TempDir()
	quick := regexp.MustCompile(`(?m)^ +sensitive +=.*$`).ReplaceAllString(text, "") // those are hashed, slowly
	if err := os.WriteFile(filepath.Join(dir, "main.hcl"), []byte(quick), 0o600); err != nil {
		t.Fatal(err)
	}
	o := (&cli{}).options(values{})
	o.Dir = dir
	if _, diags := load(o); diags.HasErrors() {
		t.Fatalf("%v\n%s", diags, text)
	}
}

const (
	adoptPrograms = "addr\t10.0.0.11\nlisten\t8081\t4X\t57\nproc\t57\t1\tann\t-\t-\t/opt/shop\narg\t57\t./shop\narg\t57\t--port=8081\n" +
		"env\t57\tDB_PASSWORD\t-\nenv\t57\tPATH\t-\nenv\t57\tSERVER_PORT\tport\n"
	adoptNginx = "set\t/etc/nginx/conf.d/shop.inc\t1\tshop_url\thttp://10.0.0.11:8081\nproxy\t/etc/nginx/nginx.conf\t9\t$shop_url\nsize\t/etc/nginx/conf.d/shop.inc\t1\n"
)

func TestAdoptDescribes(t *testing.T) {
	proc := func(args ...string) string {
		out := "addr\t10.0.0.11\nlisten\t8081\t4X\t57\nproc\t57\t1\tann\t-\t-\t/opt/shop\n"
		for _, a := range args {
			out += "arg\t57\t" + a + "\n"
		}
		return out
	}
	for name, test := range map[string]struct {
		programs, nginx, releases string
		want                      []string // in the text
		not                       []string
		note                      string
	}{
		"nothing": {note: "", not: []string{"service", "release"}},
		"a program behind a variable": {
			programs: adoptPrograms, nginx: adoptNginx,
			want: []string{
				`command = ["./shop", "--port=${slot.port}"]`, `run_as = "ann"`, "port = 8081", "port = 8082", `DB_PASSWORD = var.shop_db_password`, "sensitive = true",
				`SERVER_PORT = slot.port`, `private_address = "10.0.0.11"`, `hosts    = [host.web-1]`, `root  = "/srv/shop"`, "values were not read",
			},
			not: []string{"PATH", `runner`},
		},
		"quotes and expressions": {
			programs: proc(`./shop`, `--x="${file("/etc/passwd")}"`, `%{ if true }`, `a\nb`, `$${x}`, `$8081`, `cost$`, "8081"), nginx: adoptNginx,
			want: []string{`"--x=\"$${file(\"/etc/passwd\")}\""`, `"%%{ if true }"`, `"a\\nb"`, `"$8081"`, `"cost$"`, `"${slot.port}"`},
		},
		"a newline": {programs: proc("./shop", "a\x01b"), nginx: adoptNginx, note: "holds characters", not: []string{"service \""}},
		"a secret":  {programs: proc("./shop", "--password=\x03"), nginx: adoptNginx, want: []string{`"--password=REPLACED"`, "looks like a secret"}},
		"no port":   {programs: proc("./shop"), nginx: adoptNginx, want: []string{"names the port 8081"}},
		"a jar by its path": {
			programs: proc("java", "-Dconf=/opt/shop/conf/a.yml", "-jar", "/opt/shop/shop.jar", "--data=/data/shop", "8081"), nginx: adoptNginx,
			want: []string{`"-Dconf=conf/a.yml", "-jar", "shop.jar", "--data=/data/shop"`, "/data/shop is outside of the release"},
		},
		"in a release of Capistrano's": {
			programs: strings.ReplaceAll(proc("/var/www/shop/current/run", "8081", "/var/www/shop/releases/20240102030405/x"), "/opt/shop", "/var/www/shop/releases/20240102030405"),
			nginx:    adoptNginx, releases: "root\t/var/www/shop\t20240102030405\t3\t8f3c0de\nshared\t/var/www/shop\tlog\nshared\t/var/www/shop\tlog/x\n",
			want: []string{`root  = "/var/www/shop"`, `command = ["./run", "${slot.port}", "x"]`, `shared  = ["log"]`, "revision 8f3c0de"},
		},
		"two releases": {
			releases: "root\t/var/www/a\t1\t3\t-\nroot\t/var/www/b\t1\t3\t-\n", want: []string{"var.a_version", "var.b_version"},
		},
		"a root that can't be one": {releases: "root\t/etc/${x}\t1\t3\t-\n", note: "can't be called that", not: []string{"release \""}},
		"directories after a time": {releases: "dated\t/data\t/data/run\tbatch_20240102030405\t4\n", want: []string{`release "batch"`, "/data/run -> batch_20240102030405"}},
		"somebody hidden":          {programs: "addr\t10.0.0.11\nlisten\t8081\t4X\t?\n", nginx: adoptNginx, note: "it can't be seen who listens on app-1:8081"},
		"nobody there":             {programs: "addr\t10.0.0.11\n", nginx: adoptNginx, note: "nobody listens on app-1:8081"},
		"ours already":             {programs: strings.Replace(adoptPrograms, "ann\t-\t-", "ann\t-\tours", 1), nginx: adoptNginx, note: "shipctl started"},
		"a machine not asked":      {programs: "", nginx: adoptNginx, note: "none of the machines that were asked"},
		"a file with more":         {programs: adoptPrograms, nginx: strings.Replace(adoptNginx, "shop.inc\t1\n", "shop.inc\t2\n", 2), note: "holds other things"},
		"a proxy_pass of its own":  {programs: adoptPrograms, nginx: "proxy\t/etc/nginx/nginx.conf\t9\thttp://10.0.0.11:8081\n", note: "by a proxy_pass that names it"},
		"an upstream with more":    {programs: adoptPrograms, nginx: "upstream\t/u.conf\t1\tshop\t0\t10.0.0.11:8081\nproxy\t/n.conf\t9\thttp://shop\nsize\t/u.conf\t1\n", note: "holds other things"},
		"the same on both ports": {
			programs: adoptPrograms + "listen\t8090\t4X\t58\nproc\t58\t1\tann\t-\t-\t/opt/shop\narg\t58\t./shop\narg\t58\t--port=8090\n", nginx: adoptNginx,
			want: []string{"port = 8090", "The same program listens there too"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			text, notes := described(t, test.programs, test.nginx, test.releases)
			valid(t, text)
			for _, w := range test.want {
				if !strings.Contains(text, w) {
					t.Errorf("no %s in\n%s", w, text)
				}
			}
			for _, w := range test.not {
				if strings.Contains(text, w) {
					t.Errorf("%s in\n%s", w, text)
				}
			}
			if test.note != "" && !strings.Contains(strings.Join(notes, "\n"), test.note) {
				t.Errorf("no %q in %q", test.note, notes)
			}
		})
	}
}

// TestAdoptDestinations: what ssh takes.
func TestAdoptDestinations(t *testing.T) {
	for dest, want := range map[string]string{
		"app-1": `host "app-1" {}`, "ann@app-1": `host "app-1" { user = "ann" }`, "ann@10.0.0.1:2222": `host "10.0.0.1" { user = "ann" port = 2222 }`,
		"[fd00::1]:22": `host "fd00--1" { address = "fd00::1" port = 22 }`, "fd00::1": `host "fd00--1" { address = "fd00::1" }`,
		"-oProxyCommand=x": "error", "a:b": "error", "": "error", "ann@": "error",
	} {
		b, _, err := adoptArgs{}.host(dest)
		got := "error"
		if err == nil {
			text, _ := config.Format(document([]*hclwrite.Block{b}), "")
			got = strings.Join(strings.Fields(string(text)), " ")
			got = strings.ReplaceAll(got, "{ }", "{}")
		}
		if got != want {
			t.Errorf("%s: %s, want %s", dest, got, want)
		}
	}
	for _, bad := range []string{"a b", "$(id)", "x${y}", "ann;id@app-1", "app-1:99999"} {
		if _, err := (&cli{}).typed(adoptArgs{}, []string{bad}); err == nil {
			t.Errorf("%q is taken", bad)
		} else if strings.Contains(err.Error(), "hosts.hcl") {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

// FuzzAdopt: whatever a machine says, what is printed validates and holds no expression of its.
func FuzzAdopt(f *testing.F) {
	f.Add(adoptPrograms, adoptNginx, "root\t/var/www/shop\t20240102030405\t3\t8f3c0de\nshared\t/var/www/shop\tlog\n")
	f.Add(strings.ReplaceAll(adoptPrograms, "./shop", "a\"${x}\x01\x03%{"), strings.ReplaceAll(adoptNginx, "shop", "a${b}"), "dated\t/da\"ta\t/da${x}ta/run\tbatch_20240102030405\t4\n")
	f.Add(adoptPrograms+"arg\t57\t$8081\x00\xff", "upstream\t/u.conf\t1\tshop\t1\t10.0.0.11:8081\nproxy\t/n.conf\t9\thttp://shop\nsize\t/u.conf\t1\n", "root\t/a\tb\tc\n")
	for i, bad := range []string{"\u2028", "\ufeff", "*/", "#", "<<EOT", "$${", "\\", "\\u0041", "‹release›", "0shipctlreleaseid0"} {
		f.Add(adoptPrograms+fmt.Sprintf("arg\t57\t%s8081%s\n", bad, bad), adoptNginx, fmt.Sprintf("root\t/var/www/%s%d\t%s\t1\t-\n", bad, i, bad))
	}
	f.Fuzz(func(t *testing.T, programs, nginx, releases string) {
		text, _ := described(t, programs, nginx, releases)
		valid(t, text)
	})
}

// TestAdoptOwn: what shipctl left is not taken for Capistrano's.
func TestAdoptOwn(t *testing.T) {
	for project, ours := range map[string]bool{"teatime": true, "x\x1b[2J": false, "a b": false} {
		text, notes := described(t, "", "", "ours\t/srv/shop\t"+project+"\nroot\t/srv/shop\t42\t3\t-\n") // sorted, as adopt.sh prints
		valid(t, text)
		said := strings.Contains(text, "shipctl's own, of project teatime: 3 releases, current is 42.") &&
			strings.Contains(strings.Join(notes, "\n"), "app-1: /srv/shop is shipctl's own, of project teatime")
		if said != ours || strings.Contains(text, "As Capistrano left it") == ours {
			t.Errorf("%q: %v\n%s", project, notes, text)
		}
	}
}
