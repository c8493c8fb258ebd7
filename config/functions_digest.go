package config

import (
	"crypto/md5"  //nolint:gosec // for compatibility of checksums, not for security
	"crypto/sha1" //nolint:gosec // likewise
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"hash"
	"net/url"
	"unicode/utf8"

	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
)

// digestFunctions encode, decode and digest text.
func digestFunctions() map[string]function.Function {
	text := func(f func(string) (string, error)) function.Function {
		return pure(cty.String, func(a []string) (cty.Value, error) {
			out, err := f(a[0])
			if err != nil {
				return cty.NilVal, function.NewArgError(0, err)
			}
			return cty.StringVal(out), nil
		}, "string")
	}
	return map[string]function.Function{
		"md5":          text(digest(md5.New)),
		"sha1":         text(digest(sha1.New)),
		"sha256":       text(digest(sha256.New)),
		"sha512":       text(digest(sha512.New)),
		"base64encode": text(func(s string) (string, error) { return base64.StdEncoding.EncodeToString([]byte(s)), nil }),
		"base64decode": text(decode64),
		"urlencode":    text(func(s string) (string, error) { return url.QueryEscape(s), nil }),
	}
}

// digest gives lower-case hex.
func digest(algorithm func() hash.Hash) func(string) (string, error) {
	return func(s string) (string, error) {
		h := algorithm()
		h.Write([]byte(s))
		return hex.EncodeToString(h.Sum(nil)), nil
	}
}

func decode64(s string) (string, error) {
	b, err := base64.StdEncoding.DecodeString(s)
	if err != nil {
		return "", err
	}
	if !utf8.Valid(b) {
		return "", errNotText
	}
	return string(b), nil
}
