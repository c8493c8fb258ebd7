package remote

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
)

const nonce = "0123456789abcdef"

func TestFrames(t *testing.T) {
	begin := func(i int) string { return fmt.Sprintf("\n@%s %d begin\n", nonce, i) }
	end := func(i, status int) string { return fmt.Sprintf("\n@%s %d end %d\n", nonce, i, status) }
	tests := []struct {
		name, stream string
		want         []string // of frames 0 and 1: "status text", "cut status text", "open text", "" where it never began
	}{
		{"plain", begin(0) + "a\n" + end(0, 0) + begin(1) + "b" + end(1, 44), []string{"0 a\n", "44 b"}},
		{"empty", begin(0) + end(0, 0) + begin(1) + "\n" + end(1, 0), []string{"0 ", "0 \n"}},
		{"noise around", "motd without newline" + begin(0) + "a" + end(0, 1) + "more\nnoise" + begin(1) + "b" + end(1, 0) + "bye", []string{"1 a", "0 b"}},
		{"another nonce", begin(0) + "@ffffffffffffffff 0 end 0\n@" + nonce + "0 0 end 0\nx" + end(0, 0), []string{"0 @ffffffffffffffff 0 end 0\n@" + nonce + "0 0 end 0\nx", ""}},
		{"a frame within", begin(0) + "@" + nonce + " 1 begin\n@" + nonce + " 1 end 0" + end(0, 0), []string{"0 @" + nonce + " 1 begin\n@" + nonce + " 1 end 0", ""}},
		{"not at a line's beginning", begin(0) + "x@" + nonce + " 0 end 0\n" + end(0, 3), []string{"3 x@" + nonce + " 0 end 0\n", ""}},
		{"twice", begin(0) + "a" + end(0, 0) + begin(0) + "other" + end(0, 5), []string{"0 a", ""}},
		{"cut off in the text", begin(0) + "a" + end(0, 0) + begin(1) + "hal", []string{"0 a", "open hal"}},
		{"cut off in the mark", begin(0) + "a\n@" + nonce + " 0 end 0", []string{"open a\n", ""}},
		{"cut off in the status", begin(0) + "a\n@" + nonce + " 0 end 1", []string{"open a\n", ""}},
		{"no status", begin(0) + "a\n@" + nonce + " 0 end \n@" + nonce + " 0 end 256\n@" + nonce + " 0 end -1\n", []string{"open a\n@" + nonce + " 0 end \n@" + nonce + " 0 end 256\n@" + nonce + " 0 end -1\n", ""}},
		{"end before begin", end(0, 0) + begin(0) + "a" + end(0, 0), []string{"0 a", ""}},
		{"index out of range", begin(7) + begin(0) + "a" + end(0, 0), []string{"0 a", ""}},
		{"index written otherwise", "@" + nonce + " 00 begin\n@" + nonce + " +0 begin\n" + begin(0) + "a" + end(0, 0), []string{"0 a", ""}},
		{"as long as allowed", begin(0) + strings.Repeat("x", 100) + end(0, 0), []string{"0 " + strings.Repeat("x", 100), ""}},
		{"longer", begin(0) + strings.Repeat("x", 101) + end(0, 0) + begin(1) + "b" + end(1, 0), []string{"cut 0 " + strings.Repeat("x", 100), "0 b"}},
		{"a long line", begin(0) + strings.Repeat("x", 5000) + "\n@" + nonce + " 1 begin\n" + end(0, 0), []string{"cut 0 " + strings.Repeat("x", 100), ""}},
		{"nothing", "", []string{"", ""}},
	}
	for _, tt := range tests {
		for _, size := range []int{1, 7, 1 << 20} {
			f := newFrames(nonce, 100, 1)
			for rest := []byte(tt.stream); len(rest) > 0; {
				n := min(size, len(rest))
				_, _ = f.Write(rest[:n])
				rest = rest[n:]
			}
			for i, want := range tt.want {
				if got := show(f.get(i)); got != want {
					t.Errorf("%s, %d at a time, frame %d: %q, want %q", tt.name, size, i, got, want)
				}
			}
		}
	}
}

func show(f *frame) string {
	switch {
	case f == nil:
		return ""
	case !f.ended:
		return "open " + string(f.text)
	case f.cut:
		return fmt.Sprintf("cut %d %.100s", f.status, f.text)
	}
	return fmt.Sprintf("%d %s", f.status, f.text)
}

func TestFramesDone(t *testing.T) {
	f := newFrames(nonce, 100, 0)
	for i, line := range []string{"noise\n", "@" + nonce + " 0 begin\n", "text", "\n@" + nonce + " 0 end 0"} {
		_, _ = f.Write([]byte(line))
		select {
		case <-f.done:
			t.Fatalf("done after line %d", i)
		default:
		}
	}
	_, _ = f.Write([]byte("\n"))
	<-f.done
	_, _ = f.Write([]byte("\n@" + nonce + " 0 begin\nlater"))
	if got := show(f.get(0)); got != "0 text" {
		t.Errorf("%q", got)
	}
}

// FuzzFrames: whatever stands around and within a frame, its text comes back as it was, however it arrives.
func FuzzFrames(f *testing.F) {
	f.Add([]byte("motd"), []byte("text\n"), uint8(3), uint8(0))
	f.Add([]byte("\n@"), []byte("\n@"+nonce+" 1 begin\n"), uint8(1), uint8(44))
	f.Add([]byte("@"+nonce+" 0 begin"), []byte{0xff, 0, '\n', '\n'}, uint8(200), uint8(255))
	f.Fuzz(func(t *testing.T, noise, text []byte, size, status uint8) {
		if bytes.Contains(noise, []byte(nonce)) || bytes.Contains(text, []byte("@"+nonce+" 0 end ")) {
			return // nobody on the other side knows the nonce
		}
		var stream bytes.Buffer
		stream.Write(noise)
		fmt.Fprintf(&stream, "\n@%s 0 begin\n%s\n@%s 0 end %d\n%s", nonce, text, nonce, status, noise)
		fr := newFrames(nonce, 1<<20, 1)
		for rest := stream.Bytes(); len(rest) > 0; {
			n := min(int(size)+1, len(rest))
			_, _ = fr.Write(rest[:n])
			rest = rest[n:]
		}
		got := fr.get(0)
		if got == nil || !got.ended || got.cut || got.status != int(status) || !bytes.Equal(got.text, text) {
			t.Errorf("%+v, want %d %q", got, status, text)
		}
	})
}
