package conf

import "strings"

// A Family is all names that begin with one prefix, accepted without a meaning of their own unless
// [Settings] lists them.
type Family struct {
	// Prefix is a name, or the part of names before a dot: "spark.yarn" is spark.yarn itself and
	// spark.yarn.*.
	Prefix string
	// Reason is why its names have no meaning here.
	Reason string
}

// closedFamilies hold only names that are known one by one: weir gives these a meaning, so that an
// unknown one among them is a mistake.
var closedFamilies = []string{
	"spark.streaming", "spark.task", "spark.speculation", "spark.default", "weir",
}

// familyReasons are the open families by reason. The order is that of the documentation.
var familyReasons = []struct {
	reason   string
	prefixes string
}{
	{"weir starts no JVM and no executors: threads come from spark.master, memory from " +
		"weir.memory.budget",
		"driver executor executorEnv cores memory storage unsafe buffer diskStore dynamicAllocation " +
			"resources resource excludeOnFailure blacklist decommission decommissioning " +
			"resourceManager stage locality barrier task.resource starvation test testing"},
	{"it belongs to a cluster manager, and this version of weir runs on one machine only",
		"yarn kubernetes mesos deploy worker master standalone daemon dead launcher submit " +
			"appStateStore port"},
	{"weir is one binary: there are no jars, files or environments to send along",
		"jars files archives repl home"},
	{"a file that is damaged, or gone when it is read, fails its task and is named; how files are cut into " +
		"partitions is the reader's own rule",
		"files.ignoreCorruptFiles files.ignoreMissingFiles files.maxPartitionBytes files.openCostInBytes files.io"},
	{"weir runs no Python and no R", "python pyspark r sparkr"},
	{"weir has no SQL, no Structured Streaming and no machine learning",
		"sql connect remote api hive ml mllib graphx catalog datasource"},
	{"weir uses no Hadoop client; file systems and their settings are values that a program hands in",
		"hadoop hadoopRDD"},
	{"saving into a directory that is there is refused; a stream's batch overwrites its own, and no other",
		"hadoop.validateOutputSpecs"},
	{"Kafka clients get their parameters from the program (kafka.Params)", "kafka"},
	{"nothing is serialized in Java's ways; weir works out how a type is encoded",
		"serializer kryo kryoserializer closure"},
	{"shuffles and broadcasts stay in the process", "shuffle reducer broadcast file " +
		"shuffleManager maxRemoteBlockSizeFetchToMem resultGetter"},
	{"what is spilled is compressed with lz4", "io"},
	{"weir's parts do not talk to each other over the network",
		"rpc network authenticate auth blockManager block akka"},
	{"weir has its own events, log and page",
		"eventLog history metrics ui log logConf logLineage logging callstack status taskMetrics " +
			"extraListeners plugins lineage"},
	{"access is for the network and the system to restrict", "acls admin modify user ssl security kerberos"},
	{"the scheduler needs no tuning on one machine", "scheduler job jobGroup"},
	{"what goes to disk is compressed with lz4, and what stays in memory is not", "rdd.compress"},
	{"weir lists files and keeps what RDDs hold by rules of its own", "rdd checkpoint"},
	{"weir frees what is no longer needed by itself", "cleaner cache"},
	{"Spark sets it while it starts", "app local"},
	{"redaction has a fixed rule, which spark.redaction.regex adds to", "redaction"},
	{"it belongs to another product",
		"emr emr-serverless databricks dataproc glue cdp livy cassandra mongodb redis es elasticsearch " +
			"rapids snowflake celeborn rss uniffle gluten comet openlineage iceberg hoodie hudi delta " +
			"qubole synapse hbase neo4j couchbase kudu phoenix bigquery datahub sagemaker"},
}

// families returns every open family. It is worked out anew each time: that takes microseconds, once
// or twice in a program's life.
func families() []Family {
	var out []Family
	for _, group := range familyReasons {
		for p := range strings.FieldsSeq(group.prefixes) {
			out = append(out, Family{Prefix: "spark." + p, Reason: group.reason})
		}
	}
	return out
}

// familyOf returns the family with the longest prefix of the name.
func familyOf(name string) (f Family, ok bool) {
	for _, g := range families() {
		if inFamily(name, g.Prefix) && len(g.Prefix) > len(f.Prefix) {
			f, ok = g, true
		}
	}
	return f, ok
}

func inFamily(name, prefix string) bool {
	rest, ok := strings.CutPrefix(name, prefix)
	// A prefix alone is a name in a few families only (spark.jars, spark.serializer), but in no
	// other could it be meant as anything else. "spark.jars." is nobody's name.
	return ok && (rest == "" || rest[0] == '.' && len(rest) > 1)
}

// closed says whether the name belongs to a family whose names are known one by one.
func closed(name string) bool {
	for _, p := range closedFamilies {
		if inFamily(name, p) {
			return true
		}
	}
	return false
}
