package config_test

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"fmt"
	"io"
	"os"
	"path/filepath"
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
		{`coalesce("a", "b")`, `"a"`},
		{`coalesce("", "b")`, `"b"`},
		{`coalesce(null, "a")`, `"a"`},
		{`coalesce(1, 2)`, `1`},
		{`coalesce(0, 2)`, `0`},
		{`coalesce(false, true)`, `false`},
		{`coalesce(["", "b"]...)`, `"b"`},
		{`coalesce(1, "hello")`, `"1"`},
		{`coalesce(true, "hello")`, `"true"`},
		{`coalesce(null, [], ["a"])`, `[]`},
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
		{`yamldecode("hello: world")`, `{"hello":"world"}`},
		{`yamldecode("true")`, `true`},
		{`yamldecode("{a: &foo [1, 2, 3], b: *foo}")`, `{"a":[1,2,3],"b":[1,2,3]}`},
		{`yamlencode({"a":"b", "c":"d"})`, `"\"a\": \"b\"\n\"c\": \"d\"\n"`},
		{`yamlencode({"foo":[1, 2, 3], "bar": "baz"})`, `"\"bar\": \"baz\"\n\"foo\":\n- 1\n- 2\n- 3\n"`},
		{`yamlencode({"foo":[1, {"a":"b","c":"d"}, 3], "bar": "baz"})`, `"\"bar\": \"baz\"\n\"foo\":\n- 1\n- \"a\": \"b\"\n  \"c\": \"d\"\n- 3\n"`},
		{`base64encode("hi")`, `"aGk="`},
		{`base64decode("aGk=")`, `"hi"`},
		{`urlencode("a b&c")`, `"a+b%26c"`},
		{`md5("")`, `"d41d8cd98f00b204e9800998ecf8427e"`},
		{`sha1("")`, `"da39a3ee5e6b4b0d3255bfef95601890afd80709"`},
		{`sha256("abc")`, `"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"`},
		{`substr(sha512(""), 0, 8)`, `"cf83e135"`},
		{`base64sha256("hello world")`, `"uU0nuZNNPgilLlLX2n2r+sSE7+N6U4DukIj3rOLvzek="`},
		{`base64sha512("hello world")`, `"MJ7MSJwS1utMxA9QyQLytNDtd+5RGnx6m808qG1M2G+YndNbxf9JlnDaNCVbRbDP2DDoH2Bdz33FVC6TrpzXbw=="`},
		{`uuidv5("dns", "www.terraform.io")`, `"a5008fae-b28c-5ba5-96cd-82b4c53552d6"`},
		{`uuidv5("url", "https://www.terraform.io/")`, `"9db6f67c-dd95-5ea0-aa5b-e70e5c5f7cf5"`},
		{`uuidv5("oid", "1.3.6.1.4")`, `"af9d40a5-7a36-5c07-b23a-851cd99fbfa5"`},
		{`uuidv5("x500", "CN=Example,C=GB")`, `"84e09961-4aa4-57f8-95b7-03edb1073253"`},
		{`uuidv5("6ba7b810-9dad-11d1-80b4-00c04fd430c8", "www.terraform.io")`, `"a5008fae-b28c-5ba5-96cd-82b4c53552d6"`},
		{`uuidv5("743ac3c0-3bf7-4a5b-9e6c-59360447c757", "LIBS:diskfont.library")`, `"ede1a974-df7e-5f17-84b9-76208818b2c8"`},
		{`formatdate("YYYY-MM-DD", "2024-02-03T04:05:06Z")`, `"2024-02-03"`},
		{`timeadd("2024-02-03T04:05:06Z", "10m")`, `"2024-02-03T04:15:06Z"`},
		{`timecmp("2017-11-22T00:00:00Z", "2017-11-22T00:00:00Z")`, `0`},
		{`timecmp("2017-11-22T00:00:00Z", "2017-11-22T01:00:00Z")`, `-1`},
		{`timecmp("2017-11-22T01:00:00Z", "2017-11-22T00:00:00Z")`, `1`},
		{`timecmp("2017-11-22T01:00:00Z", "2017-11-22T00:00:00-01:00")`, `0`},
		{`cidrhost("10.0.0.0/24", 5)`, `"10.0.0.5"`},
		{`cidrhost("10.1.2.240/28", 14)`, `"10.1.2.254"`},
		{`cidrhost("10.0.0.0/24", -1)`, `"10.0.0.255"`},
		{`cidrhost("fd00::/64", 1)`, `"fd00::1"`},
		{`cidrnetmask("10.0.0.0/20")`, `"255.255.240.0"`},
		{`cidrsubnet("172.16.0.0/12", 4, 2)`, `"172.18.0.0/16"`},
		{`cidrsubnet("10.1.2.0/24", 4, 15)`, `"10.1.2.240/28"`},
		{`cidrsubnet("10.1.2.0/24", 0, 0)`, `"10.1.2.0/24"`},
		{`cidrsubnet("fd00:fd12:3456:7890::/56", 16, 162)`, `"fd00:fd12:3456:7800:a200::/72"`},
		{`cidrsubnets("10.1.0.0/16", 4, 4, 8, 4)`, `["10.1.0.0/20","10.1.16.0/20","10.1.32.0/24","10.1.48.0/20"]`},
		{`cidrsubnets("fd00:fd12:3456:7890::/56", 16, 16, 16, 32)`, `["fd00:fd12:3456:7800::/72","fd00:fd12:3456:7800:100::/72","fd00:fd12:3456:7800:200::/72","fd00:fd12:3456:7800:300::/88"]`},
		{`[for n in cidrsubnets("10.0.0.0/8", 8, 8) : cidrsubnets(n, 4, 4)]`, `[["10.0.0.0/20","10.0.16.0/20"],["10.1.0.0/20","10.1.16.0/20"]]`},
		{`cidrsubnets("10.1.0.0/16")`, `[]`},
		{`basename("a/b.txt")`, `"b.txt"`},
		{`dirname("a/b.txt")`, `"a"`},
		{`pathexpand("~/x")`, `"/home/me/x"`},
		{`pathexpand("x")`, `"x"`},
		{`file("text.txt")`, `"hello"`},
		{`fileexists("text.txt")`, `true`},
		{`fileexists("none")`, `false`},
		{`filesha256("text.txt") == sha256("hello")`, `true`},
		{`filebase64("files/hello.txt")`, `"SGVsbG8gV29ybGQ="`},
		{`filebase64("bytes.bin")`, `"//4="`},
		{`filemd5("files/world.txt")`, `"5eb63bbbe01eeed093cb22bb8f5acdc3"`},
		{`filesha1("files/world.txt")`, `"2aae6c35c94fcfb415dbe95f408b9ce91ee846ed"`},
		{`filesha512("files/world.txt") == sha512("hello world")`, `true`},
		{`filebase64sha256("files/world.txt")`, `"uU0nuZNNPgilLlLX2n2r+sSE7+N6U4DukIj3rOLvzek="`},
		{`filebase64sha512("files/world.txt") == base64sha512("hello world")`, `true`},
		{`fileset(".", "files/*.txt")`, `["files/hello.txt","files/world.txt"]`},
		{`fileset(".", "./files/{hello,world}.txt")`, `["files/hello.txt","files/world.txt"]`},
		{`fileset("files", "*")`, `["hello.txt","world.txt"]`},
		{`fileset("files", "**")`, `["hello.txt","subdirectory/anotherfile.txt","world.txt"]`},
		{`fileset("files", "**/[a-b]*.txt")`, `["subdirectory/anotherfile.txt"]`},
		{`fileset("files", "h?llo.*")`, `["hello.txt"]`},
		{`fileset("files", "none*")`, `[]`},
		{`fileset("none", "*")`, `[]`},
		{`templatestring("hi $${who}", { who = "you" })`, `"hi you"`},
		{`templatestring("%%{ for x in list }$${upper(x)} %%{ endfor }", { list = ["a", "b"] })`, `"A B "`},
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
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "files/subdirectory"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("..", filepath.Join(dir, "files/subdirectory/circle")); err != nil {
		t.Fatal(err)
	}
	write(t, dir, map[string]string{
		"main.hcl": project + text.String(), "text.txt": "hello", "t.tmpl": "hi ${who}: %{ for x in list }${x} %{ endfor }",
		"files/hello.txt": "Hello World", "files/world.txt": "hello world", "files/subdirectory/anotherfile.txt": "", "bytes.bin": "\xff\xfe",
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
		`one(["a", "b"])`:                                           "one element at most",
		`coalesce("", null)`:                                        `every argument is null or ""`,
		`coalesce({}, "hello")`:                                     "must have the same type",
		`yamldecode("{a: &foo [1, *foo, 3]}")`:                      "from inside its own definition",
		`yamldecode("{a: !not-supported foo}")`:                     "unsupported tag",
		`timecmp("2017-11-22", "2017-11-22T00:00:00Z")`:             "not a time",
		`uuidv5("dsn", "x")`:                                        "dns, url, oid or x500",
		`uuidv5("6ba7b8109dad11d180b400c04fd430c8", "x")`:           "a UUID",
		`cidrsubnet("10.1.2.0/24", 9, 0)`:                           "by 8 bits at most",
		`cidrsubnet("10.1.2.0/24", -1, 0)`:                          "not negative",
		`cidrsubnet("10.1.2.0/24", 4, 16)`:                          "4 bits can't hold 16",
		`cidrsubnet("10.1.2.0/24", 4, -1)`:                          "not negative",
		`cidrsubnet("10.1.2.0/24", 4, 0.5)`:                         "whole number",
		`cidrsubnets("10.1.2.0/24", 1, 2, 1)[0]`:                    "no room left",
		`filebase64("none")`:                                        "none",
		`fileset(".", "../*")[0]`:                                   "below the path",
		`fileset(".", "/etc/*")[0]`:                                 "below the path",
		`fileset(".", "[")[0]`:                                      "not a pattern",
		`templatestring("$${templatestring(\"\", {})}", {})`:        "templatestring",
		`templatestring("$${templatefile(\"self.tmpl\", {})}", {})`: "templatefile",
		`templatestring("$${who}", { whom = 1 })`:                   "who",
		`bcrypt("x")`:                                               "no function named",
		`lookup({ a = 1 }, "b")`:                                    "no such key",
		`index(["a"], "b")`:                                         "no such element",
		`sum([])`:                                                   "not empty",
		`cidrhost("x", 1)`:                                          "not a network",
		`cidrhost("10.0.0.0/30", 4)`:                                "4 addresses only",
		`file("..")`:                                                "not a regular file",
		`templatefile("self.tmpl", {})`:                             "templatefile",
		`base64decode("!")`:                                         "illegal base64",
		`replace("a", "/(/", "")`:                                   "not a regular expression",
		`hosts_with("app")`:                                         "labels are text by name",
		`hosts_with({ rol = "app" })[0].name`:                       `Perhaps "role" is meant`,
		`timestamp()`:                                               "no function named",
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

// What gzip makes of a text may change from one release of Go to the next; what comes out of it doesn't.
func TestBase64Gzip(t *testing.T) {
	d := right(t, `service "s" { tags = [base64gzip("hello world")] }`, config.Options{})
	raw, err := base64.StdEncoding.DecodeString(d.services["service.s"].Tags[0])
	if err != nil {
		t.Fatal(err)
	}
	z, err := gzip.NewReader(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(z); err != nil || string(got) != "hello world" {
		t.Errorf("%q, %v", got, err)
	}
}
