package config

import (
	"bytes"
	"compress/gzip"
	"crypto/md5"  //nolint:gosec // for compatibility of checksums, not for security
	"crypto/sha1" //nolint:gosec // likewise
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"net/url"
	"regexp"
	"strings"
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
		"md5":          text(digest(md5.New, hex.EncodeToString)),
		"sha1":         text(digest(sha1.New, hex.EncodeToString)),
		"sha256":       text(digest(sha256.New, hex.EncodeToString)),
		"sha512":       text(digest(sha512.New, hex.EncodeToString)),
		"base64sha256": text(digest(sha256.New, base64.StdEncoding.EncodeToString)),
		"base64sha512": text(digest(sha512.New, base64.StdEncoding.EncodeToString)),
		"base64encode": text(encode64),
		"base64decode": text(decode64),
		"base64gzip":   text(gzip64),
		"urlencode":    text(func(s string) (string, error) { return url.QueryEscape(s), nil }),
		"uuidv5":       uuidFunction(),
	}
}

// fileDigestFunctions do the same with the bytes of a file, which need not be text.
func (w *world) fileDigestFunctions() map[string]function.Function {
	of := func(f func(string) (string, error)) function.Function {
		return pathFunction(func(path string) (string, error) {
			b, err := w.content(path)
			if err != nil {
				return "", err
			}
			return f(string(b))
		})
	}
	return map[string]function.Function{
		"filebase64":       of(encode64),
		"filebase64sha256": of(digest(sha256.New, base64.StdEncoding.EncodeToString)),
		"filebase64sha512": of(digest(sha512.New, base64.StdEncoding.EncodeToString)),
		"filemd5":          of(digest(md5.New, hex.EncodeToString)),
		"filesha1":         of(digest(sha1.New, hex.EncodeToString)),
		"filesha256":       of(digest(sha256.New, hex.EncodeToString)),
		"filesha512":       of(digest(sha512.New, hex.EncodeToString)),
	}
}

func digest(algorithm func() hash.Hash, encode func([]byte) string) func(string) (string, error) {
	return func(s string) (string, error) {
		h := algorithm()
		h.Write([]byte(s))
		return encode(h.Sum(nil)), nil
	}
}

func encode64(s string) (string, error) { return base64.StdEncoding.EncodeToString([]byte(s)), nil }

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

func gzip64(s string) (string, error) {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := z.Write([]byte(s)); err != nil {
		return "", err
	}
	if err := z.Close(); err != nil {
		return "", err
	}
	return base64.StdEncoding.EncodeToString(b.Bytes()), nil
}

// uuidFunction gives a name's UUID of version 5 (RFC 9562, section 5.5).
func uuidFunction() function.Function {
	return pure(cty.String, func(a []string) (cty.Value, error) {
		space, err := namespace(a[0])
		if err != nil {
			return cty.NilVal, function.NewArgError(0, err)
		}
		sum := sha1.Sum(append(space, a[1]...)) //nolint:gosec // what version 5 is
		sum[6] = sum[6]&0x0f | 0x50
		sum[8] = sum[8]&0x3f | 0x80
		return cty.StringVal(fmt.Sprintf("%x-%x-%x-%x-%x", sum[:4], sum[4:6], sum[6:8], sum[8:10], sum[10:16])), nil
	}, "namespace", "name")
}

// namespace is a UUID as it is written, or one that RFC 9562 names (section 6.6).
func namespace(s string) ([]byte, error) {
	for i, name := range []string{"dns", "url", "oid", "", "x500"} {
		if s == name && name != "" {
			s = fmt.Sprintf("6ba7b81%d-9dad-11d1-80b4-00c04fd430c8", i)
		}
	}
	b, err := hex.DecodeString(strings.ReplaceAll(s, "-", ""))
	if err != nil || !regexp.MustCompile(`^.{8}(-.{4}){3}-.{12}$`).MatchString(s) {
		return nil, errors.New("a UUID, dns, url, oid or x500 is required")
	}
	return b, nil
}
