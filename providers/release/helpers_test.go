package release

import (
	"archive/tar"
	"os"
	"syscall"
	"testing"
)

// tarWithEverything is an archive as people pack them: other owners, read-only directories, links.
func tarWithEverything(t *testing.T) []byte {
	t.Helper()
	dir := func(name string, mode int64) tar.Header {
		return tar.Header{Name: name, Mode: mode, Typeflag: tar.TypeDir, Uid: 1234, Gid: 1234}
	}
	return tgz(t,
		dir("./", 0o700), dir("./bin/", 0o755), dir("./locked", 0o555),
		tar.Header{Name: "./bin/run", Mode: 0o750, Size: 10, Uid: 1234},
		dir("./conf", 0o2775), tar.Header{Name: "./conf/a b.txt", Mode: 0o666, Gid: 1234},
		dir("./empty", 0o1777),
		tar.Header{Name: "./l", Linkname: "bin/run", Typeflag: tar.TypeSymlink, Mode: 0o777},
		tar.Header{Name: "./conf/hard", Linkname: "./bin/run", Typeflag: tar.TypeLink},
	)
}

func owner(info os.FileInfo) uint32 {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return 1<<32 - 1
	}
	return st.Uid
}
