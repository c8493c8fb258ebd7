package service

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/shipctl/shipctl/config"
	"github.com/shipctl/shipctl/providers/remote"
)

// machines and the release that every configuration here begins with.
const around = `
shipctl {
  project = "teatime"
}
variable "version" {
  type    = string
  default = null
}
variable "token" {
  type      = string
  default   = "s3cret"
  sensitive = true
}
host "app-1" {
  address         = "203.0.113.11"
  private_address = "10.0.0.11"
  labels          = { role = "app" }
}
host "web" {
  for_each = { "web-1" = "10.0.0.21", "web-2" = "10.0.0.22" }
  address  = each.value
  labels   = { role = "web" }
}
release "teatime" {
}
`

// full is design.md's service, without what waits for other kinds.
const full = `
service "teatime" {
  release = release.teatime
  command = ["java", "-jar", "teatime-${slot.version}.jar", "--server.port=${slot.port}"]
  env     = { TZ = "Asia/Seoul", TOKEN = var.token }
  run_as  = "teatime"
  runner  = "systemd"

  slot "blue" {
    port = 8081
    env  = { SPRING_PROFILES_ACTIVE = "real1" }
  }
  slot "green" {
    port = 8082
    env  = { SPRING_PROFILES_ACTIVE = "real2" }
  }

  before_start "migrate" {
    command = ["./migrate", slot.release]
    once    = true
  }

  health {
    interval    = "1s"
    timeout     = "2s"
    deadline    = "100s"
    healthy_for = "3s"
    http {
      path   = "/profile"
      status = [200]
      body   = "^${slot.env.SPRING_PROFILES_ACTIVE}$"
    }
  }

  nginx_upstream {
    hosts    = hosts_with({ role = "web" })
    file     = "/etc/nginx/conf.d/service-url.inc"
    variable = "service_url"
    drain    = "30s"
    verify {
      url  = "http://127.0.0.1/profile"
      host = "teatime.example"
    }
  }

  stop {
    signal = "TERM"
    grace  = "30s"
  }

  rollout {
    strategy = "blue_green"
    previous = "stopped"
  }

  systemd {
    properties = { MemoryMax = "1G" }
  }
}
`

// decoded is the spec of a service beside a release with that version; "" for one that only the machines know.
func decoded(t *testing.T, service, version string) (Spec, hcl.Diagnostics) {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "main.hcl"), []byte(around+service), 0o600); err != nil {
		t.Fatal(err)
	}
	c, diags := config.Load(config.Options{Dir: dir, Kinds: []string{"release", "service"}})
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	id, pin := cty.NullVal(cty.String), "live"
	if version != "" {
		id, pin = cty.StringVal(version), "version"
	}
	app := cty.ObjectVal(map[string]cty.Value{
		"name": cty.StringVal("app-1"), "address": cty.StringVal("203.0.113.11"), "private_address": cty.StringVal("10.0.0.11"),
		"labels": cty.MapVal(map[string]cty.Value{"role": cty.StringVal("app")}), "retired": cty.False,
	})
	for _, b := range c.Blocks {
		if b.Kind == "service" {
			s, diags := decode(b)
			if err := check(b.Ref, s); err != nil && !diags.HasErrors() {
				t.Errorf("a plan file with it could not be read: %v", err)
			}
			return s, diags
		}
		c.Set(b.Ref, cty.ObjectVal(map[string]cty.Value{
			"addr": cty.StringVal("release.teatime"), "id": id, "pin": cty.StringVal(pin), "root": cty.StringVal("/srv/teatime"),
			"source": cty.StringVal("build/teatime.jar"), "hosts": cty.ListVal([]cty.Value{app}),
		}))
	}
	t.Fatal("no service")
	return Spec{}, nil
}

// TestDecodeOddities: what is odd and taken is taken when it is read back.
func TestDecodeOddities(t *testing.T) {
	for old, odd := range map[string]string{
		`host = "teatime.example"`:          `body = "^${slot.name} ${slot.version} [a-z]$"`,
		`properties = { MemoryMax = "1G" }`: `properties = { MemoryMax = "" }`,
		`role = "web"`:                      `role = "web"`,
		`path   = "/profile"`:               `path = "/${slot.version}?a=ü"`,
		`drain    = "30s"`:                  `binary = "nginx-2"`,
	} {
		for _, version := range []string{"", "42"} {
			if _, diags := decoded(t, strings.Replace(full, old, odd, 1), version); diags.HasErrors() {
				t.Errorf("%s: %v", odd, diags)
			}
		}
	}
}

