package config_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/shipctl/shipctl/config"
	"github.com/shipctl/shipctl/config/configtest"
)

// release and service are kinds that show what the language does, and mean nothing.
type release struct {
	Hosts   []config.HostValue `hcl:"hosts"`
	Root    string             `hcl:"root"`
	Version *string            `hcl:"version"`
}

type service struct {
	Release *struct {
		Addr string `cty:"addr"`
		Root string `cty:"root"`
	} `hcl:"release"`
	Port   int            `hcl:"port,optional"`
	Tags   []string       `hcl:"tags,optional"`
	Env    hcl.Expression `hcl:"env"`
	Slots  []slot         `hcl:"slot,block"`
	Health *health        `hcl:"health,block"`
}

type slot struct {
	Name string         `hcl:"name,label"`
	Port int            `hcl:"port"`
	Env  hcl.Expression `hcl:"env"`
}

type health struct {
	Interval string `hcl:"interval,optional"`
	Deadline string `hcl:"deadline,optional"`
	HTTP     *struct {
		Path   string `hcl:"path"`
		Status []int  `hcl:"status,optional"`
	} `hcl:"http,block"`
}

type settings struct {
	User string `hcl:"user,optional"`
	Port int    `hcl:"port,optional"`
	Sudo bool   `hcl:"sudo,optional"`
}

func kinds() []string { return []string{"release", "service"} }

// decoded is a configuration with every block decoded.
type decoded struct {
	*config.Configuration
	releases map[string]release
	services map[string]service
	env      map[string]cty.Value // of services, with slot.port = 8081
	settings map[string]settings
}

// load does what a planner does with the kinds above.
func load(o config.Options) (decoded, hcl.Diagnostics) {
	o.Kinds = kinds()
	if o.Version == "" {
		o.Version = "0.1.0"
	}
	c, diags := config.Load(o)
	d := decoded{c, map[string]release{}, map[string]service{}, map[string]cty.Value{}, map[string]settings{}}
	for _, h := range c.Hosts {
		var s settings
		diags = append(diags, h.Settings.Decode(&s)...)
		d.settings[h.Name] = s
	}
	for _, b := range c.Blocks {
		v, ds := d.block(b)
		diags = append(diags, ds...)
		if !ds.HasErrors() {
			c.Set(b.Ref, v)
		}
	}
	return d, config.Report(diags)
}

func (d decoded) block(b config.Block) (cty.Value, hcl.Diagnostics) {
	if b.Kind == "release" {
		var r release
		diags := b.Decode(&r)
		d.releases[b.Ref.String()] = r
		return cty.ObjectVal(map[string]cty.Value{"root": cty.StringVal(r.Root)}), diags
	}
	var s service
	diags := b.Decode(&s)
	if s.Env != nil {
		env, ds := b.Eval(s.Env, map[string]cty.Value{"slot": cty.ObjectVal(map[string]cty.Value{"port": cty.NumberIntVal(8081), "version": cty.StringVal("1")})})
		diags = append(diags, ds...)
		d.env[b.Ref.String()] = env
	}
	d.services[b.Ref.String()] = s
	return cty.ObjectVal(map[string]cty.Value{"port": cty.NumberIntVal(int64(s.Port))}), diags
}

const project = `shipctl {
  project = "test"
}
`

func TestWrongConfigurations(t *testing.T) {
	configtest.Check(t, "testdata/wrong", 40, func(dir string) (hcl.Diagnostics, map[string]*hcl.File) {
		src, err := os.ReadFile(filepath.Join(dir, "main.hcl"))
		if err != nil || !strings.Contains(string(src), "shipctl {") && !strings.Contains(string(src), "whose it is") {
			write(t, dir, map[string]string{"project.hcl": project})
		}
		d, diags := load(config.Options{Dir: dir})
		for _, one := range diags {
			if strings.Contains(one.Summary+one.Detail, "hunter2") {
				t.Errorf("shows a sensitive value: %s", one)
			}
		}
		return diags, d.Files
	})
}

// write puts files into a directory.
func write(t testing.TB, dir string, files map[string]string) string {
	t.Helper()
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}
