// Package realsql starts a real PostgreSQL server for tests: the one that the system's package postgresql installs.
//
//	db := realsql.Start(t)
//	dsn := db.Schema(t) // an empty schema of its own
//	db.Query(t, "SELECT count(*) FROM pg_class")
//
// The server listens on a free port of loopback, has its data in a folder of its own, and ends with the test, also when
// the test's process dies. PostgreSQL refuses to run as root: then it runs as the user that its package made. A test
// that cannot have it is skipped with the reason, but fails where the environment variable CI is set.
package realsql
