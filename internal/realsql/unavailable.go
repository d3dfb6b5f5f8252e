package realsql

import (
	"cmp"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
)

// unavailable ends the test because something that it needs cannot be had: skipped with the reason, or failed where CI
// is set, for there a missing service is a broken set-up.
func unavailable(t testing.TB, format string, args ...any) {
	t.Helper()
	reason := "realsql: " + fmt.Sprintf(format, args...)
	if os.Getenv("CI") != "" {
		t.Fatal(reason + " (CI is set: this test must run)")
	}
	t.Skip(reason)
}

// An account is the user as whom the server runs.
type account struct{ uid, gid uint32 }

// prepare finds the server's programs, and the user as whom they run.
func prepare(t testing.TB) (bin string, as *account) {
	t.Helper()
	// Debian has a folder for each version, and only some programs on the path.
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/initdb") // The pattern is a good one.
	slices.SortFunc(found, func(a, b string) int { return cmp.Or(cmp.Compare(len(a), len(b)), cmp.Compare(a, b)) })
	switch {
	case len(found) > 0:
		bin = filepath.Dir(found[len(found)-1])
	default:
		path, err := exec.LookPath("initdb")
		if err == nil {
			path, err = filepath.EvalSymlinks(path)
		}
		if err != nil {
			unavailable(t, "PostgreSQL is not installed (apt-get install -y --no-install-recommends postgresql)")
		}
		bin = filepath.Dir(path)
	}
	if os.Getuid() != 0 {
		return bin, nil
	}
	u, err := user.Lookup(cmp.Or(os.Getenv("WEIR_POSTGRES_USER"), "postgres"))
	if err != nil {
		unavailable(t, "PostgreSQL does not run as root, and there is no other user for it: %v", err)
	}
	uid, uidErr := strconv.ParseUint(u.Uid, 10, 32)
	gid, gidErr := strconv.ParseUint(u.Gid, 10, 32)
	if uidErr != nil || gidErr != nil {
		unavailable(t, "the user %s has no number", u.Username)
	}
	return bin, &account{uid: uint32(uid), gid: uint32(gid)}
}
