package realsql_test

import (
	"slices"
	"testing"

	"github.com/weirstream/weir/internal/realsql"
)

// What was stored outlives a crash of the server, which comes back at its address.
func TestServer(t *testing.T) {
	db := realsql.Start(t)
	dsn, schema := db.Schema(t)
	db.Query(t, "CREATE TABLE "+schema+".t AS SELECT 1 AS a, 'x' AS b UNION ALL SELECT 2, NULL")
	db.Kill()
	db.Up(t)
	if got := db.Query(t, "SELECT * FROM "+schema+".t ORDER BY a"); !slices.Equal(got, []string{"1|x", "2|"}) {
		t.Errorf("rows %q", got)
	}
	if other, _ := db.Schema(t); other == dsn {
		t.Errorf("two schemas are one: %s", other)
	}
}
