// Package fetch gets files over HTTPS and holds them to a digest. It knows nothing of what they are for.
package fetch

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"sync"
	"time"
)

// Bounds of a download.
const (
	maxSize      = 16 << 30 // bytes
	maxRedirects = 10
	stall        = 30 * time.Second // without a byte
	// Deadline is for all of one download.
	Deadline = 30 * time.Minute
)

// Store is what was fetched in this run, by address and digest: each once. The files have no names, so that nothing is
// left however the run ends.
type Store struct {
	client *http.Client
	stall  time.Duration
	limit  int64

	mu   sync.Mutex
	done map[[2]string]*download
}

type download struct {
	mu   sync.Mutex
	file *os.File
	size int64
	err  error // which trying again does not help
}

// New is a store with nothing in it. A proxy is used as the environment says (HTTPS_PROXY).
func New() *Store {
	t := &http.Transport{
		Proxy: http.ProxyFromEnvironment, ForceAttemptHTTP2: true, TLSHandshakeTimeout: 15 * time.Second,
		ResponseHeaderTimeout: time.Minute, MaxIdleConnsPerHost: 2, IdleConnTimeout: time.Minute,
		DisableCompression: true, // the digest is of the file as it is there
	}
	return &Store{client: &http.Client{Transport: t, CheckRedirect: redirect}, stall: stall, limit: maxSize, done: map[[2]string]*download{}}
}

// Through makes the store use a transport of a test's.
func (s *Store) Through(t http.RoundTripper, stall time.Duration, limit int64) *Store {
	s.client.Transport, s.stall, s.limit = t, stall, limit
	return s
}

func redirect(r *http.Request, via []*http.Request) error {
	if r.URL.Scheme != "https" {
		return Hopeless{fmt.Errorf("it redirects to %s://%s, which is not https", r.URL.Scheme, r.URL.Host)}
	}
	if len(via) >= maxRedirects {
		return Hopeless{fmt.Errorf("it redirects more than %d times", maxRedirects)}
	}
	r.Header.Del("Referer") // the address may hold a key
	return nil
}

// Get is the file at an address, which is https and has the SHA-256 (hex) digest, and its size. It stays open. No error
// holds the address: what follows its "?" may be a key. One that is Hopeless is kept as a file is.
func (s *Store) Get(source, digest string) (*os.File, int64, error) {
	key := [2]string{source, digest}
	s.mu.Lock()
	one := s.done[key]
	if one == nil {
		one = &download{}
		s.done[key] = one
	}
	s.mu.Unlock()
	one.mu.Lock()
	defer one.mu.Unlock()
	if one.file != nil || one.err != nil {
		return one.file, one.size, one.err
	}
	f, err := os.CreateTemp("", "shipctl-source-")
	if err != nil {
		return nil, 0, err
	}
	err = os.Remove(f.Name())
	if err == nil {
		one.size, err = s.fetch(f, source, digest)
	}
	if err != nil {
		var h Hopeless
		if errors.As(err, &h) {
			one.err = err
		}
		return nil, 0, errors.Join(err, f.Close())
	}
	one.file = f
	return f, one.size, nil
}

// Hopeless is an error that stays when it is tried again.
type Hopeless struct{ error }

func (s *Store) fetch(to io.Writer, source, digest string) (int64, error) {
	ctx, cancel := context.WithTimeoutCause(context.Background(), Deadline, fmt.Errorf("not done within %s", Deadline))
	defer cancel()
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	watch := time.AfterFunc(s.stall+time.Minute, func() { stop(errors.New("nothing came any more")) })
	defer watch.Stop()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, source, http.NoBody)
	if err != nil {
		return 0, Hopeless{errors.New("not a URL")}
	}
	r.Header.Set("User-Agent", "shipctl")
	resp, err := s.client.Do(r)
	if err != nil {
		return 0, plainly(ctx, err)
	}
	defer func() { _ = resp.Body.Close() }()
	switch {
	case resp.StatusCode >= 500 || resp.StatusCode == http.StatusTooManyRequests:
		return 0, fmt.Errorf("the server answered %s", resp.Status)
	case resp.StatusCode != http.StatusOK:
		return 0, Hopeless{fmt.Errorf("the server answered %s", resp.Status)}
	case resp.ContentLength > s.limit:
		return 0, Hopeless{fmt.Errorf("it has %s, and more than %s is not fetched", bytes(resp.ContentLength), bytes(s.limit))}
	}
	hash := sha256.New()
	progress := writerFunc(func(p []byte) (int, error) {
		watch.Reset(s.stall)
		return len(p), nil
	})
	n, err := io.Copy(io.MultiWriter(to, hash, progress), io.LimitReader(resp.Body, s.limit+1))
	sum := hex.EncodeToString(hash.Sum(nil))
	switch {
	case err != nil:
		return 0, plainly(ctx, err)
	case n > s.limit:
		return 0, Hopeless{fmt.Errorf("it has more than %s", bytes(s.limit))}
	case sum != digest:
		return 0, Hopeless{fmt.Errorf("its SHA-256 is %s (%s), and sha256 in the configuration is %s: it was changed there, or this is not the file that was meant. Nothing was sent", sum, bytes(n), digest)}
	}
	return n, nil
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

// plainly leaves the address out of an error: what follows its "?" may be a key.
func plainly(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	var u *url.Error
	if errors.As(err, &u) {
		err = u.Err
	}
	return err
}

func bytes(n int64) string { return fmt.Sprintf("%d bytes", n) }
