package batch

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/zclconf/go-cty/cty"

	"github.com/shipctl/shipctl/config"
	"github.com/shipctl/shipctl/providers/remote"
)

const around = `
shipctl {
  project = "tea"
}
variable "token" {
  type      = string
  default   = "s3cret"
  sensitive = true
}
host "batch-1" {
  address = "10.0.0.31"
}
host "old" {
  address = "10.0.0.32"
  state   = "retired"
}
release "settlement" {
}
`

// load decodes a batch after a release whose value is what kind release gives.
func load(t *testing.T, block string) (Spec, []string) {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "main.hcl"), []byte(around+block), 0o600); err != nil {
		t.Fatal(err)
	}
	c, diags := config.Load(config.Options{Dir: dir, Kinds: []string{"release", "batch"}})
	if diags.HasErrors() || len(c.Blocks) != 2 {
		t.Fatal(diags)
	}
	host := func(name string, retired bool) cty.Value {
		return cty.ObjectVal(map[string]cty.Value{
			"name": cty.StringVal(name), "address": cty.StringVal("10.0.0.31"), "private_address": cty.StringVal("10.0.0.31"),
			"labels": cty.MapValEmpty(cty.String), "retired": cty.BoolVal(retired),
		})
	}
	for _, b := range c.Blocks {
		if b.Kind != "batch" {
			c.Set(b.Ref, cty.ObjectVal(map[string]cty.Value{
				"addr": cty.StringVal("release.settlement"), "id": cty.NullVal(cty.String), "pin": cty.StringVal("content"), "root": cty.StringVal("/srv/settlement"),
				"source": cty.StringVal("build/x"), "hosts": cty.ListVal([]cty.Value{host("batch-1", false), host("old", true)}),
			}))
			continue
		}
		s, diags := decode(b)
		var wrong []string
		for _, d := range diags {
			wrong = append(wrong, d.Summary+": "+d.Detail)
		}
		return s, wrong
	}
	return Spec{}, nil
}

func TestDecode(t *testing.T) {
	s, wrong := load(t, `batch "settlement" {
  release = release.settlement
  run_as  = "batch"
  env     = { TZ = "Asia/Seoul", N = 3, TOKEN = var.token }

  job "auto-invest" {
    command   = ["java", "-jar", "batch.jar", "autoInvestJob"]
    schedule  = "0 0 13 * * *"
    time_zone = "Asia/Seoul"
  }
  job "report" {
    command       = ["./report"]
    schedule      = "@daily"
    concurrency   = "queue"
    on_deployment = "skip"
  }
}`)
	if len(wrong) > 0 {
		t.Fatal(wrong)
	}
	want := Spec{
		Project: "tea", Name: "settlement", RunAs: "batch", Hosts: s.Hosts,
		Release: Release{Ref: config.Ref{Kind: "release", Name: "settlement"}, Pin: "content", Root: "/srv/settlement", From: "build/x"},
		Env: []Env{
			{Name: "N", Value: remote.Part{Text: "3"}},
			{Name: "TOKEN", Value: remote.Part{Var: "token"}, Print: s.Env[1].Print},
			{Name: "TZ", Value: remote.Part{Text: "Asia/Seoul"}},
		},
		Jobs: []Job{
			{Name: "auto-invest", Command: []string{"java", "-jar", "batch.jar", "autoInvestJob"}, Schedule: "0 0 13 * * *", TimeZone: "Asia/Seoul", Concurrency: Forbid, OnDeployment: Wait},
			{Name: "report", Command: []string{"./report"}, Schedule: "@daily", Concurrency: Queue, OnDeployment: Skip},
		},
	}
	if d := cmp.Diff(want, s, cmpopts.IgnoreUnexported(Job{})); d != "" {
		t.Error(d)
	}
	if len(s.Hosts) != 1 || s.Hosts[0].Name != "batch-1" || len(s.Env[1].Print) != 16 {
		t.Errorf("%+v", s)
	}
	v := value(s)
	if job := v.GetAttr("jobs").Index(cty.NumberIntVal(0)); job.GetAttr("schedule").AsString() != "0 0 13 * * *" || job.GetAttr("time_zone").AsString() != "Asia/Seoul" {
		t.Errorf("%#v", job)
	}
	if addr := v.GetAttr("addr").AsString(); addr != "batch.settlement" {
		t.Error(addr)
	}
}

// The secret is neither in the launcher nor in the call that writes it, and another one makes another launcher.
func TestSecretIsNotInTheLauncher(t *testing.T) {
	block := `batch "settlement" {
  release = release.settlement
  env     = { TOKEN = var.token }
  job "close" {
    command = ["./close"]
  }
}`
	s, _ := load(t, block)
	text := s.text(s.Jobs[0])
	for _, p := range s.call("now", s.Jobs, nil).Stdin {
		text += p.Text
	}
	if strings.Contains(text, "s3cret") || strings.Contains(text, s.Env[0].Print) {
		t.Error("the secret, or what it could be guessed by, is in the launcher")
	}
	other := s
	other.Env = []Env{{Name: "TOKEN", Value: s.Env[0].Value, Print: "0"}}
	if digest(other.text(s.Jobs[0])) == digest(s.text(s.Jobs[0])) {
		t.Error("another secret makes no difference")
	}
}

// A schedule is read as windows read it, also where none lists the jobs.
func TestDecodeSchedule(t *testing.T) {
	for schedule, want := range map[string]string{
		"0 13 * * *": "", "0 0 13 * * *": "", "@daily": "", "0 0 29 2 *": "",
		"0 0 30 2 *":   `A schedule that never comes: "0 0 30 2 *" fits no date.`,
		"@reboot":      "A schedule that never comes: ",
		"99 99 x y z":  "Not a schedule: ",
		"@nonsense":    "Not a schedule: ",
		"0 13":         "Not a schedule: found 2 fields",
		"0 13 * *\\t*": `control character`,
	} {
		_, wrong := load(t, `batch "settlement" {
  release = release.settlement
  job "close" {
    command  = ["./close"]
    schedule = "`+schedule+`"
  }
}`)
		if want == "" && len(wrong) > 0 || want != "" && (len(wrong) != 1 || !strings.Contains(wrong[0], want)) {
			t.Errorf("%q: %q, want …%s…", schedule, wrong, want)
		}
	}
}
