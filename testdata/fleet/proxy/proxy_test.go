package proxy

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// soon is more than anything that comes takes, also on a slow machine.
const soon = 20 * time.Second

// echo answers each line with itself.
func echo(t *testing.T) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() { defer c.Close(); _, _ = io.Copy(c, c) }()
		}
	}()
	return l.Addr().String()
}

func open(t *testing.T) (*Proxy, net.Conn, *bufio.Reader) {
	p, err := New(echo(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	c, err := net.Dial("tcp", p.Addr())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return p, c, bufio.NewReader(c)
}

func say(t *testing.T, c net.Conn, r *bufio.Reader, s string, within time.Duration) (string, error) {
	t.Helper()
	_ = c.SetDeadline(time.Now().Add(within))
	if _, err := fmt.Fprintln(c, s); err != nil {
		return "", err
	}
	return r.ReadString('\n')
}

func TestPassAndCount(t *testing.T) {
	p, c, r := open(t)
	if got, err := say(t, c, r, "hello", soon); got != "hello\n" {
		t.Errorf("got %q %v", got, err)
	}
	if err := p.Wait(1, 6, soon); err != nil {
		t.Error(err)
	}
	if p.Connections() != 1 || p.Open() != 1 || p.Bytes(Up) != 6 {
		t.Errorf("connections %d, open %d, up %d", p.Connections(), p.Open(), p.Bytes(Up))
	}
	if err := p.Wait(2, 0, 10*time.Millisecond); err == nil {
		t.Error("a second connection was seen")
	}
}

func TestDelay(t *testing.T) {
	p, c, r := open(t)
	p.Delay(50 * time.Millisecond)
	begin := time.Now()
	if _, err := say(t, c, r, "x", soon); err != nil {
		t.Fatal(err)
	}
	if d := time.Since(begin); d < 100*time.Millisecond {
		t.Errorf("there and back in %s", d)
	}
}

func TestStallAndResume(t *testing.T) {
	p, c, r := open(t)
	p.Stall(Down)
	if _, err := fmt.Fprintln(c, "lost"); err != nil {
		t.Fatal(err)
	}
	_ = c.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
	if _, err := r.ReadString('\n'); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("got %v, want a timeout", err)
	}
	p.Resume()
	_ = c.SetDeadline(time.Now().Add(soon))
	if got, err := r.ReadString('\n'); got != "lost\n" {
		t.Errorf("got %q %v", got, err)
	}
	p.Stall(Up, Down) // and Close must still work
}

func TestResetCutRefuse(t *testing.T) {
	for _, c := range []struct {
		name  string
		fault func(*Proxy)
	}{
		{"reset", (*Proxy).Reset},
		{"cut", func(p *Proxy) { p.CutAfter(Up, 4) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			p, conn, r := open(t)
			if _, err := say(t, conn, r, "x", soon); err != nil {
				t.Fatal(err)
			}
			c.fault(p)
			_, err := say(t, conn, r, "longer than four bytes", soon)
			if err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("got %v, want the connection reset", err)
			}
		})
	}
	p, _, _ := open(t)
	p.Refuse(true)
	c, err := net.Dial("tcp", p.Addr())
	if err == nil {
		_ = c.SetDeadline(time.Now().Add(soon))
		_, err = c.Read(make([]byte, 1))
		c.Close()
	}
	if !errors.Is(err, syscall.ECONNRESET) && !errors.Is(err, io.EOF) {
		t.Errorf("got %v, want a reset", err)
	}
}
