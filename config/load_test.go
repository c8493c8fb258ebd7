package config_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/zclconf/go-cty/cty"

	"github.com/shipctl/shipctl/config"
)

// right loads a configuration that must be right.
func right(t *testing.T, text string, o config.Options) decoded {
	t.Helper()
	o.Dir = write(t, t.TempDir(), map[string]string{"project.hcl": project, "main.hcl": text})
	d, diags := load(o)
	for _, one := range diags {
		t.Error(one)
	}
	if t.Failed() {
		t.FailNow()
	}
	return d
}

func TestBlocksComeInTheOrderOfTheirReferences(t *testing.T) {
	d := right(t, `
service "late" {
  release = local.of
  tags    = [release.app["kr"].root, release.app[local.us].root]
}
locals {
  of = release.single
  us = "us"
}
service "each" {
  for_each = release.app
  tags     = [each.key, each.value.root]
}
service "key" {
  for_each = toset(["kr", "us"])
  tags     = [release.app[each.key].root]
}
service "whole" {
  tags = [for r in release.app : r.root]
}
release "app" {
  for_each = { kr = "10.0.0.1", us = "10.0.0.2" }
  hosts    = []
  root     = "/srv/${each.key}"
}
release "single" {
  hosts = []
  root  = "/srv/single"
}
`, config.Options{})
	var got []string
	for _, b := range d.Blocks {
		got = append(got, fmt.Sprintf("%s %v", b.Ref, b.Needs))
	}
	want := []string{
		`release.single []`,
		`release.app["kr"] []`,
		`release.app["us"] []`,
		`service.late [release.single release.app["kr"] release.app["us"]]`,
		`service.each["kr"] [release.app["kr"]]`,
		`service.each["us"] [release.app["us"]]`,
		`service.key["kr"] [release.app["kr"]]`,
		`service.key["us"] [release.app["us"]]`,
		`service.whole [release.app["kr"] release.app["us"]]`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	tags := map[string][]string{
		`service.late`:       {"/srv/kr", "/srv/us"},
		`service.each["us"]`: {"us", "/srv/us"},
		`service.key["kr"]`:  {"/srv/kr"},
		`service.whole`:      {"/srv/kr", "/srv/us"},
	}
	for name, want := range tags {
		if diff := cmp.Diff(want, d.services[name].Tags); diff != "" {
			t.Error(name, diff)
		}
	}
	if of := d.services["service.late"].Release; of == nil || of.Addr != "release.single" || of.Root != "/srv/single" {
		t.Errorf("release = %+v", of)
	}
}

func TestHosts(t *testing.T) {
	d := right(t, `
defaults {
  host {
    user   = "deploy"
    port   = 22
    labels = { role = "none" }
  }
}
locals {
  webs = { "web-1" = "10.0.0.21", "web-2" = "10.0.0.22" }
}
host "app-1" {
  address         = "203.0.113.11"
  private_address = "10.0.0.11"
  labels          = { role = "app", zone = "a" }
  port            = 2222
}
host "web" {
  for_each = local.webs
  address  = each.value
  labels   = { role = "web" }
}
host "batch-1" {
  state = "retired"
}
host "mirror" {
  private_address = host.app-1.private_address
}
release "x" {
  hosts = concat(hosts_with({ role = "web" }), [host.batch-1, host.web["web-1"]], hosts_with({ role = "app", zone = "a" }))
  root  = "/srv/x"
}
`, config.Options{})
	var got []string
	for _, h := range d.Hosts {
		got = append(got, fmt.Sprintf("%s %s %q %v retired=%v %s user=%s port=%d", h.Name, h.Address, h.PrivateAddress,
			h.Labels, h.Retired, h.Settings.Ref, d.settings[h.Name].User, d.settings[h.Name].Port))
	}
	want := []string{
		`app-1 203.0.113.11 "10.0.0.11" map[role:app zone:a] retired=false host.app-1 user=deploy port=2222`,
		`web-1 10.0.0.21 "10.0.0.21" map[role:web] retired=false host.web["web-1"] user=deploy port=22`,
		`web-2 10.0.0.22 "10.0.0.22" map[role:web] retired=false host.web["web-2"] user=deploy port=22`,
		`batch-1 batch-1 "" map[role:none] retired=true host.batch-1 user=deploy port=22`,
		`mirror mirror "10.0.0.11" map[role:none] retired=false host.mirror user=deploy port=22`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	var names []string
	for _, h := range d.releases["release.x"].Hosts {
		names = append(names, h.Name)
	}
	if want := []string{"web-1", "web-2", "batch-1", "web-1", "app-1"}; !slices.Equal(names, want) {
		t.Errorf("hosts %v, want %v", names, want)
	}
}

func TestDefaultsLieUnderEachBlock(t *testing.T) {
	d := right(t, `
defaults {
  service {
    tags = ["default"]
    port = 80
    health {
      interval = "1s"
      deadline = "9s"
      http { path = "/default" }
    }
    slot "blue" { port = 1 }
  }
}
service "a" {
  health {
    deadline = "5s"
    http { path = "/own" }
  }
  slot "blue" { env = { A = "x" } }
  slot "green" { port = 2 }
}
service "b" {
  tags = ["own"]
  port = null
}
`, config.Options{})
	a, b := d.services["service.a"], d.services["service.b"]
	if a.Port != 80 || a.Tags[0] != "default" || a.Health.Interval != "1s" || a.Health.Deadline != "5s" || a.Health.HTTP.Path != "/own" {
		t.Errorf("a = %+v, health %+v", a, a.Health)
	}
	if len(a.Slots) != 2 || a.Slots[0].Port != 1 || a.Slots[1].Port != 2 {
		t.Errorf("slots of a = %+v", a.Slots)
	}
	if b.Tags[0] != "own" || b.Port != 0 || b.Health.HTTP.Path != "/default" || len(b.Slots) != 1 {
		t.Errorf("b = %+v", b)
	}
}

func TestDynamicBlocks(t *testing.T) {
	d := right(t, `
service "a" {
  dynamic "slot" {
    for_each = { blue = 8081, green = 8082 }
    labels   = [slot.key]
    iterator = slot
    content {
      port = slot.value
    }
  }
  dynamic "health" {
    for_each = [30]
    content {
      deadline = "${health.value}s"
    }
  }
}
`, config.Options{})
	a := d.services["service.a"]
	if len(a.Slots) != 2 || a.Slots[1].Name != "green" || a.Slots[1].Port != 8082 || a.Health == nil || a.Health.Deadline != "30s" {
		t.Errorf("%+v", a)
	}
}

// Whoever takes an environment apart must find the mark on each element, wherever it was lost on the way.
func TestSensitiveValuesKeepTheirMarks(t *testing.T) {
	d := right(t, `
variable "pw" {
  default   = "hunter2"
  sensitive = true
}
variable "pin" {
  default   = 1234
  sensitive = true
}
variable "all" {
  default   = { A = "x" }
  sensitive = true
}
variable "json" {
  default   = "{\"A\":\"x\"}"
  sensitive = true
}
locals {
  pw = var.pw
}
service "named" {
  env = { A = var.pw, B = "plain", C = local.pw, D = "${var.pw}", E = "${var.pw}x", F = upper(var.pw), G = tostring(var.pin), H = "${var.pw}${var.pin}" }
}
service "object" { env = var.all }
service "decoded" { env = jsondecode(var.json) }
service "chosen" { env = var.pw == "" ? {} : { A = "x" } }
`, config.Options{})
	want := map[string]string{
		"service.named A": "pw true", "service.named B": " false", "service.named C": "pw true", "service.named D": "pw true",
		"service.named E": " true", "service.named F": " true", "service.named G": "pin true", "service.named H": " true",
		"service.object A": " true", "service.decoded A": " true", "service.chosen A": " true",
	}
	got := map[string]string{}
	for name, env := range d.env {
		env, _ = env.Unmark()
		for it := env.ElementIterator(); it.Next(); {
			k, v := it.Element()
			of, is := config.Sensitive(v)
			got[name+" "+k.AsString()] = fmt.Sprint(of, " ", is)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestAtFollowsPaths(t *testing.T) {
	d := right(t, `service "a" {
  tags = ["x", "y"]
  env  = { TZ = "Asia/Seoul" }
  slot "blue" {
    port = 8081
  }
  dynamic "slot" {
    for_each = { green = 1 }
    labels   = [slot.key]
    content {
      port = 8082
    }
  }
}
`, config.Options{})
	b := d.Blocks[0]
	for path, want := range map[string]string{
		"":                  "1,1-12",
		"tags":              "2,10-20",
		"tags 1":            "2,16-19",
		"env TZ":            "3,17-29",
		"env NO":            "3,10-31",
		"slot blue":         "4,3-14",
		"slot blue port":    "5,12-16",
		"slot blue nothing": "4,3-14",
		"slot green port":   "11,14-18",
		"nothing":           "1,1-12",
	} {
		if got := b.At(strings.Fields(path)...).String(); !strings.HasSuffix(got, "main.hcl:"+want) {
			t.Errorf("At(%s) = %s, want %s", path, got, want)
		}
	}
}

func TestEvalSeesLocalNames(t *testing.T) {
	d := right(t, `
variable "v" { default = "1" }
service "a" { env = { P = slot.port, V = "${var.v}-${slot.version}" } }
`, config.Options{})
	b := d.Blocks[0]
	var s service
	if diags := b.Decode(&s); diags.HasErrors() {
		t.Fatal(diags)
	}
	local := func(version cty.Value) map[string]cty.Value {
		return map[string]cty.Value{"slot": cty.ObjectVal(map[string]cty.Value{"port": cty.NumberIntVal(1), "version": version})}
	}
	v, diags := b.Eval(s.Env, local(cty.StringVal("7")))
	if diags.HasErrors() || v.GetAttr("V").AsString() != "1-7" {
		t.Errorf("%#v, %v", v, diags)
	}
	v, diags = b.Eval(s.Env, local(cty.UnknownVal(cty.String)))
	if diags.HasErrors() || v.GetAttr("V").IsKnown() {
		t.Errorf("a name that the caller doesn't know is no error: %#v, %v", v, diags)
	}
}

// What depends on something wrong is an error for the caller, and not one that is shown.
func TestReportIsQuietAboutDependents(t *testing.T) {
	dir := write(t, t.TempDir(), map[string]string{"main.hcl": project + `
release "x" {
  hosts = []
  root  = []
}
service "y" { tags = [release.x.root] }
`})
	c, diags := config.Load(config.Options{Dir: dir, Kinds: kinds()})
	if diags.HasErrors() || len(c.Blocks) != 2 {
		t.Fatal(diags)
	}
	var r release
	first := c.Blocks[0].Decode(&r)
	var s service
	second := c.Blocks[1].Decode(&s)
	if !first.HasErrors() || !second.HasErrors() {
		t.Fatalf("%v; %v", first, second)
	}
	if all := config.Report(append(slices.Clone(second), first...)); len(all) != 1 || all[0] != first[0] {
		t.Errorf("reported: %v", all)
	}
	if alone := config.Report(second); !alone.HasErrors() {
		t.Error("an error without another cause is lost")
	}
	if twice := config.Report(append(slices.Clone(first), first...)); len(twice) != 1 {
		t.Errorf("reported twice: %v", twice)
	}
}

func TestStarter(t *testing.T) {
	tidy, diags := config.Format(config.Starter(), "starter.hcl")
	if diags.HasErrors() || !bytes.Equal(tidy, config.Starter()) {
		t.Errorf("not formatted: %v\n%s", diags, cmp.Diff(string(config.Starter()), string(tidy)))
	}
	dir := write(t, t.TempDir(), map[string]string{"main.hcl": string(config.Starter())})
	c, diags := config.Load(config.Options{Dir: dir, Kinds: kinds(), Version: "0.1.0-dev"})
	if len(diags) > 0 || c.Project != "example" || len(c.Hosts) != 1 || len(c.Blocks) != 2 {
		t.Errorf("%v %+v", diags, c)
	}
}

func TestValidName(t *testing.T) {
	for name, want := range map[string]bool{
		"a": true, "a-1": true, "web.example": true, "1_x": true, "": false, "-rf": false, ".x": false, "../x": false, "a/b": false,
		"a;id": false, "$(id)": false, "a b": false, "a\nb": false, "a\x00": false, "é": false, "%i": false,
		strings.Repeat("a", 64): true, strings.Repeat("a", 65): false,
	} {
		if config.ValidName(name) != want {
			t.Errorf("ValidName(%q) = %v", name, !want)
		}
	}
}

func TestLoadWithoutFiles(t *testing.T) {
	for name, dir := range map[string]string{"no file": t.TempDir(), "no directory": t.TempDir() + "/none"} {
		c, diags := config.Load(config.Options{Dir: dir})
		if c == nil || !diags.HasErrors() {
			t.Errorf("%s: %v, %v", name, c, diags)
		}
	}
}

func TestPaths(t *testing.T) {
	cwd, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	d := right(t, `
variable "v" {
  default = "main.hcl"
  validation {
    condition     = fileexists("${path.module}/${var.v}")
    error_message = "There is no ${var.v} in ${path.root}."
  }
}
locals {
  text = file("${path.root}/main.hcl")
}
host "a" {
  labels = { dir = basename(path.cwd) }
}
service "s" {
  tags = [path.module, path.root, path.cwd, substr(local.text, 1, 8)]
}
`, config.Options{})
	if diff := cmp.Diff([]string{".", ".", cwd, "variable"}, d.services["service.s"].Tags); diff != "" {
		t.Error(diff)
	}
	if got := d.Hosts[0].Labels["dir"]; got != filepath.Base(cwd) {
		t.Error(got)
	}
}
