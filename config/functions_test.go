package config_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/shipctl/shipctl/config"
)

// Each expression is compared as JSON, so that types show.
func TestFunctions(t *testing.T) {
	cases := []struct{ expr, want string }{
		{`abs(-1)`, `1`},
		{`ceil(1.2)`, `2`},
		{`floor(1.8)`, `1`},
		{`max(1, 2)`, `2`},
		{`min(1, 2)`, `1`},
		{`pow(2, 3)`, `8`},
		{`log(8, 2)`, `3`},
		{`signum(-3)`, `-1`},
		{`parseint("ff", 16)`, `255`},
		{`sum([1, 2, 3])`, `6`},
		{`upper("a")`, `"A"`},
		{`lower("A")`, `"a"`},
		{`title("ab cd")`, `"Ab Cd"`},
		{`trim("?x?", "?")`, `"x"`},
		{`trimprefix("abc", "a")`, `"bc"`},
		{`trimsuffix("abc", "c")`, `"ab"`},
		{`trimspace(" a ")`, `"a"`},
		{`chomp("a\n")`, `"a"`},
		{`strrev("ab")`, `"ba"`},
		{`substr("hello", 1, 3)`, `"ell"`},
		{`split(",", "a,b")`, `["a","b"]`},
		{`join("-", ["a", "b"])`, `"a-b"`},
		{`replace("a.b", ".", "-")`, `"a-b"`},
		{`replace("a1b2", "/[0-9]/", "x")`, `"axbx"`},
		{`replace("ab", "/(a)(b)/", "$2$1")`, `"ba"`},
		{`regex("[a-z]+", "12ab")`, `"ab"`},
		{`regexall("[a-z]", "a1b")`, `["a","b"]`},
		{`format("%s-%03d", "a", 7)`, `"a-007"`},
		{`formatlist("%s!", ["a", "b"])`, `["a!","b!"]`},
		{`indent(2, "a\nb")`, `"a\n  b"`},
		{`startswith("abc", "ab")`, `true`},
		{`endswith("abc", "ab")`, `false`},
		{`strcontains("abc", "bc")`, `true`},
		{`alltrue([true, true])`, `true`},
		{`alltrue([true, false])`, `false`},
		{`alltrue([])`, `true`},
		{`anytrue([false, true])`, `true`},
		{`anytrue([])`, `false`},
		{`chunklist([1, 2, 3], 2)`, `[[1,2],[3]]`},
		{`coalesce("", "a")`, `""`},
		{`coalesce(null, "a")`, `"a"`},
		{`coalescelist([], ["a"])`, `["a"]`},
		{`compact(["a", "", "b"])`, `["a","b"]`},
		{`concat(["a"], ["b"])`, `["a","b"]`},
		{`contains(["a"], "a")`, `true`},
		{`distinct(["a", "a"])`, `["a"]`},
		{`element(["a", "b"], 3)`, `"b"`},
		{`flatten([["a"], [["b"]]])`, `["a","b"]`},
		{`index(["a", "b"], "b")`, `1`},
		{`keys({ b = 1, a = 2 })`, `["a","b"]`},
		{`length("한국")`, `2`},
		{`length([1, 2])`, `2`},
		{`length({ a = 1 })`, `1`},
		{`length(toset(["a"]))`, `1`},
		{`lookup({ a = 1 }, "a", 2)`, `1`},
		{`lookup({ a = 1 }, "b", 2)`, `2`},
		{`lookup({ a = "x" }, "a")`, `"x"`},
		{`lookup(tomap({ a = "x" }), "a")`, `"x"`},
		{`matchkeys(["i1", "i2"], ["a", "b"], ["b"])`, `["i2"]`},
		{`merge({ a = 1 }, { b = 2 })`, `{"a":1,"b":2}`},
		{`one([])`, `null`},
		{`one(["a"])`, `"a"`},
		{`range(3)`, `[0,1,2]`},
		{`reverse(["a", "b"])`, `["b","a"]`},
		{`setunion(["a"], ["b"])`, `["a","b"]`},
		{`setintersection(["a", "b"], ["b"])`, `["b"]`},
		{`setsubtract(["a", "b"], ["b"])`, `["a"]`},
		{`setproduct(["a"], ["b"])`, `[["a","b"]]`},
		{`slice(["a", "b", "c"], 1, 2)`, `["b"]`},
		{`sort(["b", "a"])`, `["a","b"]`},
		{`transpose({ a = ["1", "2"], b = ["2"] })`, `{"1":["a"],"2":["a","b"]}`},
		{`values({ a = 1 })`, `[1]`},
		{`zipmap(["a"], [1])`, `{"a":1}`},
		{`tostring(1)`, `"1"`},
		{`tonumber("1")`, `1`},
		{`tobool("true")`, `true`},
		{`tolist(["a"])`, `["a"]`},
		{`toset(["b", "a"])`, `["a","b"]`},
		{`tomap({ a = 1 })`, `{"a":1}`},
		{`try(local.none.x, "d")`, `"d"`},
		{`can(tonumber("x"))`, `false`},
		{`jsonencode({ a = [1] })`, `"{\"a\":[1]}"`},
		{`jsondecode("{\"a\":1}").a`, `1`},
		{`csvdecode("a,b\n1,2")`, `[{"a":"1","b":"2"}]`},
		{`base64encode("hi")`, `"aGk="`},
		{`base64decode("aGk=")`, `"hi"`},
		{`urlencode("a b&c")`, `"a+b%26c"`},
		{`md5("")`, `"d41d8cd98f00b204e9800998ecf8427e"`},
		{`sha1("")`, `"da39a3ee5e6b4b0d3255bfef95601890afd80709"`},
		{`sha256("abc")`, `"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"`},
		{`substr(sha512(""), 0, 8)`, `"cf83e135"`},
		{`formatdate("YYYY-MM-DD", "2024-02-03T04:05:06Z")`, `"2024-02-03"`},
		{`timeadd("2024-02-03T04:05:06Z", "10m")`, `"2024-02-03T04:15:06Z"`},
		{`cidrhost("10.0.0.0/24", 5)`, `"10.0.0.5"`},
		{`cidrhost("10.0.0.0/24", -1)`, `"10.0.0.255"`},
		{`cidrhost("fd00::/64", 1)`, `"fd00::1"`},
		{`cidrnetmask("10.0.0.0/20")`, `"255.255.240.0"`},
		{`basename("a/b.txt")`, `"b.txt"`},
		{`dirname("a/b.txt")`, `"a"`},
		{`pathexpand("~/x")`, `"/home/me/x"`},
		{`pathexpand("x")`, `"x"`},
		{`file("text.txt")`, `"hello"`},
		{`fileexists("text.txt")`, `true`},
		{`fileexists("none")`, `false`},
		{`filesha256("text.txt") == sha256("hello")`, `true`},
		{`templatefile("t.tmpl", { who = "you", list = ["a", "b"] })`, `"hi you: a b "`},
		{`env("GREETING")`, `"hi"`},
		{`env("UNSET")`, `null`},
		{`coalesce(env("UNSET"), "d")`, `"d"`},
		{`[for h in hosts_with({ role = "app" }) : h.name]`, `["a"]`},
		{`length(hosts_with({}))`, `1`},
	}
	var text strings.Builder
	text.WriteString("locals {\n none = {}\n}\nhost \"a\" {\n labels = { role = \"app\" }\n}\n")
	for i, c := range cases {
		fmt.Fprintf(&text, "service \"s%d\" {\n tags = [jsonencode(%s)]\n}\n", i, c.expr)
	}
	dir := write(t, t.TempDir(), map[string]string{
		"main.hcl": project + text.String(), "text.txt": "hello", "t.tmpl": "hi ${who}: %{ for x in list }${x} %{ endfor }",
	})
	d, diags := load(config.Options{Dir: dir, Environ: []string{"GREETING=hi", "HOME=/home/me"}})
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	for i, c := range cases {
		if got := d.services[fmt.Sprintf("service.s%d", i)].Tags[0]; got != c.want {
			t.Errorf("%s: %s", c.expr, cmp.Diff(c.want, got))
		}
	}
}

