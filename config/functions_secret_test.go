package config_test

import (
	"encoding/base64"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/zclconf/go-cty/cty"

	"github.com/shipctl/shipctl/config"
)

const secretVariables = `
variable "pw" {
  default   = "hunter2"
  sensitive = true
}
variable "empty" {
  default   = ""
  sensitive = true
}
variable "all" {
  default   = { A = "x", B = ["hunter2"] }
  sensitive = true
}
variable "json" {
  default   = "{\"user\":\"zqb\",\"password\":\"p4ssw0rd\"}"
  sensitive = true
}
variable "later" {
  type      = string
  sensitive = true
}
`

// Marks follow what is computed from a secret, until nonsensitive takes them away. In brackets is the variable that is
// used as a whole.
func TestMarksOfFunctions(t *testing.T) {
	cases := []struct{ expr, want string }{
		{`issensitive(sensitive("secret"))`, `true`},
		{`issensitive("hello")`, `false`},
		{`issensitive(var.pw)`, `true`},
		{`issensitive(var.all.A)`, `true`},
		{`issensitive(nonsensitive(sha256(var.pw)))`, `false`},
		{`sensitive("hello")`, `secret () "hello"`},
		{`sensitive(1)`, `secret () 1`},
		{`sensitive(null)`, `secret () null`},
		{`sensitive(var.pw)`, `secret (pw) "hunter2"`},
		{`sensitive({ a = var.pw }).a`, `secret () "hunter2"`},
		{`nonsensitive("clear")`, `"clear"`},
		{`nonsensitive(sha256(var.pw)) == sha256("hunter2")`, `true`},
		{`nonsensitive(length(var.pw))`, `7`},
		{`nonsensitive(substr(var.pw, 0, 6))`, `"hunter"`},
		{`nonsensitive(keys(var.all))[0]`, `"A"`},
		{`nonsensitive([sha256(var.pw), jsondecode(var.json).user, "x"][2])`, `"x"`},
		{`nonsensitive(split("/", "${sha256(var.pw)}/${sha256(var.json)}"))[0] == sha256("hunter2")`, `true`},
		{`nonsensitive(var.empty)`, `""`},
		{`nonsensitive(var.pw != "")`, `true`},
		{`nonsensitive(jsondecode(var.json).user)`, `"zqb"`},
		{`jsondecode(var.json).user`, `secret () "zqb"`},
		{`nonsensitive({ a = var.pw }).a`, `secret (pw) "hunter2"`},
		{`nonsensitive(sensitive(["x"]))[0]`, `"x"`},
		{`coalesce(var.pw, "x")`, `secret (pw) "hunter2"`},
		{`coalesce("", var.pw)`, `secret (pw) "hunter2"`},
		{`coalesce("x", var.pw)`, `"x"`},
		{`coalesce(var.empty, "x")`, `"x"`},
		{`coalesce(var.empty, var.pw)`, `secret (pw) "hunter2"`},
		{`coalesce("${var.pw}!", "x")`, `secret () "hunter2!"`},
		{`base64sha256(var.empty)`, `secret () "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="`},
		{`uuidv5("dns", var.pw) == "x"`, `secret () false`},
		{`yamldecode(var.json).user`, `secret () "zqb"`},
		{`yamlencode({ a = var.pw })`, `secret () "\"a\": \"hunter2\"\n"`},
		{`timecmp(sensitive("2017-11-22T00:00:00Z"), "2017-11-22T00:00:00Z")`, `secret () 0`},
		{`cidrsubnet(sensitive("10.0.0.0/8"), 8, 1)`, `secret () "10.1.0.0/16"`},
		{`cidrsubnets("10.0.0.0/8", sensitive(8))[0]`, `secret () "10.0.0.0/16"`},
		{`templatestring("$${x}!", { x = var.pw })`, `secret () "hunter2!"`},
		{`templatestring(var.pw, {})`, `secret (pw) "hunter2"`},
		{`filemd5(sensitive("project.hcl")) == "x"`, `secret () false`},
		{`length(fileset(sensitive("."), "*"))`, `secret () 2`},
		{`length(fileset(".", "*"))`, `2`},
		{`base64gzip(var.pw) == "x"`, `secret () false`},
	}
	var text strings.Builder
	for i, c := range cases {
		fmt.Fprintf(&text, "service \"s%d\" {\n env = { X = %s }\n}\n", i, c.expr)
	}
	d := right(t, secretVariables+text.String(), config.Options{Environ: []string{"SHIPCTL_VAR_later=x"}})
	for i, c := range cases {
		env, _ := d.env[fmt.Sprintf("service.s%d", i)].Unmark()
		v := env.GetAttr("X")
		got := ""
		if name, is := config.Sensitive(v); is {
			got = "secret (" + name + ") "
		}
		if diff := cmp.Diff(c.want, got+plain(t, v)); diff != "" {
			t.Errorf("%s: %s", c.expr, diff)
		}
	}
}