func TestDecode(t *testing.T) {
	got, diags := decoded(t, full, "42")
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	slot := func(name, profile string, port int) Slot {
		return Slot{
			Name: name, Port: port, Command: []string{"java", "-jar", "teatime-42.jar", "--server.port=" + itoa(port)},
			Env: []Env{
				{Name: "SPRING_PROFILES_ACTIVE", Value: remote.Part{Text: profile}},
				{Name: "TOKEN", Value: remote.Part{Var: "token"}, Print: got.Slots[0].Env[1].Print},
				{Name: "TZ", Value: remote.Part{Text: "Asia/Seoul"}},
			},
			Hooks: [][]string{{"./migrate", "42"}},
			Health: Health{
				Kind: "http", Path: "/profile", Status: []int{200}, Body: "^" + profile + "$",
				Interval: time.Second, Timeout: 2 * time.Second, Deadline: 100 * time.Second, HealthyFor: 3 * time.Second,
			},
		}
	}
	web := func(name, ip string) config.HostValue {
		return config.HostValue{Name: name, Address: ip, PrivateAddress: ip, Labels: map[string]string{"role": "web"}}
	}
	want := Spec{
		Project: "teatime", Name: "teatime", RunAs: "teatime", Runner: "systemd", Previous: "stopped",
		Release: Release{Ref: config.Ref{Kind: "release", Name: "teatime"}, ID: "42", Pin: "version", Root: "/srv/teatime"},
		Hosts:   []config.HostValue{{Name: "app-1", Address: "203.0.113.11", PrivateAddress: "10.0.0.11", Labels: map[string]string{"role": "app"}}},
		Slots:   []Slot{slot("blue", "real1", 8081), slot("green", "real2", 8082)},
		Unit:    []Property{{"MemoryMax", "1G"}},
		Before:  []Hook{{Name: "migrate", Once: true, Timeout: 10 * time.Minute}},
		Nginx: Nginx{
			Hosts: []config.HostValue{web("web-1", "10.0.0.21"), web("web-2", "10.0.0.22")}, File: routeFile, Variable: "service_url",
			Drain: 30 * time.Second, Verify: &Verify{URL: "http://127.0.0.1/profile", Host: "teatime.example"},
		},
		Stop: Stop{Signal: "TERM", Grace: 30 * time.Second},
	}
	if d := cmp.Diff(want, got, cmpopts.IgnoreUnexported(Slot{}, Nginx{}), cmpopts.EquateEmpty()); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
}

// TestDecodeSecret: a spec has a secret's name and a fingerprint, by which a change of the value is a change.
func TestDecodeSecret(t *testing.T) {
	one, _ := decoded(t, full, "42")
	other, _ := decoded(t, strings.Replace(full, "TOKEN = var.token", `TOKEN = "plain"`, 1), "42")
	print := one.Slots[0].Env[1].Print
	if len(print) != 16 || print == other.Slots[0].Env[1].Print {
		t.Errorf("fingerprint %q, of plain text %q", print, other.Slots[0].Env[1].Print)
	}
	changed := one
	changed.Slots = append([]Slot{}, one.Slots...)
	changed.Slots[0].Env = append([]Env{}, one.Slots[0].Env...)
	changed.Slots[0].Env[1].Print = "another"
	if one.digest(one.Slots[0], "42") == changed.digest(changed.Slots[0], "42") {
		t.Error("another secret gives the same settings")
	}
}

// TestDecodeLive: with no version given, what names the release is filled in where it is known.
func TestDecodeLive(t *testing.T) {
	got, diags := decoded(t, full, "")
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	if s := got.Slots[0]; s.Command[2] != "teatime-"+ReleaseID+".jar" || s.with("41").Command[2] != "teatime-41.jar" || s.with("41").Hooks[0][1] != "41" {
		t.Errorf("command %q, hooks %q", s.Command, s.Hooks)
	}
	given, _ := decoded(t, full, "41")
	if a, b := got.digest(got.Slots[0], "41"), given.digest(given.Slots[0], "41"); a != b {
		t.Errorf("the same program has the settings %s and %s", a, b)
	}
	_, diags = decoded(t, strings.Replace(full, "teatime-${slot.version}.jar", "${upper(slot.version)}.jar", 1), "")
	if !diags.HasErrors() || !strings.Contains(diags.Error(), "The release is not known here") {
		t.Errorf("got %v", diags)
	}
}

