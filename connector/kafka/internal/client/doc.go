// Package client gets from Kafka's Java parameters to a working connection.
//
// It has three steps. Parse checks a program's parameters against one table of every name the Java
// clients have had since 0.8 and does no I/O. Open reads the files that the parameters point at
// (certificates, passwords), finds out how old the brokers are, signs in, and makes sure that the
// addresses the cluster advertises can be reached; it ends within fifteen seconds and its error names
// the thing, the place and the remedy. The Client it returns asks the few questions that a stream
// without group membership has: what partitions there are, where they begin and end, what a group
// committed, who is in it. Every call has a deadline, and all of them work on brokers from 0.8.2 on.
//
// Secrets never leave this package in a text: Config prints itself without them, and errors name
// parameters and files, not what is in them.
package client
