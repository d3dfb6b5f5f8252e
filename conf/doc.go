// Package conf holds the settings of weir: their names, types, units, defaults and reasons.
//
// A [Conf] is a map from names to text, as Spark's SparkConf is. Names are Spark's where Spark has
// the setting (spark.*), and weir's own otherwise (weir.*). A typed view of each setting is an
// exported variable:
//
//	c := conf.New().Set("spark.master", "local[4]").Set("spark.streaming.blockInterval", "100ms")
//	if err := c.Validate(); err != nil { ... }   // every mistake at once
//	every := conf.BlockInterval.Get(c)           // 100 * time.Millisecond
//
// # Three classes
//
// Every name falls into one of three classes, so that a spark-defaults.conf written for a cluster
// starts a weir program and a misspelt name still stops it:
//
//   - it acts ([Settings] lists these with type, unit, default and reason);
//   - it is known and has no meaning here: it is accepted, and [Conf.Ignored] and [Conf.Summary]
//     say why, in one line for the log. Whole families (spark.yarn.*, spark.sql.*) are of this class;
//   - it is unknown or harmful: [Conf.Validate] refuses it with the reason and the nearest known name.
//
// Nothing that begins with spark.streaming., spark.task., spark.speculation, spark.default. or weir.
// is accepted unless it is known by its full name: those are the names weir gives a meaning to, and a
// misspelt one there would silently do nothing.
//
// # Layers
//
// Spark's order holds: a value set in the program wins over a flag, a flag wins over the properties
// file. [Conf.Merge] fills in what is missing, so the layers are merged from the strongest down:
//
//	c := program.Clone().Merge(flags).Merge(file)
//
// # Secrets
//
// Values may be secret. Printing a Conf, logging it, or any error of this package shows them
// redacted; only [Conf.Get] and [Conf.All] hand out values as they are.
package conf