func TestDecodeDefaults(t *testing.T) {
	got, diags := decoded(t, `
service "teatime" {
  release = release.teatime
  command = ["./teatime"]
  slot "a" {
    port = 1
  }
  slot "b" {
    port = 2
  }
  health {
    tcp {}
  }
  nginx_upstream {
    hosts    = hosts_with({ role = "web" })
    file     = "/etc/nginx/x.inc"
    upstream = "teatime"
  }
}
`, "42")
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	if got.Runner != "systemd" || got.Previous != "stopped" || got.Stop != (Stop{Signal: "TERM", Grace: 30 * time.Second}) || got.Nginx.Drain != 30*time.Second {
		t.Errorf("%+v", got)
	}
	want := Health{Kind: "tcp", Interval: time.Second, Timeout: 2 * time.Second, Deadline: 100 * time.Second, HealthyFor: 3 * time.Second}
	if d := cmp.Diff(want, got.Slots[0].Health); d != "" {
		t.Error(d)
	}
}

// TestDecodeVerify: the body that is expected through nginx is each slot's own where it names it, and one for all where not.
func TestDecodeVerify(t *testing.T) {
	for body, want := range map[string][2]string{
		`"^${slot.name}$"`:                 {"^blue$", "^green$"},
		`"^${slot.port} ${slot.env.TZ}"`:   {"^8081 Asia/Seoul", "^8082 Asia/Seoul"},
		`"^${slot.name}-${slot.version}$"`: {"^blue-42$", "^green-42$"},
		`"^ok$"`:                           {"^ok$", "^ok$"},
		`null`:                             {"^real1$", "^real2$"}, // the health check's
	} {
		for _, version := range []string{"", "42"} {
			s, diags := decoded(t, strings.Replace(full, `host = "teatime.example"`, "body = "+body, 1), version)
			if diags.HasErrors() {
				t.Errorf("%s: %v", body, diags)
				continue
			}
			for i, sl := range s.Slots {
				if got := s.expected(sl.with("42")).body; got != want[i] {
					t.Errorf("%s, version %q, %s: %q, want %q", body, version, sl.Name, got, want[i])
				}
			}
		}
	}
}

func TestDecodeRefuses(t *testing.T) {
	for _, tt := range []struct{ name, old, new, want string }{
		{"a secret in the command", `"java", "-jar"`, `"java", var.token`, "Sensitive value in a command"},
		{"part of a secret", "TOKEN = var.token", `TOKEN = "x${var.token}"`, "Part of a value is sensitive"},
		{"the same port twice", "port = 8082", "port = 8081", "Slots overlap"},
		{"both forms of a route", `variable = "service_url"`, "variable = \"service_url\"\n    upstream = \"x\"", "variable or upstream"},
		{"no form", `variable = "service_url"`, "", "variable or upstream"},
		{"a body that is no regular expression", "^${slot.env.SPRING_PROFILES_ACTIVE}$", "(", "Not a regular expression"},
		{"a body through nginx with a newline", `host = "teatime.example"`, `body = "a\nb"`, "Not a line of text"},
		{"a body through nginx with NUL", `host = "teatime.example"`, `body = "a\u0000b"`, "Not a line of text"},
		{"a slot's body through nginx with a newline", `host = "teatime.example"`, `body = "${slot.name}\n"`, "Not a line of text"},
		{"a slot's body that is no regular expression", `host = "teatime.example"`, `body = "(${slot.name}"`, "Not a regular expression"},
		{"a secret in a body through nginx", `host = "teatime.example"`, `body = "${slot.name}${var.token}"`, "Sensitive value"},
		{"an unknown control character", `"http://127.0.0.1/profile"`, `"http://127.0.0.1/\u0085"`, "Not a URL"},
		{"a body that needs a release", `host = "teatime.example"`, `body = upper(slot.version)`, "The release is not known here"},
		{"healthy for longer than there is time", `healthy_for = "3s"`, `healthy_for = "200s"`, "Can never be healthy"},
		{"KILL to stop with", `signal = "TERM"`, `signal = "KILL"`, "Not a signal to stop with"},
		{"our own property", "MemoryMax", "ExecStart", "This property is shipctl's"},
		{"a name that no unit can have", `slot "blue"`, `slot "a.b"`, "Not a name"},
		{"a newline in a value", `"Asia/Seoul"`, `"a\nb"`, "Control character in a value"},
		{"our own variable", "TZ =", "SHIPCTL_X =", "Not a name of a variable"},
		{"nginx's own variable", `variable = "service_url"`, `variable = "remote_addr"`, "A variable of nginx's own"},
		{"a path with ..", "/etc/nginx/conf.d/service-url.inc", "/etc/nginx/../x.inc", "Not a path"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			text := strings.Replace(full, tt.old, tt.new, 1)
			if text == full {
				t.Fatal("nothing was replaced")
			}
			version := "42"
			if tt.want == "The release is not known here" {
				version = ""
			}
			_, diags := decoded(t, text, version)
			if !diags.HasErrors() || !strings.Contains(diags.Error(), tt.want) {
				t.Errorf("got %v", diags)
			}
		})
	}
}
