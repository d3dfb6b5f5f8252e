// Package ui shows a streaming program while it runs: as JSON under the paths that Spark has (api/v1), as pages
// (streaming/) and as metrics for Prometheus (metrics). [New] makes an http.Handler of a program, which weir.Main
// serves by itself and a service mounts where it likes:
//
//	page := ui.New(ssc) // in the build function
//	mux.Handle("/wordcount/", http.StripPrefix("/wordcount", page))
//
// It learns what it shows from the program's events and its status, and asks the checkpoint for states. It shows data
// of the program and has no access control: who may reach it may read it. It changes nothing.
package ui