func plain(t *testing.T, v cty.Value) string {
	t.Helper()
	v, _ = v.UnmarkDeep()
	switch {
	case v.IsNull():
		return "null"
	case v.Type() == cty.String:
		return fmt.Sprintf("%q", v.AsString())
	case v.Type() == cty.Bool:
		return fmt.Sprint(v.True())
	}
	return v.AsBigFloat().String()
}

// A variable without a value yet is sensitive all the same.
func TestMarksOfWhatIsNotKnown(t *testing.T) {
	for expr, want := range map[string]string{
		`coalesce(var.later, "x")`: "Sensitive value",
		`sensitive(var.later)`:     "Sensitive value",
		`nonsensitive(var.later)`:  "",
		`coalesce("x", var.later)`: "",
	} {
		dir := write(t, t.TempDir(), map[string]string{"main.hcl": project + secretVariables + "service \"s\" {\n tags = [" + expr + "]\n}\n"})
		_, diags := load(config.Options{Dir: dir})
		var got []string
		for _, d := range diags {
			if d.Summary != "Variable without a value" {
				got = append(got, d.Summary)
			}
		}
		if text := strings.Join(got, " "); want == "" && text != "" || !strings.Contains(text, want) {
			t.Errorf("%s: %q, want %q", expr, text, want)
		}
	}
}

// What sensitive() marks is in no message, where the value can't be known from the variables that are used.
func TestSensitiveFunctionHidesDetails(t *testing.T) {
	for _, expr := range []string{
		`[tostring(parseint(sensitive(file("secret")), 10))]`,
		`[for k, v in { (sensitive(file("secret"))) = 1 } : k].none`,
		`[sensitive(file("secret"))].none`,
		`[tostring(parseint(local.secret, 10))]`,
		`[sensitive(file("secret"))]`,
		`[base64decode(local.secret)]`,
	} {
		dir := write(t, t.TempDir(), map[string]string{
			"main.hcl": project + "locals {\n secret = sensitive(file(\"secret\"))\n}\nservice \"s\" {\n tags = " + expr + "\n}\n", "secret": "hunter-2",
		})
		_, diags := load(config.Options{Dir: dir})
		if !diags.HasErrors() || strings.Contains(diags.Error(), "hunter-2") {
			t.Errorf("%s: %v", expr, diags)
		}
		for _, d := range diags {
			if d.EvalContext != nil {
				t.Errorf("%s: values would be shown beside %s", expr, d.Summary)
			}
		}
	}
}

// nonsensitive gives out nothing that still has a secret in it.
func TestNonsensitiveRefuses(t *testing.T) {
	for expr, name := range map[string]string{
		`nonsensitive(var.pw)`:                       "pw",
		`nonsensitive("postgres://me:${var.pw}@db")`: "pw",
		`nonsensitive({ a = [var.pw] }.a[0])`:        "pw",
		`nonsensitive(var.all).A`:                    "all",
		`nonsensitive(jsondecode(var.json)).user == "x" || nonsensitive(var.json) == "y"`: "json",
		`nonsensitive(base64encode(var.pw))`:                                              "pw",
	} {
		dir := write(t, t.TempDir(), map[string]string{"main.hcl": project + secretVariables + "service \"s\" {\n env = { X = " + expr + " }\n}\n"})
		_, diags := load(config.Options{Dir: dir, Environ: []string{"SHIPCTL_VAR_later=x"}, Shows: func(text, secret string) bool {
			return strings.Contains(text, secret) || strings.Contains(text, base64.StdEncoding.EncodeToString([]byte(secret)))
		}})
		if len(diags) != 1 || !strings.Contains(diags.Error(), fmt.Sprintf("sensitive variable %q can still be read", name)) || strings.Contains(diags.Error(), "hunter2") {
			t.Errorf("%s: %v", expr, diags)
		}
	}
}