func TestFunctionsRefuse(t *testing.T) {
	for expr, want := range map[string]string{
		`one(["a", "b"])`:                     "one element at most",
		`lookup({ a = 1 }, "b")`:              "no such key",
		`index(["a"], "b")`:                   "no such element",
		`sum([])`:                             "not empty",
		`cidrhost("x", 1)`:                    "not a network",
		`cidrhost("10.0.0.0/30", 4)`:          "4 addresses only",
		`file("..")`:                          "not a regular file",
		`templatefile("self.tmpl", {})`:       "templatefile",
		`base64decode("!")`:                   "illegal base64",
		`replace("a", "/(/", "")`:             "not a regular expression",
		`hosts_with("app")`:                   "labels are text by name",
		`hosts_with({ rol = "app" })[0].name`: `Perhaps "role" is meant`,
		`timestamp()`:                         "no function named",
	} {
		dir := write(t, t.TempDir(), map[string]string{
			"main.hcl":  project + "host \"a\" {\n labels = { role = \"app\" }\n}\nservice \"s\" {\n tags = [tostring(" + expr + ")]\n}\n",
			"self.tmpl": `${templatefile("self.tmpl", {})}`,
		})
		if _, diags := load(config.Options{Dir: dir}); len(diags) != 1 || !strings.Contains(diags.Error(), want) {
			t.Errorf("%s: %v; want %q", expr, diags, want)
		}
	}
}
